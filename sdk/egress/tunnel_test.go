package egress

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTunnel: a proxy carries TLS between the gateway and the origin, and the credentials for the proxy
// do not reach the origin.
func TestTunnel(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Host+" "+r.URL.Path+r.Header.Get("Proxy-Authorization"))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	asked := make(chan string, 1)
	p := serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
		text, err := readRequest(r)
		if err != nil {
			return
		}
		asked <- text
		out, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			return
		}
		defer out.Close()
		io.WriteString(c, "HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n") // which means nothing here
		go io.Copy(out, r)
		io.Copy(c, out)
	})
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	o, err := New(Needs{}).Origin(Config{URL: "https://api.vendor.com", Proxy: "http://u:p@" + p.Addr().String(), TLS: &tls.Config{RootCAs: roots, ServerName: "example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for range 3 {
		if _, body, err := call(t.Context(), o, &Request{Method: "GET", Path: "/a"}); err != nil || body != "api.vendor.com /a" {
			t.Fatalf("%q, %v", body, err)
		}
	}
	want := "CONNECT api.vendor.com:443 HTTP/1.1\r\nHost: api.vendor.com:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
	if text := <-asked; text != want {
		t.Errorf("got %q\nwant %q", text, want)
	}
	if got := o.Stats(); got.Dials != 1 || got.Reused != 2 {
		t.Errorf("%+v", got)
	}
}

func TestAProxyThatRefuses(t *testing.T) {
	for name, c := range map[string]struct{ answer, want string }{
		"407":      {"HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nno!", "the proxy answered 407"},
		"redirect": {"HTTP/1.1 302 Found\r\nLocation: https://other.vendor.com\r\n\r\n", "the proxy answered 302"},
		"more":     {"HTTP/1.1 200 OK\r\n\r\nand more", "the proxy sent more"},
		"nonsense": {"no\r\n\r\n", "proxy: "},
		"nothing":  {"", "proxy: "},
	} {
		p := serve(t, "tcp", func(_ int, conn net.Conn, r *bufio.Reader) {
			readRequest(r)
			io.WriteString(conn, c.answer)
		})
		o, err := New(Needs{}).Origin(Config{URL: "https://api.vendor.com", Proxy: "http://" + p.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = call(t.Context(), o, get())
		if wantKind(t, err, Connect); !strings.Contains(err.Error(), c.want) || o.Stats().Open != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
