package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// recording is one recorded exchange with a vendor.
type recording struct{ *recorded.Exchange }

func (r *recording) op() llm.Op {
	if r.Endpoint == "embeddings" {
		return llm.OpEmbeddings
	}
	return llm.OpChat
}

// recordings returns what the corpus has in this dialect.
func recordings(t testing.TB) (all []recording) {
	for _, x := range recorded.Of(t, "../../..", "*__chat-completions__*.json", "*__embeddings__*.json") {
		all = append(all, recording{x})
	}
	return all
}

// oracle lists the texts of a decoded JSON value as "path=text", sorted; want tells which paths.
func oracle(t *testing.T, data []byte, want func(path string) bool) []string {
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	var out []string
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, child := range v {
				walk(path+"."+k, child)
			}
		case []any:
			for _, child := range v {
				walk(path+"[]", child)
			}
		case string:
			if v != "" && want(path) {
				out = append(out, v)
			}
		}
	}
	walk("", value)
	sort.Strings(out)
	return out
}

// found lists the texts that the codec found, in the same form.
func found(data []byte, texts []dialect.Text) []string {
	var out []string
	for i, x := range texts {
		if i > 0 && x.Span.Start < texts[i-1].Span.End {
			return []string{"texts out of order"}
		}
		out = append(out, string(dialect.AppendUnquoted(nil, data[x.Span.Start:x.Span.End])))
	}
	sort.Strings(out)
	return out
}

func same(t *testing.T, name string, got, want []string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("%s: texts\n%.2000s\nwant\n%.2000s", name, g, w)
	}
}

var requestPaths = []string{".messages[].content", ".messages[].content[]", ".messages[].content[].text", ".messages[].content[].refusal", ".messages[].refusal",
	".messages[].tool_calls[].function.arguments", ".messages[].function_call.arguments", ".messages[].reasoning", ".messages[].reasoning_content", ".messages[].name",
	".messages[].content[].file.filename", ".tools[].function.name", ".tools[].function.description", ".functions[].name", ".functions[].description",
	".user", ".prompt_cache_key", ".input", ".input[]"}

func isRequestText(path string) bool {
	for _, p := range requestPaths {
		if path == p {
			return true
		}
	}
	if strings.HasPrefix(path, ".tools[].function.parameters.") || strings.HasPrefix(path, ".functions[].parameters.") {
		for _, word := range []string{".type", ".format", ".required[]", ".type[]", ".$ref", ".$schema", ".$id"} {
			if strings.HasSuffix(path, word) {
				return false
			}
		}
		return true
	}
	return strings.HasPrefix(path, ".metadata.")
}

func isAnswerText(path string) bool {
	for _, side := range []string{".choices[].message.", ".choices[].delta."} {
		rest, ok := strings.CutPrefix(path, side)
		if !ok {
			continue
		}
		switch rest {
		case "content", "refusal", "reasoning", "reasoning_content", "content[].text", "content[].thinking[].text", "reasoning_details[].text", "reasoning_details[].summary",
			"tool_calls[].function.arguments", "tool_calls[].function.name", "function_call.arguments", "function_call.name":
			return true
		}
		return strings.HasPrefix(rest, "executed_tools[].") || strings.HasPrefix(rest, "annotations[].")
	}
	return path == ".choices[].text" || strings.HasPrefix(path, ".citations[]") || strings.HasPrefix(path, ".search_results[].")
}

func TestRecordedRequestsAreReadAsTheStandardLibraryReadsThem(t *testing.T) {
	for _, r := range recordings(t) {
		body := r.Request.Body
		var q dialect.Request
		if err := (Codec{}).Request(r.op(), body, &q); err != nil {
			t.Errorf("%s: %v", r.Name, err)
			continue
		}
		same(t, r.Name, found(body, q.Texts), oracle(t, body, isRequestText))
		var plain struct {
			Model         string
			Stream        bool
			MaxTokens     int64 `json:"max_tokens"`
			MaxCompletion int64 `json:"max_completion_tokens"`
			Options       struct {
				Usage bool `json:"include_usage"`
			} `json:"stream_options"`
		}
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatal(err)
		}
		if q.Model != plain.Model || q.Stream != plain.Stream || q.MaxTokens != max(plain.MaxTokens, plain.MaxCompletion) || q.IncludeUsage != plain.Options.Usage {
			t.Errorf("%s: %+v, want %+v", r.Name, q, plain)
		}
		for _, x := range q.Texts {
			if x.Role == dialect.RoleNone && x.Channel.Kind == dialect.KindText {
				t.Errorf("%s: a text without a role", r.Name)
			}
		}
		checkSplices(t, r.Name, body, &q)
	}
}

// checkSplices sets the model and the usage option and reads the outcome again.
func checkSplices(t *testing.T, name string, body []byte, q *dialect.Request) {
	t.Helper()
	span, with := Codec{}.SetModel(body, q, `new "model"`)
	edited := splice(body, span, with)
	var after dialect.Request
	if err := (Codec{}).Request(llm.OpChat, edited, &after); err != nil || after.Model != `new "model"` || len(after.Texts) != len(q.Texts) && q.Unseen != "input" {
		if !strings.Contains(name, "embeddings") {
			t.Errorf("%s: model spliced: %v, %q, %d texts of %d", name, err, after.Model, len(after.Texts), len(q.Texts))
		}
	}
	if q.UsageSplice.With == "" {
		if q.Stream && !q.IncludeUsage {
			t.Errorf("%s: no usage splice for a stream without usage", name)
		}
		return
	}
	edited = splice(body, q.UsageSplice.Span, []byte(q.UsageSplice.With))
	if err := (Codec{}).Request(llm.OpChat, edited, &after); err != nil || !after.IncludeUsage || after.UsageSplice.With != "" || len(after.Texts) != len(q.Texts) {
		t.Errorf("%s: usage spliced: %v, %+v", name, err, after)
	}
}

func splice(body []byte, span dialect.Span, with []byte) []byte {
	out := append([]byte(nil), body[:span.Start]...)
	return append(append(out, with...), body[span.End:]...)
}

func TestRecordedAnswersAreReadAsTheStandardLibraryReadsThem(t *testing.T) {
	for _, r := range recordings(t) {
		if r.Response.Kind != "json" {
			continue
		}
		var a dialect.Answer
		if err := (Codec{}).Answer(r.op(), r.Response.Body, &a); err != nil {
			t.Errorf("%s: %v", r.Name, err)
			continue
		}
		same(t, r.Name, found(r.Response.Body, a.Texts), oracle(t, r.Response.Body, isAnswerText))
		if failed := r.Response.Status >= 400; failed != (a.Error != nil) {
			t.Errorf("%s: status %d, error %v", r.Name, r.Response.Status, a.Error)
		} else if failed && (a.Error.Message == "" || a.Error.Code == llm.CodeInternal) {
			t.Errorf("%s: error %+v", r.Name, a.Error)
		}
		var plain plainChunk
		if err := json.Unmarshal(r.Response.Body, &plain); err != nil {
			t.Fatal(err)
		}
		plain.check(t, r.Name, a.Finish, a.Usage)
		if a.Model != plain.Model {
			t.Errorf("%s: model %q, want %q", r.Name, a.Model, plain.Model)
		}
	}
}

// plainChunk is an answer or chunk as encoding/json reads it.
type plainChunk struct {
	Model   string
	Usage   *plainUsage
	Choices []struct {
		Finish *string `json:"finish_reason"`
	}
	Error json.RawMessage
	Groq  struct{ Usage *plainUsage } `json:"x_groq"`
}

type plainUsage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Total      int64 `json:"total_tokens"`
	Details    struct {
		Reasoning int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

func (p *plainChunk) check(t *testing.T, name, finish string, usage *llm.Usage) {
	t.Helper()
	want := ""
	for _, c := range p.Choices {
		if c.Finish != nil {
			want = *c.Finish
		}
	}
	if finish != want {
		t.Errorf("%s: finish %q, want %q", name, finish, want)
	}
	plain := p.Usage
	if plain == nil {
		plain = p.Groq.Usage
	}
	switch {
	case (plain == nil) != (usage == nil):
		t.Errorf("%s: usage %+v, want %+v", name, usage, plain)
	case plain == nil:
	case usage.InputTotal+usage.OutputTotal < plain.Total || usage.InputTotal < plain.Prompt || usage.OutputTotal < plain.Completion ||
		usage.Reasoning != plain.Details.Reasoning || usage.Reasoning > usage.OutputTotal || usage.CacheRead+usage.CacheWrite5m > usage.InputTotal || !json.Valid(usage.Raw):
		t.Errorf("%s: usage %+v, want %+v", name, usage, plain)
	}
}

func TestRecordedStreamsAreFramedAndReadWhole(t *testing.T) {
	streams := 0
	for _, r := range recordings(t) {
		if r.Response.Kind != "sse" {
			continue
		}
		streams++
		var first string
		for _, size := range []int{1 << 20, 1, 7, 1000} {
			summary := readStream(t, &r, size)
			if first == "" {
				first = summary
			} else if summary != first {
				t.Errorf("%s: in chunks of %d: %s, whole: %s", r.Name, size, summary, first)
			}
		}
	}
	if streams == 0 {
		t.Error("no streams in the corpus")
	}
}

// readStream frames and reads a recorded stream and returns what it found in short.
func readStream(t *testing.T, r *recording, size int) string {
	var f dialect.Framer
	var fr dialect.Frame
	var raw []byte
	var e dialect.Event
	var ending dialect.Ending
	finish, ends, faults, usages, firsts, texts := "", 0, 0, 0, 0, 0
	for at := 0; at < len(r.Response.Raw); at += size {
		f.Feed([]byte(r.Response.Raw[at:min(at+size, len(r.Response.Raw))]))
		for {
			ok, err := f.Next(&fr)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			raw = append(raw, fr.Raw...)
			if fr.Payload == nil {
				continue
			}
			if err := (Codec{}).Event(llm.OpChat, fr.Payload, &e); err != nil {
				t.Fatalf("%s: %q: %v", r.Name, fr.Payload, err)
			}
			if ending.Add(&e); e.End {
				ends++
				continue
			}
			var plain plainChunk
			if err := json.Unmarshal(fr.Payload, &plain); err != nil {
				t.Fatal(err)
			}
			plain.check(t, r.Name, e.Finish, e.Usage)
			same(t, r.Name, found(fr.Payload, e.Texts), oracle(t, fr.Payload, isAnswerText))
			if e.UsageOnly != (len(plain.Choices) == 0 && e.Usage != nil) {
				t.Errorf("%s: %s: usage only = %v", r.Name, fr.Payload, e.UsageOnly)
			}
			if (e.Error != nil) != (len(plain.Error) > 0) {
				t.Errorf("%s: %s: error %v", r.Name, fr.Payload, e.Error)
			}
			texts += len(e.Texts)
			if e.Finish != "" {
				finish = e.Finish
			}
			for _, on := range []struct {
				is bool
				n  *int
			}{{e.Error != nil, &faults}, {e.Usage != nil, &usages}, {e.First, &firsts}} {
				if on.is {
					*on.n++
				}
			}
		}
	}
	if f.Tail(&fr) {
		raw = append(raw, fr.Raw...)
	}
	if !bytes.Equal(raw, []byte(r.Response.Raw)) {
		t.Errorf("%s: framing in chunks of %d changes bytes", r.Name, size)
	}
	if faults == 0 && !(Codec{}).Complete(ending) {
		t.Errorf("%s: the stream does not end: %d terminators, finish %q", r.Name, ends, finish)
	}
	return fmt.Sprint(finish, ends, faults, usages, firsts, texts)
}
