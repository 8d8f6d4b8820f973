package gemini

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

var fuzzSeeds = []string{
	string(benchRequest()), benchEvent, `{}`, `[{"error":{"code":429,"details":[{"retryDelay":"1s","reason":"r"}]}}]`, `{"system_instruction":{},"systemInstruction":{}}`, `{"CONTENTS":[]}`,
	`{"contents":[{"parts":[{"text":"\u0061","thought":true},{"inlineData":{"data":"AAAA","display_name":"d"}},{"fileData":{"fileUri":"f"}}],"role":"model"}]}`,
	`{"contents":{"parts":{"functionCall":{"name":"n","args":{"a":["b"]},"partialArgs":[{"stringValue":"x"}]}}}}`,
	`{"tools":[{"functionDeclarations":[{"name":"n","parameters":{"properties":{"a":{"description":"x"}}}}]},{"fileSearch":{"a":"b"}}],"toolConfig":{"functionCallingConfig":{"allowedFunctionNames":["n"]}}}`,
	`{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}},{"model":"models\/m"},[{}]],"generateContentRequest":{"model":"m"}}`,
	`{"generation_config":{"max_output_tokens":"7","responseSchema":{"a":["b"]},"responseLogprobs":true},"labels":{"a":"b"},"cachedContent":"c"}`,
	`{"candidates":[{"content":{"parts":[{"executableCode":{"code":"c"}}]},"finishReason":2,"groundingMetadata":{"groundingSupports":[{"segment":{"text":"t"}}]},"index":70000}],"usageMetadata":{"promptTokenCount":1e400,"totalTokenCount":-1,"thoughtsTokenCount":3}}`,
	`{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"m"}}`, `{"error":"x"}`,
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
		edited := setModel(data, &q, "other")
		var again dialect.Request
		if err := (Codec{}).Request(llm.OpChat, edited, &again); err != nil || len(again.Texts) != len(q.Texts) || len(again.MoreModels) != len(q.MoreModels) || q.ModelSpan.Start > 0 && again.Model != "other" {
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
		if u := e.Usage; u != nil && (u.InputTotal < 0 || u.OutputTotal < 0 || u.Reasoning > u.OutputTotal || u.CacheRead > u.InputTotal) {
			t.Fatalf("%q: usage %+v", data, u)
		}
	})
}
