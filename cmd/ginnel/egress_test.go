package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// authority issues certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t}
	a.cert, a.key, a.pem = a.make(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) make(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	c.Subject = pkix.Name{CommonName: "test"}
	parent, signer := c, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// issue returns a certificate and its key in PEM.
func (a *authority) issue(usage x509.ExtKeyUsage, names ...string) (cert, key []byte) {
	a.t.Helper()
	_, k, cert := a.make(&x509.Certificate{DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{usage}, KeyUsage: x509.KeyUsageDigitalSignature})
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// connector is a proxy that carries every connection to one place.
type connector struct {
	to    string
	mu    sync.Mutex // protects asked
	asked []string   // the targets, with what was said of credentials
}

func (c *connector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.asked = append(c.asked, r.Method+" "+r.Host+" "+r.Header.Get("Proxy-Authorization"))
	c.mu.Unlock()
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		w.WriteHeader(502)
		return
	}
	defer out.Close()
	in, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer in.Close()
	io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		io.Copy(out, in)
		out.Close()
	}()
	io.Copy(in, out)
}

// guarded is a server of a company's own authority that asks for a certificate of another, and a proxy in front of it.
type guarded struct {
	ours, theirs *authority
	proxy        *connector
	front        string // the proxy's address
	dir          string // with ca.pem, and cert.pem and key.pem of a client
}

func guard(t *testing.T, answers http.Handler) *guarded {
	t.Helper()
	ours, theirs := newAuthority(t), newAuthority(t)
	clients := x509.NewCertPool()
	clients.AddCert(theirs.cert)
	cert, key := ours.issue(x509.ExtKeyUsageServerAuth, "gpu-1")
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	up := httptest.NewUnstartedServer(answers)
	up.Config.ErrorLog = log.New(io.Discard, "", 0)
	up.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	up.StartTLS()
	t.Cleanup(up.Close)
	g := &guarded{ours: ours, theirs: theirs, proxy: &connector{to: up.Listener.Addr().String()}, dir: t.TempDir()}
	front := httptest.NewServer(g.proxy)
	t.Cleanup(front.Close)
	g.front = front.Listener.Addr().String()
	cert, key = theirs.issue(x509.ExtKeyUsageClientAuth)
	for name, content := range map[string][]byte{"ca.pem": ours.pem, "cert.pem": cert, "key.pem": key} {
		g.write(t, name, content)
	}
	return g
}

func (g *guarded) write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// by declares in a provider's block that the server is reached by the proxy. DIR in tls is the files' directory.
func (g *guarded) by(hcl, tls string) string {
	more := "proxy = \"http://user:word@" + g.front + "\"\n  tls = { " + strings.ReplaceAll(tls, "DIR", g.dir) + " }\n  base_url = "
	return strings.Replace(hcl, "base_url = ", more, 1)
}

// TestPrivateUpstreamBehindAProxy: a server of a company's own authority that asks for a certificate, by
// a name that only the proxy can resolve. What the environment says of proxies is nobody's business.
// Whether the gateway makes the calls or a plugin itself is all the same.
func TestPrivateUpstreamBehindAProxy(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Run("relayed", func(t *testing.T) {
		behindAProxy(t, guard(t, mockllm.New(mockllm.Options{})), relay("https://gpu.company.test", emptyPipeline, "m"))
	})
	t.Run("invoked", func(t *testing.T) {
		behindAProxy(t, guard(t, http.HandlerFunc(converse)), bedrockRelay(t, "https://gpu.company.test", emptyPipeline, "m"))
	})
}

// converse answers as Bedrock does.
func converse(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"output":{"message":{"role":"assistant","content":[{"text":"well"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}`)
}

func behindAProxy(t *testing.T, g *guarded, block string) {
	proxy := g.proxy
	hcl := func(tls string) string { return g.by(block, tls) }
	whole := hcl(`ca_file = "DIR/ca.pem", cert_file = "DIR/cert.pem", key_file = "DIR/key.pem", server_name = "gpu-1"`)
	gw := start(t, whole)
	if resp, body := gw.post(ask("m", "hello", false)); resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	proxy.mu.Lock()
	if want := "CONNECT gpu.company.test:443 Basic dXNlcjp3b3Jk"; len(proxy.asked) != 1 || proxy.asked[0] != want {
		t.Errorf("the proxy was asked %q", proxy.asked)
	}
	proxy.mu.Unlock()
	for name, tls := range map[string]string{
		"no certificate":   `ca_file = "DIR/ca.pem", server_name = "gpu-1"`,
		"the wrong name":   `ca_file = "DIR/ca.pem", cert_file = "DIR/cert.pem", key_file = "DIR/key.pem"`,
		"the system's own": `cert_file = "DIR/cert.pem", key_file = "DIR/key.pem", server_name = "gpu-1"`,
	} {
		gw.write(hcl(tls))
		if r := gw.Reload(context.Background(), "test"); !r.Changed {
			t.Fatalf("%s: %+v", name, r)
		}
		if resp, body := gw.post(ask("m", "hello", false)); resp.StatusCode != 503 || strings.Contains(body, "company") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	gw.write(whole)
	if r := gw.Reload(context.Background(), "test"); !r.Changed {
		t.Fatalf("%+v", r)
	}
	if resp, body := gw.post(ask("m", "hello", false)); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	// the same file, with other content in it
	var keys [][]byte
	for _, c := range []struct {
		name    string
		from    *authority // of the client's certificate
		ca      []byte
		answers int
	}{
		{"another's certificate", g.ours, g.ours.pem, 503},
		{"a new certificate", g.theirs, g.ours.pem, 200},
		{"another authority", g.theirs, g.theirs.pem, 503},
	} {
		cert, key := c.from.issue(x509.ExtKeyUsageClientAuth)
		keys = append(keys, key)
		g.write(t, "cert.pem", cert)
		g.write(t, "key.pem", key)
		g.write(t, "ca.pem", c.ca)
		if r := gw.Reload(context.Background(), "test"); !r.Changed {
			t.Fatalf("%s: %+v", c.name, r)
		}
		if resp, body := gw.post(ask("m", "hello", false)); resp.StatusCode != c.answers {
			t.Errorf("%s: %d %s", c.name, resp.StatusCode, body)
		}
	}
	logs := gw.logs.String()
	if strings.Contains(logs, "dXNlcjp3b3Jk") || strings.Contains(logs, "user:word") {
		t.Error("the proxy's password is in the log")
	}
	for _, key := range keys {
		line := strings.Split(string(key), "\n")[1]
		if strings.Contains(logs, line) || strings.Contains(logs, base64.StdEncoding.EncodeToString(key)) {
			t.Error("a private key is in the log")
		}
	}
}

// TestAnOriginThatMustBePublic is refused before anything serves from it, whoever makes the calls.
func TestAnOriginThatMustBePublic(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	service := httptest.NewServer(http.HandlerFunc(converse))
	defer service.Close()
	for name, good := range map[string]string{"relayed": relay(up.URL, emptyPipeline, "m"), "invoked": bedrockRelay(t, service.URL, emptyPipeline, "m")} {
		t.Run(name, func(t *testing.T) {
			gw := start(t, good)
			private := func(says string) string {
				return strings.Replace(good, "base_url = ", "private = "+says+"\n  base_url = ", 1)
			}
			gw.write(private("false"))
			if r := gw.Reload(context.Background(), "test"); r.Changed || !strings.Contains(r.Error+r.Text, "127.0.0.1 is a private address") {
				t.Errorf("%+v", r)
			}
			if resp, body := gw.post(ask("m", "hello", false)); resp.StatusCode != 200 {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			gw.write(private("true"))
			if r := gw.Reload(context.Background(), "test"); !r.Changed {
				t.Errorf("%+v", r)
			}
			if resp, body := gw.post(ask("m", "hello", false)); resp.StatusCode != 200 {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
}

// TestANameThatLeadsToAPrivateAddress: whoever makes the call, the client is told that it is the gateway's configuration, the
// operator once what to write, and no call is made again.
func TestANameThatLeadsToAPrivateAddress(t *testing.T) {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	at, err := net.DefaultResolver.LookupNetIP(t.Context(), "ip", name)
	if err != nil || !at[0].Unmap().IsPrivate() && !at[0].Unmap().IsLoopback() {
		t.Skipf("this machine's name leads to %v, %v", at, err)
	}
	url := "http://" + name + ":9"
	for kind, hcl := range map[string]string{"relayed": relay(url, emptyPipeline, "m"), "invoked": bedrockRelay(t, url, emptyPipeline, "m")} {
		t.Run(kind, func(t *testing.T) {
			gw := start(t, strings.Replace(hcl, "base_url = ", "private = false\n  base_url = ", 1))
			for range 3 {
				resp, body := gw.post(ask("m", "hello", false))
				id := resp.Header.Get("X-Request-Id") // which may have the letters of a short name
				if resp.StatusCode != 500 || !strings.Contains(body, "the gateway's configuration does not let it reach the upstream") || strings.Contains(strings.ReplaceAll(body, id, ""), name) {
					t.Errorf("%d %s", resp.StatusCode, body)
				}
				if got := gw.event(id); got.Retries != 0 {
					t.Errorf("%+v", got)
				}
			}
			told := 0
			for line := range strings.SplitSeq(gw.logs.String(), "\n") {
				if strings.Contains(line, "until the configuration allows it") {
					told++
				}
			}
			if told != 1 || !strings.Contains(gw.logs.String(), "private = true allows it") {
				t.Errorf("told %d times", told)
			}
		})
	}
}
