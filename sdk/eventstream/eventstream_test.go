package eventstream

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"strings"
	"testing"
)

// frame builds a frame with headers that are texts.
func frame(payload string, headers ...string) []byte {
	var h []byte
	for i := 0; i < len(headers); i += 2 {
		h = append(append(h, byte(len(headers[i]))), headers[i]...)
		h = binary.BigEndian.AppendUint16(append(h, typeString), uint16(len(headers[i+1])))
		h = append(h, headers[i+1]...)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(preludeSize+len(h)+len(payload)+crcSize))
	b = binary.BigEndian.AppendUint32(b, uint32(len(h)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, h...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func TestFrames(t *testing.T) {
	event := frame(`{"role": "assistant"}`, ":message-type", "event", ":event-type", "messageStart")
	for name, c := range map[string]struct {
		raw  []byte
		want string // "" = an error
	}{
		"an event":       {event, "data: {\"messageStart\":{\"role\":\"assistant\"}}\n\n"},
		"an exception":   {frame("{\"message\":\"m\"}", ":message-type", "exception", ":exception-type", "throttlingException"), "data: {\"throttlingException\":{\"message\":\"m\"}}\n\n"},
		"an error":       {frame("", ":message-type", "error", ":error-code", "c", ":error-message", "m"), "data: {\"error\":{\"code\":\"c\",\"message\":\"m\"}}\n\n"},
		"no type":        {frame("{}"), ""},
		"an odd type":    {frame("{}", ":event-type", "a\n\"b"), ""},
		"no JSON":        {frame("{", ":event-type", "a"), ""},
		"a wrong byte":   {append(append([]byte{}, event[:20]...), append([]byte{event[20] ^ 1}, event[21:]...)...), ""},
		"a wrong length": {append([]byte{1}, event[1:]...), ""},
		"a huge frame":   {append(binary.BigEndian.AppendUint32(nil, 1<<31), make([]byte, 8)...), ""},
		"a cut header":   {frame("{}", ":event-type", "a")[:0], "nothing"},
	} {
		var f Reader
		f.Feed(c.raw)
		out, ok, err := f.Next(nil)
		switch {
		case c.want == "nothing":
			if ok || err != nil {
				t.Errorf("%s: %s %v", name, out, err)
			}
		case c.want == "":
			if !errors.Is(err, ErrFrame) {
				t.Errorf("%s: %q %v", name, out, err)
			}
		case err != nil || string(out) != c.want || f.Open():
			t.Errorf("%s: %q %v", name, out, err)
		}
	}
	var f Reader
	f.Feed(event[:len(event)-1])
	if _, ok, err := f.Next(nil); ok || err != nil || !f.Open() {
		t.Errorf("a frame that is cut: %v %v", ok, err)
	}
}

// FuzzFrames: whatever comes is refused, or is server-sent events whose data is JSON.
func FuzzFrames(f *testing.F) {
	f.Add(frame(`{"a":1}`, ":message-type", "event", ":event-type", "messageStart"))
	f.Add(frame("", ":message-type", "error", ":error-code", "c"))
	f.Add([]byte{0, 0, 0, 16, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var frames Reader
		frames.Feed(raw)
		for {
			out, ok, err := frames.Next(nil)
			if !ok || err != nil {
				return
			}
			data, found := strings.CutPrefix(strings.TrimSuffix(string(out), "\n\n"), "data: ")
			if !found || !json.Valid([]byte(data)) || strings.Contains(data, "\n") {
				t.Fatalf("%q", out)
			}
		}
	})
}
