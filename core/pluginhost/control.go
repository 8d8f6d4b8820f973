package pluginhost

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"sync"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc/credentials"

	"github.com/ginnel/ginnel/sdk/plugin"
)

// envCertificate is the environment by which go-plugin tells a plugin whom to trust.
const envCertificate = "PLUGIN_CLIENT_CERT"

// certificate is what the host shows to plugins that speak TLS. It is made once: to make one for each, as go-plugin does,
// and of the longest kind, took longer than all else of a start.
type certificate struct {
	once sync.Once
	pem  string
	own  tls.Certificate
	err  error
}

func (c *certificate) get() (pem string, config *tls.Config, err error) {
	c.once.Do(c.make)
	return c.pem, &tls.Config{Certificates: []tls.Certificate{c.own}, MinVersion: tls.VersionTLS12, ServerName: "localhost"}, c.err
}

func (c *certificate) make() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.err = err
		return
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, SerialNumber: big.NewInt(1),
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().AddDate(30, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	c.own, c.err = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
	c.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// control are the credentials of a control connection: which kind is known when the process has shaken hands.
type control struct {
	credentials.TransportCredentials             // of version 3 on
	tls                              *tls.Config // go-plugin puts in it what the process says of itself
	client                           func() *goplugin.Client
}

// ClientHandshake implements credentials.TransportCredentials.
func (c control) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if c.tls.RootCAs == nil && c.client().NegotiatedVersion() >= plugin.Version3 {
		return c.TransportCredentials.ClientHandshake(ctx, authority, conn)
	}
	return credentials.NewTLS(c.tls).ClientHandshake(ctx, c.tls.ServerName, conn)
}

// Clone implements credentials.TransportCredentials.
func (c control) Clone() credentials.TransportCredentials { return c }
