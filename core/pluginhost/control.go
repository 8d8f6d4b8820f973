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
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc/credentials"

	"github.com/ginnel/ginnel/sdk/plugin"
)

// envCertificate is the environment by which go-plugin tells a plugin whom to trust.
const envCertificate = "PLUGIN_CLIENT_CERT"

// certificate makes what the host shows to one process, should that speak TLS: another one takes no call by it, so no plugin
// can have another answer for it. The curve is one that takes little time.
func certificate() (text string, config *tls.Config, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", nil, err
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, SerialNumber: big.NewInt(1),
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().AddDate(30, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", nil, err
	}
	own := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	text = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return text, &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12, ServerName: "localhost"}, nil
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
