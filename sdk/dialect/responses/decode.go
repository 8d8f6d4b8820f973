package responses

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

var _ conversation.Codec = Codec{}

// decoder reads one request into the model.
type decoder struct {
	*conversation.Reader
	into     *conversation.Request
	logprobs *conversation.LogprobPieces // of an answer's words
}

// names are what the dialect calls members of a request that Chat Completions has other names for.
var names = map[string]string{
	"messages": "input", "reasoning_effort": "reasoning.effort", "logprobs": "include", "verbosity": "text.verbosity",
	"response_format": "text.format", "response_format.description": "text.format.description",
}

// DecodeRequest reads a request for a response.
func (Codec) DecodeRequest(body []byte) (*conversation.Request, error) {
	q := &conversation.Request{IncludeUsage: true, Names: names}
	d := decoder{Reader: conversation.NewRequestReader(body, q), into: q}
	d.Each("the body", d.member)
	if err := d.End(); err != nil {
		return nil, err
	}
	for len(q.Turns) > 0 && q.Turns[0].Role == conversation.System { // input may stand before instructions
		q.System = append(q.System, q.Turns[0].Parts...)
		q.Turns = q.Turns[1:]
	}
	q.Join()
	q.Complete()
	return q, nil
}

func (d decoder) member(key string) {
	q := d.into
	switch key {
	case "model":
		q.Model = d.Str(key)
	case "instructions":
		if s := d.Str(key); s != "" {
			q.System = append([]conversation.Part{{Kind: conversation.Text, Text: s, At: key}}, q.System...)
		}
	case "input":
		if d.Type() == dialect.TypeString {
			d.say(key, conversation.User, conversation.Part{Kind: conversation.Text, Text: d.Str(key), At: key})
			return
		}
		d.Items(key, d.item)
	case "tools":
		d.Items(key, d.tool)
	case "tool_choice":
		d.toolChoice(key)
	case "text":
		d.Each(key, func(k string) {
			if k == "format" {
				d.format(k)
			} else {
				d.other("text."+k, false)
			}
		})
	case "reasoning":
		d.Each(key, d.reasoning)
	case "include":
		d.Items(key, func(int) {
			switch s := d.Str(key); s {
			case "message.output_text.logprobs":
				q.Logprobs = true
			case "reasoning.encrypted_content":
			default:
				q.Other = append(q.Other, conversation.Field{Name: "include", Value: json.RawMessage(strconv.Quote(s))})
			}
		})
	default:
		d.limit(key)
	}
}

func (d decoder) limit(key string) {
	q := d.into
	switch key {
	case "max_output_tokens":
		q.MaxTokens = d.Limit(key)
	case "temperature":
		q.Temperature = d.Num(key)
	case "top_p":
		q.TopP = d.Num(key)
	case "top_logprobs":
		q.TopLogprobs = d.Num(key)
	case "parallel_tool_calls":
		q.Parallel = d.Flag(key)
	case "stream":
		v := d.Flag(key)
		q.Stream = v != nil && *v
	case "user", "safety_identifier":
		if s := d.Str(key); q.User == "" {
			q.User = s
		} else if s != "" && s != q.User {
			d.Unsaid("")
		}
	case "prompt_cache_key":
		q.CacheKey = d.Str(key)
	case "store":
		v := d.Flag(key)
		q.Store = v != nil && *v
	case "previous_response_id", "conversation", "prompt":
		d.other(key, true)
	default:
		d.other(key, false)
	}
}

// other keeps a member that the model has no place for, unless it says what holds without it.
func (d decoder) other(key string, vital bool) {
	raw := d.Raw()
	switch value := string(raw); {
	case raw == nil, value == "{}", value == "[]":
	case key == "stream_options": // a stream that is translated has nothing obfuscated, which is all they know
	case key == "background" && value == "false":
	case key == "truncation" && value == `"disabled"`:
	case key == "service_tier" && (value == `"auto"` || value == `"default"`):
	case key == "text.verbosity":
		d.into.Shared = append(d.into.Shared, conversation.Field{Name: "verbosity", Value: raw})
	case conversation.IsShared(key):
		d.into.Shared = append(d.into.Shared, conversation.Field{Name: key, Value: raw})
	default:
		d.into.Other = append(d.into.Other, conversation.Field{Name: key, Value: raw, Vital: vital || key == "background"})
	}
}

func (d decoder) reasoning(key string) {
	r := &d.into.Reasoning
	switch key {
	case "effort":
		r.Effort = d.Str(key)
		r.Off = r.Effort == "none"
	case "summary":
		r.Summary = d.Str(key)
		r.Include = r.Summary != ""
	default:
		d.Leave()
	}
}

func (d decoder) format(key string) {
	f := &d.into.Format
	d.Each(key, func(k string) {
		switch k {
		case "type":
			switch s := d.Str(k); s {
			case "", "text":
			case "json_object":
				f.Kind = conversation.FormatJSON
			case "json_schema":
				f.Kind = conversation.FormatSchema
			default:
				d.Refuse("the provider of this model cannot be told `text.format` " + strconv.Quote(s))
			}
		case "name":
			f.Name = d.Str(k)
		case "description":
			f.Description = d.Str(k)
		case "schema":
			f.Schema, f.At = d.Raw(), d.At()
		case "strict":
			f.Strict = d.Flag(k)
		default:
			d.Leave()
		}
	})
}

func (d decoder) tool(i int) {
	at := "tools[" + strconv.Itoa(i) + "]"
	raw := d.Raw()
	inner := decoder{d.Inner(raw), d.into, d.logprobs}
	t, kind := conversation.Tool{}, ""
	inner.Each(at, func(k string) {
		switch k {
		case "type":
			kind = inner.Str(k)
		case "name":
			t.Name = inner.Str(k)
		case "description":
			t.Description = inner.Str(k)
		case "parameters":
			t.Parameters = inner.Raw()
		case "strict":
			t.Strict = inner.Flag(k)
		case "defer_loading":
			inner.Leave("false")
		default:
			inner.Leave()
		}
	})
	d.Adopt(inner.Reader)
	if kind != "function" {
		t = conversation.Tool{Native: &conversation.Foreign{Dialect: llm.Responses, Type: kind, Raw: raw}}
	}
	d.into.Tools = append(d.into.Tools, t)
}

func (d decoder) toolChoice(key string) {
	c := &d.into.ToolChoice
	if d.Type() == dialect.TypeObject {
		c.Mode = conversation.ToolRequired
		d.named(key)
		return
	}
	switch s := d.Str(key); s {
	case "":
	case "auto":
		c.Mode = conversation.ToolAuto
	case "none":
		c.Mode = conversation.ToolNone
	case "required":
		c.Mode = conversation.ToolRequired
	default:
		d.Refuse("`tool_choice` must be auto, none, required or name a function")
	}
}

// named reads an object that names a tool, or several.
func (d decoder) named(key string) {
	c := &d.into.ToolChoice
	kind, before := "", len(c.Names)
	d.Each(key, func(k string) {
		switch k {
		case "type":
			kind = d.Str(k)
		case "mode":
			if d.Str(k) == "auto" {
				c.Mode = conversation.ToolAuto
			}
		case "name":
			c.Names = append(c.Names, d.Str(k))
		case "tools":
			d.Items(k, func(int) { d.named(k) })
		default:
			d.Leave()
		}
	})
	switch kind {
	case "auto": // as some editors write the word alone
		c.Mode = conversation.ToolAuto
	case "none":
		c.Mode = conversation.ToolNone
	case "required":
		c.Mode = conversation.ToolRequired
	case "", "function", "custom", "allowed_tools":
		if len(c.Names) == before {
			d.Refuse("`" + d.At() + "` names no function")
		}
	default: // a tool of the vendor's own
		c.Names = append(c.Names, kind)
	}
}

// say adds parts to the conversation that stand at a place of the request.
func (d decoder) say(at string, role conversation.Role, parts ...conversation.Part) {
	d.into.Turns = append(d.into.Turns, conversation.Turn{Role: role, Parts: parts, At: at})
}

// fields is what an item may have, before its type is known.
type fields struct {
	kind, role, id, callID, name, arguments, encrypted string
	thoughts                                           []string
	parts, output                                      []conversation.Part
	odd                                                bool // its output is neither a text nor parts
}

// item reads an item of the input.
func (d decoder) item(i int) {
	at := "input[" + strconv.Itoa(i) + "]"
	if d.Type() != dialect.TypeObject {
		d.Refuse("`" + at + "` must be an object")
		return
	}
	raw, f := d.fields(at)
	if f.kind == "message" || f.kind == "" {
		role, ok := map[string]conversation.Role{"user": conversation.User, "assistant": conversation.Assistant, "system": conversation.System, "developer": conversation.System}[f.role]
		if !ok {
			d.Refuse("`" + at + ".role` must be user, assistant, system or developer")
		}
		d.say(at, role, f.parts...)
		return
	}
	if f.kind == "item_reference" {
		d.Refuse("the provider of this model cannot be told `" + at + "`: it refers to something that is stored elsewhere")
		return
	}
	if p, role, ok := f.part(); ok {
		if f.odd && p.Kind == conversation.ToolResult {
			d.Refuse("`" + at + ".output` must be a string or a list of parts")
		}
		p.At = at
		d.say(at, role, p)
		return
	}
	d.say(at, conversation.Assistant, conversation.Part{Kind: conversation.Native, Native: &conversation.Foreign{Dialect: llm.Responses, Type: f.kind, Raw: raw}, At: at})
}

// part returns what an item other than a message says.
func (f *fields) part() (p conversation.Part, role conversation.Role, ok bool) {
	id, sealed := conversation.UnpackID(f.callID)
	switch f.kind {
	case "function_call", "custom_tool_call":
		return conversation.Part{
			Kind: conversation.ToolCall, Opaque: sealed,
			Call: &conversation.Call{ID: id, Name: f.name, Arguments: f.arguments, Custom: f.kind == "custom_tool_call"},
		}, conversation.Assistant, true
	case "function_call_output", "custom_tool_call_output":
		return conversation.Part{Kind: conversation.ToolResult, Result: &conversation.Result{ID: id, Parts: f.output}}, conversation.User, true
	case "reasoning":
		o := conversation.Unseal(f.encrypted, conversation.VendorOpenAI)
		if o.Value != "" && o.Vendor == conversation.VendorOpenAI && o.ID == "" {
			o.ID = f.id
		}
		text := strings.Join(f.thoughts, "\n\n")
		return conversation.Part{Kind: conversation.Thinking, Text: text, Redacted: text == "", Opaque: o}, conversation.Assistant, true
	}
	return p, role, false
}

// fields reads an item, of the input or of an answer.
func (d decoder) fields(at string) (raw json.RawMessage, f fields) {
	raw = d.Raw()
	inner := decoder{d.Inner(raw), d.into, d.logprobs}
	inner.Each(at, func(k string) { inner.field(at, k, &f) })
	d.Adopt(inner.Reader)
	return raw, f
}

func (d decoder) field(at, key string, f *fields) {
	switch key {
	case "type":
		f.kind = d.Str(at + ".type")
	case "role":
		f.role = d.Str(at + ".role")
	case "id":
		f.id = d.Str(at + ".id")
	case "call_id":
		f.callID = d.Str(at + ".call_id")
	case "name":
		f.name = d.Str(at + ".name")
	case "arguments", "input":
		f.arguments = d.Str(at + "." + key)
	case "encrypted_content":
		f.encrypted = d.Str(at + "." + key)
	case "summary":
		d.thoughts(key, f)
	case "content":
		d.contentOf(at, f)
	case "output":
		if t := d.Type(); t == dialect.TypeString || t == dialect.TypeArray {
			f.output = d.content(at + ".output")
		} else {
			f.odd = t != dialect.TypeNull
			d.Skip()
		}
	case "status": // of an answer that is said again
		d.Skip()
	default:
		d.Leave()
	}
}

// contentOf reads a message's content or a reasoning's, whose parts have a type of their own.
func (d decoder) contentOf(at string, f *fields) {
	for _, p := range d.content(at + ".content") {
		if p.Kind == conversation.Thinking {
			f.thoughts = append(f.thoughts, p.Text)
		} else {
			f.parts = append(f.parts, p)
		}
	}
}

func (d decoder) thoughts(key string, f *fields) {
	d.Items(key, func(int) {
		d.Each(key, func(k string) {
			if k == "text" {
				f.thoughts = append(f.thoughts, d.Str(k))
			} else if k == "type" {
				d.Skip()
			} else {
				d.Leave()
			}
		})
	})
}

// content reads a string or a list of parts.
func (d decoder) content(at string) (parts []conversation.Part) {
	if d.Type() == dialect.TypeString {
		if s := d.Str(at); s != "" {
			parts = append(parts, conversation.Part{Kind: conversation.Text, Text: s, At: d.At()})
		}
		return parts
	}
	d.Items(at, func(i int) { parts = append(parts, d.part(at+"["+strconv.Itoa(i)+"]")) })
	return parts
}

func (d decoder) part(at string) (p conversation.Part) {
	kind, before := "", d.Listed()
	m := &conversation.Medium{Named: "filename"}
	p.At = d.At()
	d.Each(at, func(k string) {
		switch k {
		case "type":
			kind = d.Str(at + ".type")
		case "text", "refusal", "transcript":
			p.Text = d.Str(at + "." + k)
		case "image_url", "file_url":
			m.URL = d.Str(at + "." + k)
		case "file_data":
			m.Data = d.Str(at + "." + k)
		case "file_id":
			if m.FileID = d.Str(at + ".file_id"); m.FileID != "" {
				m.Vendor = conversation.VendorOpenAI
			}
		case "filename":
			m.Name = d.Str(at + ".filename")
		case "detail":
			m.Detail = d.Str(at + ".detail")
		case "annotations":
			p.Citations = d.annotations(at)
		case "logprobs":
			raw := d.Raw()
			if d.logprobs != nil { // else of an answer that is said again
				d.logprobs.Add(conversation.LogprobsOf(raw))
			}
		default:
			d.Leave()
		}
	})
	if len(p.Citations) > 0 {
		ruler := conversation.NewRuler(p.Text)
		for i := range p.Citations {
			p.Citations[i].InBytes(ruler)
		}
	}
	switch kind {
	case "input_text", "output_text", "text", "summary_text":
	case "reasoning_text":
		p.Kind = conversation.Thinking
	case "refusal":
		p.Kind = conversation.Refusal
	case "input_image", "input_file":
		p.Kind, p.Media = conversation.Media, m
		if kind == "input_image" {
			m.Type = "image/*"
		}
		splitData(m)
	default:
		if d.OfAnswer() && kind != "" {
			if kind != "output_audio" || p.Text == "" { // whose words have a place
				d.Unlist(before)
				p = conversation.Part{Kind: conversation.Native, Native: &conversation.Foreign{Type: kind}, At: d.Path()}
			}
			return p
		}
		d.Refuse("`" + at + ".type` is " + strconv.Quote(kind) + ", which the provider of this model cannot be told")
	}
	return p
}

// splitData takes a data URL apart (RFC 2397), which stands in one of two members.
func splitData(m *conversation.Medium) {
	url := m.URL
	if url == "" {
		url = m.Data
	}
	head, data, ok := strings.Cut(url, ",")
	if kind, encoded := strings.CutSuffix(head, ";base64"); ok && encoded && strings.HasPrefix(kind, "data:") {
		m.URL, m.Data = "", data
		if kind, _, _ = strings.Cut(strings.TrimPrefix(kind, "data:"), ";"); kind != "" {
			m.Type = kind
		}
	}
	if m.Type == "" && strings.HasSuffix(strings.ToLower(m.Name), ".pdf") {
		m.Type = "application/pdf"
	}
}

func (d decoder) annotations(at string) (all []conversation.Citation) {
	d.Items(at+".annotations", func(int) {
		if c := citationOf(d.Raw()); c.URL != "" {
			all = append(all, c)
		} else {
			d.Unsaid("")
		}
	})
	return conversation.Bounded(all)
}

// citationOf reads an annotation, whose places count the characters of its text.
func citationOf(raw json.RawMessage) conversation.Citation {
	c := conversation.Citation{Vendor: conversation.VendorOpenAI, Raw: raw}
	var read struct {
		URL   string `json:"url"`
		Title string `json:"title"`
		Start int    `json:"start_index"`
		End   int    `json:"end_index"`
	}
	json.Unmarshal(raw, &read) // what has another type is not said
	c.URL, c.Title, c.Start, c.End = read.URL, read.Title, read.Start, read.End
	return c
}
