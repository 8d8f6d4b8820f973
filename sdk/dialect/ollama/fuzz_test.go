package ollama

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/sdktest/fidelity"
)

// FuzzRequests holds that what can be read of a request and written again says the same.
func FuzzRequests(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"x","images":["iVBORw0KGgo="]},{"role":"assistant","thinking":"t","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","content":"r"}],"tools":[{"type":"function","function":{"name":"f"}}],"format":{"type":"object"},"think":"low","options":{"seed":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := Codec{}.DecodeRequest(body)
		if err != nil {
			return
		}
		out, lost, err := Codec{}.EncodeRequest(q, conversation.Limits{})
		if err != nil {
			return
		}
		again, err := Codec{}.DecodeRequest(out)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if len(lost) > 0 {
			return
		}
		if a, b := fidelity.Asked(q, lost), fidelity.Asked(again, lost); a != b {
			t.Errorf("%s: %s", fidelity.Difference(a, b), out)
		}
	})
}

// FuzzStreams holds that a stream keeps to the order of deltas, and that one which looks whole does not when its
// end is cut off.
func FuzzStreams(f *testing.F) {
	f.Add(whole)
	f.Add("{\"message\":{\"content\":\"a\"}}\n{\"error\":\"x\"}\n")
	f.Fuzz(func(t *testing.T, stream string) {
		c, complete, _ := play(stream)
		if complete && (c.Failed != nil || len(c.Answer.Choices) != 1) {
			t.Errorf("%+v", c.Answer)
		}
		if at := strings.Index(stream, `"done"`); at >= 0 {
			if _, complete, _ := play(stream[:at]); complete && !strings.Contains(stream[:at], `\u`) {
				t.Errorf("%q is whole", stream[:at])
			}
		}
	})
}
