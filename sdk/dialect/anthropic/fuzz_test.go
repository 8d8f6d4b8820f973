package anthropic

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

var fuzzSeeds = []string{
	string(benchRequest()), benchEvent, `{}`, `[]`, `{"model":"m","model":"n"}`, `{"SYSTEM":[]}`, `{"type":"message_stop"}`, `{"type":"content_block_stop","index":-1}`,
	`{"messages":[{"content":[{"type":"text","text":"\u0061","citations":[{"cited_text":"c"}]},{"type":"image","source":{"type":"url","url":"u"}},{"type":"document","source":{"data":"d","type":"base64"},"title":"t"}],"role":"user"}]}`,
	`{"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"document","source":{"data":"d","type":"content","content":[{"text":"x"}]}}]},{"source":{"data":"a"},"type":"image"}]}],"container":"c","thread":{"previous_message_id":"p"}}`,
	`{"tools":[{"name":"n","description":"d","input_schema":{"properties":{"a":{"description":"x"}}},"user_location":{"city":"c"}}],"mcp_servers":[{"url":"u"}],"context_management":{"edits":[{"instructions":"i"}]},"stream":true}`,
	`{"type":"error","error":{"type":"overloaded_error","message":"m","code":"429","error":{"error":{}}}}`, `{"detail":"x"}`, `{"type":"message","content":"odd","message":{"message":{}}}`,
	`{"usage":{"input_tokens":1e400,"output_tokens":-1,"cache_creation":{"ephemeral_1h_input_tokens":5},"iterations":[{"type":"compaction","iterations":[{"input_tokens":1}],"input_tokens":1e18}]}}`,
	`{"type":"message_start","message":{"content":[{"type":"thinking","thinking":"t"}],"usage":{"input_tokens":3,"cache_read_input_tokens":9}}}`,
	`{"type":"message","container":{"id":"c\u0061","expires_at":"x"},"delta":{"container":{"id":"d"}},"message":{"container":{"id":7}}}`,
	`{"type":"content_block_start","index":70000,"content_block":{"type":"web_search_tool_result","content":[{"title":"t","url":"u"}]},"delta":{"text":"both"}}`,
}

// checkTexts holds what Body relies on: the spans are in order, disjoint and whole strings.
func checkTexts(t *testing.T, data []byte, texts []dialect.Text) {
	last := 0
	for _, x := range texts {
		if x.Span.Start < last || x.Span.End <= x.Span.Start || x.Span.End >= len(data) || data[x.Span.Start-1] != '"' || data[x.Span.End] != '"' {
			t.Fatalf("%q: span %v after %d", data, x.Span, last)
		}
		if x.Channel.Block < 0 || x.Channel.Repeat && x.Role == dialect.RoleNone {
			t.Fatalf("%q: %+v", data, x)
		}
		last = x.Span.End
	}
}

// checkLeft: what an answer leaves is named by whole strings.
func checkLeft(t *testing.T, data []byte, left []dialect.Left) {
	for _, l := range left {
		if !l.Container || l.Span.Len() <= 0 || data[l.Span.Start-1] != '"' || data[l.Span.End] != '"' {
			t.Fatalf("%q: %+v", data, l)
		}
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, count bool) {
		op := llm.OpChat
		if count {
			op = llm.OpCountTokens
		}
		var q dialect.Request
		if err := (Codec{}).Request(op, data, &q); err != nil {
			return
		}
		if !json.Valid(data) || !utf8.Valid(data) {
			t.Fatalf("%q was accepted", data)
		}
		last := 0
		for _, x := range q.Texts {
			if x.Span.Start < last || x.Span.End <= x.Span.Start || data[x.Span.Start-1] != '"' || data[x.Span.End] != '"' {
				t.Fatalf("%q: span %v after %d", data, x.Span, last)
			}
			last = x.Span.End
		}
		var plain struct {
			Model  string
			Stream bool
		}
		if err := json.Unmarshal(data, &plain); err == nil && (plain.Model != q.Model || plain.Stream != q.Stream) {
			t.Fatalf("%q: read %+v, want %+v", data, q, plain)
		}
		span, with := Codec{}.SetModel(data, &q, "other")
		edited := append(append(append([]byte(nil), data[:span.Start]...), with...), data[span.End:]...)
		var again dialect.Request
		if err := (Codec{}).Request(op, edited, &again); err != nil || again.Model != "other" || len(again.Texts) != len(q.Texts) || again.Unseen != q.Unseen {
			t.Fatalf("%q: %v", edited, err)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var a dialect.Answer
		if (Codec{}).Answer(llm.OpChat, data, &a) != nil {
			return
		}
		checkTexts(t, data, a.Texts)
		checkUsage(t, data, a.Usage)
		checkLeft(t, data, a.Left)
		if !json.Valid(data) {
			t.Fatalf("%q was accepted", data)
		}
	})
}

func FuzzEvent(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var e dialect.Event
		if (Codec{}).Event(llm.OpChat, data, &e) != nil {
			return
		}
		checkTexts(t, data, e.Texts)
		checkUsage(t, data, e.Usage)
		checkLeft(t, data, e.Left)
		if !json.Valid(data) {
			t.Fatalf("%q was accepted", data)
		}
		var plain struct{ Type string }
		if json.Unmarshal(data, &plain) == nil && e.End != (plain.Type == "message_stop") {
			t.Fatalf("%q: end = %v", data, e.End)
		}
	})
}

func checkUsage(t *testing.T, data []byte, u *llm.Usage) {
	if u != nil && (u.InputTotal < 0 || u.OutputTotal < 0 || u.Reasoning > u.OutputTotal || u.CacheRead+u.CacheWrite5m+u.CacheWrite1h > u.InputTotal) {
		t.Fatalf("%q: usage %+v", data, u)
	}
}
