package cert

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

var quiet = slog.New(slog.DiscardHandler)

// writePair writes a self-signed certificate for the name.
func writePair(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
	return certFile, keyFile
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreReloaded(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := writePair(t, dir, "first.example")
	now := time.Now()
	f := &files{cert: certFile, key: keyFile, log: quiet, now: func() time.Time { return now }}
	if err := f.load(); err != nil {
		t.Fatal(err)
	}
	serves := func(want string) {
		t.Helper()
		c, err := f.get(nil)
		if err != nil || c.Leaf.Subject.CommonName != want {
			t.Fatalf("%v %v, want %s", c.Leaf.Subject, err, want)
		}
	}
	serves("first.example")
	writePair(t, dir, "another.example")
	os.Chtimes(certFile, now, now.Add(time.Second)) // a clock as coarse as it likes
	serves("first.example")
	now = now.Add(recheck)
	serves("another.example")

	write(t, certFile, []byte("half a file"))
	now = now.Add(recheck)
	serves("another.example")
	writePair(t, dir, "third.example")
	os.Chtimes(certFile, now, now.Add(2*time.Second))
	now = now.Add(recheck)
	serves("third.example")
}

func TestFilesMustBeReadableFirst(t *testing.T) {
	_, err := Open(context.Background(), Config{Mode: Files, CertFile: "nowhere.pem", KeyFile: "nowhere.pem", Logger: quiet})
	if err == nil || !strings.Contains(err.Error(), "nowhere.pem") {
		t.Errorf("%v", err)
	}
}

// leaf makes a handshake and returns the certificate served and the one that signed it.
func leaf(t *testing.T, s *Source, sni string) (*x509.Certificate, error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		tls.Server(c, s.TLS()).Handshake()
	})
	c, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{ServerName: sni, InsecureSkipVerify: true}) //nolint:gosec // the test looks itself
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

func TestInternalAuthoritySurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	c := Config{
		Mode: Internal, Names: []string{"gw.example", "127.0.0.1", "192.0.2.1"}, Storage: &certmagic.FileStorage{Path: dir},
		CAFile: filepath.Join(dir, "ca.pem"), Logger: quiet,
	}
	var root []byte
	var first *x509.Certificate
	for start := range 2 {
		s, err := Open(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			t.Fatal("ca.pem has no certificate")
		}
		for sni, name := range map[string]string{"": "127.0.0.1", "localhost": "localhost", "GW.example": "gw.example", "unknown.example": "localhost"} {
			got, err := leaf(t, s, sni)
			if err != nil {
				t.Fatalf("%q: %v", sni, err)
			}
			if _, err := got.Verify(x509.VerifyOptions{DNSName: name, Roots: pool}); err != nil {
				t.Errorf("%q: %v", sni, err)
			}
			if sni == "GW.example" {
				if start == 0 {
					first = got
				} else if !got.Equal(first) {
					t.Error("the leaf was issued again")
				}
			}
		}
		if start == 0 {
			root = pem
		} else if !bytes.Equal(root, pem) {
			t.Error("the root changed")
		}
		s.Close()
	}
}

func TestInternalNeedsAStorage(t *testing.T) {
	if _, err := Open(context.Background(), Config{Mode: Internal, Logger: quiet}); err == nil {
		t.Error("no error")
	}
}

func TestOffIsNoTLS(t *testing.T) {
	s, err := Open(context.Background(), Config{Logger: quiet})
	if err != nil || s.TLS() != nil {
		t.Errorf("%v %v", s, err)
	}
	s.Close()
}

func TestBridge(t *testing.T) {
	var out bytes.Buffer
	log := zap.New(bridge{slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})}).Named("certmagic").With(zap.Int("attempt", 2))
	log.Info("not wanted")
	log.Warn("renewal", zap.Strings("names", []string{"a", "b"}), zap.Error(os.ErrNotExist))
	got := out.String()
	for _, want := range []string{"level=WARN", "msg=renewal", "logger=certmagic", "attempt=2", `names="[a b]"`, `error="file does not exist"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if strings.Contains(got, "not wanted") {
		t.Error(got)
	}
}
