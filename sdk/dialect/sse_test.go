package dialect

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

var sseSeeds = []string{
	"data: {\"a\":1}\n\n", "data:x\n\ndata: y\n\n", "event: error\r\ndata: {}\r\n\r\n", "data: a\rdata: b\r\r", "\xEF\xBB\xBFdata: bom\n\n",
	": comment\n\n", ": c\ndata: a\n: d\ndata:  b\ndata\n\nid: 3\nretry: 5\n\n", "\n\n\ndata: late\n\n", "data: cut", "data: half\n", "data: [DONE]", "data\n\n", "data:\n\n",
	"event: a\nevent: b\ndata: x\n\n", "data: x\r\n\r\ndata: y\r\n\r\n", "data: x\n\r\n", "data: x\r\r\ndata: y\n\n", "\xEF\xBB", "\r", "\r\n", "foo: bar\n\n", "data: \xEF\xBB\xBFx\n\n",
}

// reference is the grammar of the specification, read naively from the whole text.
func reference(text []byte) (payloads, names []string) {
	text = bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF"))
	text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	lines := strings.Split(string(text), "\n")
	var data []string
	name := ""
	for _, line := range lines[:len(lines)-1] { // the last one has no line end
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if data != nil {
				payloads, names = append(payloads, strings.Join(data, "\n")), append(names, name)
			}
			data, name = nil, ""
		case field == "data":
			data = append(data, value)
		case field == "event":
			name = value
		}
	}
	return payloads, names
}

// frame feeds text in chunks of the given size and checks what comes out against the reference.
func frame(t *testing.T, text []byte, size int) {
	var f Framer
	var raw []byte
	var payloads, names []string
	take := func(fr Frame) {
		c := fr.Clone()
		if !bytes.Equal(c.Raw, fr.Raw) || !bytes.Equal(c.Payload, fr.Payload) || !bytes.Equal(c.Name, fr.Name) || (c.Payload == nil) != (fr.Payload == nil) {
			t.Fatalf("clone %q differs from %q", c.Raw, fr.Raw)
		}
		raw = append(raw, fr.Raw...)
		if fr.Payload != nil {
			payloads, names = append(payloads, string(fr.Payload)), append(names, string(fr.Name))
		}
		if fr.Payload == nil || len(raw) > len(fr.Raw) && bytes.HasPrefix(fr.Raw, []byte("\xEF\xBB\xBF")) {
			return
		}
		for _, payload := range []string{"new", "two\nlines"} {
			got, _ := reference(AppendPayload(nil, fr.Raw, []byte(payload)))
			if len(got) != 1 || got[0] != payload {
				t.Fatalf("%q with the payload %q reads as %q", fr.Raw, payload, got)
			}
		}
	}
	var fr Frame
	for at := 0; at < len(text); at += size {
		f.Feed(text[at:min(at+size, len(text))])
		for {
			ok, err := f.Next(&fr)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			take(fr)
		}
	}
	wantPayloads, wantNames := reference(text)
	if strings.Join(payloads, "|") != strings.Join(wantPayloads, "|") || strings.Join(names, "|") != strings.Join(wantNames, "|") {
		t.Fatalf("%q in chunks of %d: payloads %q names %q, want %q %q", text, size, payloads, names, wantPayloads, wantNames)
	}
	if f.Tail(&fr) {
		raw = append(raw, fr.Raw...)
	}
	if !bytes.Equal(raw, text) {
		t.Fatalf("%q in chunks of %d: %q", text, size, raw)
	}
}

func TestFramerKeepsEveryByteInAnyChunking(t *testing.T) {
	all := strings.Join(sseSeeds[:17], "")
	for _, text := range append([]string{all}, sseSeeds...) {
		for size := 1; size <= 9; size++ {
			frame(t, []byte(text), size)
		}
		frame(t, []byte(text), len(text)+1)
	}
}

func TestFramerReportsTheTail(t *testing.T) {
	for _, c := range []struct{ text, payload string }{{"data: a\n\ndata: [DONE]", "[DONE]"}, {"data: a\n\ndata: [DONE]\n", "[DONE]"}, {"data: a\n\n: c", ""}} {
		var f Framer
		var fr Frame
		f.Feed([]byte(c.text))
		if ok, err := f.Next(&fr); !ok || err != nil || string(fr.Payload) != "a" {
			t.Fatalf("first event: %v %v %q", ok, err, fr.Payload)
		}
		if ok, _ := f.Next(&fr); ok {
			t.Fatal("the tail came as an event")
		}
		if !f.Tail(&fr) || string(fr.Payload) != c.payload {
			t.Errorf("%q: tail %q, want %q", c.text, fr.Payload, c.payload)
		}
		if f.Tail(&fr) {
			t.Error("a second tail")
		}
	}
}

func TestFramerBoundsAnEvent(t *testing.T) {
	for _, text := range []string{"data: " + strings.Repeat("x", 100), "data: " + strings.Repeat("x", 100) + "\n\n", strings.Repeat("data: x\n", 20)} {
		f := Framer{Max: 64}
		var fr Frame
		f.Feed([]byte("data: ok\n\n" + text))
		if ok, err := f.Next(&fr); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if _, err := f.Next(&fr); !errors.Is(err, ErrEventSize) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAppendPayload(t *testing.T) {
	for _, c := range []struct{ raw, payload, want string }{
		{"data: {\"a\":1}\n\n", `{"a":2}`, "data: {\"a\":2}\n\n"},
		{"data:x\n\n", "y", "data:y\n\n"},
		{"id: 1\r\n: c\r\nevent: e\r\ndata: x\r\nretry: 3\r\n\r\n", "y", "id: 1\r\n: c\r\nevent: e\r\ndata: y\r\nretry: 3\r\n\r\n"},
		{"data: a\ndata: b\n: c\ndata: c\n\n", "one", "data: one\n: c\n\n"},
		{"data: x\r\n\r\n", "a\nb\rc\r\nd", "data: a\r\ndata: b\r\ndata: c\r\ndata: d\r\n\r\n"},
		{"data\n\n", "y", "data: y\n\n"},
		{"data: x", "y", "data: y"},
		{"data: x", "a\nb", "data: a\ndata: b"},
		{": only a comment\n\n", "y", ": only a comment\ndata: y\n\n"},
		{"\xEF\xBB\xBFdata: x\n\n", "y", "\xEF\xBB\xBFdata: y\n\n"},
		{"\ndata: x\r\r", "", "\ndata: \r\r"},
	} {
		if got := AppendPayload([]byte(">"), []byte(c.raw), []byte(c.payload)); string(got) != ">"+c.want {
			t.Errorf("%q with %q: %q, want %q", c.raw, c.payload, got[1:], c.want)
		}
	}
}

func FuzzFramer(f *testing.F) {
	for _, s := range sseSeeds {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		if size < 1 || len(data) > 1<<16 {
			return
		}
		frame(t, data, size)
	})
}

func TestFramerIsLinearInCarriageReturns(t *testing.T) {
	var f Framer
	var fr Frame
	f.Feed([]byte(strings.Repeat("x\r", 1<<20)))
	if ok, err := f.Next(&fr); ok || err != nil {
		t.Fatal(ok, err)
	}
	AppendPayload(nil, []byte(strings.Repeat("x\r", 1<<20)), []byte("y"))
}

func BenchmarkFramer(b *testing.B) {
	event := []byte("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"finish_reason\":null}]}\n\n")
	var f Framer
	var fr Frame
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		f.Feed(event)
		if ok, err := f.Next(&fr); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
