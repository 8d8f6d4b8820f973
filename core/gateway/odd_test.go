package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// speaking plans every call in one dialect.
type speaking struct {
	origin  *egress.Origin
	dialect llm.Dialect
}

func (p speaking) Plan(context.Context, llm.Op, llm.Dialect, string) (*upstream.Plan, error) {
	return &upstream.Plan{Origin: p.origin, Dialect: p.dialect, Op: llm.OpChat, Method: "POST", Path: "/", StreamPath: "/"}, nil
}
func (p speaking) Refresh(context.Context, uint64) (bool, error) { return false, nil }

type canned struct {
	dialect llm.Dialect
	status  int
	header  map[string]string
	body    string
}

// through serves one request from a model with the upstreams as its targets, in order (the second is a fallback).
func through(t *testing.T, path, body string, ups ...canned) (*exchange.Reply, string, []*upstream.State) {
	t.Helper()
	return watched(t, telemetry.New(telemetry.Config{}), path, body, ups...)
}

// provider starts an upstream that answers so, and returns the provider that leads there.
func (c canned) provider(t *testing.T) upstream.Provider {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		for k, v := range c.header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(c.status)
		io.WriteString(w, c.body)
	}))
	t.Cleanup(s.Close)
	origin, err := egress.New(egress.Needs{}).Origin(egress.Config{Name: "up", URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { origin.Close() })
	return speaking{origin, c.dialect}
}

// watched is through with a telemetry of the test's own.
func watched(t *testing.T, tel *telemetry.Telemetry, path, body string, ups ...canned) (*exchange.Reply, string, []*upstream.State) {
	t.Helper()
	var models []*upstream.Model
	var states []*upstream.State
	for i, u := range ups {
		st := &upstream.State{}
		states = append(states, st)
		models = append(models, &upstream.Model{Name: "m" + strings.Repeat("f", i), Attempts: 1, Targets: []*upstream.Target{{Name: "t", Provider: u.provider(t), Model: "m", State: st}}})
	}
	models[0].Fallback = models[1:]
	g := New(Needs{Telemetry: tel, Codecs: codecs.All(), Upstreams: codecs.Upstreams()})
	g.Swap(NewGeneration([]*Route{{Name: "r", Path: "/*", Open: true, Pipeline: exchange.NewPipeline("p"), Models: []Model{{Model: models[0]}}}}, nil))
	x := exchange.New(t.Context())
	x.ID, x.Method = "req-1", "POST"
	x.Path, x.Query, _ = strings.Cut(path, "?")
	x.Request.Body = exchange.NewBody([]byte(body), nil)
	reply := g.Serve(t.Context(), x)
	out := string(reply.Body)
	if reply.Stream != nil {
		out = all(t, reply, "")
	} else {
		reply.Done("")
	}
	return reply, out, states
}

var plainJSON = map[string]string{"Content-Type": "application/json"}

const twoChoicesCut = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"first"}},{"index":1,"delta":{"role":"assistant","content":"sec"}}]}` + "\n\n" +
	`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"

// TestAChoiceThatIsCutIsNoWholeAnswer, where another one ended.
func TestAChoiceThatIsCutIsNoWholeAnswer(t *testing.T) {
	for _, client := range []llm.Dialect{llm.Gemini, llm.Anthropic, llm.Responses} {
		if out, err := play(t, llm.OpenAI, client, twoChoicesCut); err == nil && !strings.Contains(out, `"error"`) {
			t.Errorf("%s: it was said to have stopped:\n%s", client, out)
		}
	}
}

// TestAnErrorInA200 is a failure: another target is asked.
func TestAnErrorInA200(t *testing.T) {
	const failed = `"error":{"message":"Provider returned error","code":502}`
	const good = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"good"},"finish_reason":"stop"}]}`
	for name, body := range map[string]string{
		"alone":              `{` + failed + `}`,
		"last":               `{"id":"c","choices":[],` + failed + `}`,
		"in the middle":      "{\n \"object\": \"chat.completion\", \"choices\": null, " + failed + ", \"usage\": null\n}\n",
		"behind many spaces": strings.Repeat(" \n", 9000) + `{"id":"c",` + failed + `}`,
		"behind another":     `{"choices":[{"index":0,"message":{"role":"assistant","content":"x","error":null},"finish_reason":"error"}],` + failed + `}`,
		"as its type":        `{"object":"error","message":"Provider returned error","code":502}`,
		"empty and in words": `{"error":{},"message":"Provider returned error"}`,
	} {
		for path, ask := range map[string]string{
			"/v1/chat/completions":       `{"model":"m","messages":[{"role":"user","content":"x"}]}`,
			"/v1/messages":               `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]}`,
			"/v1/chat/completions?again": `{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}`,
		} {
			r, got, st := through(t, path, ask, canned{llm.OpenAI, 200, plainJSON, body}, canned{llm.OpenAI, 200, plainJSON, good})
			if !strings.Contains(got, "good") {
				t.Errorf("%s, %s: an error in a 200 did not fall back: status %d %s; target %+v", name, path, r.Status, got, st[0].Snapshot(time.Now()))
			}
			if r, got, _ = through(t, path, ask, canned{llm.OpenAI, 200, plainJSON, body}); r.Status != 502 || !strings.Contains(got, "Provider returned error") {
				t.Errorf("%s, %s: status %d %s", name, path, r.Status, got)
			}
		}
	}
	long := `{"id":"c","choices":[],"prompt":"` + strings.Repeat("x", 1<<20) + `",` + failed + `}`
	if r, got, _ := through(t, "/v1/chat/completions", chatBody, canned{llm.OpenAI, 200, plainJSON, long}); r.Status != 502 || !strings.Contains(got, "Provider returned error") {
		t.Errorf("behind much: status %d %.200s", r.Status, got)
	}
}

// TestA200ThatIsNoAnswerIsAFailure: what stands before an upstream answered in its place, or the answer is a piece of one.
// Another target is asked.
func TestA200ThatIsNoAnswerIsAFailure(t *testing.T) {
	const good = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"good"},"finish_reason":"stop"}]}`
	for name, c := range map[string]struct{ kind, body string }{
		"a page":                  {"text/html", "<html><body>Please log in</body></html>"},
		"a page, said to be JSON": {"application/json", "\n<html></html>"},
		"words":                   {"text/plain", "upstream connect error"},
		"a piece":                 {"application/json", good[:len(good)/2]},
		"null":                    {"application/json", "null"},
		"a list":                  {"application/json", "[]"},
	} {
		for path, ask := range map[string]string{
			"/v1/chat/completions":       `{"model":"m","messages":[{"role":"user","content":"x"}]}`,
			"/v1/messages":               `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]}`,
			"/v1/chat/completions?again": `{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}`,
		} {
			none := canned{llm.OpenAI, 200, map[string]string{"Content-Type": c.kind}, c.body}
			if r, got, _ := through(t, path, ask, none, canned{llm.OpenAI, 200, plainJSON, good}); r.Status != 200 || !strings.Contains(got, "good") {
				t.Errorf("%s, %s: it did not fall back: status %d %s", name, path, r.Status, got)
			}
			if r, got, st := through(t, path, ask, none); r.Status != 502 || !strings.Contains(got, "could not be read") || st[0].Snapshot(time.Now()).Failures != 1 {
				t.Errorf("%s, %s: status %d %s", name, path, r.Status, got)
			}
		}
	}
}

// TestNoErrorInA200: others have members of that name, too.
func TestNoErrorInA200(t *testing.T) {
	const choices = `"choices":[{"index":0,"message":{"role":"assistant","content":"say \"error\": {}","error":{"code":1}},"finish_reason":"stop"}]`
	for _, with := range []string{`"error":null`, `"error" : false`, `"error":""`, `"error":{}`, `"error":{"message":"","type":"","param":null,"code":0}`, `"errors":["x"]`, `"result":{"error":{"message":"m"}}`} {
		for _, body := range []string{`{` + with + `,` + choices + `}`, `{` + choices + `,` + with + `}`} {
			if r, got, _ := through(t, "/v1/chat/completions", chatBody, canned{llm.OpenAI, 200, plainJSON, body}); r.Status != 200 || got != body {
				t.Errorf("%s: status %d %s", with, r.Status, got)
			}
		}
	}
}

// TestWhatSaysNoErrorIsNotParsedForIt, nor does looking cost an allocation.
func TestWhatSaysNoErrorIsNotParsedForIt(t *testing.T) {
	text := []byte(`{"id":"r","error": null,"incomplete_details":null,"output":[{"type":"message","content":[{"type":"output_text","text":"` + strings.Repeat(`an \"error\" is `, 1000) + `"}]}]}`)
	a := &upstream.Answer{First: text, Ended: true}
	s := &serving{} // which has no codec
	if n := testing.AllocsPerRun(100, func() { s.begunWhole(a) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestWaitsInBodies are kept: Google says there when to come again.
func TestWaitsInBodies(t *testing.T) {
	const body = `{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.4s"}]}}`
	for path, ask := range map[string]string{
		"/v1/chat/completions":             `{"model":"m","messages":[{"role":"user","content":"x"}]}`,
		"/v1beta/models/m:generateContent": `{"contents":[{"role":"user","parts":[{"text":"x"}]}]}`,
	} {
		r, got, st := through(t, path, ask, canned{llm.Gemini, 429, plainJSON, body})
		cool := st[0].Snapshot(time.Now()).Cooling
		told := r.Header.Get("retry-after") == "35" || strings.Contains(got, "RetryInfo") // relayed, the body says it
		if !told || cool < 30*time.Second {
			t.Errorf("%s: status %d retry-after %q, cools %v: %s", path, r.Status, r.Header.Get("retry-after"), cool, got)
		}
	}
}

// oneRead gives all that there is at once.
type oneRead struct{ text []byte }

func (r *oneRead) Next(dst []byte) ([]byte, error) {
	if r.text == nil {
		return dst, io.EOF
	}
	dst, r.text = append(dst, r.text...), nil
	return dst, nil
}

func (r *oneRead) Linger(dst []byte) ([]byte, error) { return dst, io.EOF }

// play translates an upstream's server-sent events for a client.
func play(t *testing.T, from, client llm.Dialect, events string) (string, error) {
	t.Helper()
	s := &serving{Gateway: New(Needs{Codecs: codecs.All(), Upstreams: codecs.Upstreams()}), x: exchange.New(t.Context())}
	s.x.Op, s.x.Dialect, s.x.Stream, s.x.ID, s.x.Model = llm.OpChat, client, true, "req", "mod"
	s.codec, s.answer = codecs.Of(client), &upstream.Answer{Status: 200, Dialect: from}
	tr, ok := s.translation(dialect.ServerSent).(*translation)
	if !ok {
		t.Fatal("no translation")
	}
	tr.from = &oneRead{[]byte(events)}
	var out []byte
	for {
		var err error
		if out, err = tr.Next(out); errors.Is(err, io.EOF) {
			return string(out), nil
		} else if err != nil {
			return string(out), err
		}
	}
}

// TestTheIndexOfAChoiceIsBounded: an upstream's index is its own word: neither a panic nor memory in its proportion may follow.
func TestTheIndexOfAChoiceIsBounded(t *testing.T) {
	for _, index := range []string{"-1", "1000000"} {
		for name, f := range map[string]func() error{
			"stream to responses": func() error {
				_, err := play(t, llm.OpenAI, llm.Responses, (`data: {"id":"c","choices":[{"index":` + index + `,"delta":{"content":"x"},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"))
				return err
			},
			"gemini stream to responses": func() error {
				_, err := play(t, llm.Gemini, llm.Responses, (`data: {"candidates":[{"index":` + index + `,"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]}` + "\n\n"))
				return err
			},
			"gemini whole": func() error {
				_, err := codecs.UpstreamTranslator(llm.Gemini).DecodeAnswer([]byte(`{"candidates":[{"index":` + index + `,"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]}`))
				return err
			},
		} {
			t.Run(name+" "+index, func(t *testing.T) {
				defer func() {
					if p := recover(); p != nil {
						t.Errorf("panic: %v", p)
					}
				}()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				err := f()
				runtime.ReadMemStats(&after)
				if grew := after.TotalAlloc - before.TotalAlloc; grew > 10<<20 {
					t.Errorf("%d MiB for one index (err %v)", grew>>20, err)
				}
			})
		}
	}
}
