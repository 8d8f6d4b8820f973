package anthropic

import (
	"encoding/json"
	"maps"
	"strconv"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

var _ conversation.Codec = Codec{}

// decoder reads one request into the model.
type decoder struct {
	*conversation.Reader
	into *conversation.Request
}

// names are what the dialect calls members of a request that OpenAI's has other names for; effortNames of one that says in
// a word how much the model shall think.
var (
	names = map[string]string{
		"stop": "stop_sequences", "user": "metadata.user_id", "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
		"reasoning_effort": "thinking", "response_format": "output_config.format",
	}
	effortNames = func() map[string]string {
		m := maps.Clone(names)
		m["reasoning_effort"] = "output_config.effort"
		return m
	}()
)

// DecodeRequest reads a request for a message.
func (Codec) DecodeRequest(body []byte) (*conversation.Request, error) {
	q := &conversation.Request{IncludeUsage: true, Names: names}
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
	case "system":
		q.System = d.content(key)
	case "messages":
		d.Items(key, d.message)
	case "tools":
		d.Items(key, d.tool)
	case "tool_choice":
		d.toolChoice(key)
	case "max_tokens":
		q.MaxTokens = d.Limit(key)
	case "stop_sequences":
		d.Items(key, func(int) { q.Stop = append(q.Stop, d.Str(key)) })
	case "temperature":
		q.Temperature = d.Num(key)
	case "top_p":
		q.TopP = d.Num(key)
	case "top_k":
		q.TopK = d.Num(key)
	case "stream":
		v := d.Flag(key)
		q.Stream = v != nil && *v
	case "metadata":
		d.Each(key, func(k string) {
			if k == "user_id" {
				q.User = d.Str(k)
			} else {
				d.Leave()
			}
		})
	case "thinking":
		d.thinking(key)
	case "output_config":
		d.Each(key, d.output)
	case "output_format":
		d.format(key)
	default:
		if raw := d.Raw(); raw != nil && !idle(key, string(raw)) {
			q.Other = append(q.Other, conversation.Field{Name: key, Value: raw, Vital: key == "container" || key == "mcp_servers"})
		}
	}
}

// idle reports whether a member says what holds without it.
func idle(key, value string) bool {
	switch key {
	case "service_tier":
		return value == `"auto"` || value == `"standard_only"`
	case "mcp_servers":
		return value == "[]"
	}
	return false
}

func (d decoder) thinking(key string) {
	r := &d.into.Reasoning
	d.Each(key, func(k string) {
		switch k {
		case "type":
			switch d.Str(k) {
			case "enabled":
				r.Include = true
			case "adaptive":
				r.Include, r.Budget = true, -1
			case "disabled":
				r.Off = true
			default:
				d.Unsaid("")
			}
		case "budget_tokens":
			r.Budget = d.Count(k)
		default:
			d.Leave()
		}
	})
}

func (d decoder) output(key string) {
	switch key {
	case "effort":
		d.into.Reasoning.Effort, d.into.Names = d.Str(key), effortNames
	case "format":
		d.format(key)
	default:
		if raw := d.Raw(); raw != nil {
			d.into.Other = append(d.into.Other, conversation.Field{Name: "output_config." + key, Value: raw})
		}
	}
}

func (d decoder) format(key string) {
	f := &d.into.Format
	d.Each(key, func(k string) {
		switch k {
		case "type":
			switch s := d.Str(k); s {
			case "":
			case "json_schema":
				f.Kind = conversation.FormatSchema
			default:
				d.Refuse("the provider of this model cannot be told `output_config.format` " + strconv.Quote(s))
			}
		case "schema":
			f.Schema, f.At = d.Raw(), d.At()
		default:
			d.Leave()
		}
	})
}

func (d decoder) tool(i int) {
	at := "tools[" + strconv.Itoa(i) + "]"
	t := conversation.Tool{}
	kind := "custom"
	raw := d.Raw()
	inner := decoder{d.Inner(raw), d.into}
	inner.Each(at, func(k string) {
		switch k {
		case "type":
			if s := inner.Str(k); s != "" {
				kind = s
			}
		case "name":
			t.Name = inner.Str(k)
		case "description":
			t.Description = inner.Str(k)
		case "input_schema":
			t.Parameters = inner.Raw()
		case "strict":
			t.Strict = inner.Flag(k)
		case "cache_control":
			t.Cache = inner.cache()
		case "defer_loading", "eager_input_streaming":
			inner.Leave("false")
		case "allowed_callers":
			inner.Leave(`["direct"]`) // the model itself
		default:
			inner.Leave()
		}
	})
	d.Adopt(inner.Reader)
	if kind != "custom" {
		t = conversation.Tool{Native: &conversation.Foreign{Dialect: llm.Anthropic, Type: kind, Raw: raw}}
	}
	d.into.Tools = append(d.into.Tools, t)
}

func (d decoder) cache() *conversation.Cache {
	if d.Null() {
		return nil
	}
	c := &conversation.Cache{}
	d.Each("cache_control", func(k string) {
		switch k {
		case "type":
			d.Skip()
		case "ttl":
			c.TTL = d.Str(k)
		default:
			d.Leave()
		}
	})
	return c
}

func (d decoder) toolChoice(key string) {
	c := &d.into.ToolChoice
	named := false
	d.Each(key, func(k string) {
		switch k {
		case "type":
			switch s := d.Str(k); s {
			case "auto":
				c.Mode = conversation.ToolAuto
			case "none":
				c.Mode = conversation.ToolNone
			case "any", "tool":
				c.Mode, named = conversation.ToolRequired, s == "tool"
			default:
				d.Refuse("`tool_choice.type` must be auto, any, tool or none")
			}
		case "name":
			c.Names = append(c.Names, d.Str(k))
		case "disable_parallel_tool_use":
			if v := d.Flag(k); v != nil {
				parallel := !*v
				d.into.Parallel = &parallel
			}
		default:
			d.Leave()
		}
	})
	if named && len(c.Names) == 0 {
		d.Refuse("`tool_choice.name` is missing")
	}
}

// message reads message i.
func (d decoder) message(i int) {
	at := "messages[" + strconv.Itoa(i) + "]"
	role := ""
	t := conversation.Turn{At: at}
	d.Each(at, func(k string) {
		switch k {
		case "role":
			role = d.Str(at + ".role")
		case "content":
			t.Parts = d.content(at + ".content")
		default:
			d.Leave()
		}
	})
	switch role {
	case "user":
	case "assistant":
		t.Role = conversation.Assistant
	case "system":
		t.Role = conversation.System
	default:
		d.Refuse("`" + at + ".role` must be user or assistant")
	}
	d.into.Turns = append(d.into.Turns, t)
}

// content reads a string or a list of blocks.
func (d decoder) content(at string) (parts []conversation.Part) {
	if d.Type() == dialect.TypeString {
		if s := d.Str(at); s != "" {
			parts = append(parts, conversation.Part{Kind: conversation.Text, Text: s, At: d.At()})
		}
		return parts
	}
	d.Items(at, func(i int) { parts = append(parts, d.block(at+"["+strconv.Itoa(i)+"]")) })
	return parts
}

// blockFields is what a content block may have, before its type is known.
type blockFields struct {
	kind, text, id, name, title, data, signature string
	input                                        json.RawMessage
	source                                       *conversation.Medium
	parts                                        []conversation.Part
	cache                                        *conversation.Cache
	citations                                    []conversation.Citation
	failed, cited                                bool
	context                                      string
	odd                                          bool // its content is neither words nor blocks
}

// block reads a content block, of a request or of an answer.
func (d decoder) block(at string) conversation.Part {
	before, raw := d.Listed(), d.Raw()
	inner := decoder{d.Inner(raw), d.into}
	var f blockFields
	inner.Each(at, func(k string) { inner.blockMember(at, k, &f) })
	d.Adopt(inner.Reader)
	p := conversation.Part{Cache: f.cache, At: d.At()}
	switch f.kind {
	case "text":
		p.Kind, p.Text, p.Citations = conversation.Text, f.text, f.citations
	case "image", "document":
		p.Kind, p.Media = conversation.Media, f.source
		if p.Media == nil {
			d.Refuse("`" + at + ".source` is missing")
			p.Media = &conversation.Medium{}
		}
		p.Media.Name, p.Media.Named, p.Media.Context, p.Media.Cited = f.title, "title", f.context, f.cited
		if p.Media.Type == "" {
			p.Media.Type = map[string]string{"image": "image/*", "document": "application/pdf"}[f.kind]
		}
	case "tool_use":
		id, sealed := conversation.UnpackID(f.id)
		p.Kind, p.Opaque, p.Call = conversation.ToolCall, sealed, &conversation.Call{ID: id, Name: f.name, Arguments: string(f.input)}
	case "tool_result":
		if f.odd {
			d.Refuse("`" + at + ".content` must be a string or a list of blocks")
		}
		id, _ := conversation.UnpackID(f.id)
		p.Kind, p.Result = conversation.ToolResult, &conversation.Result{ID: id, Parts: f.parts, Error: f.failed}
	case "thinking":
		p.Kind, p.Text, p.Opaque = conversation.Thinking, f.text, conversation.Unseal(f.signature, conversation.VendorAnthropic)
	case "redacted_thinking":
		p.Kind, p.Redacted, p.Opaque = conversation.Thinking, true, conversation.Unseal(f.data, conversation.VendorAnthropic)
	default:
		p.Kind, p.Native = conversation.Native, &conversation.Foreign{Dialect: llm.Anthropic, Type: f.kind, Raw: raw}
		p.At = d.Path()
		d.Unlist(before)
	}
	return p
}

func (d decoder) blockMember(at, key string, f *blockFields) {
	switch key {
	case "type":
		f.kind = d.Str(at + ".type")
	case "text", "thinking":
		f.text = d.Str(at + "." + key)
	case "id", "tool_use_id":
		f.id = d.Str(at + "." + key)
	case "name":
		f.name = d.Str(at + ".name")
	case "title":
		f.title = d.Str(at + ".title")
	case "data":
		f.data = d.Str(at + ".data")
	case "signature":
		f.signature = d.Str(at + ".signature")
	case "input":
		f.input = d.Raw()
	case "is_error":
		v := d.Flag(at + ".is_error")
		f.failed = v != nil && *v
	case "content":
		if d.Type() == dialect.TypeString || d.Type() == dialect.TypeArray {
			f.parts = d.content(at + ".content")
		} else {
			f.odd = d.Type() != dialect.TypeNull
			d.Skip()
		}
	case "source":
		f.source = d.source(at + ".source")
	case "cache_control":
		f.cache = d.cache()
	case "citations":
		if d.Type() != dialect.TypeArray { // of a document: whether they are wanted
			d.wanted(at, f)
			return
		}
		d.Items(at, func(int) { f.citations = append(f.citations, d.citation()) })
	case "context":
		if d.Type() != dialect.TypeString { // of something else than a document
			d.Leave()
			return
		}
		f.context = d.Str(at + ".context")
	case "caller":
		d.Leave(`{"type":"direct"}`) // the model itself
	default:
		d.Leave()
	}
}

// wanted reads whether a document's citations are wanted.
func (d decoder) wanted(at string, f *blockFields) {
	if d.Type() != dialect.TypeObject {
		d.Leave()
		return
	}
	d.Each(at+".citations", func(k string) {
		if k == "enabled" {
			v := d.Flag(at + ".citations.enabled")
			f.cited = v != nil && *v
		} else {
			d.Leave()
		}
	})
}

func (d decoder) source(at string) *conversation.Medium {
	if d.Type() != dialect.TypeObject {
		d.Skip()
		return nil
	}
	m := &conversation.Medium{}
	d.Each(at, func(k string) {
		switch k {
		case "type":
			m.Text = d.Str(at+".type") == "text"
		case "media_type":
			m.Type = d.Str(at + ".media_type")
		case "data":
			m.Data = d.Str(at + ".data")
		case "url":
			m.URL = d.Str(at + ".url")
		case "file_id":
			m.FileID, m.Vendor = d.Str(at+".file_id"), conversation.VendorAnthropic
		case "content":
			m.Text = true
			parts := d.content(at + ".content")
			for i, p := range parts {
				if p.Kind != conversation.Text {
					d.Refuse("the provider of this model cannot be told `" + at + ".content[" + strconv.Itoa(i) + "]`, which is no text")
				}
			}
			m.Data = conversation.Words(parts)
		default:
			d.Leave()
		}
	})
	return m
}

func (d decoder) citation() (c conversation.Citation) {
	c.Vendor, c.Raw = conversation.VendorAnthropic, d.Raw()
	var read struct {
		URL   string `json:"url"`
		Title string `json:"title"`
		Doc   string `json:"document_title"`
		Text  string `json:"cited_text"`
	}
	if json.Unmarshal(c.Raw, &read) == nil {
		c.URL, c.Title, c.Quote = read.URL, read.Title, read.Text
		if c.Title == "" {
			c.Title = read.Doc
		}
	}
	if c.URL == "" {
		c.At = d.Path()
	}
	return c
}
