package gemini

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// recording is one recorded exchange with a vendor.
type recording struct{ *recorded.Exchange }

// recordings returns what the corpus has in this dialect: from AI Studio, and from Vertex AI, which has
// the same bodies under other paths.
func recordings(t testing.TB) (all []recording) {
	for _, x := range recorded.Of(t, "../../..", "gemini__*.json", "vertex__*.json") {
		r := recording{x}
		if _, ok := r.endpoint(); ok {
			all = append(all, r)
		} else if !slices.Contains([]string{"openai-compat", "predict", "streamRawPredict"}, r.Endpoint) {
			t.Errorf("%s: %s is no endpoint", r.Name, r.Request.Path)
		}
	}
	return all
}

func (r *recording) endpoint() (dialect.Endpoint, bool) {
	path, query, _ := strings.Cut(r.Request.Path, "?")
	return Codec{}.Endpoint("POST", path, query, nil)
}

// oracle lists the texts of a decoded JSON value, sorted; want tells which paths have them. Keys are
// brought to camel case outside objects that are their author's.
func oracle(t *testing.T, data []byte, want func(path string) bool) []string {
	t.Helper()
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
				walk(path+"."+camel(k), child)
			}
		case []any:
			for _, child := range v {
				walk(path, child)
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

func camel(key string) string {
	words := strings.Split(key, "_")
	for i := 1; i < len(words); i++ {
		if words[i] != "" {
			words[i] = strings.ToUpper(words[i][:1]) + words[i][1:]
		}
	}
	return strings.Join(words, "")
}

// found lists the texts that the codec found, in the same form.
func found(data []byte, texts []dialect.Text) []string {
	out := []string{}
	for i, x := range values(texts) {
		if i > 0 && x.Span.Start < values(texts)[i-1].Span.End {
			return []string{"texts out of order"}
		}
		out = append(out, string(dialect.AppendUnquoted(nil, data[x.Span.Start:x.Span.End])))
	}
	sort.Strings(out)
	return out
}

// values returns the texts that are no keys, which the oracle does not know of.
func values(texts []dialect.Text) []dialect.Text {
	return slices.DeleteFunc(slices.Clone(texts), func(x dialect.Text) bool { return x.Key })
}

func same(t *testing.T, name string, got, want []string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("%s: texts\n%.2000s\nwant\n%.2000s", name, g, w)
	}
}

// isPartText says which strings below a part are texts.
func isPartText(rest string) bool {
	switch rest {
	case "text", "functionCall.name", "functionResponse.name", "executableCode.code", "codeExecutionResult.output",
		"inlineData.displayName", "fileData.displayName", "functionResponse.parts.inlineData.displayName":
		return true
	}
	for _, prefix := range []string{"functionCall.args.", "functionResponse.response.", "toolCall.args.", "toolResponse.response."} {
		if strings.HasPrefix(rest, prefix) {
			return true
		}
	}
	return false
}

func isRequestText(path string) bool {
	path = strings.TrimPrefix(strings.TrimPrefix(path, ".requests"), ".generateContentRequest")
	for _, prefix := range []string{".contents.parts.", ".content.parts.", ".systemInstruction.parts."} {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			return isPartText(rest)
		}
	}
	if rest, ok := strings.CutPrefix(path, ".tools.functionDeclarations."); ok {
		return rest == "name" || rest == "description" || isSchemaText(rest, "parameters.", "parametersJsonSchema.", "response.")
	}
	if rest, ok := strings.CutPrefix(path, ".generationConfig."); ok {
		return isSchemaText(rest, "responseSchema.", "responseJsonSchema.")
	}
	return strings.HasPrefix(path, ".labels.")
}

func isSchemaText(path string, prefixes ...string) bool {
	for _, prefix := range prefixes {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			last := rest[strings.LastIndexByte(rest, '.')+1:]
			return !slices.Contains([]string{"type", "format", "required", "$ref", "$schema", "$id"}, last)
		}
	}
	return false
}

func isAnswerText(path string) bool {
	if path == ".promptFeedback.blockReasonMessage" {
		return true
	}
	rest, ok := strings.CutPrefix(path, ".candidates.")
	if !ok {
		return false
	}
	if part, ok := strings.CutPrefix(rest, "content.parts."); ok {
		return isPartText(part)
	}
	return rest == "finishMessage" || strings.HasPrefix(rest, "groundingMetadata.") && !strings.HasSuffix(rest, ".sdkBlob")
}

func TestRecordedRequestsAreReadAsTheStandardLibraryReadsThem(t *testing.T) {
	for _, r := range recordings(t) {
		body := r.Request.Body
		e, _ := r.endpoint()
		var q dialect.Request
		if err := (Codec{}).Request(e.Op, body, &q); err != nil {
			t.Errorf("%s: %v", r.Name, err)
			continue
		}
		same(t, r.Name, found(body, q.Texts), oracle(t, body, isRequestText))
		for _, x := range q.Texts {
			if x.Role == dialect.RoleNone && x.Channel.Kind == dialect.KindText {
				t.Errorf("%s: a text without a role", r.Name)
			}
		}
		if hidden := bytes.Contains(body, []byte(`"cachedContent"`)) || bytes.Contains(body, []byte(`"fileUri"`)) || bytes.Contains(body, []byte(`"file_uri"`)); hidden != (q.Unseen != "") {
			t.Errorf("%s: unseen %q", r.Name, q.Unseen)
		}
		if q.Model != "" && q.Model != e.Model {
			t.Errorf("%s: the body's model is %q, the path's %q", r.Name, q.Model, e.Model)
		}
		var plain struct {
			Config struct {
				Max int64 `json:"maxOutputTokens"`
			} `json:"generationConfig"`
		}
		if err := json.Unmarshal(body, &plain); err != nil || plain.Config.Max != q.MaxTokens {
			t.Errorf("%s: %v, at most %d tokens, want %d", r.Name, err, q.MaxTokens, plain.Config.Max)
		}
		checkMarkers(t, r.Name, body, q.Texts, isRequestText)
	}
}

// checkMarkers replaces every text with a marker: each text position has it then, and nothing else has
// changed.
func checkMarkers(t *testing.T, name string, body []byte, texts []dialect.Text, want func(string) bool) {
	t.Helper()
	const marker = `<\u006Darker>`
	var out []byte
	last := 0
	for _, x := range texts {
		out = append(append(out, body[last:x.Span.Start]...), marker...)
		last = x.Span.End
	}
	out = append(out, body[last:]...)
	for _, text := range oracle(t, out, want) {
		if text != "<marker>" {
			t.Errorf("%s: %q is left", name, text)
		}
	}
	same(t, name+", the rest", oracle(t, out, func(p string) bool { return !want(p) }), oracle(t, body, func(p string) bool { return !want(p) }))
}

// plainAnswer is an answer or chunk as encoding/json reads it.
type plainAnswer struct {
	Candidates []struct {
		Finish any `json:"finishReason"`
	}
	Feedback struct {
		Block string `json:"blockReason"`
	} `json:"promptFeedback"`
	Model string      `json:"modelVersion"`
	Usage *plainUsage `json:"usageMetadata"`
	Error *struct {
		Code            int
		Message, Status string
	}
}

type plainUsage struct {
	Prompt     int64 `json:"promptTokenCount"`
	Cached     int64 `json:"cachedContentTokenCount"`
	Candidates int64 `json:"candidatesTokenCount"`
	Thoughts   int64 `json:"thoughtsTokenCount"`
	Tools      int64 `json:"toolUsePromptTokenCount"`
	Total      int64 `json:"totalTokenCount"`
}

func (p *plainAnswer) check(t *testing.T, name, finish string, usage *llm.Usage) {
	t.Helper()
	want := p.Feedback.Block
	for _, c := range p.Candidates {
		switch f := c.Finish.(type) {
		case string:
			want = f
		case float64:
			want = finishReasons[int(f)]
		}
	}
	if finish != want {
		t.Errorf("%s: finish %q, want %q", name, finish, want)
	}
	u := p.Usage
	if u != nil && *u == (plainUsage{}) {
		u = nil // Vertex AI says the type of traffic in chunks that count nothing
	}
	switch {
	case (u == nil) != (usage == nil):
		t.Errorf("%s: usage %+v, want %+v", name, usage, u)
	case u == nil:
	case usage.InputTotal != u.Prompt+u.Tools || usage.CacheRead != u.Cached || usage.Reasoning != u.Thoughts || usage.OutputTotal < u.Candidates+u.Thoughts ||
		u.Total != 0 && usage.InputTotal+usage.OutputTotal != u.Total || !json.Valid(usage.Raw):
		t.Errorf("%s: usage %+v, want %+v", name, usage, u)
	}
}

func TestRecordedAnswersAreReadAsTheStandardLibraryReadsThem(t *testing.T) {
	for _, r := range recordings(t) {
		e, _ := r.endpoint()
		if r.Response.Kind != "json" || e.Stream {
			continue
		}
		body := r.Response.Body
		var a dialect.Answer
		if err := (Codec{}).Answer(e.Op, body, &a); err != nil {
			t.Errorf("%s: %v", r.Name, err)
			continue
		}
		same(t, r.Name, found(body, a.Texts), oracle(t, body, isAnswerText))
		checkMarkers(t, r.Name, body, a.Texts, isAnswerText)
		var plain plainAnswer
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatal(err)
		}
		plain.check(t, r.Name, a.Finish, a.Usage)
		if a.Model != plain.Model {
			t.Errorf("%s: model %q, want %q", r.Name, a.Model, plain.Model)
		}
		if r.Response.Status < 400 {
			if a.Error != nil {
				t.Errorf("%s: %v", r.Name, a.Error)
			}
			continue
		}
		want := map[string]llm.Code{"NOT_FOUND": llm.CodeNotFound, "RESOURCE_EXHAUSTED": llm.CodeRateLimited, "INVALID_ARGUMENT": llm.CodeInvalid}[plain.Error.Status]
		if strings.Contains(plain.Error.Message, "API key") {
			want = llm.CodeAuth
		}
		if a.Error == nil || a.Error.Code != want || a.Error.Status != r.Response.Status || a.Error.Message != plain.Error.Message || (want == llm.CodeRateLimited) != (a.Error.RetryAfter > 0) {
			t.Errorf("%s: error %+v", r.Name, a.Error)
		}
	}
}

// framer cuts a stream into events.
type framer interface {
	Feed([]byte)
	Next(*dialect.Frame) (bool, error)
	Tail(*dialect.Frame) bool
}

func TestRecordedStreamsAreFramedAndReadWhole(t *testing.T) {
	streams := map[dialect.Framing]int{}
	for _, r := range recordings(t) {
		e, _ := r.endpoint()
		if !e.Stream {
			continue
		}
		streams[e.Framing]++
		raw := []byte(r.Response.Raw)
		if e.Framing == dialect.JSONArray {
			raw = r.Response.Body
		}
		var first string
		for _, size := range []int{1 << 20, 1, 7, 1000} {
			var f framer = new(dialect.Framer)
			if e.Framing == dialect.JSONArray {
				f = new(dialect.ArrayFramer)
			}
			summary := readStream(t, r.Name, raw, f, size)
			if first == "" {
				first = summary
			} else if summary != first {
				t.Errorf("%s: in chunks of %d: %s, whole: %s", r.Name, size, summary, first)
			}
		}
	}
	if streams[dialect.ServerSent] == 0 || streams[dialect.JSONArray] == 0 {
		t.Errorf("streams in the corpus: %v", streams)
	}
}

// readStream frames and reads a recorded stream and returns what it found in short.
func readStream(t *testing.T, name string, stream []byte, f framer, size int) string {
	var fr dialect.Frame
	var raw []byte
	var e dialect.Event
	var ending dialect.Ending
	finish, lasts, usages, firsts, texts := "", 0, 0, 0, 0
	for at := 0; at < len(stream); at += size {
		f.Feed(stream[at:min(at+size, len(stream))])
		for {
			ok, err := f.Next(&fr)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			raw = append(raw, fr.Raw...)
			if fr.Last {
				lasts++
			}
			if fr.Payload == nil {
				continue
			}
			if err := (Codec{}).Event(llm.OpChat, fr.Payload, &e); err != nil {
				t.Fatalf("%s: %q: %v", name, fr.Payload, err)
			}
			var plain plainAnswer
			if err := json.Unmarshal(fr.Payload, &plain); err != nil {
				t.Fatal(err)
			}
			plain.check(t, name, e.Finish, e.Usage)
			same(t, name, found(fr.Payload, e.Texts), oracle(t, fr.Payload, isAnswerText))
			checkMarkers(t, name, fr.Payload, e.Texts, isAnswerText)
			if e.UsageOnly || e.End || e.Error != nil || len(e.Closed) != 0 {
				t.Errorf("%s: %s: %+v", name, fr.Payload, e)
			}
			texts += len(e.Texts)
			ending.Add(&e)
			if e.Finish != "" {
				finish = e.Finish
			}
			if e.Usage != nil {
				usages++
			}
			if e.First {
				firsts++
			}
		}
	}
	if f.Tail(&fr) {
		raw = append(raw, fr.Raw...)
	}
	if !bytes.Equal(raw, stream) {
		t.Errorf("%s: framing in chunks of %d changes bytes", name, size)
	}
	if _, array := f.(*dialect.ArrayFramer); array != (lasts == 1) || !(Codec{}).Complete(ending) {
		t.Errorf("%s: the stream does not end: finish %q", name, finish)
	}
	return fmt.Sprint(finish, lasts, usages, firsts, texts)
}
