package cert

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

const (
	rootLife  = 10 * 365 * 24 * time.Hour
	rootSpare = 30 * 24 * time.Hour // a root with less than this left is replaced
	leafLife  = 7 * 24 * time.Hour  // certmagic renews when a third of it is left
	skew      = 5 * time.Minute     // for clients whose clocks are behind

	rootCertKey = "internal-ca/root.crt"
	rootKeyKey  = "internal-ca/root.key"
	rootLock    = "internal-ca"
)

// loopback is what every internal listener is certified for.
var loopback = [...]string{"localhost", "127.0.0.1", "::1"}

// authority is the internal certificate authority: one ECDSA root that signs the leaves itself.
type authority struct {
	root *x509.Certificate
	key  *ecdsa.PrivateKey
}

var _ certmagic.Issuer = (*authority)(nil)

func openInternal(ctx context.Context, c Config) (*Source, error) {
	ca, err := openAuthority(ctx, c.Storage, c.Logger)
	if err != nil {
		return nil, fmt.Errorf("internal authority: %w", err)
	}
	if c.CAFile != "" {
		if err := writeRoot(c.CAFile, ca.pem()); err != nil {
			return nil, fmt.Errorf("internal authority: %w", err)
		}
	}
	logger := zap.New(bridge{c.Logger.Handler()})
	var magic *certmagic.Config
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return magic, nil },
		Logger:           logger,
	})
	magic = certmagic.New(cache, certmagic.Config{
		Storage: c.Storage,
		Issuers: []certmagic.Issuer{ca},
		OCSP:    certmagic.OCSPConfig{DisableStapling: true},
		// A client without SNI, or with a name of its own for this machine, gets to see a
		// certificate rather than a bare alert.
		FallbackServerName: "localhost",
		Logger:             logger,
	})
	names := slices.Concat(loopback[:], c.Names)
	slices.Sort(names)
	if err := magic.ManageSync(ctx, slices.Compact(names)); err != nil {
		cache.Stop()
		return nil, fmt.Errorf("internal certificates: %w", err)
	}
	return &Source{get: magic.GetCertificate, close: cache.Stop}, nil
}

// openAuthority loads the root or makes one, once over all who share the storage.
func openAuthority(ctx context.Context, s certmagic.Storage, log *slog.Logger) (*authority, error) {
	if err := s.Lock(ctx, rootLock); err != nil {
		return nil, err
	}
	defer func() {
		if err := s.Unlock(context.WithoutCancel(ctx), rootLock); err != nil {
			log.Warn("internal authority's lock stays", "error", err)
		}
	}()
	ca, err := loadAuthority(ctx, s)
	if err == nil && time.Until(ca.root.NotAfter) > rootSpare {
		return ca, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return makeAuthority(ctx, s)
}

func loadAuthority(ctx context.Context, s certmagic.Storage) (*authority, error) {
	certPEM, err := s.Load(ctx, rootCertKey)
	if err != nil {
		return nil, err
	}
	keyPEM, err := s.Load(ctx, rootKeyKey)
	if err != nil {
		return nil, err
	}
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return nil, errors.New("the stored root is not PEM")
	}
	root, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("stored root: %w", err)
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("stored root's key: %w", err)
	}
	return &authority{root, key}, nil
}

func makeAuthority(ctx context.Context, s certmagic.Storage) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{Organization: []string{"Ginnel"}, CommonName: "Ginnel internal root " + now.UTC().Format(time.DateOnly)},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(rootLife),
		IsCA:                  true,
		MaxPathLenZero:        true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	ca := &authority{root, key}
	if err := s.Store(ctx, rootKeyKey, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})); err != nil {
		return nil, err
	}
	return ca, s.Store(ctx, rootCertKey, ca.pem())
}

// IssuerKey names this root, so that leaves of an earlier one are not taken from the storage.
func (ca *authority) IssuerKey() string {
	sum := sha256.Sum256(ca.root.Raw)
	return "internal-" + hex.EncodeToString(sum[:8])
}

// Issue signs a leaf for the names of the request.
func (ca *authority) Issue(_ context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial(),
		DNSNames:     csr.DNSNames,
		IPAddresses:  csr.IPAddresses,
		NotBefore:    now.Add(-skew),
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.root, csr.PublicKey, ca.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return &certmagic.IssuedCertificate{Certificate: append(chain, ca.pem()...)}, nil
}

func (ca *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.root.Raw})
}

// writeRoot replaces the file at once, so that no reader sees half of it.
func writeRoot(name string, root []byte) error {
	if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, root) {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".ca-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(root)
	if e := f.Chmod(0o644); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:])
	b[0] &= 0x7f // positive, as RFC 5280, 4.1.2.2 demands
	return new(big.Int).SetBytes(b[:])
}
