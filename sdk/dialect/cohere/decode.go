package cohere

import (
	"cmp"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// vendor names whose citations are in this dialect's words.
const vendor = "cohere"

// decoder reads one request, or the message of an answer, into the model.
type decoder struct {
	*conversation.Reader
	into *conversation.Request
}

// DecodeRequest reads a request for a chat.
func (Codec) DecodeRequest(body []byte) (*conversation.Request, error) {
	q := &conversation.Request{IncludeUsage: true}
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
		d.Items(key, d.turn)
	case "tools":
		d.Items(key, d.tool)
	case "tool_choice":
		switch d.Str(key) {
		case "REQUIRED":
			q.ToolChoice.Mode = conversation.ToolRequired
		case "NONE":
			q.ToolChoice.Mode = conversation.ToolNone
		}
	case "max_tokens":
		q.MaxTokens = d.Limit(key)
	case "stop_sequences":
		d.Items(key, func(int) { q.Stop = append(q.Stop, d.Str(key)) })
	case "temperature":
		q.Temperature = d.Num(key)
	case "p":
		q.TopP = d.Num(key)
	case "k":
		q.TopK = d.Num(key)
	case "seed":
		q.Seed = d.Num(key)
	case "frequency_penalty":
		q.FrequencyPenalty = d.Num(key)
	case "presence_penalty":
		q.PresencePenalty = d.Num(key)
	case "logprobs":
		v := d.Flag(key)
		q.Logprobs = v != nil && *v
	case "stream":
		v := d.Flag(key)
		q.Stream = v != nil && *v
	case "thinking":
		d.Each(key, func(k string) {
			switch k {
			case "type":
				q.Reasoning.Off = d.Str(k) == "disabled"
				q.Reasoning.Include = !q.Reasoning.Off
			case "token_budget":
				q.Reasoning.Budget = d.Count(k)
			default:
				d.Leave()
			}
		})
	case "response_format":
		d.Each(key, d.format)
	default:
		if raw := d.Raw(); raw != nil {
			q.Other = append(q.Other, conversation.Field{Name: key, Value: raw, Vital: key == "documents"})
		}
	}
}

func (d decoder) format(key string) {
	f := &d.into.Format
	switch key {
	case "type":
		if d.Str(key) == "json_object" && f.Kind == conversation.FormatDefault {
			f.Kind = conversation.FormatJSON
		}
	case "schema", "json_schema":
		if f.Schema = d.Raw(); f.Schema != nil {
			f.Kind = conversation.FormatSchema
		}
	default:
		d.Leave()
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

// message is what a message says, of a request or of an answer.
type message struct {
	at        string // "" in an answer
	role      string
	parts     []conversation.Part
	plan      string
	calls     []conversation.Part
	answers   string // the id of the call that a tool's message is for
	citations []conversation.Citation
}

func (d decoder) message() (m message) {
	m.at = d.At()
	d.Each("messages", func(k string) {
		switch k {
		case "role":
			m.role = d.Str(k)
		case "content":
			m.parts = d.content(k)
		case "tool_plan":
			m.plan = d.Str(k)
		case "tool_calls":
			d.Items(k, func(int) { m.calls = append(m.calls, d.call()) })
		case "tool_call_id":
			m.answers = d.Str(k)
		case "citations":
			d.Items(k, func(int) { m.citations = append(m.citations, d.citation()) })
		default:
			d.Leave()
		}
	})
	return m
}

// all returns the parts in their order: thoughts and words, the plan, the calls.
func (m *message) all() []conversation.Part {
	parts := m.parts
	if m.plan != "" {
		parts = append(parts, conversation.Part{Text: m.plan, At: m.at})
	}
	return append(parts, m.calls...)
}

func (d decoder) turn(int) {
	m := d.message()
	q := d.into
	switch m.role {
	case "system", "developer":
		if len(q.Turns) == 0 {
			q.System = append(q.System, m.parts...)
			return
		}
		q.Turns = append(q.Turns, conversation.Turn{Role: conversation.System, Parts: m.parts, At: m.at})
	case "assistant", "chatbot":
		q.Turns = append(q.Turns, conversation.Turn{Role: conversation.Assistant, Parts: m.all(), At: m.at})
	case "tool":
		res := &conversation.Result{ID: m.answers, Parts: m.parts}
		q.Turns = append(q.Turns, conversation.Turn{Role: conversation.User, Parts: []conversation.Part{{Kind: conversation.ToolResult, Result: res, At: m.at}}, At: m.at})
	default:
		q.Turns = append(q.Turns, conversation.Turn{Role: conversation.User, Parts: m.parts, At: m.at})
	}
}

// content reads a text or a list of blocks. Texts that are empty say nothing.
func (d decoder) content(name string) (parts []conversation.Part) {
	if d.Type() == dialect.TypeString {
		if s := d.Str(name); s != "" {
			parts = append(parts, conversation.Part{Text: s, At: d.At()})
		}
		return parts
	}
	d.Items(name, func(int) {
		p, kind, before := conversation.Part{}, "", d.Listed()
		start := d.Pos()
		d.Each(name, func(k string) {
			switch k {
			case "type":
				kind = d.Str(k)
			case "text", "thinking":
				p.Text = d.Str(k)
			case "image_url":
				p.Kind, p.Media = conversation.Media, d.image()
			case "document":
				p.Text = d.document()
			default:
				d.Leave()
			}
		})
		switch kind {
		case "thinking":
			p.Kind = conversation.Thinking
		case "text", "document", "image_url", "":
		default:
			d.Unlist(before)
			p = conversation.Part{Kind: conversation.Native, Native: &conversation.Foreign{Dialect: llm.Cohere, Type: kind, Raw: append([]byte(nil), d.Bytes(dialect.Span{Start: start, End: d.Pos()})...)}}
		}
		if p.Kind == conversation.Native || p.Kind == conversation.Media {
			p.At = d.Path()
		}
		if p.Kind == conversation.Text && p.Text == "" {
			return
		}
		p.At = cmp.Or(p.At, d.At())
		parts = append(parts, p)
	})
	return parts
}

// document reads what a tool gave back as a document: its data, as they are written.
func (d decoder) document() (text string) {
	d.Each("document", func(k string) {
		if k == "data" {
			if d.Type() == dialect.TypeString {
				text = d.Str(k)
			} else {
				text = string(d.Raw())
			}
			return
		}
		d.Leave()
	})
	return text
}

func (d decoder) image() *conversation.Medium {
	m := &conversation.Medium{}
	if d.Type() == dialect.TypeString {
		m.URL = d.Str("image_url")
	} else {
		d.Each("image_url", func(k string) {
			switch k {
			case "url":
				m.URL = d.Str(k)
			case "detail":
				m.Detail = d.Str(k)
			default:
				d.Leave()
			}
		})
	}
	if rest, ok := strings.CutPrefix(m.URL, "data:"); ok {
		if kind, data, ok := strings.Cut(rest, ";base64,"); ok {
			m.Type, m.Data, m.URL = kind, data, ""
		}
	}
	return m
}

func (d decoder) call() conversation.Part {
	c := &conversation.Call{}
	d.Each("tool_calls", func(k string) {
		switch k {
		case "id":
			c.ID = d.Str(k)
		case "function":
			d.Each(k, func(k string) {
				switch k {
				case "name":
					c.Name = d.Str(k)
				case "arguments":
					c.Arguments = d.Str(k)
				default:
					d.Leave()
				}
			})
		case "type", "index":
			d.Skip()
		default:
			d.Leave()
		}
	})
	return conversation.Part{Kind: conversation.ToolCall, Call: c, At: d.At()}
}

// citation reads where a text comes from. Its places count characters.
func (d decoder) citation() (c conversation.Citation) {
	start := d.Pos()
	c.Vendor = vendor
	d.Each("citations", func(k string) {
		switch k {
		case "start":
			c.Start = int(min(d.Count(k), 1<<30))
		case "end":
			c.End = int(min(d.Count(k), 1<<30))
		case "text":
			c.Quote = d.Str(k)
		case "sources":
			d.Items(k, func(int) { d.source(&c) })
		case "content_index", "type": // where its text stands
			d.Skip()
		default:
			d.Leave()
		}
	})
	if c.URL == "" {
		c.At = d.Path()
	}
	c.Raw = append([]byte(nil), d.Bytes(dialect.Span{Start: start, End: d.Pos()})...)
	return c
}

// source reads a source: the first one that has a title or an address counts.
func (d decoder) source(c *conversation.Citation) {
	if c.URL != "" { // a citation has one address
		d.Leave()
		return
	}
	d.Each("sources", func(k string) {
		switch {
		case k == "type":
			d.Skip()
			return
		case k != "document" || d.Type() != dialect.TypeObject: // which of the request's it is, or what a tool gave
			d.Leave()
			return
		}
		d.Each(k, func(k string) {
			switch {
			case k == "title" && c.Title == "" && d.Type() == dialect.TypeString:
				c.Title = d.Str(k)
			case k == "url" && c.URL == "" && d.Type() == dialect.TypeString:
				c.URL = d.Str(k)
			case k == "id" || k == "text" || k == "snippet": // of the request
				d.Skip()
			default:
				d.Leave()
			}
		})
	})
}
