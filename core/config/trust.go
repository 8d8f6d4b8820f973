package config

import (
	"os"
	"strings"
)

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
