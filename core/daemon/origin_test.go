package daemon

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/sdk/egress"
)

// TestWhatAPluginNamesByItselfIsPublic, where it is a third party's and the operator said nothing.
func TestWhatAPluginNamesByItselfIsPublic(t *testing.T) {
	yes, no := true, false
	for name, c := range map[string]struct {
		p    config.Provider
		want egress.Reach
		ok   bool // whether an origin at this machine can be made
	}{
		"third party":                    {config.Provider{Plugin: "/opt/plugin"}, egress.Public, false},
		"third party, private":           {config.Provider{Plugin: "/opt/plugin", Private: &yes}, egress.Private, true},
		"third party, operator's origin": {config.Provider{Plugin: "/opt/plugin", BaseURL: "http://127.0.0.1:1/v1"}, egress.ByName, true},
		"built in":                       {config.Provider{Plugin: "openai"}, egress.ByName, true},
		"built in, public":               {config.Provider{Plugin: "openai", Private: &no}, egress.Public, false},
	} {
		got, prefix, err := originOf(&c.p, "http://127.0.0.1:1/v1")
		if err != nil || got.Reach != c.want || got.URL != "http://127.0.0.1:1" || prefix != "/v1" {
			t.Errorf("%s: %+v, %q, %v", name, got, prefix, err)
		}
		o, err := egress.New(egress.Needs{}).Origin(got)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if o != nil {
			o.Close()
		}
	}
}

func TestTLSIsNotForHTTP(t *testing.T) {
	p := config.Provider{Plugin: "openai", TLS: egress.Trust{ServerName: "gpu"}}
	if c, _, err := originOf(&p, "https://gpu-1"); err != nil || c.TLS.ServerName != "gpu" {
		t.Fatal(c, err)
	}
	if _, _, err := originOf(&p, "http://gpu-1"); err == nil || !strings.Contains(err.Error(), "base URL is http") {
		t.Error(err)
	}
}

// TestWhatABlockDeclares of a place: what nobody declared is nothing that a plugin must be told.
func TestWhatABlockDeclares(t *testing.T) {
	no := false
	for _, c := range []struct {
		p    config.Provider
		want string
	}{
		{config.Provider{Plugin: "bedrock", BaseURL: "https://a.test"}, ""},
		{config.Provider{Plugin: "/opt/plugin"}, ""},
		{config.Provider{Plugin: "bedrock", Private: &no}, "private"},
		{config.Provider{Plugin: "bedrock", Proxy: "http://p", TLS: egress.Trust{CA: []byte{}}}, "proxy tls"},
	} {
		place, declared := PlaceOf(&c.p)
		if strings.Join(declared, " ") != c.want || place.BaseURL != c.p.BaseURL || place.Proxy != c.p.Proxy {
			t.Errorf("%+v: %q", c.p, declared)
		}
	}
}
