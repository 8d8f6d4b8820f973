package dialect

import (
	"slices"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/llm"
)

func TestAppendStringsAndSchema(t *testing.T) {
	const text = `{"a":["one",{"a":"","a":"two","A":"thr\u0065e"},4],"type":"object","properties":{"type":{"description":"five"}},"required":["six"],"$ref":"#"}`
	for name, c := range map[string]struct {
		read func(*Reader, []Text, Text) []Text
		want []string
	}{
		"strings": {(*Reader).AppendStrings, []string{"one", "two", "three", "object", "five", "six", "#"}},
		"schema":  {(*Reader).AppendSchema, []string{"one", "two", "three", "five"}},
	} {
		r := NewReader([]byte(text))
		like := Text{Role: RoleTool, Whole: true, Channel: Channel{Block: 3, Kind: KindToolDef}}
		var got []string
		for _, x := range c.read(&r, nil, like) {
			got = append(got, TextOf(r.Bytes(x.Span), ""))
			if x.Span = (Span{}); x != like {
				t.Errorf("%s: %+v", name, x)
			}
		}
		if err := r.End(); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestAppendTextReadsNothingButAString(t *testing.T) {
	r := NewReader([]byte(`7`))
	if texts, ok := r.AppendText(nil, Text{}); ok || texts != nil || r.Pos() != 0 {
		t.Errorf("%v, %v, at %d", texts, ok, r.Pos())
	}
}

func TestTextOfAllocatesNothingForWhatIsKnown(t *testing.T) {
	raw := []byte("claude")
	if n := testing.AllocsPerRun(100, func() { TextOf(raw, "claude") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got := TextOf([]byte(`cl\u0061ude`), "claude"); got != "claude" {
		t.Error(got)
	}
}

func TestFaultReadsEveryShape(t *testing.T) {
	for _, c := range []struct {
		value, message string
		code           llm.Code
		status         int
	}{
		{`{"type":"overloaded_error","message":"m"}`, "m", llm.CodeOverloaded, 0},
		{`{"type":"billing_error","message":"m"}`, "m", llm.CodeQuota, 0},
		{`{"message":"m","code":"429"}`, "m", llm.CodeRateLimited, 429},
		{`{"error":{"message":"inner","status":404}}`, "inner", llm.CodeNotFound, 404},
		{`"words"`, "words", llm.CodeUpstream, 0},
		{`{"code":200,"message":7}`, "the upstream reported an error", llm.CodeUpstream, 0},
	} {
		r := NewReader([]byte(c.value))
		var f Fault
		f.Read(&r)
		if e := f.Error(); r.End() != nil || !f.Reported() || e.Message != c.message || e.Code != c.code || e.Status != c.status {
			t.Errorf("%s: %+v", c.value, e)
		}
	}
	for _, none := range []string{`null`, `false`, `""`} {
		r := NewReader([]byte(none))
		var f Fault
		if f.Read(&r); f.Reported() || f.Said() {
			t.Errorf("%s is an error", none)
		}
	}
	for _, empty := range []string{`{}`, `[]`, `0`, `{"message":"","type":"","param":null,"code":0}`, `{"error":{},"code":""}`} {
		r := NewReader([]byte(empty))
		var f Fault
		if f.Read(&r); f.Reported() || !f.Said() {
			t.Errorf("%s: reported %t, said %t", empty, f.Reported(), f.Said())
		}
	}
}

// TestInsteadOfModel: the member takes the model's place, wherever the words stand elsewhere in the body.
func TestInsteadOfModel(t *testing.T) {
	keys := NewKeys("model")
	for body, want := range map[string]string{
		`{"model":"m","a":1}`:                             `{"v":"1","a":1}`,
		"{\"a\":{\"model\":\"x\"},\n \"model\" :\t\"m\"}": "{\"a\":{\"model\":\"x\"},\n \"v\":\"1\"}",
		`{"a":"\"model\":","model":"m\"odel"}`:            `{"a":"\"model\":","v":"1"}`,
		`{"a":1}`:                                         `{"v":"1","a":1}`,
		`{}`:                                              `{"v":"1"}`,
	} {
		var read Request
		r := NewReader([]byte(body))
		o := r.Object(keys)
		for key, more := r.Next(&o); more; key, more = r.Next(&o) {
			if key == 0 {
				read.ModelSpan, _ = r.String()
				continue
			}
			r.Skip()
		}
		if err := r.End(); err != nil {
			t.Fatal(err)
		}
		span, member := InsteadOfModel([]byte(body), &read, `"v":"1"`)
		if got := string(slices.Replace([]byte(body), span.Start, span.End, member...)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

// TestKeysOfArguments are texts, at any depth, and those of anything else are not.
func TestKeysOfArguments(t *testing.T) {
	const body = `{"a":"x","b":[{"c":{"":1,"d":"y"}}],"a":2}`
	for kind, want := range map[Kind]string{KindArguments: "*a x *b *c *d y *a", KindToolResult: "x y", KindStructured: "x y"} {
		r := NewReader([]byte(body))
		var got []string
		for _, x := range r.AppendStrings(nil, Text{Channel: Channel{Kind: kind}}) {
			word := body[x.Span.Start:x.Span.End]
			if x.Key {
				word = "*" + word
			}
			if x.Whole != x.Key {
				t.Errorf("%s: %+v", word, x)
			}
			got = append(got, word)
		}
		if s := strings.Join(got, " "); r.End() != nil || s != want {
			t.Errorf("%d: %s, want %s", kind, s, want)
		}
	}
}
