package dialect

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// lines cuts data, fed in pieces of n bytes, and returns the payloads and all that the frames were made of.
func lines(t testing.TB, max int, data []byte, n int) (payloads []string, raw []byte, err error) {
	t.Helper()
	f := LineFramer{Max: max}
	var frame Frame
	take := func() {
		own := frame.Clone()
		raw = append(raw, own.Raw...)
		if own.Payload != nil {
			payloads = append(payloads, string(own.Payload))
		}
		if !bytes.Equal(own.Payload, bytes.Trim(own.Raw, jsonSpace)) {
			t.Fatalf("payload %q of %q", own.Payload, own.Raw)
		}
	}
	for len(data) > 0 {
		piece := data[:min(n, len(data))]
		data = data[len(piece):]
		f.Feed(piece)
		for {
			ok, err := f.Next(&frame)
			if err != nil {
				return payloads, raw, err
			}
			if !ok {
				break
			}
			take()
		}
	}
	if f.Tail(&frame) {
		take()
	}
	return payloads, raw, nil
}

func TestLineFramer(t *testing.T) {
	for _, c := range []struct {
		name, text string
		max        int
		want       []string
		err        error
	}{
		{"two", "{\"a\":1}\n{\"b\":2}\n", 0, []string{`{"a":1}`, `{"b":2}`}, nil},
		{"with carriage returns", "{\"a\":1}\r\n\r\n {\"b\":2}\r\n", 0, []string{`{"a":1}`, `{"b":2}`}, nil},
		{"no line feed at the end", "{\"a\":1}\n{\"b\":2}", 0, []string{`{"a":1}`, `{"b":2}`}, nil},
		{"cut", "{\"a\":1}\n{\"b", 0, []string{`{"a":1}`, `{"b`}, nil},
		{"nothing", "", 0, nil, nil},
		{"as long as it may be", strings.Repeat("x", 9) + "\n", 10, []string{strings.Repeat("x", 9)}, nil},
		{"too long", strings.Repeat("x", 10) + "\n", 10, nil, ErrEventSize},
		{"too long and not ended", strings.Repeat("x", 11), 10, nil, ErrEventSize},
	} {
		for n := 1; n <= max(len(c.text), 1); n++ {
			payloads, raw, err := lines(t, c.max, []byte(c.text), n)
			if !errors.Is(err, c.err) || !slices.Equal(payloads, c.want) || err == nil && string(raw) != c.text {
				t.Errorf("%s in pieces of %d: %q, %v", c.name, n, payloads, err)
			}
		}
	}
}

// FuzzLineFramer holds that no byte is lost and that where a stream is cut into chunks does not matter.
func FuzzLineFramer(f *testing.F) {
	f.Add([]byte("{\"a\":1}\n{\"b\":2}\n"), 3)
	f.Add([]byte("\r\n \n{}"), 1)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		n = max(1, n%64)
		payloads, raw, err := lines(t, 0, data, n)
		whole, _, _ := lines(t, 0, data, max(len(data), 1))
		if err != nil || !bytes.Equal(raw, data) || !slices.Equal(payloads, whole) {
			t.Errorf("%q in pieces of %d: %q %v", data, n, payloads, err)
		}
	})
}
