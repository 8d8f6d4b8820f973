package egress

import (
	"crypto/rand"
	"encoding/pem"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTrust: what is declared is used or refused, and no file that is empty means that there is none.
func TestTrust(t *testing.T) {
	up := httptest.NewTLSServer(nil)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: up.Certificate().Raw})
	up.Close()
	secret := rand.Text()
	for name, c := range map[string]struct {
		trust Trust
		want  string // of the error; "" = none
	}{
		"nothing":           {Trust{}, ""},
		"a name":            {Trust{ServerName: "a"}, ""},
		"an authority":      {Trust{CA: ca}, ""},
		"an empty file":     {Trust{CA: []byte{}}, "ca_file holds no certificate"},
		"another file":      {Trust{CA: []byte(secret)}, "ca_file holds no certificate"},
		"no key":            {Trust{Cert: ca}, "cert_file and key_file"},
		"no certificate":    {Trust{Key: []byte(secret)}, "cert_file and key_file"},
		"a key that is not": {Trust{Cert: ca, Key: []byte(secret)}, "cert_file and key_file"},
	} {
		got, err := c.trust.Client()
		if (err != nil) != (c.want != "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret)) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && ((got == nil) != c.trust.None() || got != nil && (got.ServerName != c.trust.ServerName || (got.RootCAs != nil) != (c.trust.CA != nil))) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
