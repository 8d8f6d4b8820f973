package codecs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// recording is one recorded exchange with a vendor.
type recording struct {
	name    string
	dialect llm.Dialect
	request []byte
	answer  []byte
	kind    string
	status  int
}

// endpoints are the recordings of conversations, by the dialect they are in.
var endpoints = map[string]llm.Dialect{
	"chat.completions": llm.OpenAI, "openai-compat": llm.OpenAI, "responses": llm.Responses, "messages": llm.Anthropic, "streamRawPredict": llm.Anthropic,
	"generateContent": llm.Gemini, "streamGenerateContent": llm.Gemini,
}

func recordings(t *testing.T) (all []recording) {
	t.Helper()
	root := os.Getenv("GINNEL_CORPUS")
	if root == "" {
		root = "../../../../shared/corpus"
	}
	files, _ := filepath.Glob(filepath.Join(root, "providers", "dev", "*.json"))
	if len(files) == 0 {
		t.Skip("no recordings: set GINNEL_CORPUS to the corpus")
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var r struct {
			Endpoint string
			Request  struct{ Body json.RawMessage }
			Response struct {
				Status    int
				Kind, Raw string
				Body      json.RawMessage
			}
		}
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		d, ok := endpoints[r.Endpoint]
		if !ok || len(r.Request.Body) == 0 {
			continue
		}
		rec := recording{filepath.Base(file), d, r.Request.Body, []byte(r.Response.Raw), r.Response.Kind, r.Response.Status}
		if len(rec.answer) == 0 {
			rec.answer = r.Response.Body
		}
		all = append(all, rec)
	}
	return all
}

var dialects = []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini}

// TestRequestsAcross decodes every recorded request, encodes it in every dialect, and decodes that: the
// words, calls and results of the conversation are the same, or the request is refused with the field's
// name, or what was left out is listed.
func TestRequestsAcross(t *testing.T) {
	kept, refused := map[string]int{}, map[string]int{}
	for _, r := range recordings(t) {
		if r.status >= 400 {
			continue
		}
		q, err := Translator(r.dialect).DecodeRequest(r.request)
		if err != nil {
			refused[fmt.Sprint(r.dialect, ": ", err)]++
			continue
		}
		for _, target := range dialects {
			copied := *q
			body, lost, err := Translator(target).EncodeRequest(&copied, conversation.Limits{})
			if err != nil {
				refused[fmt.Sprint(r.dialect, " to ", target, ": ", err)]++
				continue
			}
			pair := fmt.Sprint(r.dialect, " to ", target)
			var read dialect.Request
			if err := Of(target).Request(llm.OpChat, body, &read); err != nil {
				t.Errorf("%s: %s: what was encoded cannot be read: %v\n%.400s", r.name, pair, err, body)
				continue
			}
			again, err := Translator(target).DecodeRequest(body)
			if err != nil {
				t.Errorf("%s: %s: %v\n%.400s", r.name, pair, err, body)
				continue
			}
			if a, b := asked(q, lost), asked(again, lost); a != b {
				t.Errorf("%s: %s: %s", r.name, pair, difference(a, b))
				continue
			}
			kept[pair]++
		}
	}
	for pair, n := range kept {
		t.Logf("%s: %d requests kept", pair, n)
	}
	for why, n := range refused {
		t.Logf("refused: %d %s", n, why)
	}
}

var space = regexp.MustCompile(`\s+`)

// asked says what of a request has to survive: all words in order, media, calls and results, tools, and
// the wishes that every dialect knows.
func asked(q *conversation.Request, lost []conversation.Loss) string {
	var b strings.Builder
	for _, p := range q.System {
		b.WriteString(p.Text + "\n")
	}
	named := false // JSON mode asked for in words
	for _, l := range lost {
		named = named || l.Field == "response_format"
	}
	var results, words strings.Builder
	for _, t := range q.Turns {
		results.Reset()
		words.Reset()
		for _, p := range t.Parts {
			switch p.Kind {
			case conversation.Text, conversation.Refusal:
				words.WriteString(p.Text + "\n")
			case conversation.Media:
				if p.Media.Text {
					words.WriteString(p.Media.Data + "\n")
					continue
				}
				fmt.Fprintf(&words, "media %.60s%.60s%s\n", p.Media.Data, p.Media.URL, p.Media.FileID)
			case conversation.ToolCall:
				fmt.Fprintf(&words, "call %s %s\n", p.Call.Name, canonical(p.Call.Arguments))
			case conversation.ToolResult:
				for _, part := range p.Result.Parts {
					if part.Kind == conversation.Text {
						fmt.Fprintf(&results, "result %s %s\n", p.Result.Name, canonical(part.Text))
					} else if part.Kind == conversation.Media {
						fmt.Fprintf(&words, "media %.60s%.60s%s\n", part.Media.Data, part.Media.URL, part.Media.FileID)
					}
				}
			}
		}
		b.WriteString(results.String() + words.String())
	}
	for _, tool := range q.Tools {
		fmt.Fprintf(&b, "tool %s %s %s\n", tool.Name, tool.Description, canonical(string(tool.Parameters)))
	}
	fmt.Fprintf(&b, "%d %v %v %s", max(q.ToolChoice.Mode, conversation.ToolAuto), q.ToolChoice.Names, q.Stop, canonical(string(q.Format.Schema)))
	text := b.String()
	if named {
		text = strings.ReplaceAll(text, "Answer with one JSON object and nothing else.", "")
	}
	return space.ReplaceAllString(text, " ")
}

// canonical returns a JSON text in one form; what is none, or the empty object, stands for itself.
func canonical(s string) string {
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		return strings.TrimSpace(s)
	}
	if m, ok := v.(map[string]any); ok {
		if len(m) == 0 {
			return ""
		}
		if props, ok := m["properties"].(map[string]any); ok && len(props) == 0 || len(m) == 1 && m["type"] == "object" {
			return "" // a schema without properties
		}
	}
	b, _ := json.Marshal(v)
	return string(b)
}

func difference(a, b string) string {
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	at = max(at-60, 0)
	return fmt.Sprintf("...%.200s\n    became ...%.200s", a[at:], b[at:])
}

// TestAnswersAcross does the same with answers, whole and streamed: words, thoughts, calls with their ids
// and arguments, the finish reason and the usage are kept in every dialect, and every stream is whole in
// its grammar.
func TestAnswersAcross(t *testing.T) {
	kept := map[string]int{}
	for _, r := range recordings(t) {
		if r.status != 200 {
			continue
		}
		if r.kind == "json" && !strings.HasPrefix(string(r.answer), "[") {
			a, err := Translator(r.dialect).DecodeAnswer(r.answer)
			if err != nil {
				t.Errorf("%s: %v", r.name, err)
				continue
			}
			for _, client := range dialects {
				if !fits(a, client) {
					continue
				}
				body := Translator(client).EncodeAnswer(a)
				var read dialect.Answer
				if err := Of(client).Answer(llm.OpChat, body, &read); err != nil {
					t.Errorf("%s to %s: %v\n%.400s", r.name, client, err, body)
					continue
				}
				again, err := Translator(client).DecodeAnswer(body)
				if err != nil {
					t.Errorf("%s to %s: %v\n%.400s", r.name, client, err, body)
					continue
				}
				if x, y := said(a), said(again); x != y {
					t.Errorf("%s to %s: %s", r.name, client, difference(x, y))
					continue
				}
				kept[fmt.Sprint(r.dialect, " to ", client, ", whole")]++
			}
			continue
		}
		across(t, &r, kept)
	}
	for pair, n := range kept {
		t.Logf("%s: %d answers kept", pair, n)
	}
}

// fits reports whether a client of the dialect can have asked for the answer.
func fits(a *conversation.Answer, client llm.Dialect) bool {
	for _, c := range a.Choices {
		if c.Finish.Usable() != nil {
			return false // which is an error for every client
		}
		for _, p := range c.Parts {
			if p.Kind == conversation.Media && client != llm.Anthropic && client != llm.Gemini {
				return false // an image can be asked for in Gemini's dialect only
			}
		}
	}
	return len(a.Choices) <= 1 || client == llm.OpenAI || client == llm.Gemini
}

// across plays a recorded stream to clients of all dialects.
func across(t *testing.T, r *recording, kept map[string]int) {
	deltas, err := decode(r.dialect, r.answer)
	if err != nil {
		t.Errorf("%s: %v", r.name, err)
		return
	}
	var c conversation.Collector
	if err := c.Add(deltas...); err != nil {
		t.Errorf("%s: %v", r.name, err)
		return
	}
	if c.Failed != nil {
		return
	}
	if err := c.Whole(); err != nil {
		t.Errorf("%s: %v", r.name, err)
		return
	}
	for _, client := range dialects {
		if !fits(&c.Answer, client) {
			continue
		}
		e := Translator(client).Encoder(conversation.StreamOptions{IncludeUsage: true})
		var raw []byte
		for i := range deltas {
			raw = e.Append(raw, &deltas[i])
		}
		raw = e.End(raw)
		again, err := decode(client, raw)
		if err != nil {
			t.Errorf("%s to %s: %v", r.name, client, err)
			continue
		}
		var d conversation.Collector
		if err := d.Add(again...); err != nil {
			t.Errorf("%s to %s: %v", r.name, client, err)
			continue
		}
		if err := d.Whole(); err != nil {
			t.Errorf("%s to %s: %v", r.name, client, err)
		}
		if x, y := said(&c.Answer), said(&d.Answer); x != y {
			t.Errorf("%s to %s: %s", r.name, client, difference(x, y))
			continue
		}
		if !complete(client, raw) {
			t.Errorf("%s to %s: the stream is not complete", r.name, client)
		}
		kept[fmt.Sprint(r.dialect, " to ", client, ", streamed")]++
	}
}

// payloads calls yield with each event's payload of a stream in either framing.
func payloads(raw []byte, yield func([]byte) error) error {
	var f interface {
		Feed([]byte)
		Next(*dialect.Frame) (bool, error)
		Tail(*dialect.Frame) bool
	} = &dialect.Framer{}
	if strings.HasPrefix(string(raw), "[") {
		f = &dialect.ArrayFramer{}
	}
	f.Feed(raw)
	var frame dialect.Frame
	for {
		ok, err := f.Next(&frame)
		if err != nil {
			return err
		}
		if !ok && !f.Tail(&frame) {
			return nil
		}
		if frame.Payload != nil {
			if err := yield(frame.Payload); err != nil {
				return fmt.Errorf("%w: %.200s", err, frame.Payload)
			}
		}
	}
}

func decode(name llm.Dialect, raw []byte) (deltas []conversation.Delta, err error) {
	d := Translator(name).Decoder()
	err = payloads(raw, func(p []byte) (err error) {
		deltas, err = d.Event(p, deltas)
		return err
	})
	return d.End(deltas), err
}

// complete holds a stream to its dialect's own codec.
func complete(name llm.Dialect, raw []byte) bool {
	ended, finish := false, ""
	err := payloads(raw, func(p []byte) error {
		var e dialect.Event
		if err := Of(name).Event(llm.OpChat, p, &e); err != nil {
			return err
		}
		ended = ended || e.End
		if e.Finish != "" {
			finish = e.Finish
		}
		return nil
	})
	return err == nil && Of(name).Complete(ended, finish)
}

// said says what of an answer has to survive.
func said(a *conversation.Answer) string {
	var b strings.Builder
	for _, c := range a.Choices {
		var words, thoughts, refusal, calls strings.Builder
		for _, p := range c.Parts {
			switch p.Kind {
			case conversation.Text:
				words.WriteString(p.Text)
			case conversation.Refusal:
				refusal.WriteString(p.Text)
			case conversation.Thinking:
				thoughts.WriteString(p.Text)
			case conversation.ToolCall:
				fmt.Fprintf(&calls, "call %s %s %s\n", p.Call.ID, p.Call.Name, canonical(p.Call.Arguments))
			}
		}
		finish := c.Finish
		switch finish {
		case conversation.FinishSequence:
			finish = conversation.FinishStop
		case conversation.FinishRefusal, conversation.FinishFilter:
			finish = "refused"
		case "":
			finish = conversation.FinishStop
		case conversation.FinishContext, conversation.FinishPause:
			finish = conversation.FinishLength
		default:
			if strings.HasPrefix(string(finish), "other:") {
				finish = "refused"
			}
		}
		fmt.Fprintf(&b, "%s|%s|%s|%s\n", words.String()+refusal.String(), space.ReplaceAllString(thoughts.String(), " "), calls.String(), finish)
	}
	if u := a.Usage; u != nil && u.InputTotal+u.OutputTotal > 0 {
		fmt.Fprintf(&b, "%d %d", u.InputTotal, u.OutputTotal)
	}
	return b.String()
}
