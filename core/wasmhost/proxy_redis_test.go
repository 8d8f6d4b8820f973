package wasmhost

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/wasmhost/redistest"
)

func TestProxyRedis(t *testing.T) {
	password := rand.Text()
	for name, addr := range map[string]func(*testing.T) string{
		"in Go": func(t *testing.T) string { return redistest.Start(t, password, nil).Addr },
		"real":  func(t *testing.T) string { return redistest.Real(t, password) },
	} {
		t.Run(name, func(t *testing.T) {
			addr := addr(t)
			host, port, _ := strings.Cut(addr, ":")
			f := newProxy(t, Spec{Grant: Grant{Redis: []string{"redis://" + addr}, Clusters: map[string]string{"counters": "redis://" + addr}}})
			for _, c := range []struct{ query, want string }{
				{addr + "@" + password + "@9000@INCR+n", `0 0|0 ":1\r\n"`},
				{"counters?db=1&buffer_flush_timeout=3@" + password + "@9000@INCR+n", `0 0|0 ":1\r\n"`},
				{"outbound|" + port + "||" + host + "@" + password + "@9000@INCR+n", `0 0|0 ":2\r\n"`},
				{"redis://" + addr + "@" + password + "@9000@GET+none", `0 0|0 "$-1\r\n"`},
				{addr + "@wrong@9000@GET+n", `0 0|1 ""`},
				{addr + "@" + password + "@9000@SELECT+1", "0 2"},
				{"counters?db=x@" + password + "@9000@GET+n", "2 0|0 \"$1\\r\\n1\\r\\n\""}, // as it was said before
				{"elsewhere:6379@" + password + "@9000@GET+n", "2 2"},
			} {
				x := proxyExchange("redis=" + c.query)
				if got := proxySays(t, f, x); got != c.want {
					t.Errorf("%s: %s, want %s", c.query, got, c.want)
				}
				proxyEnd(t, f, x)
			}
		})
	}
	// a cluster of HTTP is none of Redis, and without a grant there is nothing
	s := cluster(t)
	for want, grant := range map[string]Grant{"12 12": {HTTP: []string{s.URL}}, "2 2": {HTTP: []string{s.URL}, Redis: []string{"redis://127.0.0.1:1"}}} {
		f := newProxy(t, Spec{Grant: grant})
		x := proxyExchange("redis=" + s.URL + "@@9000@GET+n")
		if got := proxySays(t, f, x); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		proxyEnd(t, f, x)
	}
	h, m := proxyGuest(t)
	if _, err := h.NewFilter(Spec{Name: "f", Module: m, Grant: Grant{Clusters: map[string]string{"x": "redis://a.test"}}}); !errors.Is(err, ErrGrant) || !strings.Contains(err.Error(), "grant.redis") {
		t.Errorf("a cluster that is not granted: %v", err)
	}
}

// TestProxyRedisFaults: a server that is down, slow or ends the connection is told to the guest; a client
// that leaves, and a filter that closes, end what is under way.
func TestProxyRedisFaults(t *testing.T) {
	hang := make(chan struct{})
	s := redistest.Start(t, "", func(command []string) (string, bool) {
		switch command[0] {
		case "HANG":
			<-hang
			return "", true
		case "CLOSE":
			return "", true
		}
		return "", false
	})
	defer close(hang)
	down := redistest.Start(t, "", nil)
	down.Close()
	f := newProxy(t, Spec{Grant: Grant{Redis: []string{"redis://" + s.Addr, "redis://" + down.Addr}}})
	for query, want := range map[string]string{
		s.Addr + "@@50@HANG": `0 0|1 ""`, s.Addr + "@@9000@CLOSE": `0 0|1 ""`, down.Addr + "@@9000@PING": `0 0|1 ""`, s.Addr + "@@9000@PING": `0 0|0 "+PONG\r\n"`,
	} {
		x := proxyExchange("redis=" + query)
		if got := proxySays(t, f, x); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
		proxyEnd(t, f, x)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	x := exchange.New(ctx)
	x.Method, x.Path, x.Query = "POST", "/", "redis="+s.Addr+"@@90000@HANG"
	time.AfterFunc(20*time.Millisecond, func() { cancel(exchange.ErrClientGone) })
	if _, err := f.Run(context.Background(), exchange.PhaseRequestHead, x); !errors.Is(err, exchange.ErrClientGone) {
		t.Errorf("the client left: %v", err)
	}
	proxyEnd(t, f, x)
	f.Close(context.Background()) // while the call is still under way
	if n := f.redis.Open(); n != 0 {
		t.Errorf("%d calls are open", n)
	}
}

// TestProxyTenantsShareNoConnection: what one tenant's guest logs in as serves nobody else.
func TestProxyTenantsShareNoConnection(t *testing.T) {
	s := redistest.Start(t, "", nil)
	f := newProxy(t, Spec{Grant: Grant{Redis: []string{"redis://" + s.Addr}}})
	for _, tenant := range []string{"a", "b", "a"} {
		x := proxyExchange("redis=" + s.Addr + "@@9000@PING")
		x.Tenant = tenant
		if got := proxySays(t, f, x); got != `0 0|0 "+PONG\r\n"` {
			t.Errorf("%s", got)
		}
		proxyEnd(t, f, x)
	}
	if s.Dials() != 2 {
		t.Errorf("%d connections for two tenants", s.Dials())
	}
}

// TestCallsOfOneExchangeAreBounded in number, not only at once.
func TestCallsOfOneExchangeAreBounded(t *testing.T) {
	v := &proxyVM{effective: &proxyStream{}}
	for range maxCalls {
		if !v.mayCall() {
			t.Fatal("refused too early")
		}
		v.number()
		v.calls--
		v.effective.calls--
	}
	if v.mayCall() {
		t.Error("one too many")
	}
	if v.effective = nil; !v.mayCall() {
		t.Error("the plugin's own calls are not the exchange's")
	}
}
