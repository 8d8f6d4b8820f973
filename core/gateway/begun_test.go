package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/llm"
)

// TestTheFirstEventIsAwaited: whole, and looked at in the upstream's dialect; behind it nothing is.
func TestTheFirstEventIsAwaited(t *testing.T) {
	const failed = `data: {"error":{"message":"m","type":"server_error"}}` + "\n\n"
	const chunk = `data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"x"}}]}` + "\n\n"
	for name, c := range map[string]struct {
		dialect llm.Dialect
		kind    string
		first   string
		more    bool
		fails   bool
	}{
		"whole":                   {llm.OpenAI, "text/event-stream", chunk, false, false},
		"half":                    {llm.OpenAI, "text/event-stream", chunk[:20], true, false},
		"half an error":           {llm.OpenAI, "text/event-stream", failed[:len(failed)-1], true, false},
		"an error":                {llm.OpenAI, "text/event-stream; charset=utf-8", failed, false, true},
		"an error behind another": {llm.OpenAI, "text/event-stream", chunk + failed, false, false},
		"a comment":               {llm.OpenAI, "text/event-stream", ": wait\n\n", true, false},
		"a comment, at last":      {llm.OpenAI, "text/event-stream", ": wait\n\n", false, false},
		"an error behind it":      {llm.OpenAI, "text/event-stream", ": wait\n\n: wait\n\n" + failed, false, true},
		"no event":                {llm.OpenAI, "text/event-stream", "data: {\n\n", false, true},
		"not a stream":            {llm.OpenAI, "application/json", `{"error":`, true, false},
		"Anthropic's error":       {llm.Anthropic, "text/event-stream", "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n", false, true},
		"an array":                {llm.Gemini, "application/json", `[{"candidates":[{"content":{"parts":[{"text":"x"}]}}]}`, false, false},
		"half an array":           {llm.Gemini, "application/json", `[{"candidates":`, true, false},
		"an array of an error":    {llm.Gemini, "application/json", `[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}`, false, true},
		"a line":                  {llm.Ollama, "application/x-ndjson", `{"message":{"content":"x"},"done":false}` + "\n", false, false},
		"half a line":             {llm.Ollama, "application/x-ndjson", `{"message":{"content":"x"},"done"`, true, false},
		"a line with an error":    {llm.Ollama, "application/x-ndjson; charset=utf-8", `{"error":"m"}` + "\n", false, true},
		"no JSON on a line":       {llm.Ollama, "application/x-ndjson", "<html>\n", false, true},
		"lines for its own kind":  {llm.OpenAI, "application/x-ndjson", failed, false, true}, // which are no whole answer
	} {
		g := New(Needs{Codecs: codecs.All(), Upstreams: codecs.Upstreams()})
		s := &serving{Gateway: g, x: exchange.New(t.Context())}
		s.x.Op, s.x.Dialect, s.x.Stream = llm.OpChat, llm.OpenAI, true
		if c.dialect == llm.Gemini {
			s.x.Dialect, s.endpoint.Framing = llm.Gemini, dialect.JSONArray
		}
		s.codec = codecs.Of(s.x.Dialect)
		a := &upstream.Answer{Status: 200, Dialect: c.dialect, Header: llm.Header{{Name: "Content-Type", Value: c.kind}}, First: []byte(c.first)}
		if a.Came = time.Now(); strings.HasSuffix(name, "at last") {
			a.Came = a.Came.Add(-commentsHeld)
		}
		more, failure := s.Begun(a)
		if more != c.more || (failure != nil) != c.fails {
			t.Errorf("%s: more %t, %v", name, more, failure)
		}
	}
}

func TestTriesAreToldWhereThereWereSeveral(t *testing.T) {
	a := &upstream.Answer{Attempts: 1, Tries: []upstream.Try{{Model: "m", Target: "a", Cause: upstream.TimedOut, Took: 1530 * time.Microsecond}}}
	if got := tries(a); got != nil {
		t.Errorf("one: %+v", got)
	}
	a.Tries = append(a.Tries, upstream.Try{Model: "f", Target: "b"})
	if got := tries(a); len(got) != 2 || got[0] != (telemetry.Try{Model: "m", Target: "a", Cause: "timeout", Took: 1530 * time.Microsecond}) || got[1] != (telemetry.Try{Model: "f", Target: "b"}) {
		t.Errorf("two: %+v", got)
	}
}
