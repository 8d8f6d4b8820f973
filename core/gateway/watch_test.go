package gateway

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// soon are pauses that nobody notices, before so many looks.
func soon(looks int) pauses {
	return pauses{time.Microsecond, time.Microsecond, time.Duration(looks) * time.Microsecond}
}

// backgroundStream begins a response in the background, and is answered in a stream.
const backgroundStream = `{"model":"m","input":"x","background":true,"stream":true}`

// maker is a gateway before a vendor whose response goes on where its stream is left.
type maker struct {
	*Gateway
	asked   atomic.Int32           // how often the vendor was asked for it
	status  func(asked int) string // of the response, when it is asked for
	opening string                 // its streams' first event
	usage   string                 // that it says
	counted chan string            // what each exchange is counted that says what it used
	logged  chan string            // what the log warns of
	tenant  string                 // whose the streams are
}

func (m *maker) vendor(w http.ResponseWriter, r *http.Request) {
	if r.Method == "POST" || r.URL.RawQuery != "" {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, m.opening+item+word)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"id":"r","object":"response","status":%q,"output":[],"usage":%s}`, m.status(int(m.asked.Add(1))), m.usage)
}

// Handle implements slog.Handler.
func (m *maker) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	m.logged <- line
	return nil
}
func (m *maker) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (m *maker) WithAttrs([]slog.Attr) slog.Handler           { return m }
func (m *maker) WithGroup(string) slog.Handler                { return m }

func making(t *testing.T, looks pauses, status func(asked int) string) *maker {
	t.Helper()
	m := &maker{status: status, opening: created, usage: `{"input_tokens":3,"output_tokens":4,"total_tokens":7}`, counted: make(chan string, 10), logged: make(chan string, 10)}
	m.Gateway, _ = remembering(t, m.vendor, filter{exchange.PhaseRequestHead | exchange.PhaseDone, func(p exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
		if p == exchange.PhaseRequestHead {
			x.KeyID = "key-1"
		} else if x.Usage != nil {
			m.counted <- fmt.Sprint(x.ID, " ", x.KeyID, " ", x.Usage.InputTotal)
		}
		return exchange.Verdict{}, nil
	}})
	m.Logger, m.looks = slog.New(m), looks
	m.Current().routes[0].Models[0].Targets[0].ProviderName = "p"
	return m
}

// left has a stream served that is left behind the model's words.
func (m *maker) left(t *testing.T, method, path, query, body string) {
	t.Helper()
	m.streams(t, method, path, query, body)()
}

// streams has a stream served up to the model's words, and returns what leaves it.
func (m *maker) streams(t *testing.T, method, path, query, body string) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	x := exchange.New(ctx)
	x.ID, x.Method, x.Path, x.Query, x.Tenant = "req-1", method, path, query, m.tenant
	x.Request.Body = exchange.NewBody([]byte(body), nil)
	reply := m.Serve(ctx, x)
	if reply.Stream == nil {
		t.Fatalf("%d %s", reply.Status, reply.Body)
	}
	for got := ""; !strings.Contains(got, word); {
		b, err := reply.Stream.Next(nil)
		if got += string(b); err != nil {
			t.Fatalf("%s, %v", got, err)
		}
	}
	return func() {
		cancel(exchange.ErrClientGone)
		reply.Done(exchange.ClientCancelled)
	}
}

// open reports whether what the response used is not told yet.
func (m *maker) open(t *testing.T) bool {
	t.Helper()
	v, found, err := m.Uploads.Left(uploads.Owner{Provider: "p"}, "r")
	if !found || err != nil {
		t.Fatalf("%t, %v", found, err)
	}
	return v.Open
}

// idle waits until nothing is watched.
func (m *maker) idle() { m.watches.going.Wait() }

// TestABackgroundStreamThatIsLeft is counted when its end comes, once, though nobody fetches it; also where another
// configuration runs by then, which does not wait for it.
func TestABackgroundStreamThatIsLeft(t *testing.T) {
	for name, ended := range map[string]int{"it has ended": 1, "it is still being made": 4} {
		t.Run(name, func(t *testing.T) {
			looked, goOn := make(chan struct{}, 10), make(chan struct{})
			m := making(t, soon(100), func(asked int) string {
				if asked == 2 && asked < ended {
					looked <- struct{}{}
					<-goOn
				}
				if asked < ended {
					return "in_progress"
				}
				return "completed"
			})
			m.left(t, "POST", "/v1/responses", "", backgroundStream)
			if ended > 1 {
				<-looked
				last := m.Swap(NewGeneration(m.Current().routes, nil))
				close(goOn)
				<-last.Idle()
			}
			m.idle()
			if len(m.counted) != 1 || <-m.counted != "req-1-made key-1 3" {
				t.Error("it is not counted")
			}
			if asked := int(m.asked.Load()); asked != ended || m.open(t) {
				t.Errorf("the vendor was asked %d times; open: %t", asked, m.open(t))
			}
			m.left(t, "GET", "/v1/responses/r", "stream=true", "")
			reply := request(t.Context(), m.Gateway, "GET", "/v1/responses/r", "")
			reply.Done(exchange.Completed)
			if len(m.counted)+len(m.logged) > 0 || reply.Status != 200 {
				t.Errorf("%d; it is counted again: %d; the log says %d", reply.Status, len(m.counted), len(m.logged))
			}
		})
	}
}

// TestAResponseThatDoesNotEnd is looked at for a time, by one however often its stream is left; the log says so once, and
// who fetches it when it has ended has it counted.
func TestAResponseThatDoesNotEnd(t *testing.T) {
	looked, goOn := make(chan struct{}), make(chan struct{})
	m := making(t, soon(5), func(asked int) string {
		switch asked {
		case 2:
			looked <- struct{}{}
			<-goOn
		case 1 + 5 + 1 + 1:
			return "completed"
		}
		return "in_progress"
	})
	m.left(t, "POST", "/v1/responses", "", backgroundStream)
	<-looked
	m.left(t, "GET", "/v1/responses/r", "stream=true", "")
	close(goOn)
	m.idle()
	if asked := m.asked.Load(); asked != 1+5+1 || len(m.logged) != 1 || len(m.counted) > 0 || !m.open(t) {
		t.Errorf("the vendor was asked %d times, %d lines are logged, counted are %d", asked, len(m.logged), len(m.counted))
	}
	if line := <-m.logged; !strings.Contains(line, "is not known") || !strings.Contains(line, "response=r") || !strings.Contains(line, "still being made") {
		t.Errorf("%s", line)
	}
	request(t.Context(), m.Gateway, "GET", "/v1/responses/r", "").Done(exchange.Completed)
	if len(m.counted) != 1 || <-m.counted != "req-1 key-1 3" {
		t.Error("it is not counted when it is fetched")
	}
}

// TestAWatchEndsWithItsGateway at once, and none begins behind that. The log says what is not known.
func TestAWatchEndsWithItsGateway(t *testing.T) {
	m := making(t, pauses{time.Hour, time.Hour, time.Hour}, func(int) string { return "in_progress" })
	m.left(t, "POST", "/v1/responses", "", backgroundStream)
	if len(m.logged) > 0 || len(m.watches.of) != 1 {
		t.Errorf("%d are watched, %d lines are logged", len(m.watches.of), len(m.logged))
	}
	leave := m.streams(t, "GET", "/v1/responses/r", "stream=true", "")
	m.Close()
	if line := <-m.logged; !strings.Contains(line, "the gateway ends") || len(m.watches.of) > 0 {
		t.Errorf("%s; %d are watched", line, len(m.watches.of))
	}
	leave()
	if line := <-m.logged; !strings.Contains(line, "the gateway ends") || len(m.watches.of) > 0 || m.asked.Load() != 2 {
		t.Errorf("%s; %d are watched", line, len(m.watches.of))
	}
}

// TestNoLookFindsAGatewayWithoutRoutes: what ends takes its configuration away when nobody looks any more.
func TestNoLookFindsAGatewayWithoutRoutes(t *testing.T) {
	looked := make(chan struct{})
	var m *maker
	m = making(t, pauses{time.Microsecond, time.Microsecond, time.Hour}, func(asked int) string {
		if asked == 2 {
			close(looked)
			<-m.watches.over
			if len(m.Current().routes) == 0 {
				t.Error("there are no routes any more")
			}
		}
		return "in_progress"
	})
	last := m.Current()
	m.left(t, "POST", "/v1/responses", "", backgroundStream)
	<-looked
	if m.Close() != last || len(m.Current().routes) > 0 {
		t.Error("routes are served behind the end")
	}
	if line := <-m.logged; !strings.Contains(line, "the gateway ends") {
		t.Errorf("%s", line)
	}
}

// TestAVendorThatSaysNothing is not waited for, however often it is asked.
func TestAVendorThatSaysNothing(t *testing.T) {
	done := make(chan struct{})
	m := making(t, soon(5), func(int) string {
		<-done
		return "completed"
	})
	defer close(done)
	m.lookAgain = time.Millisecond
	m.left(t, "POST", "/v1/responses", "", backgroundStream)
	m.idle()
	if line := <-m.logged; !strings.Contains(line, "is not known") || len(m.logged)+len(m.counted) > 0 {
		t.Errorf("%s; %d more are logged, %d counted", line, len(m.logged), len(m.counted))
	}
}

// TestSoManyAreWatched and no more, of all tenants together and of each; the log says which is not.
func TestSoManyAreWatched(t *testing.T) {
	m := making(t, soon(5), func(int) string { return "in_progress" })
	begin := func(tenant string, n int) error {
		of := subject{uploads.Owner{Tenant: tenant}, fmt.Sprint(n)}
		return m.watches.begin(of, tenant, func() { m.watches.pause(time.Hour) })
	}
	for i := range mostWatched {
		tenant := fmt.Sprint("t", i/mostOfTenant)
		if err := begin(tenant, i); err != nil {
			t.Fatal(err)
		}
		if (i+1)%mostOfTenant == 0 && i+1 < mostWatched {
			if err := begin(tenant, i+1); err != errManyMade {
				t.Errorf("one more of a tenant with %d: %v", mostOfTenant, err)
			}
		}
	}
	if err := begin("another", 0); err != errManyMade {
		t.Errorf("one more of all: %v", err)
	}
	m.left(t, "POST", "/v1/responses", "", backgroundStream)
	if line := <-m.logged; !strings.Contains(line, "as many others") || m.asked.Load() != 1 {
		t.Errorf("%s; asked %d times", line, m.asked.Load())
	}
}

// TestWhoLeavesManyIsATenant also where a provider shares what it keeps, and all that is left there is everybody's.
func TestWhoLeavesManyIsATenant(t *testing.T) {
	m := making(t, pauses{time.Hour, time.Hour, time.Hour}, func(int) string { return "in_progress" })
	m.Current().routes[0].Models[0].Targets[0].SharedFiles = true
	for i := range mostOfTenant {
		of := subject{uploads.Owner{Provider: "p"}, fmt.Sprint(i)}
		if err := m.watches.begin(of, "many", func() { m.watches.pause(time.Hour) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, m.tenant = range []string{"many", "another"} {
		m.left(t, "POST", "/v1/responses", "", backgroundStream)
	}
	if len(m.logged) != 1 || len(m.watches.of) != mostOfTenant+1 {
		t.Fatalf("%d are watched, %d lines are logged", len(m.watches.of), len(m.logged))
	}
	if line := <-m.logged; !strings.Contains(line, "as many others") || m.watches.of[subject{uploads.Owner{Provider: "p"}, "r"}] != "another" {
		t.Errorf("%s; %v", line, m.watches.of)
	}
}

// reading is a codec whose reader of answers does what answer says.
type reading struct {
	dialect.Codec
	answer func()
}

func (r reading) Answer(op llm.Op, raw []byte, found *dialect.Answer) error {
	r.answer()
	return r.Codec.Answer(op, raw, found)
}

// TestALookThatPanics ends with it, and nothing else does: the first one, which the client's connection makes, and others.
func TestALookThatPanics(t *testing.T) {
	for panics := 1; panics <= 2; panics++ {
		m := making(t, soon(5), func(int) string { return "in_progress" })
		looks := 0
		for i, c := range m.Codecs {
			m.Codecs[i] = reading{c, func() {
				if looks++; looks == panics {
					panic("a codec's")
				}
			}}
		}
		m.left(t, "POST", "/v1/responses", "", backgroundStream)
		m.idle()
		if looks != panics || len(m.logged) != 2 || m.Current().InFlight() > 0 {
			t.Fatalf("%d looks, %d lines are logged, %d exchanges", looks, len(m.logged), m.Current().InFlight())
		}
		if line := <-m.logged; !strings.Contains(line, "panic") || !strings.Contains(line, "a codec's") || !strings.Contains(line, "response=r") {
			t.Errorf("%s", line)
		}
		if line := <-m.logged; !strings.Contains(line, "is not known") || !strings.Contains(line, "panic") {
			t.Errorf("%s", line)
		}
	}
}

// TestAPauseHoldsNothing of the exchange: what it was asked and answered, and the configuration that it began in.
func TestAPauseHoldsNothing(t *testing.T) {
	m := making(t, pauses{time.Hour, time.Hour, time.Hour}, func(int) string { return "in_progress" })
	m.left(t, "POST", "/v1/responses", "", backgroundStream)
	last := weak.Make(m.Swap(NewGeneration(m.Current().routes, nil)))
	for n := 0; n < 100 && last.Value() != nil; n++ {
		runtime.GC()
	}
	if len(m.watches.of) != 1 || last.Value() != nil {
		t.Errorf("%d are watched; what they left is held", len(m.watches.of))
	}
}

// TestWhatALookFinds: what ends the looks, and what the log says of it.
func TestWhatALookFinds(t *testing.T) {
	for name, c := range map[string]struct {
		between func(*maker) // two looks
		says    string
	}{
		"somebody has seen its end": {func(m *maker) { m.Uploads.Tell(uploads.Owner{Provider: "p"}, "r") }, ""},
		"it is deleted":             {func(m *maker) { m.Uploads.Forget(uploads.Owner{Provider: "p"}, "r") }, ""},
		"its route is gone":         {func(m *maker) { m.Swap(NewGeneration(nil, nil)) }, "no route"},
		"its provider is gone": {func(m *maker) {
			r := *m.Current().routes[0]
			r.Models = nil
			m.Swap(NewGeneration([]*Route{&r}, nil))
		}, "no route"},
		"the vendor does not say what it used": {func(m *maker) { m.usage = "null" }, "does not say"},
	} {
		t.Run(name, func(t *testing.T) {
			looked, goOn := make(chan struct{}), make(chan struct{})
			m := making(t, soon(100), func(asked int) string {
				if asked == 2 {
					looked <- struct{}{}
					<-goOn
				} else if asked == 3 {
					return "completed"
				}
				return "in_progress"
			})
			m.left(t, "POST", "/v1/responses", "", backgroundStream)
			<-looked
			c.between(m)
			close(goOn)
			m.idle()
			if len(m.counted) > 0 || len(m.logged) > 1 || (len(m.logged) == 1) != (c.says != "") {
				t.Errorf("counted are %d, logged %d", len(m.counted), len(m.logged))
			}
			if c.says == "" {
				return
			}
			if line := <-m.logged; !strings.Contains(line, c.says) {
				t.Errorf("%s", line)
			}
		})
	}
}

// TestPauses: they grow, and end.
func TestPauses(t *testing.T) {
	var all []time.Duration
	var sum time.Duration
	for p := range untilEnded.each {
		all, sum = append(all, p), sum+p
	}
	if len(all) != 19 || sum != time.Hour || all[0] != 2*time.Second || all[7] != 256*time.Second || all[8] != 5*time.Minute {
		t.Errorf("%v, together %s", all, sum)
	}
	for range untilEnded.each {
		break
	}
}
