package grammar_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/sdktest/grammar"
	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// responsesStream is a whole stream of the mock upstream: thinking, words and a tool's call.
func responsesStream(t *testing.T) []string {
	t.Helper()
	m := mockllm.Start(t, mockllm.Options{Chunks: 3})
	resp, err := http.Post(m.URL+"/v1/responses", "application/json", strings.NewReader(`{"model":"mock","stream":true,"tools":[{}],"reasoning":{"effort":"low"}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(strings.TrimSuffix(string(b), "\n\n"), "\n\n")
}

func TestResponsesTakesWholeStreams(t *testing.T) {
	events := responsesStream(t)
	whole := strings.Join(events, "") + "\n\n"
	for _, stream := range []string{whole, whole + "data: [DONE]\n\n", ": comment\n\n" + whole} {
		r, err := grammar.Responses([]byte(stream))
		if err != nil {
			t.Fatal(err)
		}
		if r.Status != "completed" || r.Error != "" || len(r.Items) != 3 || r.Items[1].Parts[0] != "token000 token001 token002 " || r.Items[2].Parts[0] != `{"animal":"fox","legs":4}` {
			t.Errorf("%+v", r)
		}
	}
	const fault = "event: error\ndata: {\"type\":\"error\",\"sequence_number\":99,\"code\":\"c\",\"message\":\"m\",\"param\":null}\n\n"
	for n := range events {
		r, err := grammar.Responses([]byte(strings.Join(events[:n], "") + fault))
		if err != nil || r.Error != "m" {
			t.Errorf("an error after %d events: %+v, %v", n, r, err)
		}
		if r, err := grammar.Responses([]byte(strings.Join(events[:n], "") + strings.Replace(fault, `"sequence_number":99,`, "", 1))); err == nil {
			t.Errorf("an error without a number after %d events: %+v", n, r)
		}
	}
}

func TestResponsesRefusesBrokenStreams(t *testing.T) {
	events := responsesStream(t)
	whole := strings.Join(events, "") + "\n\n"
	for n := range events { // cut anywhere
		if _, err := grammar.Responses([]byte(strings.Join(events[:n], ""))); err == nil {
			t.Errorf("%d events of %d are taken for a stream", n, len(events))
		}
	}
	for name, broken := range map[string]string{
		"half an event":           whole[:len(whole)-9],
		"an event after the end":  whole + events[1] + "",
		"another name":            strings.Replace(whole, "event: response.in_progress", "event: response.queued", 1),
		"no JSON":                 strings.Replace(whole, `{"type":"response.in_progress"`, `{"type":`, 1),
		"sequence twice":          strings.Replace(whole, `"sequence_number":2,`, `"sequence_number":1,`, 1),
		"another text at the end": strings.Replace(whole, `"text":"token000 token001`, `"text":"token001 token001`, 1),
		"a delta that differs":    strings.Replace(whole, `"delta":"token001 "`, `"delta":"other "`, 1),
		"arguments that differ":   strings.Replace(whole, `"delta":"{\"animal\"`, `"delta":"{\"animol\"`, 1),
		"another index":           strings.Replace(whole, `"output_index":1`, `"output_index":5`, 1),
		"another part":            strings.Replace(whole, `"content_index":0`, `"content_index":3`, 1),
		"a part of no item":       strings.Replace(whole, `"item_id":"`, `"item_id":"x`, 1),
		"an item less":            strings.Replace(whole, events[2], "", 1),
		"no item's end":           strings.Replace(whole, events[len(events)-2], "", 1),
		"a part less":             strings.Replace(whole, events[3], "", 1),
	} {
		if broken == whole {
			t.Fatalf("%s: nothing was broken", name)
		}
		if r, err := grammar.Responses([]byte(broken)); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestResponsesTakesRecordedStreams(t *testing.T) {
	for _, x := range recorded.Of(t, "../../..", "*__responses__stream__*.json") {
		if got, err := grammar.Responses(x.Answer()); err != nil || got.Status == "" || len(got.Items) == 0 {
			t.Errorf("%s: %+v, %v", x.Name, got, err)
		}
	}
}
