package dialect

import (
	"bytes"
	"errors"
	"testing"
)

// frames cuts data, fed in pieces of n bytes.
func arrayFrames(t testing.TB, data []byte, n int) (frames []Frame, tail []byte, err error) {
	t.Helper()
	var f ArrayFramer
	var frame Frame
	for len(data) > 0 {
		piece := data[:min(n, len(data))]
		data = data[len(piece):]
		f.Feed(piece)
		for {
			ok, err := f.Next(&frame)
			if err != nil {
				return frames, nil, err
			}
			if !ok {
				break
			}
			frames = append(frames, frame.Clone())
		}
	}
	if f.Tail(&frame) {
		tail = bytes.Clone(frame.Raw)
	}
	return frames, tail, nil
}

func TestArrayFramer(t *testing.T) {
	for _, c := range []struct {
		name, text string
		payloads   []string
		last       bool
		err        error
	}{
		{"items", "[{\"a\":\"]}\\\"\"},\r\n{\"b\":[{}]}\n]\n", []string{`{"a":"]}\""}`, `{"b":[{}]}`}, true, nil},
		{"empty", "[ ]", nil, true, nil},
		{"cut", `[{"a":1},{"b"`, []string{`{"a":1}`}, false, nil},
		{"no end", `[{"a":1}`, []string{`{"a":1}`}, false, nil},
		{"an object", `{"error":{}}`, nil, false, ErrArray},
		{"two commas", `[{},,{}]`, []string{`{}`}, false, ErrArray},
		{"comma first", `[,{}]`, nil, false, ErrArray},
		{"comma last", `[{},]`, []string{`{}`}, false, ErrArray},
		{"no object", `[1]`, nil, false, ErrArray},
		{"more", `[{}] [`, []string{`{}`}, true, ErrArray},
	} {
		for n := 1; n <= len(c.text); n++ {
			frames, tail, err := arrayFrames(t, []byte(c.text), n)
			if !errors.Is(err, c.err) {
				t.Fatalf("%s in pieces of %d: error %v", c.name, n, err)
			}
			var raw []byte
			var payloads []string
			last := false
			for _, f := range frames {
				raw = append(raw, f.Raw...)
				last = last || f.Last
				if f.Payload != nil {
					payloads = append(payloads, string(f.Payload))
					if !bytes.HasSuffix(f.Raw, f.Payload) {
						t.Fatalf("%s: raw %q, payload %q", c.name, f.Raw, f.Payload)
					}
				}
			}
			if err == nil && string(raw)+string(tail) != c.text {
				t.Errorf("%s in pieces of %d: %q", c.name, n, string(raw)+string(tail))
			}
			if len(payloads) != len(c.payloads) || last != c.last {
				t.Fatalf("%s in pieces of %d: payloads %q, last %v", c.name, n, payloads, last)
			}
			for i := range payloads {
				if payloads[i] != c.payloads[i] {
					t.Errorf("%s: payload %q", c.name, payloads[i])
				}
			}
		}
	}
}

func TestArrayItemTooLarge(t *testing.T) {
	f := ArrayFramer{Max: 100}
	f.Feed([]byte(`[{"a":"` + string(make([]byte, 200))))
	if _, err := f.Next(&Frame{}); !errors.Is(err, ErrEventSize) {
		t.Errorf("error %v", err)
	}
}

// TestSeparated leaves items of an array out: what is left is an array.
func TestSeparated(t *testing.T) {
	frames, _, err := arrayFrames(t, []byte("[{\"a\":1}\n,\r\n{\"b\":2},{\"c\":3}\n]\n"), 1000)
	if err != nil || len(frames) != 4 {
		t.Fatal(frames, err)
	}
	for keep, want := range map[int]string{
		0: "[\n]\n", 1: "[{\"a\":1}\n]\n", 2: "\n[\r\n{\"b\":2}\n]\n", 3: "[{\"a\":1}\n,\r\n{\"b\":2}\n]\n",
		5: "[{\"a\":1},{\"c\":3}\n]\n", 6: "\n[\r\n{\"b\":2},{\"c\":3}\n]\n", 7: "[{\"a\":1}\n,\r\n{\"b\":2},{\"c\":3}\n]\n",
	} {
		var out []byte
		begun := false
		for i, f := range frames {
			if i == 3 || keep>>i&1 == 1 {
				out = AppendSeparated(out, f.Raw, begun)
				begun = true
			}
		}
		if keep == 0 {
			want = "\n[]\n"
		}
		if string(out) != want {
			t.Errorf("kept %b: %q", keep, out)
		}
	}
	if got := string(AppendSeparated(nil, []byte("[]"), false)); got != "[]" {
		t.Errorf("an empty array became %q", got)
	}
	if got := string(AppendItem(nil, []byte(",\n{\"a\":1}"), []byte(`{"b":2}`))); got != ",\n{\"b\":2}" {
		t.Errorf("an edited item is %q", got)
	}
}

// FuzzArrayFramer holds that nothing is lost, whatever comes in whatever pieces, and that the pieces do
// not matter.
func FuzzArrayFramer(f *testing.F) {
	f.Add([]byte("[{\"a\":\"\\\"]\"},\r\n{\"b\":[{}]}\n]\n"), 3)
	f.Add([]byte(`[]`), 1)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		frames, tail, err := arrayFrames(t, data, min(max(n, 1), 1<<16))
		whole, _, err2 := arrayFrames(t, data, len(data)+1)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("errors %v and %v", err, err2)
		}
		if err != nil {
			return
		}
		var raw []byte
		for _, f := range frames {
			raw = append(raw, f.Raw...)
		}
		if !bytes.Equal(append(raw, tail...), data) {
			t.Fatalf("%q became %q", data, append(raw, tail...))
		}
		if len(frames) != len(whole) {
			t.Fatalf("%d frames, in one piece %d", len(frames), len(whole))
		}
	})
}
