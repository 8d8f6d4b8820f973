// Package cert gives a listener its certificates: from files that may be replaced while the daemon
// runs, or from an internal authority whose root the operator can trust.
//
// It keeps no certificates itself (a certmagic.Storage does) and accepts no connections.
package cert

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/caddyserver/certmagic"
)

// Mode is where a listener's certificates come from.
type Mode string

// The modes. The zero value is Off.
const (
	Off      Mode = "off"      // no TLS
	Internal Mode = "internal" // an own authority
	Files    Mode = "files"    // given by the operator
)

// Config says what certificates to serve.
type Config struct {
	Mode Mode

	CertFile string // Files: PEM, the leaf first
	KeyFile  string // Files: PEM

	Names   []string          // Internal: names and addresses, besides those of the loopback interface
	Storage certmagic.Storage // Internal: keeps the root, the leaves and their keys
	CAFile  string            // Internal: where the root's certificate is written; "" = nowhere

	Logger *slog.Logger // required
}

// Same reports whether both say the same, so that what one opened may be kept.
func (c Config) Same(d Config) bool {
	return c.Mode == d.Mode && c.CertFile == d.CertFile && c.KeyFile == d.KeyFile &&
		slices.Equal(c.Names, d.Names) && c.Storage == d.Storage && c.CAFile == d.CAFile
}

// Source serves certificates until it is closed. It is safe for concurrent use.
type Source struct {
	get   func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	close func()
}

// Open makes the certificates available, issuing or reading them first. In mode Off it returns nil,
// whose TLS and Close do nothing.
func Open(ctx context.Context, c Config) (*Source, error) {
	switch c.Mode {
	case Off, "":
		return nil, nil
	case Files:
		return openFiles(c)
	case Internal:
		if c.Storage == nil {
			return nil, errors.New("tls \"internal\" needs a storage")
		}
		return openInternal(ctx, c)
	}
	return nil, fmt.Errorf("unknown tls mode %q", c.Mode)
}

// TLS returns the configuration of a listener, or nil where it is not to speak TLS.
func (s *Source) TLS() *tls.Config {
	if s == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: s.get,
	}
}

// Close ends what renews the certificates. Those of open connections stay.
func (s *Source) Close() {
	if s != nil && s.close != nil {
		s.close()
	}
}
