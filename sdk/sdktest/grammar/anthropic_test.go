package grammar_test

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/sdktest/grammar"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

const (
	start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c\",\"content\":[],\"usage\":{\"input_tokens\":1}}}\n\n"
	open0 = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
	text0 = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n"
	stop0 = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
	open1 = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}}\n\n"
	json1 = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}}\n\n"
	more1 = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"}\"}}\n\n"
	stop1 = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n"
	delta = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":1}}\n\n"
	stop  = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	ping  = "event: ping\ndata: {\"type\":\"ping\"}\n\n"
	fault = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}\n\n"
)

func TestAnthropicTakesWholeStreams(t *testing.T) {
	for _, stream := range []string{
		start + open0 + ping + text0 + text0 + stop0 + open1 + json1 + more1 + stop1 + delta + stop,
		start + ": comment\n\n" + "event: of_tomorrow\ndata: {\"type\":\"of_tomorrow\"}\n\n" + delta + stop,
		start + open0 + text0 + fault,
		fault,
	} {
		m, err := grammar.Anthropic([]byte(stream))
		if err != nil || (m.Error == "api_error") != strings.HasSuffix(stream, fault) || (m.Stop == "") != (m.Error != "") {
			t.Errorf("%+v, %v: %s", m, err, stream)
		}
	}
	m, err := grammar.Anthropic([]byte(start + open0 + text0 + text0 + stop0 + open1 + json1 + more1 + stop1 + delta + stop))
	if err != nil || len(m.Blocks) != 2 || m.Blocks[0] != (grammar.Block{Type: "text", Text: "aa"}) || m.Blocks[1] != (grammar.Block{Type: "tool_use", Text: "{}"}) {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestAnthropicRefusesBrokenStreams(t *testing.T) {
	for name, stream := range map[string]string{
		"nothing":                          "",
		"no terminator":                    start + open0 + text0 + stop0 + delta,
		"a cut event":                      start + open0 + text0 + stop0 + delta + strings.TrimSuffix(stop, "\n"),
		"no beginning":                     open0 + text0 + stop0 + delta + stop,
		"two beginnings":                   start + start + delta + stop,
		"a delta outside a block":          start + text0 + delta + stop,
		"an open block at the end":         start + open0 + text0 + delta + stop,
		"interleaved blocks":               start + open0 + open1 + stop0 + stop1 + delta + stop,
		"an index left out":                start + open1 + stop1 + delta + stop,
		"a delta of another kind":          start + open0 + strings.ReplaceAll(json1, `"index":1`, `"index":0`) + stop0 + delta + stop,
		"half a call":                      start + open0 + stop0 + open1 + json1 + stop1 + delta + stop,
		"no end of the message":            start + open0 + stop0 + stop,
		"something after the end":          start + delta + stop + ping,
		"something after an error":         start + fault + stop,
		"a name that is not the type":      start + strings.Replace(delta, "event: message_delta", "event: message_stop", 1) + stop,
		"no name":                          start + strings.Replace(delta, "event: message_delta\n", "", 1) + stop,
		"no JSON":                          start + strings.Replace(delta, "}}\n", "}\n", 1) + stop,
		"no stop reason":                   start + strings.Replace(delta, `"end_turn"`, "null", 1) + stop,
		"a delta without its text":         start + open0 + strings.Replace(text0, `"text":"a"`, `"txt":"a"`, 1) + stop0 + delta + stop,
		"a beginning that has no usage":    strings.Replace(start, `"input_tokens"`, `"tokens"`, 1) + delta + stop,
		"an error that does not say which": start + strings.Replace(fault, `"api_error"`, `""`, 1),
	} {
		if m, err := grammar.Anthropic([]byte(stream)); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// TestAnthropicTakesWhatWasRecorded: the grammar is the vendor's, not ours.
func TestAnthropicTakesWhatWasRecorded(t *testing.T) {
	for _, x := range recorded.Of(t, "../../..", "anthropic__messages__stream__*.json") {
		if m, err := grammar.Anthropic(x.Answer()); err != nil || m.Error != "" || len(m.Blocks) == 0 {
			t.Errorf("%s: %+v, %v", x.Name, m, err)
		}
	}
}
