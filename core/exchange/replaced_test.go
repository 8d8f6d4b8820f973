package exchange

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// reader is a dialect whose every text stands between « and », and whose terminator is "end".
type reader struct{ x *Exchange }

func (r reader) ReadRequest() error {
	raw := string(r.x.Request.Body.Raw())
	if strings.Contains(raw, "garbage") {
		return errors.New("garbage")
	}
	r.x.Request.Body = marked(raw)
	return nil
}

func (r reader) ReadAnswer() error {
	raw := string(r.x.Response.Body.Raw())
	if strings.Contains(raw, "garbage") {
		return errors.New("garbage")
	}
	r.x.Response.Body = marked(raw)
	return nil
}

func (r reader) ReadEvent(frame *dialect.Frame) (*Event, error) {
	e := &Event{Raw: frame.Raw, Body: marked(string(frame.Payload))}
	e.End = string(frame.Payload) == "end"
	return e, nil
}

func marked(raw string) Body {
	var found []dialect.Text
	for at := 0; ; {
		from := strings.Index(raw[at:], "«")
		if from < 0 {
			return NewBody([]byte(raw), found)
		}
		from += at + len("«")
		to := from + strings.Index(raw[from:], "»")
		found = append(found, dialect.Text{Span: Span{Start: from, End: to}})
		at = to
	}
}

// ender is a filter that wants to see the end of streams.
type ender struct{ filter }

func (ender) EndOfStream() bool { return true }

// rewriting is a filter that makes of all bytes of an answer what rewrite makes of them.
func rewriting(rewrite func(raw string, last bool) string) Filter {
	return ender{filter{"rewriting", PhaseRequestBody | PhaseResponseBody | PhaseEvent, func(p Phase, x *Exchange) (Verdict, error) {
		switch p {
		case PhaseRequestBody:
			x.Request.Body.Replace([]byte(rewrite(string(x.Request.Body.Bytes()), true)))
		case PhaseResponseBody:
			x.Response.Body.Replace([]byte(rewrite(string(x.Response.Body.Bytes()), true)))
		case PhaseEvent:
			if raw := rewrite(string(x.Event.Bytes()), x.Event.Last); raw != string(x.Event.Bytes()) {
				x.Event.Replace([]byte(raw))
			}
		}
		return Verdict{}, nil
	}}}
}

// stars is a filter of texts that masks a word.
func stars() Filter { return redact("secret", "*") }

// streamedThrough runs events through a pipeline as a gateway does.
func streamedThrough(t *testing.T, events []string, end string, filters ...Filter) string {
	t.Helper()
	x := New(context.Background())
	f := NewPipeline("p", filters...).Flow(x)
	f.Reader = reader{x}
	if _, err := f.Request(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	put := func(e *Event) { out.Write(e.Bytes()) }
	for _, raw := range events {
		if _, err := f.Event(t.Context(), &Event{Raw: []byte(raw), Body: marked(strings.TrimSuffix(strings.TrimPrefix(raw, "data: "), "\n\n"))}, put); err != nil {
			t.Fatal(err)
		}
	}
	f.Tail = &Event{Raw: []byte(end)}
	if _, err := f.Flush(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	out.Write(f.Tail.Bytes())
	return out.String()
}

// TestWhatAFilterWritesPassesTheOthers: a filter that writes raw bytes hides no text from those that
// look behind it, however it cuts the bytes.
func TestWhatAFilterWritesPassesTheOthers(t *testing.T) {
	events := []string{"data: «a»\n\n", "data: «b»\n\n", "data: «c»\n\n"}
	var held string
	for name, c := range map[string]struct {
		rewrite func(raw string, last bool) string
		want    string
	}{
		"nothing": {func(raw string, _ bool) string { return raw }, "data: «a»\n\ndata: «b»\n\ndata: «c»\n\ndata: end\n\n"},
		"one": {func(raw string, _ bool) string { return strings.Replace(raw, "b", "a secret", 1) },
			"data: «a»\n\ndata: «a *»\n\ndata: «c»\n\ndata: end\n\n"},
		"two of one": {func(raw string, _ bool) string {
			return strings.Replace(raw, "«b»\n\n", "«x secret»\n\ndata: «y»\n\n", 1)
		},
			"data: «a»\n\ndata: «x *»\n\ndata: «y»\n\ndata: «c»\n\ndata: end\n\n"},
		"cut anywhere": {func(raw string, last bool) string {
			raw = held + raw
			held = ""
			if !last {
				raw, held = raw[:len(raw)-7], raw[len(raw)-7:]
			}
			return raw
		}, "data: «a»\n\ndata: «b»\n\ndata: «c»\n\ndata: end\n\n"},
		"all at the end": {func(raw string, last bool) string {
			held += raw
			if !last {
				return ""
			}
			raw, held = strings.ReplaceAll(held, "c", "secret"), ""
			return raw
		}, "data: «a»\n\ndata: «b»\n\ndata: «*»\n\ndata: end\n\n"},
		"after the end": {func(raw string, last bool) string {
			if last {
				return raw + "data: «secret»\n\n"
			}
			return raw
		}, "data: «a»\n\ndata: «b»\n\ndata: «c»\n\ndata: «*»\n\ndata: end\n\n"},
		"no end": {func(raw string, last bool) string {
			if last {
				return ""
			}
			return raw
		}, "data: «a»\n\ndata: «b»\n\ndata: «c»\n\n"},
	} {
		if got := streamedThrough(t, events, "data: end\n\n", stars(), rewriting(c.rewrite)); got != c.want {
			t.Errorf("%s: %q\nwant %q", name, got, c.want)
		}
	}
	// a stream that nothing ends: the filter is told all the same, and may add
	got := streamedThrough(t, events[:1], "", stars(), rewriting(func(raw string, last bool) string {
		if last {
			return "data: «my secret»\n\n"
		}
		return raw
	}))
	if got != "data: «a»\n\ndata: «my *»\n\n" {
		t.Errorf("%q", got)
	}
	// one that nobody looks at behind it is not read
	got = streamedThrough(t, events[:1], "data: end\n\n", rewriting(func(string, bool) string { return "no event" }))
	if got != "no eventno event" {
		t.Errorf("%q", got)
	}
}

func TestReplacedBodiesAreReadAgain(t *testing.T) {
	for _, c := range []struct {
		raw, want string
		fails     bool
	}{{"«the secret»", "«the *»", false}, {"garbage", "", true}} {
		x := New(context.Background())
		x.Request.Body, x.Response.Body = NewBody([]byte("{}"), nil), NewBody([]byte("{}"), nil)
		var seen string
		texts := filter{"texts", PhaseRequestText, func(_ Phase, x *Exchange) (Verdict, error) {
			x.Request.Body.Texts(func(t *Text) bool {
				seen += string(t.Value())
				return true
			})
			return Verdict{}, nil
		}}
		f := NewPipeline("p", texts, stars(), rewriting(func(string, bool) string { return c.raw })).Flow(x)
		f.Reader = reader{x}
		if _, err := f.Request(t.Context()); (err != nil) != c.fails || !c.fails && seen != "the secret" {
			t.Errorf("%s: the request: %v, %q", c.raw, err, seen)
		}
		f.seen = 3
		if _, err := f.Unary(t.Context()); (err != nil) != c.fails || !c.fails && string(x.Response.Body.Bytes()) != c.want {
			t.Errorf("%s: the answer: %v, %q", c.raw, err, x.Response.Body.Bytes())
		}
	}
}

// TestRewrittenArraysStayArrays: the items of a JSON array are framed too, from the first one on that
// was replaced.
func TestRewrittenArraysStayArrays(t *testing.T) {
	x := New(context.Background())
	f := NewPipeline("p", stars(), rewriting(func(raw string, last bool) string {
		if last {
			return `,{"more":"«secret»"}` + raw
		}
		return strings.ReplaceAll(raw, "two", "secret")
	})).Flow(x)
	f.Reader = arrays{reader{x}}
	if _, err := f.Request(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out []byte
	put := func(e *Event) { out = dialect.AppendSeparated(out, e.Bytes(), len(out) > 0) }
	for _, item := range []string{`[{"t":"«one»"}`, `,{"t":"«two»"}`, `, {"t":"«three»"}`} {
		e := &Event{Raw: []byte(item), Body: marked(item[strings.IndexByte(item, '{'):]), Framing: dialect.JSONArray}
		if _, err := f.Event(t.Context(), e, put); err != nil {
			t.Fatal(err)
		}
	}
	f.Tail = &Event{Raw: []byte("]"), Framing: dialect.JSONArray}
	if _, err := f.Flush(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	put(f.Tail)
	if want := `[{"t":"«one»"},{"t":"«*»"}, {"t":"«three»"},{"more":"«*»"}]`; string(out) != want {
		t.Errorf("%s\nwant %s", out, want)
	}
}

type arrays struct{ reader }

func (a arrays) ReadEvent(frame *dialect.Frame) (*Event, error) {
	e, err := a.reader.ReadEvent(frame)
	e.Framing = dialect.JSONArray
	return e, err
}
