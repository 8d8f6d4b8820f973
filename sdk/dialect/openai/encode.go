package openai

import (
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// mostStops is the number of stop sequences that the API takes.
const mostStops = 4

// encoder writes one request.
type encoder struct {
	dialect.Writer
	q      *conversation.Request
	limits conversation.Limits
	lost   conversation.Lost
	err    error // the first thing that cannot be said
}

// Head returns nothing: the body says all.
func (Codec) Head(bool) (query string, h llm.Header) { return "", nil }

// EncodeRequest writes a chat request.
func (Codec) EncodeRequest(q *conversation.Request, l conversation.Limits) ([]byte, []conversation.Loss, error) {
	e := &encoder{q: q, limits: l}
	e.Object()
	e.Key("model")
	e.String(q.Model)
	e.Key("messages")
	e.Array()
	e.instructions(q.System)
	if len(q.System)+len(q.Turns) == 0 {
		e.fail(q.Silent())
	}
	for i := range q.Turns {
		e.turn(i, &q.Turns[i])
	}
	e.EndArray()
	e.tools()
	e.bounds()
	e.wishes()
	if err := e.lost.Others(q); err != nil && e.err == nil {
		e.err = err
	}
	e.EndObject()
	if e.err != nil {
		return nil, nil, e.err
	}
	return e.Buf, e.lost, nil
}

func (e *encoder) refuse(field string) { e.fail(e.q.Unsupported(field)) }

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// number writes a number that the client gave.
func (e *encoder) number(name string, n conversation.Number) { e.Member(name, []byte(n)) }

func (e *encoder) flag(name string, v *bool) {
	if v != nil {
		e.Key(name)
		e.Bool(*v)
	}
}

func (e *encoder) bounds() {
	q := e.q
	field := e.limits.MaxTokensField
	if field == "" {
		field = "max_completion_tokens"
	}
	e.Count(field, q.MaxTokens)
	if n := len(q.Stop); n > mostStops {
		e.fail(e.q.TooMany("stop", mostStops))
	} else if n > 0 {
		e.Key("stop")
		e.Strings(q.Stop)
	}
	e.number("temperature", q.Temperature)
	e.number("top_p", q.TopP)
	e.number("frequency_penalty", q.FrequencyPenalty)
	e.number("presence_penalty", q.PresencePenalty)
	e.number("seed", q.Seed)
	if q.TopK != "" {
		e.lost.Drop("top_k", "OpenAI's dialect has no such limit")
	}
	if q.Choices > 1 {
		e.Count("n", q.Choices)
	}
	if q.Logprobs {
		e.Key("logprobs")
		e.Bool(true)
		e.number("top_logprobs", q.TopLogprobs)
	}
	e.lost.Alternatives(q)
}

func (e *encoder) wishes() {
	q := e.q
	e.format()
	if effort := effortOf(q.Reasoning); effort != "" {
		e.Key("reasoning_effort")
		e.String(effort)
	}
	e.lost.Summary(&q.Reasoning, false)
	e.Text("user", q.User)
	e.Text("prompt_cache_key", q.CacheKey)
	if q.Store {
		e.Key("store")
		e.Bool(true)
	}
	for _, f := range q.Shared {
		if f.Name == "metadata" && !q.Store {
			e.lost.Drop(f.Name, "a chat has some only where it is kept")
			continue
		}
		e.Member(f.Name, f.Value)
	}
	if q.Stream {
		e.Key("stream")
		e.Bool(true)
		e.Key("stream_options") // for the meter; a client that did not ask does not see it
		e.Raw([]byte(`{"include_usage":true}`))
	}
}

// effortOf returns a word for how much to think; a budget becomes the word whose usual budget is next.
func effortOf(r conversation.Reasoning) string {
	switch {
	case r.Off:
		return "none"
	case r.Effort != "":
		return r.Effort
	case r.Budget == 0, r.Budget < 0:
		return ""
	case r.Budget <= 1024:
		return "low"
	case r.Budget <= 8192:
		return "medium"
	}
	return "high"
}

func (e *encoder) format() {
	f := &e.q.Format
	switch f.Kind {
	case conversation.FormatDefault, conversation.FormatText:
		return
	case conversation.FormatJSON:
		e.Key("response_format")
		e.Raw([]byte(`{"type":"json_object"}`))
		return
	}
	e.Key("response_format")
	e.Object()
	e.Text("type", "json_schema")
	e.Key("json_schema")
	e.Object()
	name := f.Name
	if name == "" {
		name = "answer"
	}
	e.Text("name", name)
	e.Text("description", f.Description)
	e.Member("schema", f.Schema)
	e.flag("strict", f.Strict)
	e.EndObject()
	e.EndObject()
}

func (e *encoder) tools() {
	q := e.q
	if len(q.Tools) > 0 {
		e.Key("tools")
		e.Array()
		for i := range q.Tools {
			e.tool(i, &q.Tools[i])
		}
		e.EndArray()
	}
	if c := q.ToolChoice; c.Mode != conversation.ToolDefault {
		e.Key("tool_choice")
		e.toolChoice(c)
	}
	if len(q.Tools) > 0 {
		e.flag("parallel_tool_calls", q.Parallel)
	}
}

func (e *encoder) tool(i int, t *conversation.Tool) {
	if t.Native != nil {
		if t.Native.Dialect == (Codec{}).Name() {
			e.Raw(t.Native.Raw)
			return
		}
		e.refuse(t.Where(i) + " (" + t.Native.Type + ")")
		return
	}
	e.Object()
	e.Text("type", "function")
	e.Key("function")
	e.Object()
	e.Text("name", t.Name)
	e.Text("description", t.Description)
	e.Member("parameters", t.Parameters)
	e.flag("strict", t.Strict)
	e.EndObject()
	e.EndObject()
	if t.Cache != nil {
		e.lost.Drop(t.Where(i)+".cache_control", "OpenAI caches by itself")
	}
}

func (e *encoder) toolChoice(c conversation.ToolChoice) {
	word := map[conversation.ToolMode]string{conversation.ToolAuto: "auto", conversation.ToolNone: "none", conversation.ToolRequired: "required"}[c.Mode]
	switch {
	case len(c.Names) == 0 || c.Mode == conversation.ToolNone:
		e.String(word)
	case len(c.Names) == 1 && c.Mode == conversation.ToolRequired:
		e.Object()
		e.Text("type", "function")
		e.Key("function")
		e.named(c.Names[0])
		e.EndObject()
	default:
		e.Object()
		e.Text("type", "allowed_tools")
		e.Key("allowed_tools")
		e.Object()
		e.Text("mode", word)
		e.Key("tools")
		e.Array()
		for _, name := range c.Names {
			e.Object()
			e.Text("type", "function")
			e.Key("function")
			e.named(name)
			e.EndObject()
		}
		e.EndArray()
		e.EndObject()
		e.EndObject()
	}
}

func (e *encoder) named(name string) {
	e.Object()
	e.Text("name", name)
	e.EndObject()
}

func (e *encoder) instructions(parts []conversation.Part) {
	if len(parts) == 0 {
		return
	}
	e.Object()
	e.Text("role", "system")
	e.Key("content")
	e.content("system", parts)
	e.EndObject()
}

// turn writes the messages of a turn: each result of a tool is one of its own, before the rest.
func (e *encoder) turn(i int, t *conversation.Turn) {
	at := t.Where(i)
	switch t.Role {
	case conversation.Assistant:
		e.assistant(at, t)
	case conversation.System:
		e.plain(at, "system", t.Name, t.Parts)
	default:
		var rest []conversation.Part
		for p := range t.Parts {
			if part := &t.Parts[p]; part.Kind == conversation.ToolResult {
				rest = append(rest, e.result(at, part)...)
			} else {
				rest = append(rest, *part)
			}
		}
		if len(rest) > 0 {
			e.plain(at, "user", t.Name, rest)
		}
	}
}

func (e *encoder) plain(at, role, name string, parts []conversation.Part) {
	e.Object()
	e.Text("role", role)
	e.Text("name", name)
	e.Key("content")
	e.content(at, parts)
	e.EndObject()
}

// result writes a tool's result. The dialect's tools give text back; media go into the user's message
// that follows, which they return.
func (e *encoder) result(at string, p *conversation.Part) (media []conversation.Part) {
	var texts []conversation.Part
	for _, part := range p.Result.Parts {
		if part.Kind == conversation.Media {
			media = append(media, part)
		} else {
			texts = append(texts, part)
		}
	}
	e.Object()
	e.Text("role", "tool")
	e.Text("tool_call_id", p.Result.ID)
	e.Key("content")
	e.content(at, texts)
	e.EndObject()
	e.cache(at, p)
	if p.Result.Error {
		e.lost.Drop(p.Where(at)+".is_error", "a tool's result has no mark of failure in OpenAI's dialect; its words stay")
	}
	if len(media) > 0 {
		e.lost.Drop(p.Where(at)+".content", "a tool's images follow in a message of the user")
	}
	return media
}

func (e *encoder) assistant(at string, t *conversation.Turn) {
	var texts, calls, refusals, thoughts []conversation.Part
	for _, p := range t.Parts {
		switch p.Kind {
		case conversation.Text:
			texts = append(texts, p)
		case conversation.ToolCall:
			calls = append(calls, p)
			e.cache(at, &p)
		case conversation.Refusal:
			refusals = append(refusals, p)
		case conversation.Thinking:
			switch why := e.unwanted(&p); {
			case why != "":
				e.lost.Drop(p.Where(at+".reasoning"), why)
			case p.Text == "" && !sealed(p): // nothing to give
			case e.limits.ReasoningField == conversation.ReasoningParts:
				texts = append(texts, p)
			default:
				thoughts = append(thoughts, p)
			}
		default:
			e.refuse(p.Where(at + ".content"))
		}
	}
	refusal := conversation.Words(refusals)
	if len(texts)+len(calls) == 0 && refusal == "" && len(t.Parts) > 0 {
		for i := range thoughts {
			e.lost.Drop(thoughts[i].Where(at+".reasoning"), "the model said nothing beside it")
		}
		return // all of it was left out, and an empty message is refused
	}
	e.Object()
	e.Text("role", "assistant")
	e.Text("name", t.Name)
	e.Key("content")
	if len(texts) == 0 {
		e.Null()
	} else {
		e.content(at, texts)
	}
	e.Text("refusal", refusal)
	e.thoughts(at, thoughts, calls)
	if len(calls) > 0 {
		e.Key("tool_calls")
		e.Array()
		for i := range calls {
			writeCall(&e.Writer, &calls[i], -1, calls[i].Call.Written(), e.sealedByGoogle(&calls[i]))
		}
		e.EndArray()
	}
	e.EndObject()
}

// writeCall writes a tool call, with its index in a stream's delta. sealed puts the call's opaque state
// where clients find it.
func writeCall(w *dialect.Writer, p *conversation.Part, index int, arguments string, sealed bool) {
	w.Object()
	if index >= 0 {
		w.Key("index")
		w.Int(int64(index))
	}
	id := p.Call.ID
	if sealed && p.Opaque.Vendor != conversation.VendorGoogle {
		id = conversation.PackID(id, p.Opaque)
	}
	w.Text("id", id)
	kind, inner := "function", "arguments"
	if p.Call.Custom {
		kind, inner = "custom", "input"
	}
	w.Text("type", kind)
	w.Key(kind)
	w.Object()
	w.Text("name", p.Call.Name)
	w.Key(inner)
	w.String(arguments)
	w.EndObject()
	if sealed && p.Opaque.Value != "" && p.Opaque.Vendor == conversation.VendorGoogle {
		writeSignature(w, p.Opaque.Value)
	}
	w.EndObject()
}

// writeSignature writes Google's state of a call or of a message.
func writeSignature(w *dialect.Writer, value string) {
	w.Key("extra_content")
	w.Object()
	w.Key("google")
	w.Object()
	w.Text("thought_signature", value)
	w.EndObject()
	w.EndObject()
}

// content writes a string where there is one text alone, else a list of parts.
func (e *encoder) content(at string, parts []conversation.Part) {
	for i := range parts {
		e.cache(at, &parts[i])
	}
	if len(parts) == 0 {
		e.String("")
		return
	}
	if len(parts) == 1 && parts[0].Kind == conversation.Text {
		e.String(parts[0].Text)
		return
	}
	e.Array()
	for i := range parts {
		e.part(parts[i].Where(at+".content["+strconv.Itoa(i)+"]"), &parts[i])
	}
	e.EndArray()
}

func (e *encoder) cache(at string, p *conversation.Part) {
	if p.Cache != nil {
		e.lost.Drop(p.Where(at)+".cache_control", "OpenAI caches by itself")
	}
}

func (e *encoder) part(at string, p *conversation.Part) {
	switch p.Kind {
	case conversation.Text:
		e.Object()
		e.Text("type", "text")
		e.Key("text")
		e.String(p.Text)
		e.EndObject()
	case conversation.Media:
		e.medium(at, p.Media)
	case conversation.Thinking:
		e.thinking(p)
	default:
		if p.Native == nil || p.Native.Dialect != llm.OpenAI {
			e.refuse(at)
			return
		}
		e.Raw(p.Native.Raw)
	}
}

func (e *encoder) medium(at string, m *conversation.Medium) {
	data := "data:" + m.Type + ";base64," + m.Data
	kind, _, _ := strings.Cut(m.Type, "/")
	var kept conversation.About
	e.Object()
	switch {
	case m.Text:
		e.Text("type", "text")
		e.Key("text")
		e.String(m.Data)
	case kind == "image" && m.FileID == "":
		e.Text("type", "image_url")
		e.Key("image_url")
		e.Object()
		if m.Data == "" {
			data = m.URL
		}
		e.Text("url", data)
		e.Text("detail", m.Detail)
		kept = conversation.AboutDetail
		e.EndObject()
	case kind == "audio" && m.Data != "":
		e.Text("type", "input_audio")
		e.Key("input_audio")
		e.Object()
		e.Text("data", m.Data)
		format := m.Format
		if format == "" {
			format = strings.TrimPrefix(strings.TrimPrefix(m.Type, "audio/"), "x-")
		}
		if format == "mpeg" {
			format = "mp3"
		}
		e.Text("format", format)
		e.EndObject()
	case m.Data != "" || m.FileID != "" && m.Vendor == conversation.VendorOpenAI:
		e.Text("type", "file")
		e.Key("file")
		e.Object()
		e.Text("filename", m.Name)
		e.Text("file_id", m.FileID)
		if m.Data != "" {
			e.Text("file_data", data)
		}
		e.EndObject()
		kept = conversation.AboutName
	default:
		e.refuse(at)
	}
	e.lost.Medium(at, m, kept)
	e.EndObject()
}
