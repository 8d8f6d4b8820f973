package codecs

import (
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/fidelity"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// TestRecordedCounts: what vendors were asked to count and said, for clients of every dialect that counts. What makes
// tokens is the same in each.
func TestRecordedCounts(t *testing.T) {
	counters := []llm.Dialect{llm.Responses, llm.Anthropic, llm.Gemini}
	read := 0
	for _, x := range recorded.Of(t, "../../..", "*ount*okens__unary__*.json") {
		from := map[string]llm.Dialect{"count_tokens": llm.Anthropic, "countTokens": llm.Gemini, "count-tokens": llm.Bedrock}[x.Endpoint]
		if from == "" {
			t.Errorf("%s: an endpoint that is not known: %s", x.Name, x.Endpoint)
			continue
		}
		n, err := OfUpstream(from).(conversation.UpstreamCounter).Counted().Decode(x.Answer())
		if err != nil || n <= 0 {
			t.Errorf("%s: %d, %v", x.Name, n, err)
			continue
		}
		read++
		client, ok := OfUpstream(from).(conversation.Counter)
		if !ok {
			continue
		}
		q, err := client.DecodeCount(x.Ask())
		if err != nil {
			t.Errorf("%s: %v", x.Name, err)
			continue
		}
		for _, to := range counters {
			c := Of(to).(conversation.Counter)
			if again, err := c.Counted().Decode(c.Counted().Encode(n)); err != nil || again != n {
				t.Errorf("%s to %s: %d, %v", x.Name, to, again, err)
			}
			body, lost, err := c.EncodeCount(q, conversation.Limits{})
			if err != nil {
				t.Logf("%s to %s: refused: %v", x.Name, to, err)
				continue
			}
			again, err := c.DecodeCount(body)
			if err != nil {
				t.Errorf("%s to %s: %v: %s", x.Name, to, err, body)
				continue
			}
			if to == llm.Gemini { // the choice of tools makes none there
				again.ToolChoice = q.ToolChoice
			}
			if a, b := fidelity.Asked(q, lost), fidelity.Asked(again, lost); a != b {
				t.Errorf("%s to %s: %s", x.Name, to, fidelity.Difference(a, b))
			}
		}
	}
	if read < 5 {
		t.Errorf("%d recordings were read", read)
	}
}

func TestCountsThatSayNothing(t *testing.T) {
	for _, body := range []string{`{}`, `{"input_tokens":null}`, `{"input_tokens":"19"}`, `[]`, `{"input_tokens":-1}`} {
		if n, err := Of(llm.Anthropic).(conversation.Counter).Counted().Decode([]byte(body)); err == nil && n >= 0 {
			t.Errorf("%s: %d", body, n)
		}
	}
}
