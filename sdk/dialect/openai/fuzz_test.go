package openai

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

var fuzzSeeds = []string{
	string(benchRequest()), benchEvent, `[DONE]`, `{}`, `{"model":"m","model":"n"}`, `{"MESSAGES":[]}`,
	`{"messages":[{"content":[{"type":"text","text":"\u0061"},{"type":"image_url","image_url":{"url":"data:,"}},{"type":"file","file":{"file_id":"f"}}],"role":"user"}]}`,
	`{"tools":[{"function":{"name":"n","description":"d","parameters":{"properties":{"a":{"description":"x"}}}}}],"stream":true,"stream_options":{"include_usage":false}}`,
	`{"input":["a",[1,2],3]}`, `{"error":{"message":"m","code":"429","error":{"error":{}}}}`, `{"detail":"x"}`, `{"usage":{"prompt_tokens":1e400,"total_tokens":-1}}`,
	`{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"text":"t"}]}],"tool_calls":[{"index":70000,"function":{"arguments":{"a":["b"]}}}]},"index":-1,"message":{"content":"c"}}]}`,
}

// checkTexts holds what Body relies on: the spans are in order, disjoint and whole strings.
func checkTexts(t *testing.T, data []byte, texts []dialect.Text) {
	last := 0
	for _, x := range texts {
		if x.Span.Start < last || x.Span.End <= x.Span.Start || x.Span.End >= len(data) || data[x.Span.Start-1] != '"' || data[x.Span.End] != '"' {
			t.Fatalf("%q: span %v after %d", data, x.Span, last)
		}
		last = x.Span.End
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, embeddings bool) {
		op := llm.OpChat
		if embeddings {
			op = llm.OpEmbeddings
		}
		var q dialect.Request
		if err := (Codec{}).Request(op, data, &q); err != nil {
			return
		}
		if !json.Valid(data) || !utf8.Valid(data) {
			t.Fatalf("%q was accepted", data)
		}
		checkTexts(t, data, q.Texts)
		var plain struct {
			Model  string
			Stream bool
		}
		if err := json.Unmarshal(data, &plain); err == nil && (plain.Model != q.Model || op == llm.OpChat && plain.Stream != q.Stream) {
			t.Fatalf("%q: read %+v, want %+v", data, q, plain)
		}
		span, with := Codec{}.SetModel(data, &q, "other")
		edited := splice(data, span, with)
		var again dialect.Request
		if err := (Codec{}).Request(op, edited, &again); err != nil || again.Model != "other" || len(again.Texts) != len(q.Texts) {
			t.Fatalf("%q: %v", edited, err)
		}
		if w := q.UsageSplice.With; w != "" {
			edited = splice(data, q.UsageSplice.Span, []byte(w))
			if err := (Codec{}).Request(op, edited, &again); err != nil || !again.IncludeUsage {
				t.Fatalf("%q: %v", edited, err)
			}
		}
	})
}

func FuzzAnswer(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var a dialect.Answer
		if (Codec{}).Answer(llm.OpChat, data, &a) == nil {
			checkTexts(t, data, a.Texts)
			if !json.Valid(data) {
				t.Fatalf("%q was accepted", data)
			}
		}
		var e dialect.Event
		if (Codec{}).Event(llm.OpChat, data, &e) == nil && !e.End {
			checkTexts(t, data, e.Texts)
			if u := e.Usage; u != nil && (u.InputTotal < 0 || u.OutputTotal < 0 || u.Reasoning > u.OutputTotal || u.CacheRead+u.CacheWrite5m > u.InputTotal) {
				t.Fatalf("%q: usage %+v", data, u)
			}
		}
	})
}
