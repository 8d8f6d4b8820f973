package openai

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// chats calls yield with each recording of a chat.
func chats(t *testing.T, yield func(name string, request, answer []byte, kind string, status int)) {
	t.Helper()
	for _, r := range recordings(t) {
		answer := []byte(r.Response.Raw)
		if len(answer) == 0 {
			answer = r.Response.Body
		}
		if r.op() == llm.OpChat {
			yield(r.Name, r.Request.Body, answer, r.Response.Kind, r.Response.Status)
		}
	}
}

// TestRequestsSurvive decodes every recorded request, encodes it and decodes it again: nothing that the
// model holds is lost on the way.
func TestRequestsSurvive(t *testing.T) {
	n, refused := 0, 0
	chats(t, func(name string, request, _ []byte, _ string, status int) {
		first, err := Codec{}.DecodeRequest(request)
		if err != nil {
			if status < 400 {
				t.Logf("%s: %v", name, err)
				refused++
			}
			return
		}
		body, lost, err := Codec{}.EncodeRequest(first, conversation.Limits{})
		if err != nil {
			t.Logf("%s: %v", name, err)
			refused++
			return
		}
		var q dialect.Request
		if err := (Codec{}).Request(llm.OpChat, body, &q); err != nil {
			t.Errorf("%s: what was encoded cannot be read: %v\n%s", name, err, body)
			return
		}
		second, err := Codec{}.DecodeRequest(body)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, body)
			return
		}
		first.Other, first.TopK, first.IncludeUsage, second.IncludeUsage = nil, "", false, false
		if first.Format.Kind == conversation.FormatSchema && first.Format.Name == "" {
			first.Format.Name = second.Format.Name // which is required
		}
		for _, l := range lost {
			if strings.Contains(l.Field, ".reasoning") || strings.HasSuffix(l.Field, "cache_control") {
				return // listed, so the two differ
			}
		}
		placeless(first)
		placeless(second)
		if !reflect.DeepEqual(first, second) {
			differ(t, name, first, second)
		}
		n++
	})
	t.Logf("%d requests survive, %d are refused", n, refused)
	if n < 80 || refused > 5 {
		t.Errorf("%d survive, %d are refused", n, refused)
	}
}

// placeless forgets where the client said what: an encoder writes it in its own way.
func placeless(q *conversation.Request) {
	for i := range q.System {
		q.System[i].At = ""
	}
	for i := range q.Turns {
		q.Turns[i].At = ""
		for j := range q.Turns[i].Parts {
			p := &q.Turns[i].Parts[j]
			if p.At = ""; p.Result != nil {
				for k := range p.Result.Parts {
					p.Result.Parts[k].At = ""
				}
			}
		}
	}
	for i := range q.Tools {
		q.Tools[i].At = ""
	}
}

// TestAnswersSurvive does the same with answers, whole and streamed.
func TestAnswersSurvive(t *testing.T) {
	unary, streamed := 0, 0
	chats(t, func(name string, _, answer []byte, kind string, status int) {
		if status != 200 {
			return
		}
		if kind != "sse" {
			first, err := Codec{}.DecodeAnswer(answer)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			first.Other = nil // which is listed as lost
			second, err := Codec{}.DecodeAnswer(Codec{}.EncodeAnswer(first))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			sameAnswer(t, name, first, second)
			unary++
			return
		}
		deltas := decodeStream(t, name, answer)
		first := collect(t, name, deltas)
		second := collect(t, name, decodeStream(t, name, encodeStream(deltas)))
		if first == nil || second == nil {
			return
		}
		sameAnswer(t, name, first, second)
		streamed++
	})
	t.Logf("%d answers, %d streams", unary, streamed)
	if unary < 50 || streamed < 30 {
		t.Errorf("only %d answers and %d streams", unary, streamed)
	}
}

// sameAnswer compares two answers but for what the model adds.
func sameAnswer(t *testing.T, name string, a, b *conversation.Answer) {
	t.Helper()
	if a.Usage != nil && b.Usage != nil {
		b.Usage.Raw, b.Usage.CacheWrite5m, b.Usage.CacheWrite1h = a.Usage.Raw, a.Usage.CacheWrite5m, a.Usage.CacheWrite1h
	}
	for _, x := range []*conversation.Answer{a, b} {
		for i := range x.Choices {
			for p := range x.Choices[i].Parts {
				x.Choices[i].Parts[p].Citations = nil
			}
			if x.Choices[i].Finish == conversation.FinishRefusal { // content_filter, beside the words of the refusal
				x.Choices[i].Finish = conversation.FinishFilter
			}
			if len(x.Choices[i].Parts) == 0 {
				x.Choices[i].Parts = nil
			}
		}
	}
	if !reflect.DeepEqual(a, b) {
		differ(t, name, a, b)
	}
}

// differ shows where two values begin to differ.
func differ(t *testing.T, name string, a, b any) {
	t.Helper()
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	at := 0
	for at < min(len(x), len(y)) && x[at] == y[at] {
		at++
	}
	at = max(at-80, 0)
	t.Errorf("%s: %.300s\nbecame %.300s", name, x[at:], y[at:])
}

func decodeStream(t *testing.T, name string, raw []byte) (deltas []conversation.Delta) {
	t.Helper()
	var f dialect.Framer
	var frame dialect.Frame
	d := Codec{}.Decoder()
	f.Feed(raw)
	for {
		ok, err := f.Next(&frame)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !ok && !f.Tail(&frame) {
			return d.End(deltas)
		}
		if frame.Payload == nil {
			continue
		}
		if deltas, err = d.Event(frame.Payload, deltas); err != nil {
			t.Fatalf("%s: %v: %s", name, err, frame.Payload)
		}
	}
}

func encodeStream(deltas []conversation.Delta) (raw []byte) {
	e := Codec{}.Encoder(conversation.StreamOptions{IncludeUsage: true})
	for i := range deltas {
		raw = e.Append(raw, &deltas[i])
	}
	return e.End(raw)
}

// collect returns nil for a stream that reports an error, which ends it.
func collect(t *testing.T, name string, deltas []conversation.Delta) *conversation.Answer {
	t.Helper()
	var c conversation.Collector
	if err := c.Add(deltas...); err != nil {
		t.Errorf("%s: %v", name, err)
		return nil
	}
	if c.Failed != nil {
		return nil
	}
	if err := c.Whole(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return &c.Answer
}

// TestAToolsCacheMark stands before or behind the function it belongs to.
func TestAToolsCacheMark(t *testing.T) {
	for _, tool := range []string{
		`{"type":"function","cache_control":{"type":"ephemeral","ttl":"1h"},"function":{"name":"f"}}`,
		`{"type":"function","function":{"name":"f"},"cache_control":{"type":"ephemeral","ttl":"1h"}}`,
	} {
		q, err := Codec{}.DecodeRequest([]byte(`{"model":"m","messages":[],"tools":[` + tool + `]}`))
		if err != nil || len(q.Tools) != 1 || q.Tools[0].Name != "f" || q.Tools[0].Cache == nil || q.Tools[0].Cache.TTL != "1h" {
			t.Errorf("%s: %+v, %v", tool, q, err)
		}
	}
}

// TestCallsOfOneIndex: some servers give each call of a stream the same one, or none.
func TestCallsOfOneIndex(t *testing.T) {
	for name, c := range map[string]struct {
		pieces []string
		want   []string // id, name, arguments
	}{
		"ids and names differ": {[]string{
			`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}}`, `{"index":0,"function":{"arguments":"1}"}}`,
			`{"index":0,"id":"b","function":{"name":"g","arguments":"{\"y\":"}}`, `{"index":0,"function":{"arguments":"2}"}}`},
			[]string{`a f {"x":1}`, `b g {"y":2}`}},
		"one tool twice": {[]string{`{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}`, `{"index":0,"id":"b","function":{"name":"f","arguments":"{}"}}`},
			[]string{"a f {}", "b f {}"}},
		"the id again and again": {[]string{`{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}`, `{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}`},
			[]string{"a f {}"}},
		"in turns, each with its id": {[]string{
			`{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}`, `{"index":0,"id":"b","function":{"name":"g","arguments":"{"}}`,
			`{"index":0,"id":"a","function":{"arguments":"}"}}`, `{"index":0,"id":"b","function":{"arguments":"}"}}`},
			[]string{"a f {}", "b g {}"}},
		"another id without a name": {[]string{`{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}`, `{"index":0,"id":"b","function":{"arguments":"}"}}`},
			[]string{"a f {}"}},
		"the id comes late": {[]string{`{"index":0,"function":{"name":"f","arguments":"{"}}`, `{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}`},
			[]string{" f {}"}},
		"an empty id": {[]string{`{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}`, `{"index":0,"id":"","function":{"name":"","arguments":"}"}}`},
			[]string{"a f {}"}},
		"no index": {[]string{`{"id":"a","function":{"name":"f","arguments":"{}"}}`, `{"id":"b","function":{"name":"g","arguments":"{}"}}`},
			[]string{"a f {}", "b g {}"}},
		"no index, in pieces": {[]string{`{"id":"a","function":{"name":"f","arguments":"{\"x\":"}}`, `{"function":{"arguments":"1}"}}`, `{"id":"b","function":{"name":"g","arguments":""}}`,
			`{"function":{"arguments":"{\"y\":\"}{"}}`, `{"function":{"arguments":"\\\"\"}"}}`, `{"function":{"arguments":""}}`},
			[]string{`a f {"x":1}`, `b g {"y":"}{\""}`}},
		"no index, the id again and again": {[]string{`{"id":"a","function":{"name":"f","arguments":"{"}}`, `{"id":"b","function":{"name":"g","arguments":"{"}}`,
			`{"id":"b","function":{"name":"g","arguments":"}"}}`, `{"id":"a","function":{"name":"f","arguments":"}"}}`},
			[]string{"a f {}", "b g {}"}},
		"neither index nor id":      {[]string{`{"function":{"name":"f","arguments":"{}"}}`, `{"function":{"name":"f","arguments":"{}"}}`}, []string{" f {}", " f {}"}},
		"neither, and no arguments": {[]string{`{"function":{"name":"f","arguments":""}}`, `{"function":{"name":"g","arguments":"{}"}}`}, []string{" f ", " g {}"}},
		"one index and no id":       {[]string{`{"index":0,"function":{"name":"f","arguments":"{}"}}`, `{"index":0,"function":{"name":"g","arguments":"{}"}}`}, []string{" f {}", " g {}"}},
		"one index, the name again": {[]string{`{"index":0,"function":{"name":"f","arguments":"{"}}`, `{"index":0,"function":{"name":"f","arguments":"}"}}`}, []string{" f {}"}},
		"the id comes late, again":  {[]string{`{"index":0,"function":{"name":"f","arguments":"{"}}`, `{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}`, `{"index":0,"id":"b","function":{"name":"f","arguments":"{}"}}`}, []string{" f {}", "b f {}"}},
	} {
		d := Codec{}.Decoder()
		var all conversation.Collector
		for _, p := range append(c.pieces, "") {
			chunk := `{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[` + p + `]}}]}`
			if p == "" {
				chunk = `{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`
			}
			deltas, err := d.Event([]byte(chunk), nil)
			if err == nil {
				err = all.Add(deltas...)
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		var got []string
		for _, p := range all.Answer.Choices[0].Parts {
			if strings.HasPrefix(p.Call.ID, "call_") { // made up
				p.Call.ID = ""
			}
			got = append(got, p.Call.ID+" "+p.Call.Name+" "+p.Call.Arguments)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestAPieceOfNoCallIsAnError: it is not known which of several it belongs to, and a guess would make two calls one.
func TestAPieceOfNoCallIsAnError(t *testing.T) {
	const begun = `{"id":"a","function":{"name":"f","arguments":"{\"x\":"}},{"id":"b","function":{"name":"g","arguments":"{\"y\":"}}`
	for name, c := range map[string][2]string{
		"two are not whole":        {begun, `{"function":{"arguments":"1}"}}`},
		"both go on at once":       {begun, `{"function":{"arguments":"1}"}},{"function":{"arguments":"2}"}}`},
		"all are whole":            {`{"id":"a","function":{"name":"f","arguments":"{}"}}`, `{"function":{"arguments":"1}"}}`},
		"a name in the middle":     {`{"function":{"name":"f","arguments":"{\"x\":"}}`, `{"function":{"name":"f","arguments":"1}"}}`},
		"a name before there is a": {`{"function":{"name":"f"}}`, `{"function":{"name":"f","arguments":"{}"}}`},
	} {
		d := Codec{}.Decoder()
		for i, calls := range c {
			_, err := d.Event([]byte(`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[`+calls+`]}}]}`), nil)
			if (err != nil) != (i == 1) {
				t.Errorf("%s, chunk %d: %v", name, i, err)
			}
		}
	}
}
