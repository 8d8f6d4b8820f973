package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
)

// ProviderTLS is how a provider is known, and how the gateway shows who it is. The files' content is
// part of what is declared: a reload notices that it changed.
type ProviderTLS struct {
	CA, Cert, Key []byte // PEM; nil = the system's roots, no certificate
	ServerName    string // "" = the host of the base URL
}

// Client returns the settings of a client, or nil where nothing is declared. The error says which file
// is none and nothing of its content.
func (t *ProviderTLS) Client() (*tls.Config, error) {
	if t.CA == nil && t.Cert == nil && t.ServerName == "" {
		return nil, nil
	}
	c := &tls.Config{ServerName: t.ServerName}
	if t.CA != nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(t.CA) {
			return nil, errors.New("ca_file holds no certificate in PEM")
		}
	}
	if t.Cert != nil {
		pair, err := tls.X509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("cert_file and key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func (b *builder) providerTLS(n *node, p *Provider) {
	at := n.attrs["tls"]
	ca, cert, key := get[string](n, "tls.ca_file"), get[string](n, "tls.cert_file"), get[string](n, "tls.key_file")
	p.TLS.ServerName = get[string](n, "tls.server_name")
	if ca+cert+key+p.TLS.ServerName == "" {
		return
	}
	if strings.HasPrefix(p.BaseURL, "http:") {
		b.errorf(at.rng, "Unsupported argument", "tls is for an https base_url; this one is http.")
	}
	if (cert == "") != (key == "") {
		b.errorf(at.rng, "Missing argument", "tls: cert_file and key_file belong together.")
		return
	}
	before := len(b.diags)
	for _, f := range []struct {
		path string
		to   *[]byte
	}{{ca, &p.TLS.CA}, {cert, &p.TLS.Cert}, {key, &p.TLS.Key}} {
		if f.path == "" {
			continue
		}
		var err error
		if *f.to, err = os.ReadFile(b.eval.path(f.path)); err != nil {
			b.errorf(at.rng, "Cannot read file", "tls: %s.", err)
		}
	}
	if len(b.diags) > before {
		return
	}
	if _, err := p.TLS.Client(); err != nil {
		b.errorf(at.rng, "Invalid value", "tls: %s.", err)
	}
}
