package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// dial connects to the daemon as a client does, over TLS with the daemon's own root.
func (r *running) dial(secure bool) net.Conn {
	r.t.Helper()
	address := r.Addresses()["public"]
	if !secure {
		c, err := net.Dial("tcp", address)
		if err != nil {
			r.t.Fatal(err)
		}
		return c
	}
	text, err := os.ReadFile(filepath.Join(r.data, "ca.pem"))
	if err != nil {
		r.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func writeRequest(t *testing.T, c net.Conn, path, body string) {
	t.Helper()
	_, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	if err != nil {
		t.Fatal(err)
	}
}

// TestHangUp lets the client go at each point of an exchange: the upstream's call is cancelled, and
// the event says why.
func TestHangUp(t *testing.T) {
	for name, a := range apis {
		t.Run(name, a.hangUps)
	}
}

func (a api) hangUps(t *testing.T) {
	for _, secure := range []bool{false, true} {
		up := mockllm.Start(t, mockllm.Options{})
		hcl := a.relay(up.URL, fullPipeline, "mock+delay=60s", "mock+gap=200ms", "mock+fault=slowfirst:60s", "mock+fault=sse-stall")
		if secure {
			hcl = strings.Replace(hcl, `address = "127.0.0.1:0" }`, "address = \"127.0.0.1:0\"\n tls \"internal\" {}\n}", 1)
			hcl = strings.Replace(hcl, `listener "public" { `, "listener \"public\" {\n", 1)
		}
		gw := start(t, hcl)
		for _, c := range []struct {
			name, model string
			stream      bool
			first       bool // the client has read a part of the answer
		}{
			{"unary before the upstream's head", "mock+delay=60s", false, false},
			{"unary after the upstream's head", "mock+fault=slowfirst:60s", false, false},
			{"stream before the first byte", "mock+delay=60s", true, false},
			{"stream after the first byte", "mock+gap=200ms", true, true},
			{"stream that stalls", "mock+fault=sse-stall", true, true},
		} {
			t.Run(fmt.Sprintf("%s, TLS %t", c.name, secure), func(t *testing.T) {
				a.hangUp(t, gw, up, secure, c.model, c.stream, c.first)
			})
		}
	}
}

func (a api) hangUp(t *testing.T, r *running, up *mockllm.Mock, secure bool, model string, stream, first bool) {
	cancelled, ended := up.Stats().Cancelled, len(r.events())
	conn := r.dial(secure)
	writeRequest(t, conn, a.path(model, stream), a.ask(model, "hello", stream))
	if first {
		br := bufio.NewReader(conn)
		for line := ""; !strings.HasPrefix(line, "data: "); {
			var err error
			if line, err = br.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	} else {
		r.wait("the upstream's request", func() bool { return up.Stats().InFlight > 0 })
		time.Sleep(20 * time.Millisecond) // what the upstream says first is on its way
	}
	begin := time.Now()
	conn.Close()
	r.wait("the cancellation", func() bool { return up.Stats().Cancelled == cancelled+1 })
	t.Logf("the upstream's call was cancelled after %.1f ms", float64(time.Since(begin))/1e6)
	r.wait("the event", func() bool { return len(r.events()) > ended })
	if e := r.events()[ended]; e.Terminal != "client_cancelled" {
		t.Errorf("the event says %+v", e)
	}
}

// TestHangUpOnAnInvokedProvider is the same for a provider that answers in its own process.
func TestHangUpOnAnInvokedProvider(t *testing.T) {
	gw := start(t, echoed(fullPipeline))
	for _, stream := range []bool{false, true} {
		ended := len(gw.events())
		conn := gw.dial(false)
		writeRequest(t, conn, "/v1/chat/completions", ask("echo", "hello echo:latency=60s", stream))
		time.Sleep(50 * time.Millisecond)
		conn.Close()
		gw.wait("the event", func() bool { return len(gw.events()) > ended })
		if e := gw.events()[ended]; e.Terminal != "client_cancelled" {
			t.Errorf("the event says %+v", e)
		}
	}
}
