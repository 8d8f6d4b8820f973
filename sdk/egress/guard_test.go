package egress

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

// world is a resolver that says what it is told and a dialer that remembers what it was asked for. All
// that is dialled is answered by one server, but for what is dead.
type world struct {
	server string
	mu     sync.Mutex // protects what follows
	names  map[string][]netip.Addr
	err    error // of lookups
	dead   map[string]bool
	asked  []string
	dials  []string
}

func newWorld(t *testing.T) *world {
	return &world{server: answering(t, ok, false).Addr().String(), names: make(map[string][]netip.Addr), dead: make(map[string]bool)}
}

// leads says where a name leads to from now on.
func (w *world) leads(host string, to ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[host] = nil
	for _, a := range to {
		w.names[host] = append(w.names[host], netip.MustParseAddr(a))
	}
}

func (w *world) fails(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *world) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, host)
	found, known := w.names[strings.TrimSuffix(host, ".")]
	switch {
	case w.err != nil:
		return nil, w.err
	case !known:
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return slices.Clone(found), nil
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	w.dials = append(w.dials, address)
	dead := w.dead[address]
	w.mu.Unlock()
	if dead {
		return nil, errors.New("nobody is there")
	}
	return new(net.Dialer).DialContext(ctx, network, w.server)
}

// took returns what was dialled and looked up since it was last called.
func (w *world) took() (dials, asked []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	dials, asked, w.dials, w.asked = w.dials, w.asked, nil, nil
	return dials, asked
}

func (w *world) origin(t *testing.T, c Config) *Origin {
	t.Helper()
	c.MaxIdle = -1 // each call makes a connection
	o, err := New(Needs{Dial: w.dial, Lookup: w.lookup}).Origin(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

// forget has the next call look the name up again.
func (o *Origin) forget() {
	o.name.mu.Lock()
	defer o.name.mu.Unlock()
	o.name.until = time.Time{}
}

// special are addresses that a public name must not lead to; those that are not private, no name may.
var special = []struct {
	address string
	class   class
}{
	{"10.1.2.3", classPrivate}, {"172.16.0.1", classPrivate}, {"172.31.255.255", classPrivate}, {"192.168.1.1", classPrivate},
	{"127.0.0.1", classPrivate}, {"127.8.8.8", classPrivate}, {"100.64.0.1", classPrivate}, {"198.18.0.1", classPrivate},
	{"::1", classPrivate}, {"fc00::1", classPrivate}, {"fd12:3456::1", classPrivate},
	{"::ffff:10.0.0.1", classPrivate}, {"::ffff:127.0.0.1", classPrivate},
	{"64:ff9b::8.8.8.8", classPrivate}, {"64:ff9b::10.0.0.1", classPrivate},
	{"0.0.0.0", classNever}, {"0.1.2.3", classNever}, {"169.254.169.254", classNever}, {"192.0.0.8", classNever}, {"192.0.2.1", classNever},
	{"192.88.99.1", classNever}, {"198.51.100.1", classNever}, {"203.0.113.1", classNever}, {"224.0.0.1", classNever}, {"240.0.0.1", classNever}, {"255.255.255.255", classNever},
	{"::", classNever}, {"::7f00:1", classNever}, {"fe80::1", classNever}, {"fec0::1", classNever}, {"ff02::1", classNever}, {"100::1", classNever},
	{"2001::1", classNever}, {"2001:0:4136:e378:8000:63bf:3fff:fdd2", classNever}, {"2002:7f00:1::", classNever}, {"2002:808:808::", classNever}, {"2001:db8::1", classNever}, {"3fff::1", classNever},
	{"::ffff:169.254.169.254", classNever}, {"::ffff:0.0.0.0", classNever}, {"64:ff9b::169.254.169.254", classNever}, {"64:ff9b:1::10.0.0.1", classNever}, {"fd00:ec2::254", classNever},
}

func TestClasses(t *testing.T) {
	for _, c := range special {
		if got := classOf(netip.MustParseAddr(c.address)); got != c.class {
			t.Errorf("%s is %s, want %s", c.address, got, c.class)
		}
	}
	for _, a := range []string{"8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "169.253.0.1", "223.255.255.255", "2606:4700::1", "2001:4860::1", "2a00::1", "::ffff:8.8.8.8"} {
		if got := classOf(netip.MustParseAddr(a)); got != classPublic {
			t.Errorf("%s is %s", a, got)
		}
	}
}

// TestRebinding is a public name that leads elsewhere later: the next connection is not made, whatever
// kind of address it is. Where private addresses are allowed those may be, and no other.
func TestRebinding(t *testing.T) {
	w := newWorld(t)
	for _, c := range special {
		w.leads("api.vendor.com", "8.8.8.8")
		name := w.origin(t, Config{URL: "http://api.vendor.com"})
		allowed := w.origin(t, Config{URL: "http://api.vendor.com", Reach: Private})
		for _, o := range []*Origin{name, allowed} {
			if _, _, err := call(t.Context(), o, get()); err != nil {
				t.Fatal(err)
			}
		}
		w.leads("api.vendor.com", c.address)
		name.forget()
		allowed.forget()
		w.took()
		_, _, err := call(t.Context(), name, get())
		if dials, _ := w.took(); !errors.Is(err, ErrAddress) || len(dials) > 0 {
			t.Errorf("%s: %v, connections to %v", c.address, err, dials)
		} else if e := wantKind(t, err, Connect); e.Code() != llm.CodeInternal {
			t.Errorf("%s: code %s", c.address, e.Code())
		}
		_, _, err = call(t.Context(), allowed, get())
		if dials, _ := w.took(); (err == nil) != (c.class == classPrivate) || (len(dials) == 1) != (c.class == classPrivate) {
			t.Errorf("%s, allowed: %v, connections to %v", c.address, err, dials)
		}
	}
}

// TestWhoMayBePrivate is decided by what was declared, not by what a name leads to first.
func TestWhoMayBePrivate(t *testing.T) {
	for _, c := range []struct {
		url   string
		reach Reach
		ok    bool
	}{
		{"http://gpu-1:8000", ByName, true}, {"http://gpu-1.internal:8000", ByName, true}, {"http://GPU-1.Internal.:8000", ByName, true},
		{"http://box.local", ByName, true}, {"http://nas.lan", ByName, true}, {"http://a.home.arpa", ByName, true}, {"http://vllm.llm.svc", ByName, true},
		{"http://vllm.llm.svc.cluster.local", ByName, true}, {"http://gpu.corp", ByName, true},
		{"http://gpu.corp.company.com", ByName, false}, {"http://internal.company.com", ByName, false}, {"http://10.0.0.1.nip.io", ByName, false}, {"http://localhost.company.com", ByName, false},
		{"http://gpu.corp.company.com", Private, true},
		{"http://gpu-1.internal:8000", Public, false}, {"http://gpu-1", Public, false},
	} {
		w := newWorld(t)
		o := w.origin(t, Config{URL: c.url, Reach: c.reach})
		w.leads(o.name.host, "10.1.2.3")
		_, _, err := call(t.Context(), o, get())
		dials, _ := w.took()
		if c.ok && (err != nil || len(dials) != 1 || !strings.HasPrefix(dials[0], "10.1.2.3:")) || !c.ok && (!errors.Is(err, ErrAddress) || len(dials) > 0) {
			t.Errorf("%s, reach %d: %v, connections to %v", c.url, c.reach, err, dials)
		}
	}
}

// TestAnAddressIsTakenAsItIsWritten, without a lookup.
func TestAnAddressIsTakenAsItIsWritten(t *testing.T) {
	w := newWorld(t)
	for url, want := range map[string]string{
		"http://10.0.0.1": "10.0.0.1:80", "http://[::1]:8000": "[::1]:8000", "http://[::ffff:10.0.0.1]": "10.0.0.1:80", "http://127.0.0.1:9": "127.0.0.1:9",
		"http://169.254.169.254": "169.254.169.254:80", "http://localhost:11434": "127.0.0.1:11434", "http://a.localhost": "127.0.0.1:80",
	} {
		for _, reach := range []Reach{ByName, Private} {
			if _, _, err := call(t.Context(), w.origin(t, Config{URL: url, Reach: reach}), get()); err != nil {
				t.Errorf("%s: %v", url, err)
			}
			if dials, asked := w.took(); len(dials) != 1 || dials[0] != want || len(asked) > 0 {
				t.Errorf("%s: connections to %v, lookups of %v", url, dials, asked)
			}
		}
		if _, err := New(Needs{}).Origin(Config{URL: url, Reach: Public}); !errors.Is(err, ErrAddress) {
			t.Errorf("%s must be public: %v", url, err)
		}
	}
}

// TestOnlyTheOriginIsDialled, whatever a request says or an answer points to.
func TestOnlyTheOriginIsDialled(t *testing.T) {
	w := newWorld(t)
	w.server = answering(t, "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://other.vendor.com/\r\nRefresh: 0;url=http://other.vendor.com\r\nContent-Length: 0\r\n\r\n", false).Addr().String()
	w.leads("api.vendor.com", "8.8.8.8")
	w.leads("other.vendor.com", "9.9.9.9")
	t.Setenv("HTTP_PROXY", "http://9.9.9.9:3128")
	t.Setenv("ALL_PROXY", "http://9.9.9.9:3128")
	o := w.origin(t, Config{URL: "http://api.vendor.com"})
	for _, r := range []*Request{
		get(), {Method: "GET", Path: "/", Host: "other.vendor.com"}, {Method: "GET", Path: "//other.vendor.com/"}, {Method: "GET", Path: "/@other.vendor.com"},
		{Method: "GET", Path: "/?url=http://other.vendor.com"},
		{Method: "GET", Path: "/", Header: llm.Header{{Name: "Host", Value: "other.vendor.com"}, {Name: "X-Forwarded-Host", Value: "other.vendor.com"}}},
	} {
		resp, _, err := call(t.Context(), o, r)
		if err != nil || resp.Status != 307 {
			t.Errorf("%+v: %+v, %v", r, resp, err)
		}
		if dials, _ := w.took(); len(dials) != 1 || dials[0] != "8.8.8.8:80" {
			t.Errorf("%+v: connections to %v", r, dials)
		}
	}
	for _, path := range []string{"http://other.vendor.com/", "other.vendor.com:80", "*"} {
		if _, err := o.Do(t.Context(), &Request{Method: "GET", Path: path}); !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if dials, _ := w.took(); len(dials) > 0 {
		t.Errorf("connections to %v", dials)
	}
}

func TestLookupsAreKept(t *testing.T) {
	w := newWorld(t)
	w.leads("api.vendor.com", "8.8.8.8")
	o := w.origin(t, Config{URL: "http://api.vendor.com"})
	calls := func(want error) {
		t.Helper()
		for range 5 {
			if _, _, err := call(t.Context(), o, get()); want == nil && err != nil || want != nil && !errors.Is(err, want) {
				t.Fatalf("%v, want %v", err, want)
			}
		}
	}
	calls(nil)
	if dials, asked := w.took(); len(dials) != 5 || len(asked) != 1 || asked[0] != "api.vendor.com." { // absolute: no search list
		t.Errorf("connections to %v, lookups of %v", dials, asked)
	}
	broken := errors.New("the resolver is away")
	w.fails(broken)
	o.forget()
	calls(nil) // where it led to a moment ago
	if dials, asked := w.took(); len(dials) != 5 || len(asked) != 1 {
		t.Errorf("while the resolver fails: connections to %v, lookups of %v", dials, asked)
	}
	o.name.mu.Lock()
	o.name.at = time.Now().Add(-nameStale)
	o.name.mu.Unlock()
	o.forget()
	calls(broken)
	if dials, asked := w.took(); len(dials) > 0 || len(asked) != 1 {
		t.Errorf("long after: connections to %v, lookups of %v", dials, asked)
	}
	w.fails(nil)
	o.forget()
	calls(nil)
	w.mu.Lock()
	delete(w.names, "api.vendor.com")
	w.mu.Unlock()
	o.forget()
	w.took()
	var gone *net.DNSError
	if _, _, err := call(t.Context(), o, get()); !errors.As(err, &gone) || !gone.IsNotFound {
		t.Errorf("a name that is gone: %v", err)
	}
	call(t.Context(), o, get())
	if dials, asked := w.took(); len(dials) > 0 || len(asked) != 1 {
		t.Errorf("a name that is gone: connections to %v, lookups of %v", dials, asked)
	}
}

func TestConcurrentConnectionsShareALookup(t *testing.T) {
	w := newWorld(t)
	w.leads("api.vendor.com", "8.8.8.8")
	o := w.origin(t, Config{URL: "http://api.vendor.com"})
	enough := make(chan struct{})
	o.name.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
		<-enough
		return w.lookup(ctx, host)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := call(left, o, get()); err == nil {
		t.Error("a call that was cancelled succeeded")
	}
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			if _, _, err := call(t.Context(), o, get()); err != nil {
				t.Error(err)
			}
		})
	}
	close(enough)
	calls.Wait()
	if _, asked := w.took(); len(asked) != 1 {
		t.Errorf("lookups of %v", asked)
	}
}

// TestTheNextAddressIsTried where one is dead, and none that the name may not lead to.
func TestTheNextAddressIsTried(t *testing.T) {
	w := newWorld(t)
	w.leads("api.vendor.com", "2606:4700::1", "2606:4700::2", "10.0.0.1", "8.8.8.8", "169.254.169.254")
	w.dead["[2606:4700::1]:80"], w.dead["8.8.8.8:80"], w.dead["[2606:4700::2]:80"] = true, true, true
	o := w.origin(t, Config{URL: "http://api.vendor.com"})
	if _, _, err := call(t.Context(), o, get()); err == nil || !strings.Contains(err.Error(), "nobody is there") {
		t.Errorf("all are dead: %v", err)
	}
	dials, _ := w.took()
	if want := []string{"[2606:4700::1]:80", "8.8.8.8:80", "[2606:4700::2]:80"}; !slices.Equal(dials, want) {
		t.Errorf("connections to %v, want %v", dials, want)
	}
	if until := time.Until(o.name.until); until > nameFailed {
		t.Errorf("a name that leads nowhere is kept for %v", until)
	}
	delete(w.dead, "[2606:4700::2]:80")
	if _, _, err := call(t.Context(), o, get()); err != nil {
		t.Error(err)
	}
}

// TestASilentAddressDoesNotHoldUpTheNext.
func TestASilentAddressDoesNotHoldUpTheNext(t *testing.T) {
	w := newWorld(t)
	w.leads("api.vendor.com", "2606:4700::1", "8.8.8.8")
	o := w.origin(t, Config{URL: "http://api.vendor.com", Timeouts: Timeouts{Connect: -1}})
	ended := make(chan struct{})
	dial := o.t.dial
	o.t.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "[") {
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		}
		return dial(ctx, network, address)
	}
	if _, _, err := call(t.Context(), o, get()); err != nil {
		t.Fatal(err)
	}
	<-ended
}

func TestProxies(t *testing.T) {
	got := make(chan string, 2)
	p := serve(t, "tcp", func(_ int, c net.Conn, r *bufio.Reader) {
		text, err := readRequest(r)
		if err != nil {
			return
		}
		got <- text
		io.WriteString(c, ok)
	})
	w := newWorld(t)
	w.server = p.Addr().String()
	w.leads("proxy.company.com", "10.9.9.9") // the operator's word
	t.Run("a plain origin is named in the request's first line", func(t *testing.T) {
		o := w.origin(t, Config{URL: "http://api.vendor.com:8080", Proxy: "http://user:word@proxy.company.com:3128"})
		if _, body, err := call(t.Context(), o, &Request{Method: "GET", Path: "/a", Host: "other.vendor.com"}); err != nil || body != "{}" {
			t.Fatalf("%q, %v", body, err)
		}
		want := "GET http://api.vendor.com:8080/a HTTP/1.1\r\nHost: other.vendor.com\r\nProxy-Authorization: Basic dXNlcjp3b3Jk\r\n\r\n"
		if text := <-got; text != want {
			t.Errorf("got %q\nwant %q", text, want)
		}
		if dials, asked := w.took(); len(dials) != 1 || dials[0] != "10.9.9.9:3128" || len(asked) != 1 || asked[0] != "proxy.company.com" {
			t.Errorf("connections to %v, lookups of %v", dials, asked)
		}
	})
	for name, proxy := range map[string]string{"scheme": "https://proxy", "path": "http://proxy/x", "none": "proxy:3128", "text": "http://u:secret@"} {
		if _, err := New(Needs{}).Origin(Config{URL: "http://a", Proxy: proxy}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.leads("proxy.company.com", "169.254.169.254")
	o := w.origin(t, Config{URL: "http://api.vendor.com", Proxy: "http://proxy.company.com"})
	if _, _, err := call(t.Context(), o, get()); !errors.Is(err, ErrAddress) {
		t.Errorf("a proxy at a special address: %v", err)
	}
}

// TestAConnectionDoesNotOutliveItsName: under steady load a pool would never see where a name leads now.
func TestAConnectionDoesNotOutliveItsName(t *testing.T) {
	w := newWorld(t)
	w.leads("api.vendor.com", "8.8.8.8")
	for url, dials := range map[string]int64{"http://api.vendor.com": 2, "http://8.8.8.8": 1} {
		o, err := New(Needs{Dial: w.dial, Lookup: w.lookup}).Origin(Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		for range 4 {
			if _, _, err := call(t.Context(), o, get()); err != nil {
				t.Fatal(err)
			}
			o.mu.Lock()
			for _, c := range o.idle {
				if c.used == 1 {
					c.born = time.Now().Add(-2 * longestUse)
				}
			}
			o.mu.Unlock()
		}
		if s := o.Stats(); s.Dials != dials || s.Open > 1 {
			t.Errorf("%s: %+v", url, s)
		}
	}
}

// TestAnAddressThatIsRefusedIsWrittenAsPeopleDo, not as resolvers give those of version 4.
func TestAnAddressThatIsRefusedIsWrittenAsPeopleDo(t *testing.T) {
	_, err := Public.permitted("a.test.com", []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.5")})
	if err == nil || !strings.HasSuffix(err.Error(), "a.test.com leads to 10.0.0.5, a private address; private = true allows it") {
		t.Error(err)
	}
}

// TestAnAddressThatIsRefusedIsToldOnce, with what to write, and again when it was allowed meanwhile. To the caller it is
// nothing that another call may cure.
func TestAnAddressThatIsRefusedIsToldOnce(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	o, err := New(Needs{Dial: w.dial, Lookup: w.lookup, Logger: slog.New(slog.NewTextHandler(&log, nil))}).Origin(Config{Name: "acme", URL: "http://api.acme.com", MaxIdle: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for i, to := range []string{"10.0.0.5", "10.0.0.6", "8.8.8.8", "10.0.0.5", "10.0.0.5"} {
		w.leads("api.acme.com", to)
		o.forget()
		_, _, err := call(t.Context(), o, get())
		if to == "8.8.8.8" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if e := wantKind(t, err, Connect); e.Code() != llm.CodeInternal || !strings.Contains(e.Public().Message, "configuration") || strings.Contains(e.Public().Message, "10.") {
			t.Errorf("%d: %s, %+v", i, e.Code(), e.Public())
		}
	}
	if got := log.String(); strings.Count(got, "\n") != 2 || strings.Count(got, "private = true allows it") != 2 || !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "acme") {
		t.Errorf("the log says:\n%s", got)
	}
}
