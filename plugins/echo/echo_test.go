package echo_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/plugins/echo"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest"
)

// chat returns a chat call.
func chat(text string, stream bool, extra string) *llm.Call {
	content, _ := json.Marshal(text)
	body := `{"model":"echo","messages":[{"role":"system","content":"be brief"},{"role":"user","content":` + string(content) + `}]` + extra + `}`
	return &llm.Call{ID: "test", Op: llm.OpChat, Dialect: llm.OpenAI, Model: "echo", Stream: stream, Body: []byte(body)}
}

func TestConformance(t *testing.T) {
	sdktest.Provider(t, sdktest.ProviderCase{
		New:    echo.New,
		Config: `{"latency":0}`,
		Unary:  chat("hello there", false, ""),
		Stream: chat("a stream of some words", true, ""),
		Fails:  chat("hello echo:429=30s", true, ""),
		Cut:    chat("one two three four echo:cut", true, ""),
		Stalls: chat("one two three four echo:stall", true, ""),
		Large:  chat(strings.Repeat("x", 8<<20), false, ""),
	})
}

func ready(t *testing.T) *sdktest.Host {
	t.Helper()
	h := sdktest.StartProvider(t, echo.New())
	if err := h.Provider.Configure(context.Background(), []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	return h
}

func invoke(t *testing.T, h *sdktest.Host, call *llm.Call) *sdktest.Answer {
	t.Helper()
	a, err := h.Invoke(context.Background(), call)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// streamed joins the words of a stream and returns its usage.
func streamed(t *testing.T, body []byte) (text, usage string, events int) {
	t.Helper()
	for block := range strings.SplitSeq(strings.TrimSuffix(string(body), "\n\n"), "\n\n") {
		payload, ok := strings.CutPrefix(block, "data: ")
		if !ok {
			t.Fatalf("event %q", block)
		}
		if events++; payload == "[DONE]" {
			continue
		}
		var e struct {
			Choices []struct{ Delta struct{ Content string } }
			Usage   json.RawMessage
		}
		if err := json.Unmarshal([]byte(payload), &e); err != nil {
			t.Fatalf("%v: %s", err, payload)
		}
		for _, c := range e.Choices {
			text += c.Delta.Content
		}
		if len(e.Choices) == 0 {
			usage = string(e.Usage)
		}
	}
	return text, usage, events
}

func TestAnswersWithTheLastUserMessage(t *testing.T) {
	h := ready(t)
	for _, text := range []string{"", "one", " two  spaces ", "line\nbreak \"quoted\" \\ ünïcödé 日本"} {
		for _, usage := range []bool{false, true} {
			extra := ""
			if usage {
				extra = `,"stream_options":{"include_usage":true}`
			}
			a := invoke(t, h, chat(text, true, extra))
			got, told, _ := streamed(t, a.Body)
			if a.Err != nil || got != text || (told != "") != usage {
				t.Errorf("stream of %q: %q, usage %q, %v", text, got, told, a.Err)
			}
		}
		var whole struct {
			Choices []struct{ Message struct{ Content string } }
			Usage   map[string]int
		}
		a := invoke(t, h, chat(text, false, ""))
		if err := json.Unmarshal(a.Body, &whole); err != nil || whole.Choices[0].Message.Content != text || whole.Usage["completion_tokens"] != (len(text)+3)/4 {
			t.Errorf("%q: %s", text, a.Body)
		}
	}
}

func TestKnobs(t *testing.T) {
	h := ready(t)
	a := invoke(t, h, chat("busy echo:429=30s", false, ""))
	if a.Status != 429 || a.Header.Get("retry-after") != "30" || a.Header.Get("ginnel-error") != "rate_limited" {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	if a := invoke(t, h, chat("echo:503", false, "")); a.Status != 503 {
		t.Errorf("%d", a.Status)
	}
	if a := invoke(t, h, chat("echo:cut", false, "")); a.Status != 502 {
		t.Errorf("a unary cut is %d %s", a.Status, a.Body)
	}
	text, _, _ := streamed(t, invoke(t, h, chat("abc echo:size=1KiB,latency=1ms", true, "")).Body)
	if len(text) != 1024 {
		t.Errorf("%d bytes", len(text))
	}
	call := chat("plain", false, "")
	call.Model = "echo:500"
	if a := invoke(t, h, call); a.Status != 500 {
		t.Errorf("%d", a.Status)
	}
	if a := invoke(t, h, chat("notecho:429 is a word", false, "")); a.Status != 200 {
		t.Errorf("%d", a.Status)
	}
}

func TestEmbeddings(t *testing.T) {
	h := ready(t)
	for _, body := range []string{`{"input":"a"}`, `{"input":["a","b"],"encoding_format":"base64"}`, `{"input":[1,2,3],"dimensions":8}`} {
		call := &llm.Call{Op: llm.OpEmbeddings, Dialect: llm.OpenAI, Model: "echo", Body: []byte(body)}
		first, second := invoke(t, h, call), invoke(t, h, call)
		if first.Status != 200 || !json.Valid(first.Body) || string(first.Body) != string(second.Body) {
			t.Errorf("%s: %d %.200s", body, first.Status, first.Body)
		}
	}
	if a := invoke(t, h, &llm.Call{Op: llm.OpEmbeddings, Dialect: llm.OpenAI, Body: []byte(`{}`)}); a.Status != 400 {
		t.Errorf("%d", a.Status)
	}
	if a := invoke(t, h, &llm.Call{Op: llm.OpModels, Dialect: llm.OpenAI}); a.Status != 200 || !json.Valid(a.Body) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func FuzzChat(f *testing.F) {
	f.Add([]byte(`{"messages":[{"role":"user","content":"hello echo:size=1KiB"}]}`), true)
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{}]}],"stream_options":{"include_usage":true}}`), false)
	f.Add([]byte(`{"messages":[{"role":"user","content":null}]}`), true)
	f.Fuzz(func(t *testing.T, body []byte, stream bool) {
		if strings.Contains(string(body), "echo:") {
			t.Skip("may wait")
		}
		p := echo.New().(interface {
			Invoke(context.Context, *llm.Call) (*llm.Response, error)
		})
		r, err := p.Invoke(context.Background(), &llm.Call{Op: llm.OpChat, Dialect: llm.OpenAI, Model: "echo", Stream: stream, Body: body})
		if err != nil {
			return
		}
		for range 1 << 20 {
			var c llm.Chunk
			if r.Recv(&c) != nil {
				return
			}
			if len(c.Data) == 0 {
				t.Fatal("an empty chunk")
			}
		}
	})
}
