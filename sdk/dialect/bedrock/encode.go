package bedrock

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

type encoder struct {
	dialect.Writer
	q     *conversation.Request
	maker string // of the model: who has words of its own
	lost  conversation.Lost
	err   error
}

// Head has nothing to say beside the body.
func (Codec) Head(bool) (query string, h llm.Header) { return "", nil }

// EncodeRequest writes a request of Converse. The model's name decides in whose words it is told what
// Converse has none for.
func (Codec) EncodeRequest(q *conversation.Request, l conversation.Limits) ([]byte, []conversation.Loss, error) {
	e := &encoder{q: q, maker: maker(q.Model)}
	e.Object()
	e.spoken()
	thinking := e.thinking(l.MaxTokens)
	e.inference(thinking)
	e.tools()
	e.additional(thinking)
	e.output(thinking)
	e.unsayable()
	return e.finished()
}

// spoken writes what is said.
func (e *encoder) spoken() {
	e.system()
	e.Key("messages")
	e.messages()
}

// finished ends the body and returns it, unless the request cannot be said.
func (e *encoder) finished() ([]byte, []conversation.Loss, error) {
	if err := e.lost.Others(e.q); err != nil && e.err == nil {
		e.err = err
	}
	e.EndObject()
	if e.err != nil {
		return nil, nil, e.err
	}
	return e.Buf, e.lost, nil
}

// The makers of models whose own words are known.
const (
	anthropic = "anthropic"
	amazon    = "amazon"
	openai    = "openai"
)

// maker returns who made a model, by its name: anthropic.claude..., eu.anthropic.claude..., or an ARN that
// ends with one.
func maker(model string) string {
	if i := strings.LastIndexByte(model, '/'); i >= 0 {
		model = model[i+1:]
	}
	for _, m := range []string{anthropic, amazon, openai} {
		if strings.HasPrefix(model, m+".") || strings.Contains(model, "."+m+".") {
			return m
		}
	}
	return ""
}

func (e *encoder) refuse(field string) { e.fail(e.q.Unsupported(field)) }

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *encoder) system() {
	parts := e.q.System
	if e.q.Format.Kind == conversation.FormatJSON {
		parts = append(parts[:len(parts):len(parts)], conversation.Part{Kind: conversation.Text, Text: "Answer with one JSON object and nothing else."})
		e.lost.Drop("response_format", "asked for in words: Converse has no JSON mode without a schema")
	}
	if len(parts) == 0 {
		return
	}
	e.Key("system")
	e.Array()
	for i := range parts {
		if parts[i].Kind != conversation.Text {
			e.refuse(parts[i].Where("system"))
			continue
		}
		e.part(parts[i].Where("system["+strconv.Itoa(i)+"]"), &parts[i])
	}
	e.EndArray()
}

// messages writes the conversation: roles take turns, the user begins, and results of tools come first.
func (e *encoder) messages() {
	turns := e.q.Alternating("Converse", conversation.VendorAnthropic, &e.lost)
	e.fail(e.q.UserFirst(turns))
	e.Array()
	for i := range turns {
		t := &turns[i]
		e.Object()
		role := "user"
		if t.Role == conversation.Assistant {
			role = "assistant"
		}
		e.Text("role", role)
		e.Key("content")
		e.Array()
		for pass := range 2 {
			for j := range t.Parts {
				if (t.Parts[j].Kind == conversation.ToolResult) == (pass == 0) {
					e.part(t.Parts[j].Where(t.Where(i)+".content["+strconv.Itoa(j)+"]"), &t.Parts[j])
				}
			}
		}
		e.beside(t.Where(i), t.Parts)
		e.EndArray()
		e.EndObject()
	}
	e.EndArray()
}

// beside writes words beside a document that has none, as the service wants them there: its name.
func (e *encoder) beside(at string, parts []conversation.Part) {
	name := ""
	for i := range parts {
		switch p := &parts[i]; {
		case p.Kind == conversation.Text && strings.TrimSpace(p.Text) != "":
			return
		case p.Kind == conversation.Media:
			if kind, _, _ := formatOf(p.Media.Type); kind == "document" || p.Media.Text {
				name = documentName(p.Media.Name)
			}
		}
	}
	if name == "" {
		return
	}
	e.lost.Drop(at+".content", "Converse wants words beside a document, and was told its name")
	e.Object()
	e.Text("text", name)
	e.EndObject()
}

// part writes a block, and the mark of a cache behind it.
func (e *encoder) part(at string, p *conversation.Part) {
	switch p.Kind {
	case conversation.Text, conversation.Refusal:
		if strings.TrimSpace(p.Text) == "" { // the service takes no blank texts
			if p.Text != "" {
				e.lost.Drop(at, "Converse takes no blank texts")
			}
			return
		}
		e.Object()
		e.Text("text", p.Text)
		e.EndObject()
	case conversation.Media:
		e.medium(at, p.Media)
	case conversation.ToolCall:
		e.block("toolUse")
		e.Text("toolUseId", conversation.PlainID(p.Call.ID))
		e.Text("name", p.Call.Name)
		e.Key("input")
		if !e.arguments(p.Call.Arguments) {
			e.lost.Drop(at+".arguments", "they are no JSON object and go as text inside of one")
		}
		e.end()
	case conversation.ToolResult:
		if inside := e.result(at, p.Result); p.Cache == nil {
			e.cache(inside)
		}
	case conversation.Thinking:
		e.thought(p)
	default:
		if p.Native == nil || p.Native.Dialect != llm.Bedrock {
			e.refuse(at)
			return
		}
		e.Object()
		e.Member(p.Native.Type, p.Native.Raw)
		e.EndObject()
	}
	e.cache(p.Cache)
}

// block begins a block and the object that it is; end ends both.
func (e *encoder) block(kind string) {
	e.Object()
	e.Key(kind)
	e.Object()
}

func (e *encoder) end() {
	e.EndObject()
	e.EndObject()
}

func (e *encoder) cache(c *conversation.Cache) {
	if c == nil {
		return
	}
	e.block("cachePoint")
	e.Text("type", "default")
	e.Text("ttl", c.TTL)
	e.end()
}

// arguments writes a call's arguments as the object that they are, and reports false where they are none.
func (e *encoder) arguments(text string) bool {
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "":
		e.Raw([]byte("{}"))
	case trimmed[0] == '{' && json.Valid([]byte(text)):
		e.Raw([]byte(text))
	default:
		e.Object()
		e.Text("arguments", text)
		e.EndObject()
		return false
	}
	return true
}

// result writes a tool's result and returns the mark of a cache in it, which belongs behind it.
func (e *encoder) result(at string, r *conversation.Result) *conversation.Cache {
	e.block("toolResult")
	e.Text("toolUseId", conversation.PlainID(r.ID))
	e.Key("content")
	e.Array()
	if r.Object != nil {
		e.Object()
		e.Member("json", r.Object)
		e.EndObject()
	}
	var cache *conversation.Cache
	for i := range r.Parts {
		p := r.Parts[i]
		if p.Cache != nil { // which has no place inside
			cache, p.Cache = p.Cache, nil
		}
		if r.Object == nil || p.Kind != conversation.Text { // the object is what the text says
			e.part(p.Where(at+".content["+strconv.Itoa(i)+"]"), &p)
		}
	}
	e.EndArray()
	if r.Error {
		e.Text("status", "error")
	}
	e.end()
	return cache
}

func (e *encoder) thought(p *conversation.Part) {
	e.block("reasoningContent")
	if p.Redacted {
		e.Text("redactedContent", p.Opaque.Value)
	} else {
		e.Key("reasoningText")
		e.Object()
		e.Key("text")
		e.String(p.Text)
		e.Text("signature", p.Opaque.Value)
		e.EndObject()
	}
	e.end()
}

// medium writes what is no text. It must come with the request, or lie where the service has access.
func (e *encoder) medium(at string, m *conversation.Medium) {
	kind, format, ok := formatOf(m.Type)
	if m.Text && !ok {
		kind, format, ok = "document", "txt", true
	}
	if !ok && kind == "audio" && strings.Contains(" "+known["audio"]+" ", " "+m.Format+" ") {
		format, ok = m.Format, true
	}
	s3 := strings.HasPrefix(m.URL, "s3://")
	if !ok || m.Data == "" && !s3 {
		e.refuse(at)
		return
	}
	e.block(kind)
	e.Text("format", format)
	if kind == "document" {
		e.Text("name", documentName(m.Name))
	}
	e.Key("source")
	e.Object()
	switch {
	case s3:
		e.Key("s3Location")
		e.Object()
		e.Text("uri", m.URL)
		e.EndObject()
	case m.Text:
		e.Text("text", m.Data)
	default:
		e.Text("bytes", m.Data)
	}
	e.EndObject()
	kept := conversation.About(0)
	if kind == "document" {
		e.Text("context", m.Context)
		if m.Cited {
			e.Key("citations")
			e.Raw([]byte(`{"enabled":true}`))
		}
		kept = conversation.AboutName | conversation.AboutDocument
	}
	e.lost.Medium(at, m, kept)
	e.end()
}

// documentName returns a name in the characters that the service takes.
func documentName(name string) string {
	clean := strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" -()[]", r)) {
			return r
		}
		return ' '
	}, name)), " ")
	if clean == "" {
		return "document"
	}
	return clean
}
