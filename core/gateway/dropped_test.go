package gateway

import (
	"strconv"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// TestDroppedFieldsFitAHeader: each stands once, in characters that a header carries, and those that do not fit are counted.
func TestDroppedFieldsFitAHeader(t *testing.T) {
	if got := dropped([]conversation.Loss{{Field: "a, b\r\nc"}, {Field: "user"}, {Field: "user"}}); got != "a__b__c, user" {
		t.Errorf("%q", got)
	}
	var many []conversation.Loss
	for i := range 5000 {
		many = append(many, conversation.Loss{Field: "messages[" + strconv.Itoa(i) + "].name"}, conversation.Loss{Field: "user"})
	}
	got := dropped(many)
	fields := strings.Split(got, ", ")
	n := len(fields) - 1
	if len(got) > mostDropped+100 || fields[n] != "and "+strconv.Itoa(5001-n)+" more" {
		t.Errorf("%d bytes that end with %q behind %d fields", len(got), fields[n], n)
	}
}

// searched is an answer of Anthropic's with a search of its own and with something that nobody knows.
const searched = `{"id":"m","type":"message","role":"assistant","model":"m","container":{"id":"c"},"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1},
	"content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}},{"type":"text","text":"found","citations":[{"type":"page_location","cited_text":"x"}]}]}`

// searchedInEvents is the same as a stream.
const searchedInEvents = `data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"container":{"id":"c"},"usage":{"input_tokens":1,"output_tokens":1}}}

data: {"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"query\":\"q\"}"}}

data: {"type":"content_block_stop","index":0}

data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"found"}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"page_location","cited_text":"x"}}}

data: {"type":"content_block_stop","index":1}

data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":1}}

data: {"type":"message_stop"}

`

// TestWhatIsLostOfAnAnswer stands in the header behind what is lost of the request, but for a stream, whose head is out
// before, and in the exchange's event. Of what passes nothing is lost.
func TestWhatIsLostOfAnAnswer(t *testing.T) {
	const wholeLost, streamLost = "answer:content[0], answer:content[1].citations[0], answer:container", "answer:content[0], answer:delta.citation, answer:message.container"
	failing := canned{llm.Anthropic, 500, plainJSON, `{"type":"error","error":{"type":"api_error","message":"no"}}`}
	for name, c := range map[string]struct {
		client        llm.Dialect
		stream        bool
		ups           []canned
		header, event string
	}{
		"whole":                      {llm.OpenAI, false, []canned{{llm.Anthropic, 200, plainJSON, searched}}, "seed, " + wholeLost, "seed, " + wholeLost},
		"whole, as a stream":         {llm.OpenAI, true, []canned{{llm.Anthropic, 200, plainJSON, searched}}, "seed, " + wholeLost, "seed, " + wholeLost},
		"a stream":                   {llm.OpenAI, true, []canned{{llm.Anthropic, 200, events, searchedInEvents}}, "seed", "seed, " + streamLost},
		"a stream, whole":            {llm.OpenAI, false, []canned{{llm.Anthropic, 200, events, searchedInEvents}}, "seed, " + streamLost, "seed, " + streamLost},
		"what passes":                {llm.Anthropic, false, []canned{{llm.Anthropic, 200, plainJSON, searched}}, "", ""},
		"what passes, a stream":      {llm.Anthropic, true, []canned{{llm.Anthropic, 200, events, searchedInEvents}}, "", ""},
		"a stream, whole, its own":   {llm.Anthropic, false, []canned{{llm.Anthropic, 200, events, searchedInEvents}}, "answer:message.container", "answer:message.container"},
		"behind one that is foreign": {llm.OpenAI, false, []canned{failing, {llm.OpenAI, 200, plainJSON, said(t, llm.OpenAI)}}, "", ""},
	} {
		path, ask := wholeBy(c.client)
		if c.stream {
			path, ask = streamedBy(c.client)
		}
		if c.client == llm.OpenAI {
			ask = strings.Replace(ask, "{", `{"seed":1,`, 1)
		}
		tel := telemetry.New(telemetry.Config{})
		reply, got, _ := watched(t, tel, path, ask, c.ups...)
		event := tel.Recent(1, false)[0].Dropped
		if header := reply.Header.Get(HeaderDropped); reply.Status != 200 || header != c.header || event != c.event {
			t.Errorf("%s: status %d, header %q, event %q: %s", name, reply.Status, header, event, got)
		}
	}
}

// TestASearchOfTheVendorsOwnIsWhole where a stream becomes a whole answer of the same dialect, and the reverse.
func TestASearchOfTheVendorsOwnIsWhole(t *testing.T) {
	path, ask := wholeBy(llm.Anthropic)
	_, got, _ := through(t, path, ask, canned{llm.Anthropic, 200, events, searchedInEvents})
	for _, want := range []string{`"type":"server_tool_use"`, `"input":{"query":"q"}`, `"type":"page_location"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	path, ask = streamedBy(llm.Anthropic)
	_, got, _ = through(t, path, ask, canned{llm.Anthropic, 200, plainJSON, searched})
	var all conversation.Collector
	d := codecs.Translator(llm.Anthropic).Decoder()
	for _, line := range strings.Split(got, "\n") {
		if payload, ok := strings.CutPrefix(line, "data: "); ok {
			deltas, err := d.Event([]byte(payload), nil)
			if err == nil {
				err = all.Add(deltas...)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	parts := all.Answer.Choices[0].Parts
	if len(parts) != 2 || parts[0].Native == nil || !strings.Contains(string(parts[0].Native.Raw), `{"query":"q"}`) || len(parts[1].Citations) != 1 {
		t.Errorf("%+v of %s", parts, got)
	}
}
