package anthropic

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

func (r *recording) op() llm.Op {
	if r.Endpoint == "count_tokens" {
		return llm.OpCountTokens
	}
	return llm.OpChat
}

// recordings returns what the corpus has in this dialect, from Anthropic and through Vertex.
func recordings(t testing.TB) (all []recording) {
	for _, x := range recorded.Of(t, "../../..", "anthropic__messages__*.json", "anthropic__count_tokens__*.json", "vertex__streamRawPredict__*.json") {
		all = append(all, recording{x})
	}
	return all
}

// opaque are the members whose values are no words: ids, types and what the vendor sealed.
var opaque = map[string]bool{
	"type": true, "role": true, "id": true, "tool_use_id": true, "file_id": true, "media_type": true, "signature": true, "ttl": true,
	"encrypted_content": true, "encrypted_index": true, "error_code": true, "stop_reason": true, "model": true, "expires_at": true, "effort": true,
}

// sealed are objects without words.
var sealed = map[string]bool{"cache_control": true, "caller": true, "usage": true, "tool_choice": true, "thinking": true, "container": true}

// schemaWords are the members of a schema whose values are no words.
var schemaWords = map[string]bool{"type": true, "format": true, "required": true, "$ref": true, "$schema": true, "$id": true}

// oracle lists the texts of a decoded JSON value, sorted: every string but those in opaque members.
func oracle(t *testing.T, data []byte, under ...string) []string {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	var out []string
	var all func(v any, skip map[string]bool)
	all = func(v any, skip map[string]bool) {
		switch v := v.(type) {
		case map[string]any:
			for k, child := range v {
				if _, object := child.(map[string]any); !skip[k] || object {
					all(child, skip)
				}
			}
		case []any:
			for _, child := range v {
				all(child, skip)
			}
		case string:
			if v != "" {
				out = append(out, v)
			}
		}
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			media := v["type"] == "base64" || v["type"] == "redacted_thinking"
			for k, child := range v {
				_, object := child.(map[string]any)
				switch {
				case k == "input":
					all(child, nil)
				case k == "input_schema", k == "schema":
					all(child, schemaWords)
				case k == "data" && media, opaque[k], sealed[k] && object:
				default:
					walk(child)
				}
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		default:
			all(v, nil)
		}
	}
	for _, member := range under {
		walk(value[member])
	}
	sort.Strings(out)
	return out
}

// found lists the texts that the codec found, in the same form.
func found(data []byte, texts []dialect.Text) []string {
	var out []string
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

// marked replaces every text by a marker, once by its span and once in the decoded value, and holds
// that both come to the same.
func marked(t *testing.T, name string, data []byte, texts []dialect.Text) {
	t.Helper()
	const marker = "\x00marked"
	quoted := dialect.AppendQuoted(nil, []byte(marker))
	edited, last := []byte(nil), 0
	for _, x := range texts {
		edited = append(append(edited, data[last:x.Span.Start]...), quoted...)
		last = x.Span.End
	}
	edited = append(edited, data[last:]...)
	var before, after any
	if json.Unmarshal(data, &before) != nil || json.Unmarshal(edited, &after) != nil {
		t.Errorf("%s: marked: no JSON", name)
		return
	}
	changed := 0
	var compare func(a, b any) bool
	compare = func(a, b any) bool {
		switch a := a.(type) {
		case map[string]any:
			other, ok := b.(map[string]any)
			if !ok || len(other) != len(a) {
				return false
			}
			for k := range a {
				if !compare(a[k], other[k]) {
					return false
				}
			}
		case []any:
			other, ok := b.([]any)
			if !ok || len(other) != len(a) {
				return false
			}
			for i := range a {
				if !compare(a[i], other[i]) {
					return false
				}
			}
		default:
			if b == any(marker) {
				changed++
				return a != b
			}
			return a == b
		}
		return true
	}
	if !compare(before, after) || changed != len(texts) {
		t.Errorf("%s: marking %d texts changed %d", name, len(texts), changed)
	}
}

// malformed are requests that the vendor refused too.
func malformed(r *recording) bool { return bytes.Contains(r.Request.Body, []byte(`"Invalid content"`)) }

func TestRecordedRequestsAreReadAsTheStandardLibraryReadsThem(t *testing.T) {
	unseen := map[string]int{}
	for _, r := range recordings(t) {
		body := r.Request.Body
		var q dialect.Request
		if err := (Codec{}).Request(r.op(), body, &q); err != nil {
			if !malformed(&r) || r.Response.Status != 400 {
				t.Errorf("%s: %v", r.Name, err)
			}
			continue
		}
		want := oracle(t, body, "messages", "system", "tools", "metadata", "context_management", "output_config")
		same(t, r.Name, found(body, q.Texts), want)
		marked(t, r.Name, body, values(q.Texts))
		var plain struct {
			Model     string
			Stream    bool
			MaxTokens int64 `json:"max_tokens"`
		}
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatal(err)
		}
		if q.Model != plain.Model || q.Stream != plain.Stream || q.MaxTokens != plain.MaxTokens || q.UsageSplice.With != "" {
			t.Errorf("%s: %+v, want %+v", r.Name, q, plain)
		}
		for _, x := range q.Texts {
			if x.Role == dialect.RoleNone && x.Channel.Kind != dialect.KindStructured && x.Channel.Kind != dialect.KindToolDef {
				t.Errorf("%s: a text without a role: %q", r.Name, body[x.Span.Start:x.Span.End])
			}
		}
		unseen[q.Unseen]++
		span, with := Codec{}.SetModel(body, &q, `new "model"`)
		edited := append(append(append([]byte(nil), body[:span.Start]...), with...), body[span.End:]...)
		var after dialect.Request
		if err := (Codec{}).Request(r.op(), edited, &after); err != nil || after.Model != `new "model"` || len(after.Texts) != len(q.Texts) {
			t.Errorf("%s: model spliced: %v, %q, %d texts of %d", r.Name, err, after.Model, len(after.Texts), len(q.Texts))
		}
	}
	t.Logf("out of sight: %v", unseen)
}

// plainUsage is a usage object as encoding/json reads it.
type plainUsage struct {
	Input      int64 `json:"input_tokens"`
	Output     int64 `json:"output_tokens"`
	Read       int64 `json:"cache_read_input_tokens"`
	Written    int64 `json:"cache_creation_input_tokens"`
	Iterations []struct {
		Type    string
		Input   int64 `json:"input_tokens"`
		Output  int64 `json:"output_tokens"`
		Read    int64 `json:"cache_read_input_tokens"`
		Written int64 `json:"cache_creation_input_tokens"`
	}
}

func (p *plainUsage) check(t *testing.T, name string, usage *llm.Usage) {
	t.Helper()
	if (p == nil) != (usage == nil) {
		t.Errorf("%s: usage %+v, want %+v", name, usage, p)
	}
	if p == nil || usage == nil {
		return
	}
	in, out := p.Input+p.Read+p.Written, p.Output
	for _, i := range p.Iterations {
		if i.Type != "message" {
			in, out = in+i.Input+i.Read+i.Written, out+i.Output
		}
	}
	if usage.InputTotal != in || usage.OutputTotal != out || usage.CacheRead != p.Read || usage.CacheWrite5m+usage.CacheWrite1h > p.Written || usage.Reasoning > usage.OutputTotal || !json.Valid(usage.Raw) {
		t.Errorf("%s: usage %+v, want %+v", name, usage, p)
	}
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
		same(t, r.Name, found(r.Response.Body, a.Texts), oracle(t, r.Response.Body, "content"))
		marked(t, r.Name, r.Response.Body, values(a.Texts))
		var plain struct {
			Model  string
			Stop   *string `json:"stop_reason"`
			Usage  *plainUsage
			Error  *struct{ Message string }
			Blocks []struct{ Type string } `json:"content"`
		}
		if err := json.Unmarshal(r.Response.Body, &plain); err != nil {
			t.Fatal(err)
		}
		if failed := r.Response.Status >= 400; failed != (a.Error != nil) || failed && (a.Error.Message != plain.Error.Message || a.Error.Code != map[int]llm.Code{400: llm.CodeInvalid, 404: llm.CodeNotFound}[r.Response.Status]) {
			t.Errorf("%s: status %d, error %v", r.Name, r.Response.Status, a.Error)
		}
		plain.Usage.check(t, r.Name, a.Usage)
		if a.Model != plain.Model || plain.Stop != nil && a.Finish != *plain.Stop {
			t.Errorf("%s: %+v, want %+v", r.Name, a, plain)
		}
		for _, x := range a.Texts {
			if int(x.Channel.Block) >= len(plain.Blocks) || (x.Role == dialect.RoleTool) != strings.HasSuffix(plain.Blocks[x.Channel.Block].Type, "_tool_result") {
				t.Errorf("%s: %+v", r.Name, x)
			}
		}
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
	if streams < 19 {
		t.Errorf("%d streams in the corpus", streams)
	}
}

// plainEvent is an event as encoding/json reads it.
type plainEvent struct {
	Type    string
	Index   int16
	Usage   *plainUsage
	Message struct{ Usage *plainUsage }
	Delta   struct {
		Stop string `json:"stop_reason"`
	}
}

// readStream frames and reads a recorded stream and returns what it found in short.
func readStream(t *testing.T, r *recording, size int) string {
	var f dialect.Framer
	var fr dialect.Frame
	var raw []byte
	var e dialect.Event
	var total llm.Usage
	finish, ends, closed, usages, firsts, texts := "", 0, 0, 0, 0, 0
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
			var plain plainEvent
			if err := json.Unmarshal(fr.Payload, &plain); err != nil {
				t.Fatal(err)
			}
			same(t, r.Name, found(fr.Payload, e.Texts), oracle(t, fr.Payload, "content_block", "delta"))
			marked(t, r.Name, fr.Payload, e.Texts)
			for _, x := range e.Texts {
				if x.Channel.Block != plain.Index || x.Channel.Choice != 0 {
					t.Errorf("%s: %s: %+v", r.Name, fr.Payload, x)
				}
			}
			usage := plain.Usage
			if plain.Type == "message_start" {
				usage = plain.Message.Usage
			}
			usage.check(t, r.Name, e.Usage)
			stop := len(e.Closed) == 1 && e.Closed[0] == dialect.Block{Block: plain.Index}
			if e.Finish != plain.Delta.Stop || e.Error != nil || e.UsageOnly || e.End != (plain.Type == "message_stop") || stop != (plain.Type == "content_block_stop") {
				t.Errorf("%s: %s: %+v", r.Name, fr.Payload, e)
			}
			if e.Usage != nil {
				total.Merge(e.Usage)
				usages++
			}
			if e.Finish != "" {
				finish = e.Finish
			}
			if e.First {
				firsts++
			}
			if e.End {
				ends++
			}
			closed += len(e.Closed)
			texts += len(e.Texts)
		}
	}
	if f.Tail(&fr) {
		raw = append(raw, fr.Raw...)
	}
	if !bytes.Equal(raw, []byte(r.Response.Raw)) {
		t.Errorf("%s: framing in chunks of %d changes bytes", r.Name, size)
	}
	if !(Codec{}).Complete(dialect.Ending{Terminated: ends == 1}) || finish == "" || firsts == 0 || closed == 0 || total.InputTotal == 0 || total.OutputTotal == 0 {
		t.Errorf("%s: the stream does not end: %d terminators, finish %q, usage %+v", r.Name, ends, finish, total)
	}
	return fmt.Sprint(finish, ends, closed, usages, firsts, texts, total.InputTotal, total.OutputTotal)
}
