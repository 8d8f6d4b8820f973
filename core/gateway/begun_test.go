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

// TestTheFirstEventIsAwaited: the first with content, whole, and looked at in the upstream's dialect; behind it nothing is.
func TestTheFirstEventIsAwaited(t *testing.T) {
	const failed = `data: {"error":{"message":"m","type":"server_error"}}` + "\n\n"
	const chunk = `data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"x"}}]}` + "\n\n"
	const role = `data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}]}` + "\n\n"
	const start = `data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","content":[],"usage":{"input_tokens":9,"output_tokens":1}}}` + "\n\n"
	const overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n"
	const created = `data: {"type":"response.created","response":{"id":"r","status":"in_progress","instructions":"i","output":[]}}` + "\n\n"
	for name, c := range map[string]struct {
		dialect llm.Dialect
		kind    string
		first   string
		look    upstream.Look
		fails   bool
	}{
		"whole":                   {llm.OpenAI, "text/event-stream", chunk, upstream.Seen, false},
		"half":                    {llm.OpenAI, "text/event-stream", chunk[:20], upstream.Awaited, false},
		"half an error":           {llm.OpenAI, "text/event-stream", failed[:len(failed)-1], upstream.Awaited, false},
		"an error":                {llm.OpenAI, "text/event-stream; charset=utf-8", failed, upstream.Seen, true},
		"an error behind another": {llm.OpenAI, "text/event-stream", chunk + failed, upstream.Seen, false},
		"a comment":               {llm.OpenAI, "text/event-stream", ": wait\n\n", upstream.Held, false},
		"an error behind it":      {llm.OpenAI, "text/event-stream", ": wait\n\n: wait\n\n" + failed, upstream.Seen, true},
		"a comment, at the end":   {llm.OpenAI, "text/event-stream", ": wait\n\n", upstream.Seen, true},
		"half, at the end":        {llm.OpenAI, "text/event-stream", chunk[:20], upstream.Seen, true},
		"torn, at the end":        {llm.OpenAI, "text/event-stream", ": wait\n\n" + failed[:len(failed)-1], upstream.Seen, true},
		"done, at the end":        {llm.OpenAI, "text/event-stream", ": wait\n\ndata: [DONE]", upstream.Seen, false},
		"no event":                {llm.OpenAI, "text/event-stream", "data: {\n\n", upstream.Seen, true},
		"not a stream":            {llm.OpenAI, "application/json", `{"error":`, upstream.Awaited, false},
		"an array":                {llm.Gemini, "application/json", `[{"candidates":[{"content":{"parts":[{"text":"x"}]}}]}`, upstream.Seen, false},
		"half an array":           {llm.Gemini, "application/json", `[{"candidates":`, upstream.Awaited, false},
		"half of it, at the end":  {llm.Gemini, "application/json", `[{"candidates":`, upstream.Seen, true},
		"an array of nothing":     {llm.Gemini, "application/json", `[]`, upstream.Seen, false},
		"an array of an error":    {llm.Gemini, "application/json", `[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}`, upstream.Seen, true},
		"a line":                  {llm.Ollama, "application/x-ndjson", `{"message":{"content":"x"},"done":false}` + "\n", upstream.Seen, false},
		"half a line":             {llm.Ollama, "application/x-ndjson", `{"message":{"content":"x"},"done"`, upstream.Awaited, false},
		"a line with an error":    {llm.Ollama, "application/x-ndjson; charset=utf-8", `{"error":"m"}` + "\n", upstream.Seen, true},
		"no JSON on a line":       {llm.Ollama, "application/x-ndjson", "<html>\n", upstream.Seen, true},
		"lines for its own kind":  {llm.OpenAI, "application/x-ndjson", failed, upstream.Seen, true}, // which are no whole answer

		"a role":                    {llm.OpenAI, "text/event-stream", role, upstream.Held, false},
		"an error behind a role":    {llm.OpenAI, "text/event-stream", role + ": wait\n\n" + failed, upstream.Seen, true},
		"a role, at the end":        {llm.OpenAI, "text/event-stream", role, upstream.Seen, true},
		"words behind a role":       {llm.OpenAI, "text/event-stream", role + chunk + failed, upstream.Seen, false},
		"half the words behind it":  {llm.OpenAI, "text/event-stream", role + chunk[:20], upstream.Held, false},
		"Mistral's role":            {llm.Mistral, "text/event-stream", role, upstream.Held, false},
		"Anthropic's error":         {llm.Anthropic, "text/event-stream", overloaded, upstream.Seen, true},
		"a start and a ping":        {llm.Anthropic, "text/event-stream", start + `data: {"type":"ping"}` + "\n\n", upstream.Held, false},
		"an error behind a start":   {llm.Anthropic, "text/event-stream", start + `data: {"type":"ping"}` + "\n\n" + overloaded, upstream.Seen, true},
		"an answer that is created": {llm.Responses, "text/event-stream", created, upstream.Held, false},
		"it fails":                  {llm.Responses, "text/event-stream", created + `data: {"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"server_error","message":"m"},"output":[]}}` + "\n\n", upstream.Seen, true},
		"a start of Bedrock's":      {llm.Bedrock, "text/event-stream", `data: {"messageStart":{"role":"assistant"}}` + "\n\n", upstream.Held, false},
		"a start of Cohere's":       {llm.Cohere, "text/event-stream", `data: {"type":"message-start","id":"x"}` + "\n\n", upstream.Held, false},
	} {
		s, a := awaiting(t, c.dialect, c.kind)
		a.First, a.Ended = []byte(c.first), strings.HasSuffix(name, "at the end")
		if look, failure := s.Begun(a); look != c.look || (failure != nil) != c.fails {
			t.Errorf("%s: look %d, %v", name, look, failure)
		}
		s, a = awaiting(t, c.dialect, c.kind) // and as it comes
		look, failure := upstream.Awaited, error(nil)
		for n := 1; n <= len(c.first) && look != upstream.Seen; n++ {
			a.First, a.Ended = []byte(c.first[:n]), n == len(c.first) && strings.HasSuffix(name, "at the end")
			look, failure = s.Begun(a)
		}
		if look != c.look || (failure != nil) != c.fails {
			t.Errorf("%s, a byte at a time: look %d, %v", name, look, failure)
		}
	}
}

// awaiting returns a call and the head of its answer.
func awaiting(t *testing.T, from llm.Dialect, kind string) (*serving, *upstream.Answer) {
	g := New(Needs{Codecs: codecs.All(), Upstreams: codecs.Upstreams()})
	s := &serving{Gateway: g, x: exchange.New(t.Context())}
	s.x.Op, s.x.Dialect, s.x.Stream = llm.OpChat, llm.OpenAI, true
	if from == llm.Gemini {
		s.x.Dialect, s.endpoint.Framing = llm.Gemini, dialect.JSONArray
	}
	s.codec = codecs.Of(s.x.Dialect)
	return s, &upstream.Answer{Status: 200, Dialect: from, Header: llm.Header{{Name: "Content-Type", Value: kind}}, Came: time.Now()}
}

// TestWhatGoesOnInTheBackgroundIsNotMadeAgain where only its stream breaks off.
func TestWhatGoesOnInTheBackgroundIsNotMadeAgain(t *testing.T) {
	s, a := awaiting(t, llm.Responses, "text/event-stream")
	s.request.Background = true
	a.First = []byte(`data: {"type":"response.created","response":{"id":"r","status":"queued","output":[]}}` + "\n\n")
	if look, failure := s.Begun(a); look != upstream.Seen || failure != nil {
		t.Errorf("look %d, %v", look, failure)
	}
}

// TestABackgroundResponseIsMadeOnce, also where its answer breaks off before its first event, or is half of a whole one.
func TestABackgroundResponseIsMadeOnce(t *testing.T) {
	for name, bad := range map[string]canned{
		"comments":    {llm.Responses, 200, events, ": wait\n\n"},
		"half of one": {llm.Responses, 200, plainJSON, `{"id":"r","status":"queued"`},
		"nothing":     {llm.Responses, 200, events, ""},
		"a failure":   {llm.Responses, 500, plainJSON, "{}"},
	} {
		for ask, once := range map[string]bool{
			`{"model":"m","stream":true,"background":true,"input":"x"}`: name != "a failure",
			`{"model":"m","background":true,"input":"x"}`:               name != "a failure",
			`{"model":"m","stream":true,"input":"x"}`:                   false,
		} {
			fallback := canned{llm.Responses, 529, plainJSON, `{}`} // which says that it was asked
			if reply, got, _ := through(t, "/v1/responses", ask, bad, fallback); (reply.Status == 529) == once {
				t.Errorf("%s, %s: %d %s", name, ask, reply.Status, got)
			}
		}
	}
}

// TestWhatFailsBehindItsOpeningGoesElsewhere, in each dialect, and the client gets one stream only, as its upstream wrote it.
func TestWhatFailsBehindItsOpeningGoesElsewhere(t *testing.T) {
	const role = chunkOf + `{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	const words = role + chunkOf + `{"index":0,"delta":{"content":"good"},"finish_reason":null}]}` + "\n\n" +
		chunkOf + `{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	const start = "event: message_start\n" + `data: {"type":"message_start","message":{"id":"bad","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":900,"output_tokens":1}}}` + "\n\n" +
		"event: ping\n" + `data: {"type":"ping"}` + "\n\n" + "event: content_block_start\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n"
	const created = `data: {"type":"response.created","sequence_number":0,"response":{"id":"bad","object":"response","status":"in_progress","model":"m","output":[]}}` + "\n\n" +
		`data: {"type":"response.in_progress","sequence_number":1,"response":{"id":"bad","object":"response","status":"in_progress","model":"m","output":[]}}` + "\n\n" +
		`data: {"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"msg","type":"message","status":"in_progress","role":"assistant","content":[]}}` + "\n\n"
	for name, bad := range map[string]canned{
		"a role, then an error":            {llm.OpenAI, 200, events, role + `data: {"error":{"message":"m","type":"server_error"}}` + "\n\n"},
		"a role, then nothing":             {llm.OpenAI, 200, events, role},
		"a role, then out of resources":    {llm.OpenAI, 200, events, role + chunkOf + `{"index":0,"delta":{"content":""},"finish_reason":"insufficient_system_resource"}]}` + "\n\ndata: [DONE]\n\n"},
		"a role, then aborted":             {llm.OpenAI, 200, events, role + chunkOf + `{"index":0,"delta":{},"finish_reason":"abort"}]}` + "\n\ndata: [DONE]\n\n"},
		"a start, then overloaded":         {llm.Anthropic, 200, events, start + "event: error\n" + `data: {"type":"error","error":{"type":"overloaded_error","message":"m"}}` + "\n\n"},
		"a start, then nothing":            {llm.Anthropic, 200, events, start},
		"created, then failed":             {llm.Responses, 200, events, created + `data: {"type":"response.failed","sequence_number":3,"response":{"id":"bad","object":"response","status":"failed","error":{"code":"server_error","message":"m"},"output":[]}}` + "\n\n"},
		"created, then limited":            {llm.Responses, 200, events, created + `data: {"type":"error","sequence_number":3,"code":"rate_limit_exceeded","message":"m","param":null}` + "\n\n"},
		"created, then nothing":            {llm.Responses, 200, events, created},
		"Bedrock's start, then throttled":  {llm.Bedrock, 200, events, `data: {"messageStart":{"role":"assistant"}}` + "\n\n" + `data: {"throttlingException":{"message":"m"}}` + "\n\n"},
		"Cohere's start, then an error":    {llm.Cohere, 200, events, `data: {"type":"message-start","id":"bad"}` + "\n\n" + `data: {"type":"message-end","delta":{"finish_reason":"ERROR"}}` + "\n\n"},
		"Cohere's start, then no good end": {llm.Cohere, 200, events, `data: {"type":"message-start","id":"bad"}` + "\n\n"},
	} {
		for _, client := range []llm.Dialect{bad.dialect, llm.OpenAI, llm.Anthropic} {
			if codecs.Of(client) == nil {
				continue
			}
			path, ask := streamedBy(client)
			reply, got, states := through(t, path, ask, bad, canned{llm.OpenAI, 200, events, words})
			if route := reply.Header.Get(HeaderRoute); route != "mf/t/2" || !strings.Contains(got, "good") || strings.Contains(got, "bad") || failedFor(client, got) {
				t.Errorf("%s, for %s: %s\n%s", name, client, route, got)
			}
			if client == llm.OpenAI && got != words {
				t.Errorf("%s: other bytes came:\n%s", name, got)
			}
			if c := states[0].Snapshot(time.Now()); c.Failures+c.Limited != 1 {
				t.Errorf("%s: %+v", name, c)
			}
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
