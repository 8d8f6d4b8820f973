package grammar_test

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/sdktest/grammar"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

const (
	said    = `{"candidates":[{"content":{"role":"model","parts":[{"text":"a"},{"text":"hm","thought":true}]},"index":0}]}`
	called  = `{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"f","args":{"b":1}}}]}}]}`
	done    = `{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"totalTokenCount":1}}`
	blocked = `{"promptFeedback":{"blockReason":"SAFETY"}}`
	broke   = `{"error":{"code":500,"message":"m","status":"INTERNAL"}}`
)

// both returns the chunks in both forms of a stream.
func both(chunks ...string) map[dialect.Framing]string {
	events := ""
	for _, c := range chunks {
		events += "data: " + c + "\r\n\r\n"
	}
	return map[dialect.Framing]string{dialect.ServerSent: events, dialect.JSONArray: "[" + strings.Join(chunks, ",\r\n") + "]"}
}

func TestGeminiTakesWholeStreams(t *testing.T) {
	for _, chunks := range [][]string{{said, called, done}, {done}, {blocked}, {said, broke}, {broke}} {
		for framing, stream := range both(chunks...) {
			g, err := grammar.Gemini([]byte(stream), framing)
			if err != nil {
				t.Errorf("%s: %v", stream, err)
				continue
			}
			if len(chunks) == 3 && (g.Candidates[0].Text != "a" || g.Candidates[0].Thoughts != "hm" || len(g.Candidates[0].Calls) != 1 || g.Candidates[0].Finish != "STOP") {
				t.Errorf("%s: %+v", stream, g)
			}
			if strings.Contains(stream, "error") != (g.Error == "INTERNAL") {
				t.Errorf("%s: %+v", stream, g)
			}
		}
	}
}

func TestGeminiRefusesWhatIsNone(t *testing.T) {
	for _, chunks := range [][]string{
		{}, {said}, {broke, said}, {`7`}, {`{`}, {done, `{"candidates":[{"index":5}]}`}, {`{"error":{"code":1,"message":"m","status":"S"}}`},
		{`{"candidates":[{"content":{"role":"user","parts":[]},"finishReason":"STOP"}]}`},
		{`{"candidates":[{"content":{"parts":[{"text":"a","functionCall":{"name":"f"}}]},"finishReason":"STOP"}]}`},
		{`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":[]}}]},"finishReason":"STOP"}]}`},
	} {
		for framing, stream := range both(chunks...) {
			if g, err := grammar.Gemini([]byte(stream), framing); err == nil {
				t.Errorf("%s: %+v", stream, g)
			}
		}
	}
	if g, err := grammar.Gemini([]byte("data: "+done), dialect.ServerSent); err == nil {
		t.Errorf("a stream that ends within an event: %+v", g)
	}
}

func TestGeminiTakesTheRecordedStreams(t *testing.T) {
	for _, x := range recorded.Of(t, "../../..", "*__streamGenerateContent__*.json") {
		framing := dialect.ServerSent
		if x.Response.Raw == "" {
			framing = dialect.JSONArray
		}
		if _, err := grammar.Gemini(x.Answer(), framing); err != nil {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
}
