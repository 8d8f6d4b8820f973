package egress

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// Trust is what a provider's block says in tls: how a server is known, and how the caller shows who it is. It
// holds the files' content: who has it needs no file, and a reload notices that one changed. Key is secret.
type Trust struct {
	CA, Cert, Key []byte // PEM; nil = the system's roots, no certificate
	ServerName    string // in the server's certificate; "" = the host that is called
}

// None reports whether nothing is declared.
func (t *Trust) None() bool {
	return t.CA == nil && t.Cert == nil && t.Key == nil && t.ServerName == ""
}

// Client returns the settings of a client, or nil where nothing is declared. The error says which file
// is none and nothing of its content.
func (t *Trust) Client() (*tls.Config, error) {
	if t.None() {
		return nil, nil
	}
	c := &tls.Config{ServerName: t.ServerName}
	if t.CA != nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(t.CA) {
			return nil, errors.New("ca_file holds no certificate in PEM")
		}
	}
	if t.Cert != nil || t.Key != nil {
		pair, err := tls.X509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("cert_file and key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
