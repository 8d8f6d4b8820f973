package gemini

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

var _ conversation.Codec = Codec{}

// decoder reads one request into the model. Keys may be written in camel or in snake case; the codec has
// refused a request that does both.
type decoder struct {
	*conversation.Reader
	into *conversation.Request
}

// names are what the dialect calls members of a request that OpenAI's has other names for.
var names = map[string]string{
	"messages": "contents", "tool_choice": "toolConfig.functionCallingConfig",
	"n": "generationConfig.candidateCount", "stop": "generationConfig.stopSequences", "seed": "generationConfig.seed",
	"temperature": "generationConfig.temperature", "top_k": "generationConfig.topK",
	"frequency_penalty": "generationConfig.frequencyPenalty", "presence_penalty": "generationConfig.presencePenalty",
	"logprobs": "generationConfig.responseLogprobs", "top_logprobs": "generationConfig.logprobs",
	"response_format": "generationConfig.responseMimeType", "reasoning_effort": "generationConfig.thinkingConfig",
}

// DecodeRequest reads a request for content. The model and whether it streams stand in the path.
func (Codec) DecodeRequest(body []byte) (*conversation.Request, error) {
	q := &conversation.Request{IncludeUsage: true, Names: names}
	d := decoder{conversation.NewRequestReader(body, q), q}
	d.each("the body", d.member)
	if err := d.End(); err != nil {
		return nil, err
	}
	return d.whole(), nil
}

// whole returns the request once all of it was read.
func (d decoder) whole() *conversation.Request {
	d.into.Join()
	for i := range d.into.Turns {
		d.into.Turns[i].Parts = gathered(d.into.Turns[i].Parts)
	}
	d.into.Complete()
	return d.into
}

// each is Each with the names in camel case.
func (d decoder) each(name string, member func(key string)) {
	d.Each(name, func(key string) { member(camelCase(key)) })
}

// camelCase returns a name in snake case in camel case, and others as they are.
func camelCase(key string) string {
	if !strings.Contains(strings.TrimPrefix(key, "_"), "_") {
		return strings.TrimPrefix(key, "_")
	}
	words := strings.Split(strings.TrimPrefix(key, "_"), "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}

func (d decoder) member(key string) {
	q := d.into
	switch key {
	case "model":
		q.Model = strings.TrimPrefix(d.Str(key), modelPrefix)
	case "systemInstruction":
		q.System = d.contentParts(key)
	case "contents":
		if d.Type() == dialect.TypeObject {
			d.content(key)
			return
		}
		d.Items(key, func(i int) { d.content("contents[" + strconv.Itoa(i) + "]") })
	case "tools":
		d.Items(key, d.tool)
	case "toolConfig":
		d.each(key, func(k string) {
			if k == "functionCallingConfig" {
				d.each(k, d.calling)
			} else {
				d.Leave()
			}
		})
	case "generationConfig":
		d.each(key, d.config)
	default:
		d.other(key, key == "cachedContent")
	}
}

// other keeps a member that the model has no place for.
func (d decoder) other(key string, vital bool) {
	raw := d.Raw()
	if raw != nil && string(raw) != "[]" && string(raw) != "{}" {
		d.into.Other = append(d.into.Other, conversation.Field{Name: key, Value: raw, Vital: vital})
	}
}

func (d decoder) config(key string) {
	q := d.into
	switch key {
	case "temperature":
		q.Temperature = d.Num(key)
	case "topP":
		q.TopP = d.Num(key)
	case "topK":
		q.TopK = d.Num(key)
	case "seed":
		q.Seed = d.Num(key)
	case "presencePenalty":
		q.PresencePenalty = d.Num(key)
	case "frequencyPenalty":
		q.FrequencyPenalty = d.Num(key)
	case "candidateCount":
		if n := d.Count(key); n > 1 {
			q.Choices = n
		}
	case "maxOutputTokens":
		q.MaxTokens = d.Limit(key)
	case "stopSequences":
		d.Items(key, func(int) { q.Stop = append(q.Stop, d.Str(key)) })
	case "responseMimeType":
		if s := d.Str(key); s == "application/json" {
			q.Format.Kind = max(q.Format.Kind, conversation.FormatJSON)
		} else if s != "" && s != "text/plain" {
			d.Refuse("the provider of this model cannot be told `responseMimeType` " + strconv.Quote(s))
		}
	case "responseSchema":
		d.format(d.schema())
	case "responseJsonSchema":
		d.format(d.Raw())
	case "responseLogprobs":
		v := d.Flag(key)
		q.Logprobs = v != nil && *v
	case "logprobs":
		q.TopLogprobs = d.Num(key)
	case "thinkingConfig":
		d.each(key, d.thinking)
	case "responseModalities":
		raw := d.Raw()
		if s := strings.ToUpper(string(raw)); raw != nil && s != `["TEXT"]` {
			q.Other = append(q.Other, conversation.Field{Name: d.At(), Value: raw, Vital: true})
		}
	default:
		d.Leave()
	}
}

// format takes the schema of the answer.
func (d decoder) format(raw json.RawMessage) {
	f := &d.into.Format
	switch {
	case raw == nil:
	case f.Schema != nil:
		d.Refuse("`responseSchema` and `responseJsonSchema` cannot both be said")
	default:
		f.Kind, f.Schema, f.At = conversation.FormatSchema, raw, d.At()
	}
}

func (d decoder) thinking(key string) {
	r := &d.into.Reasoning
	switch key {
	case "thinkingBudget":
		r.Budget = d.Count(key)
		r.Off = r.Budget == 0
	case "thinkingLevel":
		r.Effort = strings.ToLower(d.Str(key))
	case "includeThoughts":
		v := d.Flag(key)
		r.Include = v != nil && *v
	default:
		d.Leave()
	}
}

func (d decoder) calling(key string) {
	c := &d.into.ToolChoice
	switch key {
	case "mode":
		switch s := d.Str(key); strings.ToUpper(s) {
		case "AUTO":
			c.Mode = conversation.ToolAuto
		case "VALIDATED":
			c.Mode = conversation.ToolAuto
			d.Unsaid("") // that calls fit their schemas
		case "NONE":
			c.Mode = conversation.ToolNone
		case "ANY":
			c.Mode = conversation.ToolRequired
		case "", "MODE_UNSPECIFIED":
		default:
			d.Refuse("`functionCallingConfig.mode` must be AUTO, ANY, NONE or VALIDATED")
		}
	case "allowedFunctionNames":
		d.Items(key, func(int) { c.Names = append(c.Names, d.Str(key)) })
	default:
		d.Leave()
	}
}

// tool reads an entry of tools, which may hold many functions and one tool of Google's own.
func (d decoder) tool(i int) {
	d.Each("tools["+strconv.Itoa(i)+"]", func(key string) {
		if camelCase(key) == "functionDeclarations" {
			d.Items(key, func(int) { d.into.Tools = append(d.into.Tools, d.function()) })
			return
		}
		raw := d.Raw()
		if raw == nil {
			return
		}
		raw = append(append([]byte(`{"`+key+`":`), raw...), '}')
		d.into.Tools = append(d.into.Tools, conversation.Tool{Native: &conversation.Foreign{Dialect: llm.Gemini, Type: camelCase(key), Raw: raw}, At: d.At()})
	})
}

func (d decoder) function() (t conversation.Tool) {
	t.At = d.At()
	d.each("functionDeclarations", func(k string) {
		switch k {
		case "name":
			t.Name = d.Str(k)
		case "description":
			t.Description = d.Str(k)
		case "parameters":
			d.parameters(&t, d.schema())
		case "parametersJsonSchema":
			d.parameters(&t, d.Raw())
		case "behavior": // which is how tools of other vendors are called, too
			d.Leave(`"BLOCKING"`, `"UNSPECIFIED"`)
		default:
			d.Leave()
		}
	})
	return t
}

// parameters takes the schema of what a function is called with.
func (d decoder) parameters(t *conversation.Tool, raw json.RawMessage) {
	switch {
	case raw == nil:
	case t.Parameters != nil:
		d.Refuse("`parameters` and `parametersJsonSchema` cannot both be said")
	default:
		t.Parameters = raw
	}
}

// content reads one content of the conversation.
func (d decoder) content(at string) {
	t := conversation.Turn{At: d.At()}
	d.each(at, func(k string) {
		switch k {
		case "role":
			switch s := d.Str(at + ".role"); s {
			case "", "user", "function":
			case "model":
				t.Role = conversation.Assistant
			default:
				d.Refuse("`" + at + ".role` must be user or model")
			}
		case "parts":
			t.Parts = d.parts(at + ".parts")
		default:
			d.Leave()
		}
	})
	d.into.Turns = append(d.into.Turns, t)
}

// contentParts reads a content whose role does not matter, or a bare text.
func (d decoder) contentParts(at string) (parts []conversation.Part) {
	if d.Type() == dialect.TypeString {
		return []conversation.Part{{Kind: conversation.Text, Text: d.Str(at), At: d.At()}}
	}
	d.each(at, func(k string) {
		switch k {
		case "parts":
			parts = d.parts(at + ".parts")
		case "role":
			d.Skip()
		default:
			d.Leave()
		}
	})
	return parts
}

func (d decoder) parts(at string) (parts []conversation.Part) {
	if d.Type() == dialect.TypeObject {
		p := d.part(at)
		p.At = cmp.Or(p.At, d.At())
		return []conversation.Part{p}
	}
	d.Items(at, func(i int) {
		p := d.part(at + "[" + strconv.Itoa(i) + "]")
		p.At = cmp.Or(p.At, d.At())
		parts = append(parts, p)
	})
	return parts
}

// part reads a part of a request or of an answer.
func (d decoder) part(at string) (p conversation.Part) {
	before, raw := d.Listed(), d.Raw()
	inner := decoder{d.Inner(raw), d.into}
	thought, native, unknown := false, "", ""
	inner.each(at, func(k string) {
		switch k {
		case "text":
			p.Text = inner.Str(at + ".text")
		case "thought":
			v := inner.Flag(at + ".thought")
			thought = v != nil && *v
		case "thoughtSignature":
			p.Opaque = conversation.Unseal(inner.Str(k), conversation.VendorGoogle)
		case "inlineData", "fileData":
			p.Kind, p.Media = conversation.Media, inner.data(at, k)
		case "functionCall":
			p.Kind, p.Call = conversation.ToolCall, inner.call(at)
		case "functionResponse":
			p.Kind, p.Result = conversation.ToolResult, inner.response(at)
		case "executableCode", "codeExecutionResult", "toolCall", "toolResponse":
			native = k
			inner.Skip()
		case "videoMetadata", "mediaResolution", "partMetadata":
			inner.Leave()
		default:
			unknown = k
			inner.Leave()
		}
	})
	d.Adopt(inner.Reader)
	if p.Kind == conversation.Text && p.Text == "" && p.Opaque.Value == "" && unknown != "" { // an encoder refuses or drops it by its name
		native = unknown
	}
	switch {
	case native != "":
		d.Unlist(before)
		return conversation.Part{Kind: conversation.Native, Opaque: p.Opaque, Native: &conversation.Foreign{Dialect: llm.Gemini, Type: native, Raw: raw}, At: d.Path()}
	case p.Kind == conversation.Media || p.Kind == conversation.ToolResult:
		p.At = d.Path()
	case p.Kind == conversation.Text && (thought || p.Text == "" && p.Opaque.Value != ""): // state alone comes in a part that is empty
		p.Kind, p.Redacted = conversation.Thinking, p.Text == ""
	}
	if p.Call != nil {
		if id, sealed := conversation.UnpackID(p.Call.ID); sealed.Value != "" {
			p.Call.ID, p.Opaque = id, sealed
		}
	}
	return p
}

func (d decoder) data(at, key string) *conversation.Medium {
	m := &conversation.Medium{}
	d.each(at+"."+key, func(k string) {
		switch k {
		case "mimeType":
			m.Type = d.Str(k)
		case "data":
			m.Data = dialect.Base64(d.Str(k)) // Google's SDK for Python writes base64url
		case "fileUri":
			m.URL = d.Str(k)
		case "displayName":
			m.Name, m.Named = d.Str(k), key+".displayName"
		default:
			d.Leave()
		}
	})
	if strings.HasPrefix(m.URL, "https://generativelanguage.googleapis.com/") || strings.HasPrefix(m.URL, "gs://") {
		m.FileID, m.Vendor, m.URL = m.URL, conversation.VendorGoogle, ""
	}
	return m
}

func (d decoder) call(at string) *conversation.Call {
	c := &conversation.Call{}
	d.each(at+".functionCall", func(k string) {
		switch k {
		case "id":
			c.ID = d.Str(k)
		case "name":
			c.Name = d.Str(k)
		case "args":
			c.Arguments = string(d.Raw())
		default:
			d.Leave()
		}
	})
	if c.Arguments == "" {
		c.Arguments = "{}" // SDKs of other dialects parse it
	}
	return c
}

func (d decoder) response(at string) *conversation.Result {
	r := &conversation.Result{}
	var media []conversation.Part
	d.each(at+".functionResponse", func(k string) {
		switch k {
		case "id":
			r.ID, _ = conversation.UnpackID(d.Str(k))
		case "name":
			r.Name = d.Str(k)
		case "response":
			r.Object = d.Raw()
		case "parts":
			media = d.parts(at + ".functionResponse.parts")
		default:
			d.Leave()
		}
	})
	text := string(r.Object)
	var only map[string]json.RawMessage // {"result": "..."} is how a text is wrapped
	if json.Unmarshal(r.Object, &only) == nil && len(only) == 1 {
		for _, key := range []string{"result", "output", "error"} {
			var s string
			if raw, ok := only[key]; ok && json.Unmarshal(raw, &s) == nil {
				text, r.Object, r.Error = s, nil, key == "error"
			}
		}
	}
	r.Parts = append([]conversation.Part{{Kind: conversation.Text, Text: text}}, media...)
	return r
}
