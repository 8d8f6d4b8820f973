package responses

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/sdktest/grammar"
)

// TestAnItemKeepsItsID: thoughts whose id the vendor tells only at their end have one id all along, and the vendor's own
// when the client gives them back.
func TestAnItemKeepsItsID(t *testing.T) {
	sealed := conversation.Opaque{Vendor: conversation.VendorOpenAI, ID: "rs_real", Value: "gAAA+/=="}
	encoder := Codec{}.Encoder(conversation.StreamOptions{})
	var stream []byte
	for _, d := range []conversation.Delta{
		{Kind: conversation.Begin, ID: "r", Model: "m"},
		{Kind: conversation.Open, Part: &conversation.Part{Kind: conversation.Thinking}}, {Kind: conversation.More, Text: "hm"},
		{Kind: conversation.Close, Opaque: sealed}, {Kind: conversation.Finished, Finish: conversation.FinishStop},
	} {
		stream = encoder.Append(stream, &d)
	}
	stream = encoder.End(stream)
	if _, err := grammar.Responses(stream); err != nil || bytes.Count(stream, []byte("rs_0")) < 6 || bytes.Contains(stream, []byte("rs_real")) {
		t.Fatalf("%v: %s", err, stream)
	}
	cut, decoder := dialect.NewCutter(dialect.ServerSent), Codec{}.Decoder()
	cut.Feed(stream)
	var c conversation.Collector
	var frame dialect.Frame
	for {
		if ok, err := cut.Next(&frame); err != nil || !ok {
			break
		}
		deltas, err := decoder.Event(frame.Payload, nil)
		if err == nil {
			err = c.Add(deltas...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if parts := c.Answer.Choices[0].Parts; len(parts) != 1 || parts[0].Text != "hm" || parts[0].Opaque != sealed {
		t.Errorf("%+v", parts)
	}
}

// TestAnAnswerThatComesAtTheEndOnly: a server that streams nothing but its last event has said something.
func TestAnAnswerThatComesAtTheEndOnly(t *testing.T) {
	var c conversation.Collector
	d := Codec{}.Decoder()
	deltas, err := d.Event([]byte(`{"type":"response.completed","response":{"id":"r","model":"m","status":"completed","output":[`+
		`{"type":"message","role":"assistant","content":[{"type":"output_text","text":"hello"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{\"a\":1}"}]}}`), nil)
	if err == nil {
		err = c.Add(d.End(deltas)...)
	}
	if err != nil || c.Whole() != nil {
		t.Fatal(err, c.Whole())
	}
	parts := c.Answer.Choices[0].Parts
	if len(parts) != 2 || parts[0].Text != "hello" || parts[1].Call.Arguments != `{"a":1}` || c.Answer.Choices[0].Finish != conversation.FinishTools {
		t.Errorf("%+v", c.Answer)
	}
}

// TestARefusalWithoutWordsIsNotComplete: an empty output that is completed would look like an answer.
func TestARefusalWithoutWordsIsNotComplete(t *testing.T) {
	for _, c := range []struct {
		parts  []conversation.Part
		status string
	}{{nil, "incomplete"}, {[]conversation.Part{{Kind: conversation.Refusal, Text: "no"}}, "completed"}} {
		if status, _ := finishTo(&conversation.Choice{Finish: conversation.FinishRefusal, Parts: c.parts}); status != c.status {
			t.Errorf("%+v: %s", c.parts, status)
		}
	}
}

// TestACutCallIsIncomplete: arguments that the answer's limit cut are not a whole call's, whole or streamed.
func TestACutCallIsIncomplete(t *testing.T) {
	for arguments, want := range map[string]string{`{"a":1}`: "completed", `{"a":`: "incomplete", ``: "completed"} {
		part := conversation.Part{Kind: conversation.ToolCall, Call: &conversation.Call{ID: "c", Name: "f", Arguments: arguments}}
		whole := Codec{}.EncodeAnswer(&conversation.Answer{Choices: []conversation.Choice{{Parts: []conversation.Part{part}, Finish: conversation.FinishLength}}})
		if !strings.Contains(string(whole), `"type":"function_call","status":"`+want+`"`) {
			t.Errorf("%s: %s", arguments, whole)
		}
		e := Codec{}.Encoder(conversation.StreamOptions{})
		var out []byte
		for _, d := range []conversation.Delta{
			{Kind: conversation.Begin, ID: "1"}, {Kind: conversation.Open, Part: &conversation.Part{Kind: conversation.ToolCall, Call: &conversation.Call{ID: "c", Name: "f"}}},
			{Kind: conversation.More, Text: arguments}, {Kind: conversation.Close}, {Kind: conversation.Finished, Finish: conversation.FinishLength},
		} {
			out = e.Append(out, &d)
		}
		out = e.End(out)
		_, done, _ := strings.Cut(string(out), "event: response.output_item.done")
		if strings.Count(done, `"type":"function_call","status":"`+want+`"`) != 2 { // the item, and the response with it
			t.Errorf("%s: %s", arguments, out)
		}
	}
}
