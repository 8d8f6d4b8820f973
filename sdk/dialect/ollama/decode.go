package ollama

import (
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
)

// decoder reads one request, or the message of an answer, into the model.
type decoder struct {
	*conversation.Reader
	into *conversation.Request
}

// DecodeRequest reads a request for a chat. A stream is what a request asks for that does not say it.
func (Codec) DecodeRequest(body []byte) (*conversation.Request, error) {
	q := &conversation.Request{IncludeUsage: true, Stream: true}
	d := decoder{conversation.NewRequestReader(body, q), q}
	d.Each("the body", d.member)
	if err := d.End(); err != nil {
		return nil, err
	}
	d.into.Join()
	d.into.Complete()
	return d.into, nil
}

func (d decoder) member(key string) {
	q := d.into
	switch key {
	case "model":
		q.Model = d.Str(key)
	case "messages":
		d.messages()
	case "tools":
		d.Items(key, d.tool)
	case "stream":
		if v := d.Flag(key); v != nil {
			q.Stream = *v
		}
	case "format":
		d.format()
	case "options":
		d.Each(key, d.option)
	case "think":
		d.think()
	case "logprobs":
		v := d.Flag(key)
		q.Logprobs = v != nil && *v
	case "top_logprobs":
		q.TopLogprobs = d.Num(key)
	default:
		if raw := d.Raw(); raw != nil {
			q.Other = append(q.Other, conversation.Field{Name: key, Value: raw})
		}
	}
}

func (d decoder) option(key string) {
	q := d.into
	switch key {
	case "temperature":
		q.Temperature = d.Num(key)
	case "top_p":
		q.TopP = d.Num(key)
	case "top_k":
		q.TopK = d.Num(key)
	case "seed":
		q.Seed = d.Num(key)
	case "frequency_penalty":
		q.FrequencyPenalty = d.Num(key)
	case "presence_penalty":
		q.PresencePenalty = d.Num(key)
	case "num_predict":
		q.MaxTokens = max(d.Count(key), 0) // below zero there is no limit
	case "stop":
		if d.Type() == dialect.TypeString {
			q.Stop = []string{d.Str(key)}
			return
		}
		d.Items(key, func(int) { q.Stop = append(q.Stop, d.Str(key)) })
	default:
		if raw := d.Raw(); raw != nil {
			q.Other = append(q.Other, conversation.Field{Name: "options." + key, Value: raw})
		}
	}
}

// format reads "json", a schema, or "", which is none.
func (d decoder) format() {
	f := &d.into.Format
	if d.Type() != dialect.TypeString {
		if f.Schema = d.Raw(); f.Schema != nil {
			f.Kind = conversation.FormatSchema
		}
		return
	}
	if d.Str("format") == "json" {
		f.Kind = conversation.FormatJSON
	}
}

// think reads whether the model shall think, or how much.
func (d decoder) think() {
	r := &d.into.Reasoning
	if d.Type() == dialect.TypeString {
		r.Effort = d.Str("think")
		return
	}
	switch v := d.Flag("think"); {
	case v == nil:
	case *v:
		r.Budget, r.Include = -1, true
	default:
		r.Off = true
	}
}

func (d decoder) tool(int) {
	t := conversation.Tool{}
	d.Each("tools", func(k string) {
		switch k {
		case "function":
		case "type":
			d.Skip()
			return
		default:
			d.Leave()
			return
		}
		d.Each(k, func(k string) {
			switch k {
			case "name":
				t.Name = d.Str(k)
			case "description":
				t.Description = d.Str(k)
			case "parameters":
				t.Parameters = d.Raw()
			default:
				d.Leave()
			}
		})
	})
	d.into.Tools = append(d.into.Tools, t)
}

// messages reads the conversation. A result that names neither its call nor its tool answers the calls before it in
// their order.
func (d decoder) messages() {
	q := d.into
	var calls []string
	d.Items("messages", func(int) {
		at := d.At()
		m := d.message("messages")
		switch m.role {
		case "system":
			if len(q.Turns) == 0 {
				q.System = append(q.System, m.all()...)
				return
			}
			q.Turns = append(q.Turns, conversation.Turn{Role: conversation.System, Parts: m.all(), At: at})
		case "assistant":
			calls = calls[:0]
			for _, c := range m.calls {
				calls = append(calls, c.Call.Name)
			}
			q.Turns = append(q.Turns, conversation.Turn{Role: conversation.Assistant, Parts: m.all(), At: at})
		case "tool":
			if m.tool == "" && m.answers == "" && len(calls) > 0 {
				m.tool, calls = calls[0], calls[1:]
			}
			r := &conversation.Result{ID: m.answers, Name: m.tool, Parts: m.all()}
			q.Turns = append(q.Turns, conversation.Turn{Parts: []conversation.Part{{Kind: conversation.ToolResult, Result: r, At: at}}, At: at})
		default:
			q.Turns = append(q.Turns, conversation.Turn{Parts: m.all(), At: at})
		}
	})
}

// message is a message of a request or of an answer.
type message struct {
	role, content, thinking string
	images                  []string // base64
	calls                   []conversation.Part
	tool, answers           string // of a tool's result: the tool's name and the call's id
}

// message reads one.
func (d decoder) message(name string) (m message) {
	d.Each(name, func(k string) {
		switch k {
		case "role":
			m.role = d.Str(k)
		case "content":
			m.content = d.Str(k)
		case "thinking":
			m.thinking = d.Str(k)
		case "images":
			d.Items(k, func(int) { m.images = append(m.images, d.Str(k)) })
		case "tool_calls":
			d.Items(k, func(int) { m.calls = append(m.calls, d.call()) })
		case "tool_name", "name":
			m.tool = d.Str(k)
		case "tool_call_id":
			m.answers = d.Str(k)
		default:
			d.Leave()
		}
	})
	return m
}

// all returns the parts in their order: thoughts, words, images, calls.
func (m *message) all() (parts []conversation.Part) {
	if m.thinking != "" {
		parts = append(parts, conversation.Part{Kind: conversation.Thinking, Text: m.thinking})
	}
	if m.content != "" {
		parts = append(parts, conversation.Part{Text: m.content})
	}
	for _, data := range m.images {
		parts = append(parts, conversation.Part{Kind: conversation.Media, Media: &conversation.Medium{Type: imageType(data), Data: data}})
	}
	return append(parts, m.calls...)
}

// imageType returns the media type of an image, by what its base64 begins with.
func imageType(data string) string {
	for _, t := range [...][2]string{{"iVBORw0KGgo", "image/png"}, {"/9j/", "image/jpeg"}, {"R0lGOD", "image/gif"}, {"UklGR", "image/webp"}} {
		if strings.HasPrefix(data, t[0]) {
			return t[1]
		}
	}
	return "image/*"
}

// call reads a call, whose arguments are an object. Servers before 0.12 give no ids.
func (d decoder) call() conversation.Part {
	c := &conversation.Call{}
	d.Each("tool_calls", func(k string) {
		switch k {
		case "id":
			c.ID = d.Str(k)
		case "function":
			d.Each(k, func(k string) {
				switch {
				case k == "name":
					c.Name = d.Str(k)
				case k == "arguments" && d.Type() == dialect.TypeString:
					c.Arguments = d.Str(k)
				case k == "arguments":
					c.Arguments = string(d.Raw())
				case k == "index":
					d.Skip()
				default:
					d.Leave()
				}
			})
		case "type":
			d.Skip()
		default:
			d.Leave()
		}
	})
	if strings.TrimSpace(c.Arguments) == "" {
		c.Arguments = "{}"
	}
	return conversation.Part{Kind: conversation.ToolCall, Call: c}
}
