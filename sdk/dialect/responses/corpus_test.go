package responses

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// recording is one recorded exchange with a vendor.
type recording struct{ *recorded.Exchange }

// recordings returns what the corpus has in this dialect.
func recordings(t testing.TB) (all []recording) {
	for _, x := range recorded.Of(t, "../../..", "*__responses__*.json") {
		all = append(all, recording{x})
	}
	return all
}

// oracle lists the strings of a JSON text that stand where words do, sorted.
func oracle(t *testing.T, data []byte, want func(path string) bool) (out []string) {
	t.Helper()
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
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
	slices.Sort(out)
	return out
}

// found lists the texts that the codec found, sorted.
func found(data []byte, texts []dialect.Text) (out []string) {
	for i, x := range values(texts) {
		if i > 0 && x.Span.Start < values(texts)[i-1].Span.End {
			return []string{"texts out of order"}
		}
		out = append(out, string(dialect.AppendUnquoted(nil, data[x.Span.Start:x.Span.End])))
	}
	slices.Sort(out)
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

// isItemText reports whether words stand at a path in an item.
func isItemText(path string) bool {
	switch path {
	case ".content", ".content[].text", ".content[].refusal", ".summary[].text", ".output", ".output[].text", ".arguments", ".input", ".code", ".name", ".reason", ".result",
		".content[].filename", ".output[].filename", ".content[].annotations[].title", ".content[].annotations[].url", ".content[].annotations[].filename",
		".action.query", ".action.queries[]", ".action.url", ".action.sources[].url", ".server_label", ".namespace":
		return true
	}
	return strings.HasPrefix(path, ".arguments.") || isToolText(path)
}

// isToolText reports whether words of a tool's definition stand at a path.
func isToolText(path string) bool {
	rest, ok := strings.CutPrefix(path, ".tools[].")
	switch {
	case !ok:
		return false
	case isToolText("." + rest): // in a namespace
		return true
	case rest == "name" || rest == "description" || rest == "user_location.country":
		return true
	}
	return (strings.HasPrefix(rest, "parameters.") || strings.HasPrefix(rest, "filters.")) && isSchemaText(rest)
}

func isSchemaText(path string) bool {
	for _, word := range []string{".type", ".format", ".required[]", ".type[]", ".$ref", ".$schema", ".$id"} {
		if strings.HasSuffix(path, word) {
			return false
		}
	}
	return true
}

// isSaidText reports whether words stand at a path in a request or, as its repetition, in a response.
func isSaidText(path string) bool {
	switch path {
	case ".instructions", ".user", ".safety_identifier", ".prompt_cache_key", ".output_text", ".text.format.name", ".text.format.description":
		return true
	}
	if rest, ok := strings.CutPrefix(path, ".instructions[]"); ok {
		return isItemText(rest)
	}
	if rest, ok := strings.CutPrefix(path, ".prompt.variables."); ok {
		return !strings.Contains(rest, ".") || strings.HasSuffix(rest, ".text") || strings.HasSuffix(rest, ".filename")
	}
	return strings.HasPrefix(path, ".metadata.") || strings.HasPrefix(path, ".text.format.schema.") && isSchemaText(path) || isToolText(path)
}

func isRequestText(path string) bool {
	if rest, ok := strings.CutPrefix(path, ".input[]"); ok {
		return isItemText(rest)
	}
	return path == ".input" || isSaidText(path)
}

func isResponseText(path string) bool {
	if rest, ok := strings.CutPrefix(path, ".output[]"); ok {
		return isItemText(rest)
	}
	return isSaidText(path)
}

func isEventText(path string) bool {
	if rest, ok := strings.CutPrefix(path, ".response"); ok {
		return isResponseText(rest)
	}
	if rest, ok := strings.CutPrefix(path, ".item"); ok && !strings.HasPrefix(rest, "_") {
		return isItemText(rest)
	}
	switch path {
	case ".delta", ".text", ".refusal", ".arguments", ".input", ".code", ".part.text", ".part.refusal", ".name":
		return true
	}
	return false
}

func TestRecordedRequestsAreReadAsTheStandardLibraryReadsThem(t *testing.T) {
	for _, r := range recordings(t) {
		body := r.Request.Body
		var q dialect.Request
		if err := (Codec{}).Request(llm.OpChat, body, &q); err != nil {
			t.Errorf("%s: %v", r.Name, err)
			continue
		}
		same(t, r.Name, found(body, q.Texts), oracle(t, body, isRequestText))
		var plain struct {
			Model     string
			Stream    bool
			MaxTokens int64  `json:"max_output_tokens"`
			Previous  string `json:"previous_response_id"`
		}
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatal(err)
		}
		if q.Model != plain.Model || q.Stream != plain.Stream || q.MaxTokens != plain.MaxTokens || q.UsageSplice.With != "" {
			t.Errorf("%s: %+v, want %+v", r.Name, q, plain)
		}
		if q.Unseen == "" && plain.Previous != "" || q.Unseen == "type" || q.Unseen == "tools" {
			t.Errorf("%s: unseen %q", r.Name, q.Unseen)
		}
		for _, x := range q.Texts {
			if x.Role == dialect.RoleNone && x.Channel.Kind == dialect.KindText {
				t.Errorf("%s: %q has no role", r.Name, body[x.Span.Start:x.Span.End])
			}
		}
		checkMarked(t, r.Name, body, q.Texts, func(edited []byte) []dialect.Text {
			var after dialect.Request
			if err := (Codec{}).Request(llm.OpChat, edited, &after); err != nil {
				t.Errorf("%s: marked: %v", r.Name, err)
			}
			return after.Texts
		})
		span, with := Codec{}.SetModel(body, &q, `new "model"`)
		edited := splice(body, span, with)
		var after dialect.Request
		if err := (Codec{}).Request(llm.OpChat, edited, &after); err != nil || after.Model != `new "model"` || len(after.Texts) != len(q.Texts) {
			t.Errorf("%s: model spliced: %v, %q", r.Name, err, after.Model)
		}
	}
}

func splice(body []byte, span dialect.Span, with []byte) []byte {
	out := append([]byte(nil), body[:span.Start]...)
	return append(append(out, with...), body[span.End:]...)
}

// checkMarked puts a mark in the place of every text: exactly those change, and nothing is lost.
func checkMarked(t *testing.T, name string, data []byte, texts []dialect.Text, read func([]byte) []dialect.Text) {
	t.Helper()
	const mark = "MARK\\u0021"
	var edited []byte
	last := 0
	for _, x := range texts {
		edited = append(append(edited, data[last:x.Span.Start]...), mark...)
		last = x.Span.End
	}
	edited = append(edited, data[last:]...)
	if !json.Valid(edited) {
		t.Errorf("%s: marked, it is no JSON", name)
		return
	}
	again := read(edited)
	if len(again) != len(texts) {
		t.Errorf("%s: marked, it has %d texts of %d", name, len(again), len(texts))
		return
	}
	for i, x := range again {
		if string(edited[x.Span.Start:x.Span.End]) != mark || x.Channel != texts[i].Channel || x.Role != texts[i].Role || x.Whole != texts[i].Whole {
			t.Errorf("%s: text %d became %+v, was %+v", name, i, x, texts[i])
		}
	}
}

// plainResponse is a response object as encoding/json reads it.
type plainResponse struct {
	Model, Status string
	Incomplete    *struct{ Reason string } `json:"incomplete_details"`
	Error         json.RawMessage
	Usage         *struct {
		Input  int64 `json:"input_tokens"`
		Output int64 `json:"output_tokens"`
		Total  int64 `json:"total_tokens"`
		In     struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"input_tokens_details"`
		Out struct {
			Reasoning int64 `json:"reasoning_tokens"`
		} `json:"output_tokens_details"`
	}
}

func (p *plainResponse) finish() string {
	if p.Incomplete != nil && p.Incomplete.Reason != "" {
		return p.Incomplete.Reason
	}
	return p.Status
}

func (p *plainResponse) check(t *testing.T, name, finish string, usage *llm.Usage) {
	t.Helper()
	if finish != p.finish() {
		t.Errorf("%s: finish %q, want %q", name, finish, p.finish())
	}
	u := p.Usage
	switch {
	case (u == nil) != (usage == nil):
		t.Errorf("%s: usage %+v, want %+v", name, usage, u)
	case u == nil:
	case usage.InputTotal != u.Input || usage.OutputTotal != u.Output || usage.InputTotal+usage.OutputTotal != u.Total ||
		usage.CacheRead != u.In.Cached || usage.Reasoning != u.Out.Reasoning || !json.Valid(usage.Raw):
		t.Errorf("%s: usage %+v, want %+v", name, usage, u)
	}
}

func TestRecordedAnswersAreReadAsTheStandardLibraryReadsThem(t *testing.T) {
	for _, r := range recordings(t) {
		if r.Response.Kind != "json" {
			continue
		}
		var a dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, r.Response.Body, &a); err != nil {
			t.Errorf("%s: %v", r.Name, err)
			continue
		}
		same(t, r.Name, found(r.Response.Body, a.Texts), oracle(t, r.Response.Body, isResponseText))
		if failed := r.Response.Status >= 400; failed != (a.Error != nil) {
			t.Errorf("%s: status %d, error %v", r.Name, r.Response.Status, a.Error)
		} else if failed && (a.Error.Message == "" || a.Error.Code == llm.CodeInternal || a.Error.Code == llm.CodeUpstream) {
			t.Errorf("%s: error %+v", r.Name, a.Error)
		}
		var plain plainResponse
		if err := json.Unmarshal(r.Response.Body, &plain); err != nil {
			t.Fatal(err)
		}
		plain.check(t, r.Name, a.Finish, a.Usage)
		if a.Model != plain.Model {
			t.Errorf("%s: model %q, want %q", r.Name, a.Model, plain.Model)
		}
		checkMarked(t, r.Name, r.Response.Body, a.Texts, func(edited []byte) []dialect.Text {
			var after dialect.Answer
			if err := (Codec{}).Answer(llm.OpChat, edited, &after); err != nil {
				t.Error(err)
			}
			return after.Texts
		})
	}
}

func TestRecordedStreamsAreFramedAndReadWhole(t *testing.T) {
	streams := 0
	for _, r := range recordings(t) {
		if r.Response.Kind != "sse" {
			continue
		}
		streams++
		first := ""
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

// readStream frames and reads a recorded stream, holds that what repeats a block's text says what its
// deltas said, and returns what it found in short.
func readStream(t *testing.T, r *recording, size int) string {
	var f dialect.Framer
	var fr dialect.Frame
	var raw []byte
	var e dialect.Event
	ends, usages, firsts, texts, closed := 0, 0, 0, 0, 0
	finish := ""
	said := map[dialect.Channel]string{}
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
			if e.Error != nil {
				t.Errorf("%s: %s: error %v", r.Name, fr.Payload, e.Error)
			}
			checkEvent(t, r.Name, &fr, &e, said)
			texts, closed = texts+len(e.Texts), closed+len(e.Closed)
			if e.Finish != "" {
				finish = e.Finish
			}
			for _, on := range []struct {
				is bool
				n  *int
			}{{e.End, &ends}, {e.Usage != nil, &usages}, {e.First, &firsts}} {
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
	if !(Codec{}).Complete(dialect.Ending{Terminated: ends == 1}) || finish == "" || usages != 1 {
		t.Errorf("%s: the stream does not end: %d terminators, finish %q, %d usages", r.Name, ends, finish, usages)
	}
	return fmt.Sprint(finish, ends, usages, firsts, texts, closed)
}

// checkEvent holds one event against encoding/json and against what its block said so far.
func checkEvent(t *testing.T, name string, fr *dialect.Frame, e *dialect.Event, said map[dialect.Channel]string) {
	t.Helper()
	var plain struct {
		Type     string
		Response *plainResponse
	}
	if err := json.Unmarshal(fr.Payload, &plain); err != nil {
		t.Fatal(err)
	}
	same(t, name+" "+plain.Type, found(fr.Payload, e.Texts), oracle(t, fr.Payload, isEventText))
	if e.End {
		plain.Response.check(t, name, e.Finish, e.Usage)
	}
	if e.End && !e.First {
		t.Errorf("%s: the whole response is no content", name)
	}
	done := strings.HasSuffix(plain.Type, ".done") && plain.Type != "response.output_item.done"
	if done && len(e.Closed) != 1 {
		t.Errorf("%s: %s closes %v", name, plain.Type, e.Closed)
	}
	for _, x := range e.Texts {
		text := string(dialect.AppendUnquoted(nil, fr.Payload[x.Span.Start:x.Span.End]))
		c := x.Channel
		c.Repeat = false
		switch {
		case !x.Whole:
			said[x.Channel] += text
		case !x.Channel.Repeat && (done || c.Kind != dialect.KindStructured):
			t.Errorf("%s: %s: %+v", name, plain.Type, x)
		case done && c.Kind != dialect.KindStructured && said[c] != text:
			t.Errorf("%s: %s repeats %q, was %q", name, plain.Type, text, said[c])
		case done && c.Kind != dialect.KindStructured && (e.Closed[0] != dialect.Block{Choice: c.Choice, Block: c.Block}):
			t.Errorf("%s: %s closes %v, not %v", name, plain.Type, e.Closed, c)
		}
		if x.Role == dialect.RoleNone && c.Kind == dialect.KindText {
			t.Errorf("%s: %s: a text without a role", name, plain.Type)
		}
	}
}
