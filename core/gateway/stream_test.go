package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// filter is an exchange.Filter from a closure.
type filter struct {
	phases exchange.Phase
	run    func(p exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error)
}

func (f filter) Name() string                { return "f" }
func (f filter) Phases() exchange.Phase      { return f.phases }
func (f filter) Close(context.Context) error { return nil }
func (f filter) Run(_ context.Context, p exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
	return f.run(p, x)
}

// redact takes a word out of all texts, and holds back everything until a block ends.
func redact(word string) filter {
	return filter{exchange.PhaseDelta, func(_ exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
		if !x.Window.Final {
			return exchange.Verdict{Action: exchange.Hold}, nil
		}
		for {
			i := bytes.Index(x.Window.Bytes(), []byte(word))
			if i < 0 {
				return exchange.Verdict{}, nil
			}
			if err := x.Window.Edit(i, i+len(word), nil); err != nil {
				return exchange.Verdict{}, err
			}
		}
	}}
}

// provider plans every call to one origin.
type provider struct{ origin *egress.Origin }

func (p provider) Plan(_ context.Context, _ llm.Op, d llm.Dialect, _ string) (*upstream.Plan, error) {
	return &upstream.Plan{Origin: p.origin, Dialect: d, Method: "POST", Path: "/", StreamPath: "/"}, nil
}
func (p provider) Refresh(context.Context, uint64) (bool, error) { return false, nil }

// ask serves one streamed request from an upstream that has written the pieces, one by one, and stays
// until the gateway leaves where the last piece says so.
func ask(t *testing.T, path, body string, pieces []string, filters ...exchange.Filter) *exchange.Reply {
	t.Helper()
	kind := "text/event-stream"
	if strings.HasPrefix(path, "/v1beta") {
		kind = "application/json"
	}
	written := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", kind)
		for _, piece := range pieces {
			if piece == stay {
				close(written)
				<-r.Context().Done()
				return
			}
			io.WriteString(w, piece)
			w.(http.Flusher).Flush()
		}
		close(written)
	}))
	t.Cleanup(s.Close)
	reply := serveFrom(t, egress.New(egress.Needs{}), s.URL, path, body, filters...)
	if reply.Stream == nil || reply.Status != 200 {
		t.Fatalf("status %d: %s", reply.Status, reply.Body)
	}
	<-written // so that what follows a terminator is there when it is read
	return reply
}

// serveFrom serves one request from an upstream.
func serveFrom(t *testing.T, transport *egress.Transport, url, path, body string, filters ...exchange.Filter) *exchange.Reply {
	t.Helper()
	x := exchange.New(t.Context())
	x.ID, x.Method, x.Path = "req-1", "POST", path
	x.Request.Body = exchange.NewBody([]byte(body), nil)
	return gatewayTo(t, transport, url, filters...).Serve(t.Context(), x)
}

// gatewayTo returns a gateway whose one model is at an upstream.
func gatewayTo(t testing.TB, transport *egress.Transport, url string, filters ...exchange.Filter) *Gateway {
	t.Helper()
	origin, err := transport.Origin(egress.Config{Name: "up", URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { origin.Close() })
	g := New(Needs{Telemetry: telemetry.New(telemetry.Config{}), Codecs: codecs.All()})
	g.Swap(NewGeneration([]*Route{{
		Name: "r", Path: "/*", Open: true, Pipeline: exchange.NewPipeline("p", filters...),
		Models: []Model{{Model: &upstream.Model{Name: "m", Attempts: 1, Targets: []*upstream.Target{{Name: "t", Provider: provider{origin}, Model: "m"}}}}},
	}}, nil))
	return g
}

const stay = "stay"

// all reads a reply to its end.
func all(t *testing.T, reply *exchange.Reply, end exchange.Terminal) string {
	t.Helper()
	var out []byte
	for {
		var err error
		if out, err = reply.Stream.Next(out); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	reply.Done(end)
	return string(out)
}

const (
	responseBody = `{"model":"m","stream":true,"input":"hello"}`
	created      = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"object\":\"response\",\"status\":\"in_progress\",\"output\":[]}}\n\n"
	final        = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"object\":\"response\",\"status\":\"completed\",\"output\":[{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"%s\"}]}]}}\n\n"
	done         = "data: [DONE]\n\n"
)

func delta(text string) string {
	return "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"" + text + "\"}\n\n"
}

// TestWhatCutAnOpeningIsLetGo where the stream begins though it is longer than what is looked at.
func TestWhatCutAnOpeningIsLetGo(t *testing.T) {
	reply := ask(t, "/v1/responses", responseBody, []string{strings.Repeat(": wait\n\n", 64<<10), created, delta("a"), fmt.Sprintf(final, "a")})
	if o := reply.Stream.(*stream).s.opening; o.of != nil || o.cutter != nil {
		t.Errorf("%d bytes were cut", o.fed)
	}
	if got := all(t, reply, exchange.Completed); !strings.Contains(got, "response.completed") {
		t.Errorf("%.100s", got)
	}
}

// TestATerminatorWithTextsPassesTheFilters: the last event of Responses says everything again. It comes
// after what was held back, without the word, and the end is told once, after it.
func TestATerminatorWithTextsPassesTheFilters(t *testing.T) {
	ends := 0
	end := filter{exchange.PhaseEnd, func(_ exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
		if ends++; x.Finish != "completed" {
			t.Errorf("finish %q", x.Finish)
		}
		return exchange.Verdict{}, nil
	}}
	whole := fmt.Sprintf(final, `a s\u0065cret b`)
	reply := ask(t, "/v1/responses", responseBody, []string{created, delta("a sec"), delta("ret b"), whole}, redact("secret"), end)
	want := created + delta("a ") + delta(" b") + fmt.Sprintf(final, "a  b")
	if got := all(t, reply, exchange.Completed); got != want || ends != 1 {
		t.Errorf("%d ends:\n%s\nwant\n%s", ends, got, want)
	}
}

func TestWhatFollowsATerminator(t *testing.T) {
	whole := fmt.Sprintf(final, "a")
	for _, c := range []struct {
		name   string
		pieces []string
		want   string // behind what came before
	}{
		{"nothing", []string{created, whole}, ""},
		{"in the same piece", []string{created, whole + done}, done},
		{"in the next", []string{created, whole, done}, done},
		{"from an upstream that stays", []string{created, whole + done, stay}, done},
		{"from an upstream that says nothing more", []string{created, whole, stay}, ""},
		{"without its blank line", []string{created, whole + "data: [DONE]"}, "data: [DONE]"},
		{"after a comment", []string{created, whole + ": bye\n\n" + done}, ": bye\n\n" + done},
		{"twice", []string{created, whole + done + done}, done},
		{"a text", []string{created, whole + delta("secret") + done}, ""},
		{"a response", []string{created, whole + whole + done}, ""},
		{"an error", []string{created, whole + "data: {\"error\":{\"message\":\"m\"}}\n\n" + done}, ""},
		{"no JSON", []string{created, whole + "data: {\n\n" + done}, ""},
		{"comments without end", []string{created, whole + strings.Repeat(": c\n\n", 100)}, strings.Repeat(": c\n\n", maxTrail)},
	} {
		for name, filters := range map[string][]exchange.Filter{"": nil, " under a filter": {redact("secret")}} {
			reply := ask(t, "/v1/responses", responseBody, c.pieces, filters...)
			if got := all(t, reply, exchange.Completed); got != created+whole+c.want {
				t.Errorf("%s%s: %q, want %q", c.name, name, strings.TrimPrefix(got, created+whole), c.want)
			}
		}
	}
}

// TestAClientMayLeaveWithTheTerminator: it has its whole answer, whatever the upstream may still send.
func TestAClientMayLeaveWithTheTerminator(t *testing.T) {
	for _, c := range []struct {
		pieces []string
		calls  int // of Next, before the client leaves
		want   exchange.Terminal
	}{
		{[]string{created, fmt.Sprintf(final, "a"), stay}, 3, exchange.Completed},
		{[]string{created, delta("a"), stay}, 1, exchange.ClientCancelled},
	} {
		var end exchange.Terminal
		watch := filter{exchange.PhaseDone, func(_ exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
			end = x.End
			return exchange.Verdict{}, nil
		}}
		reply := ask(t, "/v1/responses", responseBody, c.pieces, watch)
		for range c.calls {
			if _, err := reply.Stream.Next(nil); err == io.EOF {
				break
			}
		}
		if reply.Done(exchange.ClientCancelled); end != c.want {
			t.Errorf("%s, want %s", end, c.want)
		}
	}
}

// TestAStreamWithoutItsTerminatorIsCut whatever its last event is, and says so.
func TestAStreamWithoutItsTerminatorIsCut(t *testing.T) {
	for _, pieces := range [][]string{{created}, {created, delta("a")}, {created, done[:len(done)-9]}} {
		got := all(t, ask(t, "/v1/responses", responseBody, pieces), exchange.Completed)
		last := got[strings.LastIndex(strings.TrimSuffix(got, "\n\n"), "\n\n")+2:]
		if !strings.HasPrefix(last, "event: error\ndata: {\"type\":\"error\",\"code\":\"upstream_cut\"") || !strings.Contains(last, `"request_id":"req-1"`) {
			t.Errorf("%q ends with %q", pieces, last)
		}
	}
}

// TestTheGatewaysErrorIsNumbered behind the events that the client has got, and so is one that stands for what filters held back.
func TestTheGatewaysErrorIsNumbered(t *testing.T) {
	numbered := func(event string, n int) string {
		return strings.Replace(event, `",`, fmt.Sprintf(`","sequence_number":%d,`, n), 1)
	}
	for _, c := range []struct {
		pieces []string
		want   string
	}{
		{[]string{created, delta("a")}, `"sequence_number":0,`}, // of a server that numbers none
		{[]string{numbered(created, 0), numbered(delta("a"), 1)}, `"sequence_number":2,`},
		{[]string{numbered(created, 7), numbered(delta("a"), 9), delta("b")}, `"sequence_number":10,`}, // of a stream that is fetched from its middle
	} {
		got := all(t, ask(t, "/v1/responses", responseBody, c.pieces), exchange.Completed)
		if last := got[strings.LastIndex(got, "event: error"):]; !strings.Contains(last, c.want) {
			t.Errorf("%q ends with %q", c.pieces, last)
		}
	}
	stop := filter{exchange.PhaseDelta, func(_ exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
		return exchange.Verdict{Action: exchange.Close}, nil
	}}
	got := all(t, ask(t, "/v1/responses", responseBody, []string{numbered(created, 0), numbered(delta("a"), 1)}, stop), exchange.Completed)
	if !strings.Contains(got, `"sequence_number":2,"error"`) {
		t.Errorf("stopped by a filter: %q", got)
	}
}

// TestAnErrorBehindATornEvent stands on lines of its own: the event before it has no blank line.
func TestAnErrorBehindATornEvent(t *testing.T) {
	chunk := `data: {"choices":[{"index":0,"delta":{"content":"a"}}]}`
	reply := ask(t, "/v1/chat/completions", `{"model":"m","stream":true,"messages":[]}`, []string{chunk})
	got := all(t, reply, exchange.UpstreamCut)
	if !strings.HasPrefix(got, chunk+"\n\ndata: {\"error\":") {
		t.Errorf("got %q", got)
	}
}

// TestDroppedItemsLeaveAnArray: a stream that is a JSON array is one whatever a filter leaves out.
func TestDroppedItemsLeaveAnArray(t *testing.T) {
	item := func(n int, finish string) string {
		return fmt.Sprintf(`{"candidates":[{"content":{"parts":[{"text":"%d"}],"role":"model"}%s,"index":0}]}`, n, finish)
	}
	const stop = `,"finishReason":"STOP"`
	for drop := range 8 { // a bit for each item
		var keep []string
		for n := range 3 {
			if drop>>n&1 == 0 {
				keep = append(keep, fmt.Sprint(n))
			}
		}
		n := 0
		dropping := filter{exchange.PhaseEvent, func(exchange.Phase, *exchange.Exchange) (exchange.Verdict, error) {
			n++
			if drop>>(n-1)&1 == 1 {
				return exchange.Verdict{Action: exchange.Drop}, nil
			}
			return exchange.Verdict{}, nil
		}}
		pieces := []string{"[" + item(0, ""), ",\r\n" + item(1, "") + ",", item(2, stop) + "\n]"}
		reply := ask(t, "/v1beta/models/m:streamGenerateContent", `{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}`, pieces, dropping)
		got := all(t, reply, exchange.Completed)
		var items []struct {
			Candidates []struct {
				Content struct{ Parts []struct{ Text string } }
			}
			Error *struct{}
		}
		if err := json.Unmarshal([]byte(got), &items); err != nil {
			t.Errorf("without %03b: %v: %s", drop, err, got)
			continue
		}
		var texts []string
		for _, it := range items {
			if it.Error == nil {
				texts = append(texts, it.Candidates[0].Content.Parts[0].Text)
			}
		}
		if !slices.Equal(texts, keep) {
			t.Errorf("without %03b: %s", drop, got)
		}
		if drop == 0 && got != strings.Join(pieces, "") {
			t.Errorf("nothing was dropped and the bytes changed: %q", got)
		}
	}
}
