package openai

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
)

// said is what a message or a delta says, before its role is known.
type said struct {
	role, name, callID string
	parts              []conversation.Part // of content
	thoughts           []conversation.Part // of reasoning_content and reasoning
	details            []conversation.Part // of reasoning_details, which says the same and more
	calls              []conversation.Part
	citations          []conversation.Citation // whose places count the characters of the content
	images             []conversation.Part     // of an answer
	refusal            string
	sealed             conversation.Part // the state of the words, as Google's own OpenAI surface says it of a message
	error              bool
}

// message reads message i.
func (d decoder) message(i int) {
	at := "messages[" + strconv.Itoa(i) + "]"
	var m said
	d.Each(at, func(k string) { d.said(at, k, &m) })
	if m.role != "assistant" && len(m.calls) > 0 {
		d.Unsaid("tool_calls")
	}
	if m.role != "assistant" && m.sealed.Opaque.Value != "" {
		d.Unsaid(strings.TrimPrefix(m.sealed.At, at+"."))
	}
	q := d.into
	before := len(q.Turns)
	switch m.role {
	case "system", "developer":
		if len(q.Turns) == 0 {
			q.System = append(q.System, m.parts...)
			if m.name != "" {
				d.Unsaid("name")
			}
			return
		}
		q.Turns = append(q.Turns, conversation.Turn{Role: conversation.System, Name: m.name, Parts: m.parts})
	case "user":
		q.Turns = append(q.Turns, conversation.Turn{Role: conversation.User, Name: m.name, Parts: m.parts})
	case "assistant":
		if len(m.images) > 0 {
			q.Other = append(q.Other, conversation.Field{Name: at + ".images"})
		}
		m.images = nil
		q.Turns = append(q.Turns, conversation.Turn{Role: conversation.Assistant, Name: m.name, Parts: m.all()})
	case "tool", "function":
		r := &conversation.Result{Parts: m.parts, Error: m.error}
		if r.ID, _ = conversation.UnpackID(m.callID); m.role == "function" || m.callID == "" {
			r.Name = m.name
		}
		q.Turns = append(q.Turns, conversation.Turn{Role: conversation.User, Parts: []conversation.Part{{Kind: conversation.ToolResult, Result: r, At: at}}})
	default:
		d.Refuse("`" + at + ".role` must be system, developer, user, assistant or tool")
		return
	}
	q.Turns[before].At = at
}

// all returns the parts of an assistant's message in the order in which a model writes them.
func (m *said) all() []conversation.Part {
	parts := m.details
	if len(parts) == 0 {
		parts = m.thoughts
	}
	m.citations = conversation.Bounded(m.citations)
	if len(m.citations) > 0 {
		ruler := conversation.NewRuler(conversation.Words(m.parts))
		for i := range m.citations {
			m.citations[i].InBytes(ruler)
		}
		conversation.Cite(m.parts, m.citations)
	}
	parts = append(parts, m.parts...)
	parts = append(parts, m.images...)
	if m.refusal != "" {
		parts = append(parts, conversation.Part{Kind: conversation.Refusal, Text: m.refusal})
	}
	if m.sealed.Opaque.Value != "" {
		parts = append(parts, m.sealed)
	}
	return append(parts, m.calls...)
}

// said reads one member of a message.
func (d decoder) said(at, key string, m *said) {
	switch key {
	case "role":
		m.role = d.Str(at + ".role")
	case "name":
		m.name = d.Str(at + ".name")
	case "tool_call_id":
		m.callID = d.Str(at + ".tool_call_id")
	case "content":
		m.parts = append(m.parts, d.content(at+".content")...)
	case "refusal":
		m.refusal = d.Str(at + ".refusal")
	case "reasoning_content", "reasoning":
		if d.Type() != dialect.TypeString {
			d.Leave()
		} else if s := d.Str(key); s != "" && len(m.thoughts) == 0 {
			m.thoughts = append(m.thoughts, conversation.Part{Kind: conversation.Thinking, Text: s, At: d.At()})
		}
	case "reasoning_details":
		d.Items(key, func(int) { m.details = append(m.details, d.detail()) })
	case "tool_calls":
		d.Items(at+".tool_calls", func(int) { m.calls = append(m.calls, d.call()) })
	case "function_call":
		if !d.Null() {
			m.calls = append(m.calls, d.call())
		}
	case "extra_content", "thought_signature": // which say the same
		if m.sealed.Opaque.Value == "" {
			m.sealed = conversation.Part{Kind: conversation.Thinking, Redacted: true, At: d.At()}
		}
		d.signature(&m.sealed, key)
	case "annotations":
		d.annotations(m)
	case "images":
		d.images(m)
	case "audio":
		if !d.Null() {
			d.Skip()
			d.Refuse("the provider of this model cannot be told `" + at + ".audio`")
		}
	default:
		d.Leave()
	}
}

// content reads a string or a list of parts.
func (d decoder) content(at string) (parts []conversation.Part) {
	if d.Type() != dialect.TypeArray {
		if s := d.Str(at); s != "" {
			parts = append(parts, conversation.Part{Kind: conversation.Text, Text: s, At: d.At()})
		}
		return parts
	}
	d.Items(at, func(i int) {
		if d.Type() == dialect.TypeString {
			parts = append(parts, conversation.Part{Kind: conversation.Text, Text: d.Str(at), At: d.At()})
			return
		}
		p, kind := d.part(at + "[" + strconv.Itoa(i) + "]")
		if kind == "reference" { // Mistral's, to what a tool found: it has no words
			d.Unsaid("")
			return
		}
		if p.At = d.At(); p.Kind == conversation.Native {
			p.At = d.Path()
		}
		parts = append(parts, p)
	})
	return parts
}

func (d decoder) part(at string) (p conversation.Part, kind string) {
	before := d.Listed()
	d.Each(at, func(k string) {
		switch k {
		case "type":
			kind = d.Str(at + ".type")
		case "text":
			p.Text = d.Str(at + ".text")
		case "refusal":
			p.Kind, p.Text = conversation.Refusal, d.Str(at+".refusal")
		case "thinking":
			p.Kind, p.Text = conversation.Thinking, conversation.Words(d.content(at+".thinking"))
		case "image_url", "video_url", "audio_url", "document_url":
			p.Kind, p.Media = conversation.Media, d.url(at, k)
		case "input_audio":
			p.Kind, p.Media = conversation.Media, d.audio(at)
		case "file":
			p.Kind, p.Media = conversation.Media, d.file(at)
		case "cache_control":
			p.Cache = d.cache()
		case "reference_ids", "closed": // of a reference, which is left out as a whole; of thoughts that end, as all do
			d.Skip()
		default:
			d.Leave()
		}
	})
	switch kind {
	case "text", "refusal", "thinking", "image_url", "video_url", "audio_url", "document_url", "input_audio", "file", "reference":
	default:
		if d.OfAnswer() {
			d.Unlist(before)
			return conversation.Part{Kind: conversation.Native, Native: &conversation.Foreign{Type: kind}}, kind
		}
		d.Refuse("`" + at + ".type` is " + strconv.Quote(kind) + ", which the provider of this model cannot be told")
	}
	return p, kind
}

// url reads the URL of a medium, which may be the data itself.
func (d decoder) url(at, kind string) *conversation.Medium {
	m := &conversation.Medium{}
	if d.Type() == dialect.TypeString {
		m.URL = d.Str(at + "." + kind)
	} else {
		d.Each(at+"."+kind, func(k string) {
			switch k {
			case "url":
				m.URL = d.Str(at + "." + kind + ".url")
			case "detail":
				m.Detail, m.Detailed = d.Str(k), "image_url.detail"
			default:
				d.Leave()
			}
		})
	}
	if m.Type = strings.TrimSuffix(kind, "_url") + "/*"; kind == "document_url" { // Mistral's
		m.Type = "application/pdf"
	}
	splitData(m)
	return m
}

// splitData takes a data URL apart (RFC 2397).
func splitData(m *conversation.Medium) {
	head, data, ok := strings.Cut(m.URL, ",")
	if !ok || !strings.HasPrefix(head, "data:") {
		return
	}
	kind, encoded := strings.CutSuffix(strings.TrimPrefix(head, "data:"), ";base64")
	if !encoded {
		return
	}
	if kind, _, _ = strings.Cut(kind, ";"); kind != "" {
		m.Type = kind
	}
	m.URL, m.Data = "", data
}

func (d decoder) audio(at string) *conversation.Medium {
	m := &conversation.Medium{}
	d.Each(at+".input_audio", func(k string) {
		switch k {
		case "data":
			m.Data = d.Str(k)
		case "format":
			m.Format = d.Str(k)
		default:
			d.Leave()
		}
	})
	if m.Type = "audio/" + m.Format; m.Format == "mp3" {
		m.Type = "audio/mpeg"
	}
	return m
}

func (d decoder) file(at string) *conversation.Medium {
	m := &conversation.Medium{}
	d.Each(at+".file", func(k string) {
		switch k {
		case "file_data":
			m.URL = d.Str(k)
		case "file_id":
			m.FileID, m.Vendor = d.Str(k), conversation.VendorOpenAI
		case "filename":
			m.Name, m.Named = d.Str(k), "file.filename"
		default:
			d.Leave()
		}
	})
	if splitData(m); m.Data == "" && m.URL != "" && !strings.Contains(m.URL, ":") {
		m.Data, m.URL = m.URL, ""
	}
	if m.Type == "" && strings.HasSuffix(strings.ToLower(m.Name), ".pdf") {
		m.Type = "application/pdf"
	}
	return m
}

// call reads a tool call, or the function_call that came before there were tools.
func (d decoder) call() conversation.Part {
	p := conversation.Part{Kind: conversation.ToolCall, Call: &conversation.Call{}, At: d.At()}
	d.callMembers(&p)
	p.Call.ID, p.Opaque = unpacked(&p)
	return p
}

func (d decoder) callMembers(p *conversation.Part) {
	d.Each("tool_calls", func(k string) { d.callMember(p, k) })
}

func (d decoder) callMember(p *conversation.Part, key string) {
	switch key {
	case "id":
		p.Call.ID = d.Str(key)
	case "name":
		p.Call.Name = d.Str(key)
	case "arguments", "input":
		p.Call.Custom = key == "input"
		if d.Type() == dialect.TypeObject { // from a server that does not write it as text
			p.Call.Arguments = string(d.Raw())
		} else {
			p.Call.Arguments = d.Str(key)
		}
	case "function", "custom":
		d.callMembers(p)
	case "extra_content":
		d.signature(p, key)
	case "type", "index": // as a stream's are, which clients put together
		d.Skip()
	default:
		d.Leave()
	}
}

// signature reads extra_content.google.thought_signature, as Google's own OpenAI surface writes it.
func (d decoder) signature(p *conversation.Part, key string) {
	switch {
	case (key == "extra_content" || key == "google") && d.Type() == dialect.TypeObject:
		d.Each(key, func(k string) { d.signature(p, k) })
	case key == "thought_signature" && d.Type() == dialect.TypeString:
		p.Opaque = conversation.Opaque{Vendor: conversation.VendorGoogle, Value: d.Str(key)}
	default:
		d.Leave()
	}
}

// formats are what reasoning_details calls the vendors (OpenRouter's documentation, "Reasoning tokens").
var formats = map[string]string{
	conversation.VendorAnthropic: "anthropic-claude-v1", conversation.VendorGoogle: "google-gemini-v1", conversation.VendorOpenAI: "openai-responses-v1",
}

// sums reports whether the words of a format are summaries, which nothing seals: those of models behind Responses.
func sums(format string) bool { return strings.HasSuffix(format, "responses-v1") }

func vendorOf(format string) string {
	for vendor, f := range formats {
		if f == format {
			return vendor
		}
	}
	return format
}

// detail reads an item of reasoning_details.
func (d decoder) detail() conversation.Part {
	p := conversation.Part{Kind: conversation.Thinking, At: d.At()}
	var format string
	var said []string
	d.Each("reasoning_details", func(k string) {
		switch k {
		case "text", "summary":
			said = append(said, d.Str(k))
		case "signature", "data":
			p.Redacted = k == "data"
			p.Opaque.Value = d.Str(k)
		case "id":
			p.Opaque.ID = d.Str(k)
		case "format":
			format = d.Str(k)
		case "type", "index":
			d.Skip()
		default:
			d.Leave()
		}
	})
	p.Text = strings.Join(said, "")
	if p.Opaque.Vendor = vendorOf(format); p.Opaque.Value == "" && p.Opaque.ID == "" {
		p.Opaque = conversation.Opaque{}
	}
	return p
}

// images reads the images of an answer, as OpenRouter and others have them: a list of parts beside the content.
func (d decoder) images(m *said) {
	d.Items("images", func(int) {
		var p conversation.Part
		d.Each("images", func(k string) {
			if k == "image_url" {
				p.Kind, p.Media = conversation.Media, d.url("images", k)
			} else {
				d.Skip()
			}
		})
		if p.Media != nil && p.Media.URL+p.Media.Data != "" {
			m.images = append(m.images, p)
		}
	})
}

// annotations reads the citations of the message's text.
func (d decoder) annotations(m *said) {
	d.Items("annotations", func(int) {
		var c conversation.Citation
		raw := d.Raw()
		var a struct {
			Citation struct {
				URL   string `json:"url"`
				Title string `json:"title"`
				Start int    `json:"start_index"`
				End   int    `json:"end_index"`
			} `json:"url_citation"`
		}
		json.Unmarshal(raw, &a)   // what has another type is not said
		if a.Citation.URL == "" { // of a file: nobody else has one
			d.Unsaid("")
			return
		}
		c.URL, c.Title, c.Start, c.End, c.Raw, c.Vendor = a.Citation.URL, a.Citation.Title, a.Citation.Start, a.Citation.End, raw, conversation.VendorOpenAI
		m.citations = append(m.citations, c)
	})
}
