package responses

import (
	"encoding/json"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

func fuzzSeeds() []string {
	seeds := []string{string(benchRequest()), benchEvent, benchDone, `[DONE]`, `{}`, `{"model":"m","model":"n"}`, `{"INPUT":[]}`,
		`{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"\u0061"},{"type":"input_image","image_url":"data:,"},{"type":"input_file","file_id":"f"}]}]}`,
		`{"input":[{"type":"image_generation_call","result":"AAAA"},{"result":"r","type":"program_output"},{"type":"shell_call_output","output":[{"stdout":"a","stderr":"b"}]}]}`,
		`{"tools":[{"type":"mcp","server_url":"u","server_label":"l"},{"type":"namespace","tools":[{"type":"function","parameters":{"a":{"description":"x"}}}]}]}`,
		`{"usage":{"input_tokens":1e400,"output_tokens":-1,"input_tokens_details":{"cached_tokens":3}},"status":"x","error":{"error":{"error":{}}}}`,
		`{"previous_response_id":"r","conversation":{"id":"c"},"store":false,"background":true,"input":[{"type":"item_reference","id":"i"},{"id":"j"},{"type":"reasoning","id":"k","encrypted_content":null}]}`,
		`{"id":"r","object":"response","store":false,"output":[{"id":"i","type":"code_interpreter_call","container_id":"c"},{"id":"j","environment":{"container_id":"d"}}],"instructions":[{"id":"e"}]}`,
		`{"prompt":{"variables":{"a":"b","c":{"type":"input_text","text":"t"}}},"include":["message.output_text.logprobs"],"text":{"format":{"schema":{"title":"t"}}}}`}
	for _, c := range events {
		if c.rest != "" {
			seeds = append(seeds, `{`+c.rest+`,"type":"`+c.name+`"}`)
		}
	}
	return seeds
}

// checkTexts holds what a body relies on: the spans are in order, disjoint and whole strings.
func checkTexts(t *testing.T, data []byte, texts []dialect.Text) {
	last := 0
	for _, x := range texts {
		if x.Span.Start < last || x.Span.End <= x.Span.Start || x.Span.End >= len(data) || data[x.Span.Start-1] != '"' || data[x.Span.End] != '"' {
			t.Fatalf("%q: span %v after %d", data, x.Span, last)
		}
		if x.Channel.Repeat && !x.Whole {
			t.Fatalf("%q: a repetition that is not whole", data)
		}
		last = x.Span.End
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range fuzzSeeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var q dialect.Request
		if err := (Codec{}).Request(llm.OpChat, data, &q); err != nil {
			return
		}
		if !json.Valid(data) || !utf8.Valid(data) {
			t.Fatalf("%q was accepted", data)
		}
		checkTexts(t, data, q.Texts)
		var plain struct {
			Model    string
			Stream   bool
			Previous string `json:"previous_response_id"`
			Input    []struct{ Type, ID string }
		}
		if err := json.Unmarshal(data, &plain); err == nil {
			if plain.Model != q.Model || plain.Stream != q.Stream || plain.Previous != q.Previous {
				t.Fatalf("%q: read %+v, want %+v", data, q, plain)
			}
			for _, item := range plain.Input {
				if item.Type == "item_reference" && item.ID != "" && !slices.Contains(q.Files, item.ID) {
					t.Fatalf("%q names %q, want %q", data, q.Files, item.ID)
				}
			}
		}
		span, with := Codec{}.SetModel(data, &q, "other")
		edited := splice(data, span, with)
		var again dialect.Request
		if err := (Codec{}).Request(llm.OpChat, edited, &again); err != nil || again.Model != "other" || len(again.Texts) != len(q.Texts) || again.Unseen != q.Unseen {
			t.Fatalf("%q: %v", edited, err)
		}
	})
}

// checkLeft: what an answer leaves is named by whole strings.
func checkLeft(t *testing.T, data []byte, id dialect.Span, left []dialect.Left) {
	if id.Len() > 0 {
		left = append(left, dialect.Left{Span: id})
	}
	for _, l := range left {
		if l.Span.Len() <= 0 || data[l.Span.Start-1] != '"' || data[l.Span.End] != '"' {
			t.Fatalf("%q: span %v", data, l.Span)
		}
	}
}

func checkUsage(t *testing.T, data []byte, u *llm.Usage) {
	if u != nil && (u.InputTotal < 0 || u.OutputTotal < 0 || u.Reasoning > u.OutputTotal || u.CacheRead+u.CacheWrite5m > u.InputTotal) {
		t.Fatalf("%q: usage %+v", data, u)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, s := range fuzzSeeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var a dialect.Answer
		if (Codec{}).Answer(llm.OpChat, data, &a) != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q was accepted", data)
		}
		checkTexts(t, data, a.Texts)
		checkUsage(t, data, a.Usage)
		checkLeft(t, data, a.ID, a.Left)
	})
}

func FuzzEvent(f *testing.F) {
	for _, s := range fuzzSeeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var e dialect.Event
		if (Codec{}).Event(llm.OpChat, data, &e) != nil {
			return
		}
		if e.End && !json.Valid(data) {
			return // [DONE]
		}
		if !json.Valid(data) {
			t.Fatalf("%q was accepted", data)
		}
		checkTexts(t, data, e.Texts)
		checkUsage(t, data, e.Usage)
		checkLeft(t, data, e.ID, e.Left)
		if len(e.Texts) > 0 {
			first := e.Texts[0].Span
			var again dialect.Event
			if err := (Codec{}).Event(llm.OpChat, splice(data, first, []byte("x")), &again); err != nil || len(again.Texts) != len(e.Texts) {
				t.Fatalf("%q: with another text: %v, %d texts of %d", data, err, len(again.Texts), len(e.Texts))
			}
		}
	})
}
