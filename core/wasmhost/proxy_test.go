package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/egress"
)

// proxyBench is the guest of testdata/proxyguest, built once.
var proxyBench struct {
	once   sync.Once
	module *Module
	err    error
}

func proxyGuest(t testing.TB) (*Host, *Module) {
	t.Helper()
	h, _ := guest(t)
	proxyBench.once.Do(func() {
		out := filepath.Join(bench.dir, "proxyguest.wasm")
		cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "./testdata/proxyguest")
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
		if text, err := cmd.CombinedOutput(); err != nil {
			proxyBench.err = fmt.Errorf("building the guest: %w\n%s", err, text)
			return
		}
		wasm, err := os.ReadFile(out)
		if err == nil {
			proxyBench.module, err = h.Open(context.Background(), wasm)
		}
		proxyBench.err = err
	})
	if proxyBench.err != nil {
		t.Fatal(proxyBench.err)
	}
	return h, proxyBench.module
}

// newProxy returns a filter of the guest.
func newProxy(t testing.TB, s Spec) *Filter {
	t.Helper()
	h, m := proxyGuest(t)
	s.Module = m
	if s.Name == "" {
		s.Name = "proxy"
	}
	if s.Limits == (Limits{}) {
		s.Limits = patient
	}
	if len(s.Grant.HTTP)+len(s.Grant.Redis) > 0 {
		s.Egress = egress.New(egress.Needs{})
	}
	f, err := h.NewFilter(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(context.Background()) })
	return f
}

func proxyExchange(query string) *exchange.Exchange {
	x := newExchange(query)
	x.Request.Header.Add("Content-Type", "application/json")
	return x
}

func withBody(x *exchange.Exchange, body string) *exchange.Exchange {
	x.Request.Body = exchange.NewBody([]byte(body), nil)
	return x
}

// header runs a query's request head and returns what the guest said.
func proxySays(t *testing.T, f *Filter, x *exchange.Exchange) string {
	t.Helper()
	run(t, f, exchange.PhaseRequestHead, x)
	return said(x)
}

func proxyEnd(t *testing.T, f *Filter, x *exchange.Exchange) {
	t.Helper()
	x.End = exchange.Completed
	run(t, f, exchange.PhaseDone, x)
}

func TestProxyModulesAreKnownByTheirExports(t *testing.T) {
	_, m := proxyGuest(t)
	if m.Manifest.ABI != "proxy-wasm 0.2.1" || m.Manifest.Proxy != "0.2.1" || !m.Manifest.Schema.Opaque {
		t.Errorf("%+v", m.Manifest)
	}
	want := exchange.PhaseRequestHead | exchange.PhaseRequestBody | exchange.PhaseResponseHead | exchange.PhaseResponseBody | exchange.PhaseEvent | exchange.PhaseDone
	if m.Manifest.Phases() != want {
		t.Errorf("%b", m.Manifest.Phases())
	}
}

func TestProxyRequestHead(t *testing.T) {
	f := newProxy(t, Spec{Config: []byte(`{"a":1}`)})
	for _, c := range []struct{ query, want string }{
		{"head", "2 6 1"},
		{"pairs", "0 :method,POST,:scheme,http,:authority,gw.test,:path,/v1/chat/completions?pairs,content-type,application/json,x-gone,1"},
		{"get=:method,Content-Type,x-none,authorization", ":method=POST(0)|Content-Type=application/json(0)|x-none=(1)|authorization=(1)"},
		{"edit", "0|0|0|0|0|2|0|2|0|/other?edit"},
		{"setpairs", "0"},
		{"context", "0 2 1"},
		{"config", `{"a":1}`},
		{"unknown", "12 1 0"},
		{"evil", "10 0"},
		{"shared", "1 0 v 0 8"},
		{"property=request.path,request.method,request.headers.content-type,source.address,plugin_name,route_name,ginnel.tenant,response.code,nonsense",
			`request.path="/v1/chat/completions?property=request.path,request.method,request.headers.content-type,source.address,plugin_name,route_name,ginnel.tenant,response.code,nonsense"|` +
				`request.method="POST"|request.headers.content-type="application/json"|source.address="192.0.2.7:4711"|plugin_name="proxy"|route_name="r"|ginnel.tenant="t"|response.code="(1)"|nonsense="(1)"`},
	} {
		x := proxyExchange(c.query)
		x.Request.Header.Add("X-Gone", "1")
		x.Request.Header.Add("Authorization", "Bearer of the client")
		got := proxySays(t, f, x)
		if c.query == "head" {
			got = strings.TrimLeft(got, "0123456789") // the context's id
			c.want = strings.TrimLeft(c.want, "0123456789")
		}
		if got != c.want {
			t.Errorf("%s: %s\nwant %s", c.query, got, c.want)
		}
		if a := x.Request.Header.Get("authorization"); a != "Bearer of the client" {
			t.Errorf("%s: the credential became %q", c.query, a)
		}
		switch c.query {
		case "edit":
			h := &x.Request.Header
			if h.Get("x-gone") != "" || h.Get("x-two") != "b" || h.Get("x-new") != "v" || h.Get("content-length") != "" || h.Get("x-bad") != "" || x.Path != "/v1/chat/completions" {
				t.Errorf("%v", *h)
			}
		case "setpairs":
			if h := &x.Request.Header; len(*h) != 2 || h.Get("x-only") != "1" {
				t.Errorf("%v", *h)
			}
		}
		proxyEnd(t, f, x)
	}
}

func TestProxyAnswers(t *testing.T) {
	f := newProxy(t, Spec{})
	x := proxyExchange("respond")
	v := run(t, f, exchange.PhaseRequestHead, x)
	if v.Action != exchange.Respond || v.Reply.Status != 418 || string(v.Reply.Body) != "short and stout" || v.Reply.Class != "teapot" {
		t.Fatalf("%+v", v)
	}
	if h := v.Reply.Header; h.Get("x-pot") != "1" || h.Get("content-length") != "" || h.Get("content-type") != "text/plain" || len(h) != 2 {
		t.Errorf("%v", h)
	}
	proxyEnd(t, f, x)
	x = proxyExchange("close")
	if v := run(t, f, exchange.PhaseRequestHead, x); v.Action != exchange.Respond || v.Reply.Error == nil {
		t.Errorf("%+v", v)
	}
	x = proxyExchange("refuse")
	run(t, f, exchange.PhaseRequestHead, x)
	if v := run(t, f, exchange.PhaseResponseHead, x); v.Action != exchange.Respond || v.Reply.Status != 451 {
		t.Errorf("%+v", v)
	}
}

func TestProxyBodies(t *testing.T) {
	f := newProxy(t, Spec{})
	for _, c := range []struct{ query, body, want, said string }{
		{"show", "hello", "hello", "5:1:hello"},
		{"upper", "hello", "HELLO", ""},
		{"splice", "abc", "<[]bc>", ""}, // the inserted byte moved what is replaced,
	} {
		x := withBody(proxyExchange(c.query), c.body)
		run(t, f, exchange.PhaseRequestHead, x)
		run(t, f, exchange.PhaseRequestBody, x)
		if got := string(x.Request.Body.Bytes()); got != c.want || said(x) != c.said {
			t.Errorf("%s: %q, %q", c.query, got, said(x))
		}
		proxyEnd(t, f, x)
	}
	x := proxyExchange("replace=secret")
	run(t, f, exchange.PhaseRequestHead, x)
	x.Response.Status, x.Response.Body = 200, exchange.NewBody([]byte(`{"a":"secret"}`), nil)
	run(t, f, exchange.PhaseResponseHead, x)
	run(t, f, exchange.PhaseResponseBody, x)
	if got := string(x.Response.Body.Bytes()); got != `{"a":"****"}` {
		t.Errorf("%s", got)
	}
	proxyEnd(t, f, x)
}

func TestProxyResponseHead(t *testing.T) {
	f := newProxy(t, Spec{})
	x := proxyExchange("answer")
	run(t, f, exchange.PhaseRequestHead, x)
	x.Response.Status = 200
	run(t, f, exchange.PhaseResponseHead, x)
	if said(x) != "200" || x.Response.Status != 203 || x.Response.Header.Get("x-seen") != "1" || x.Request.Header.Get("x-late") != "" {
		t.Errorf("%s, %+v", said(x), x.Response)
	}
	proxyEnd(t, f, x)
}

// flowed runs events through the filter as the gateway does and returns what comes out.
func flowed(t *testing.T, f *Filter, query string, events ...string) (string, exchange.Verdict) {
	t.Helper()
	x := proxyExchange(query)
	flow := exchange.NewPipeline("p", f).Flow(x)
	ctx := t.Context()
	var out strings.Builder
	put := func(e *exchange.Event) { out.Write(e.Bytes()) }
	if v, err := flow.Request(ctx); err != nil || v.Action != exchange.Continue {
		t.Fatal(v, err)
	}
	x.Response.Status = 200
	if _, err := flow.ResponseHead(ctx); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		v, err := flow.Event(ctx, &exchange.Event{Raw: []byte(e)}, put)
		if err != nil || v.Action == exchange.Close {
			flow.Done(ctx)
			return out.String(), v
		}
	}
	flow.Tail = &exchange.Event{Raw: []byte("data: [DONE]\n\n")}
	if _, err := flow.Flush(ctx, put); err != nil {
		t.Fatal(err)
	}
	out.Write(flow.Tail.Bytes())
	flow.Done(ctx)
	return out.String() + "#" + said(x), exchange.Verdict{}
}

func TestProxyStreams(t *testing.T) {
	f := newProxy(t, Spec{})
	events := []string{"data: a secret\n\n", "data: b\n\n", "data: c\n\n"}
	for _, c := range []struct{ query, want string }{
		{"nothing", "data: a secret\n\ndata: b\n\ndata: c\n\ndata: [DONE]\n\n#"},
		{"show", "data: a secret\n\ndata: b\n\ndata: c\n\ndata: [DONE]\n\n#16:0:data: a secret\n\n|9:0:data: b\n\n|9:0:data: c\n\n|14:1:data: [DONE]\n\n"},
		{"replace=secret", "data: a ****\n\ndata: b\n\ndata: c\n\ndata: [DONE]\n\n#"},
		{"hold=secret", "data: a ****\n\ndata: b\n\ndata: c\n\ndata: [DONE]\n\n#48"},
		{"pairwise", "data: a secret\n\ndata: b\n\ndata: c\n\ndata: [DONE]\n\n#"},
		{"drop=b", "data: a secret\n\ndata: c\n\ndata: [DONE]\n\n#"},
		{"drop=[DONE]", "data: a secret\n\ndata: b\n\ndata: c\n\n#"},
	} {
		if got, _ := flowed(t, f, c.query, events...); got != c.want {
			t.Errorf("%s: %q\nwant %q", c.query, got, c.want)
		}
	}
	if got, v := flowed(t, f, "stop=b", events...); v.Action != exchange.Close || got != "data: a secret\n\n" {
		t.Errorf("stopped: %q, %+v", got, v)
	}
	many := make([]string, 70)
	for i := range many {
		many[i] = "data: " + strings.Repeat("x", 16<<10) + "\n\n"
	}
	x := proxyExchange("hold=x")
	run(t, f, exchange.PhaseRequestHead, x)
	var err error
	for _, e := range many {
		x.Event = &exchange.Event{Raw: []byte(e)}
		if _, err = f.Run(t.Context(), exchange.PhaseEvent, x); err != nil {
			break
		}
	}
	if !errors.Is(err, exchange.ErrHeld) {
		t.Errorf("holding for ever: %v", err)
	}
	proxyEnd(t, f, x)
}

// TestProxyTenantsShareNothing: what a guest keeps in its memory and at the host is one tenant's.
func TestProxyTenantsShareNothing(t *testing.T) {
	f := newProxy(t, Spec{})
	say := func(tenant, query string) string {
		x := proxyExchange(query)
		x.Tenant = tenant
		defer proxyEnd(t, f, x)
		return proxySays(t, f, x)
	}
	for _, c := range []struct{ tenant, query, want string }{
		{"a", "remember=1", "1"}, {"a", "remember=2", "12"}, {"b", "remember=3", "3"}, {"a", "remember=4", "124"},
		{"a", "shared", "1 0 v 0 8"}, {"b", "sharedget=k", "(1)"}, {"a", "sharedget=k", "w(0)"},
		{"a", "queue=job of a", "0"}, {"a", "sharedget=job", "job of a(0)"}, {"b", "sharedget=job", "(1)"},
	} {
		if got := say(c.tenant, c.query); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.tenant, c.query, got, c.want)
		}
	}
	shared := newProxy(t, Spec{Grant: Grant{Shared: true}})
	for i, tenant := range []string{"a", "b"} {
		x := proxyExchange("remember=1")
		x.Tenant = tenant
		if got := proxySays(t, shared, x); got != strings.Repeat("1", i+1) {
			t.Errorf("shared by grant: %s", got)
		}
		proxyEnd(t, shared, x)
	}
}

// TestABrokenVMIsReplaced: a trap ends the tenant's VM and the exchanges in it, and nothing else.
func TestABrokenVMIsReplaced(t *testing.T) {
	for _, how := range []string{"trap", "loop"} {
		f := newProxy(t, Spec{Limits: Limits{Time: 250 * time.Millisecond}})
		open := func(tenant string) *exchange.Exchange {
			x := proxyExchange("replace=x")
			x.Tenant = tenant
			run(t, f, exchange.PhaseRequestHead, x)
			return x
		}
		own, other := open("t"), open("other")
		x := proxyExchange("shared")
		proxySays(t, f, x)
		proxyEnd(t, f, x)
		if _, err := f.Run(t.Context(), exchange.PhaseRequestHead, proxyExchange(how)); err == nil {
			t.Fatalf("%s: no error", how)
		}
		own.Event = &exchange.Event{Raw: []byte("data: x\n\n")}
		if _, err := f.Run(t.Context(), exchange.PhaseEvent, own); !errors.Is(err, errLost) {
			t.Errorf("%s: an exchange of the same VM: %v", how, err)
		}
		proxyEnd(t, f, own)
		other.Event = &exchange.Event{Raw: []byte("data: x\n\n")}
		if run(t, f, exchange.PhaseEvent, other); string(other.Event.Bytes()) != "data: ****\n\n" {
			t.Errorf("%s: another tenant's: %q", how, other.Event.Bytes())
		}
		proxyEnd(t, f, other)
		x = proxyExchange("remember=again")
		if got := proxySays(t, f, x); got != "again" {
			t.Errorf("%s: the new one: %s", how, got)
		}
		proxyEnd(t, f, x)
		x = proxyExchange("sharedget=k")
		if got := proxySays(t, f, x); got != "w(0)" {
			t.Errorf("%s: the shared data: %s", how, got)
		}
		proxyEnd(t, f, x)
	}
}

func TestProxyErrorsObeyThePolicy(t *testing.T) {
	f := newProxy(t, Spec{OnError: Open})
	x := proxyExchange("trap")
	for _, p := range []exchange.Phase{exchange.PhaseRequestHead, exchange.PhaseResponseHead, exchange.PhaseDone} {
		if v, err := f.Run(t.Context(), p, x); err != nil || v.Action != exchange.Continue {
			t.Errorf("%s: %v %v", p, v, err)
		}
	}
	if s := f.Stats(); s.Failures != 1 {
		t.Errorf("%+v", s)
	}
}

func TestProxyMetrics(t *testing.T) {
	n := &notices{}
	f := newProxy(t, Spec{Observer: n})
	x := proxyExchange("metrics")
	if got := proxySays(t, f, x); got != "-3 2" || strings.Join(n.all, ",") != "proxy my_counter,proxy gauge" {
		t.Errorf("%s, %v", got, n.all)
	}
	proxyEnd(t, f, x)
}

// cluster is a service that a guest calls.
func cluster(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
			return
		}
		fmt.Fprintf(w, "%s %s", strings.TrimPrefix(r.URL.Path, "/"), r.Header.Get("x-mine"))
	}))
	t.Cleanup(s.Close)
	return s
}

func TestProxyCalls(t *testing.T) {
	s := cluster(t)
	host := strings.TrimPrefix(s.URL, "http://")
	name, port, _ := strings.Cut(host, ":")
	f := newProxy(t, Spec{Grant: Grant{HTTP: []string{s.URL}, Clusters: map[string]string{"outbound|80||svc.dns": s.URL}}})
	for _, c := range []struct{ cluster, want string }{
		{s.URL, "0|1 200 ok 1"}, {host, "0|1 200 ok 1"}, {name, "0|1 200 ok 1"},
		{"outbound|" + port + "||" + name, "0|1 200 ok 1"}, {"outbound|80||svc.dns", "0|1 200 ok 1"},
		{"outbound|1||" + name, "2"}, {"elsewhere", "2"},
	} {
		x := proxyExchange("call=" + c.cluster + "@/ok")
		if got := proxySays(t, f, x); got != c.want {
			t.Errorf("%s: %s", c.cluster, got)
		}
		if called := x.Request.Header.Get("x-called"); (called == "ok 1") != (c.want != "2") {
			t.Errorf("%s: the header is %q", c.cluster, called)
		}
		proxyEnd(t, f, x)
	}
	x := proxyExchange("deny=" + host + "@/bad")
	if v := run(t, f, exchange.PhaseRequestHead, x); v.Action != exchange.Respond || v.Reply.Status != 403 || string(v.Reply.Body) != "bad 1" {
		t.Errorf("%+v", v)
	}
	proxyEnd(t, f, x)
	h, m := proxyGuest(t)
	if _, err := h.NewFilter(Spec{Name: "f", Module: m, Grant: Grant{Clusters: map[string]string{"x": "http://a.test"}}}); !errors.Is(err, ErrGrant) {
		t.Errorf("a cluster that is not granted: %v", err)
	}
}

// TestProxyPausesEnd: with the client, with the limit, and at once where nothing can continue.
func TestProxyPausesEnd(t *testing.T) {
	s := cluster(t)
	f := newProxy(t, Spec{Grant: Grant{HTTP: []string{s.URL}}, Limits: Limits{Time: 20 * time.Second, Pause: 50 * time.Millisecond}})
	if _, err := f.Run(t.Context(), exchange.PhaseRequestHead, proxyExchange("pause")); !errors.Is(err, errStuck) {
		t.Errorf("without a call: %v", err)
	}
	if _, err := f.Run(t.Context(), exchange.PhaseRequestHead, proxyExchange("call="+s.URL+"@/hang")); err == nil || !strings.Contains(err.Error(), "50ms") {
		t.Errorf("too long: %v", err)
	}
	f = newProxy(t, Spec{Grant: Grant{HTTP: []string{s.URL}}})
	ctx, cancel := context.WithCancelCause(context.Background())
	x := exchange.New(ctx)
	x.Method, x.Path, x.Query = "POST", "/", "call="+s.URL+"@/hang"
	time.AfterFunc(20*time.Millisecond, func() { cancel(exchange.ErrClientGone) })
	if _, err := f.Run(context.Background(), exchange.PhaseRequestHead, x); !errors.Is(err, exchange.ErrClientGone) || f.Stats().Failures != 0 {
		t.Errorf("the client left: %v, %+v", err, f.Stats())
	}
	proxyEnd(t, f, x)
}

func TestProxyTicks(t *testing.T) {
	f := newProxy(t, Spec{Config: []byte("tick")})
	x := proxyExchange("await") // until a tick continues it
	run(t, f, exchange.PhaseRequestHead, x)
	proxyEnd(t, f, x)
	x = proxyExchange("sharedget=ticked")
	if got := proxySays(t, f, x); got != "yes(0)" {
		t.Errorf("%s", got)
	}
	proxyEnd(t, f, x)
}

func TestProxyConfigThatIsRefused(t *testing.T) {
	h, m := proxyGuest(t)
	_, err := h.NewFilter(Spec{Name: "f", Module: m, Config: []byte("refuse"), Limits: patient})
	if err == nil || !strings.Contains(err.Error(), "no such colour") {
		t.Errorf("%v", err)
	}
}

// TestIdleVMsGiveWay: as many tenants as come, with as many VMs as are allowed.
func TestIdleVMsGiveWay(t *testing.T) {
	f := newProxy(t, Spec{Limits: Limits{Time: 20 * time.Second, Instances: 2}})
	open := func(tenant string) (*exchange.Exchange, error) {
		x := proxyExchange("remember=1")
		x.Tenant = tenant
		_, err := f.Run(t.Context(), exchange.PhaseRequestHead, x)
		return x, err
	}
	for i := range 10 {
		x, err := open(fmt.Sprint("t", i))
		if err != nil {
			t.Fatal(err)
		}
		proxyEnd(t, f, x)
	}
	if n := f.Stats().Instances; n > 3 {
		t.Errorf("%d instances", n)
	}
	for _, tenant := range []string{"a", "b"} {
		if _, err := open(tenant); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := open("c"); !errors.Is(err, errTenants) {
		t.Errorf("a third at once: %v", err)
	}
}

// TestProxyUnderLoad: many exchanges of several tenants at once, with traps among them, each see
// their own only.
func TestProxyUnderLoad(t *testing.T) {
	s := cluster(t)
	f := newProxy(t, Spec{Grant: Grant{HTTP: []string{s.URL}}})
	var wg sync.WaitGroup
	for i := range 8 {
		tenant := fmt.Sprint("tenant", i%4)
		wg.Go(func() {
			for n := range 25 {
				own := fmt.Sprintf("%s-%d-%d", tenant, i, n)
				query := []string{"upper", "replace=" + own, "call=" + s.URL + "@/" + own, "hold=" + own}[n%4]
				if tenant == "tenant0" && n%5 == 4 {
					query = "trap"
				}
				x := withBody(proxyExchange(query), "body of "+own)
				x.Tenant = tenant
				_, err := f.Run(t.Context(), exchange.PhaseRequestHead, x)
				if err == nil {
					_, err = f.Run(t.Context(), exchange.PhaseRequestBody, x)
				}
				if err != nil && tenant != "tenant0" {
					t.Errorf("%s: %v", own, err)
				}
				if err == nil {
					body, header := string(x.Request.Body.Bytes()), x.Request.Header.Get("x-called")
					want := map[string]string{"upper": strings.ToUpper("body of " + own), "replace": "body of ****", "hold": "body of ****", "call": "body of " + own}
					do, _, _ := strings.Cut(query, "=")
					if body != want[do] || do == "call" && header != own+" 1" {
						t.Errorf("%s %s: %q, %q", own, query, body, header)
					}
				}
				f.Run(context.Background(), exchange.PhaseDone, x)
			}
		})
	}
	wg.Wait()
	if f.Stats().Failures == 0 {
		t.Error("the traps did not show")
	}
}

func TestMetricNames(t *testing.T) {
	if got := metricName("Route.x|y-Z9"); got != "route_x_y_z9" {
		t.Error(got)
	}
}

func FuzzInterface(f *testing.F) {
	f.Add(guestCode{}.bytes(f))
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x07\x05\x01\xff\xff\xff\x0f"))
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x02\x0b\x01\x03env\x01m\x02\x01\x01\x02"))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		if _, _, err := Interface(wasm); err == nil {
			ReadManifest(wasm)
		}
	})
}

func TestInterface(t *testing.T) {
	imports, exports, err := Interface(guestCode{imports: []string{"text_count"}}.bytes(t))
	if err != nil || strings.Join(imports, ",") != "ginnel.text_count" || strings.Join(exports, ",") != "ginnel_abi_1,ginnel_alloc,ginnel_init,ginnel_on" {
		t.Errorf("%v %v %v", imports, exports, err)
	}
}
