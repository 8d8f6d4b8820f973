package responses

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

type encoder struct {
	dialect.Writer
	q    *conversation.Request
	lost conversation.Lost
	err  error
}

// EncodeRequest writes a request for a response that the vendor does not keep, unless it is told to.
func (Codec) EncodeRequest(q *conversation.Request, _ conversation.Limits) ([]byte, []conversation.Loss, error) {
	e := spoken(q)
	e.wishes()
	e.unsayable()
	return e.finished()
}

// spoken begins a body with all that takes tokens: what is said, and the tools.
func spoken(q *conversation.Request) *encoder {
	e := &encoder{q: q}
	e.Object()
	e.Key("model")
	e.String(q.Model)
	turns := q.Turns
	if len(turns) == 0 && len(q.System) > 0 { // the API refuses instructions without any input
		turns = []conversation.Turn{{Role: conversation.System, Parts: q.System, At: "system"}}
	} else {
		e.instructions()
	}
	if len(turns) == 0 {
		e.fail(q.Silent())
	}
	e.Key("input")
	e.Array()
	for i := range turns {
		e.turn(i, &turns[i])
	}
	e.EndArray()
	e.tools()
	return e
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

func (e *encoder) refuse(field string) { e.fail(e.q.Unsupported(field)) }

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *encoder) instructions() {
	var texts []string
	for _, p := range e.q.System {
		e.cache("system", &p)
		if p.Kind != conversation.Text {
			e.refuse(p.Where("system"))
			continue
		}
		texts = append(texts, p.Text)
	}
	e.Text("instructions", strings.Join(texts, "\n\n"))
}

// turn writes the items of a turn: messages, and calls, results and thoughts, which are items of their
// own.
func (e *encoder) turn(i int, t *conversation.Turn) {
	at := t.Where(i)
	if t.Name != "" {
		e.lost.Drop(at+".name", "Responses has no names of participants")
	}
	role, kind := "user", "input_text"
	switch t.Role {
	case conversation.Assistant:
		role, kind = "assistant", "output_text"
	case conversation.System:
		role = "developer"
	}
	var said []conversation.Part
	flush := func() {
		if len(said) > 0 {
			e.message(at, role, kind, said)
			said = nil
		}
	}
	for p := range t.Parts {
		part := &t.Parts[p]
		switch part.Kind {
		case conversation.Text, conversation.Media, conversation.Refusal:
			said = append(said, *part)
		default:
			flush()
			e.item(part.Where(at+".content["+strconv.Itoa(p)+"]"), part)
		}
	}
	flush()
}

func (e *encoder) message(at, role, kind string, parts []conversation.Part) {
	e.Object()
	e.Text("type", "message")
	e.Text("role", role)
	e.Key("content")
	e.content(at, kind, parts)
	e.EndObject()
}

func (e *encoder) content(at, kind string, parts []conversation.Part) {
	e.Array()
	for i := range parts {
		p := &parts[i]
		e.cache(at, p)
		switch p.Kind {
		case conversation.Text:
			e.typed(kind)
			e.Key("text")
			e.String(p.Text)
		case conversation.Refusal:
			e.typed("refusal")
			e.Text("refusal", p.Text)
		case conversation.Media:
			e.medium(p.Where(at+".content["+strconv.Itoa(i)+"]"), p.Media)
		default:
			e.refuse(p.Where(at))
			continue
		}
		e.EndObject()
	}
	e.EndArray()
}

func (e *encoder) typed(kind string) {
	e.Object()
	e.Text("type", kind)
}

// medium writes a medium without closing its object.
func (e *encoder) medium(at string, m *conversation.Medium) {
	data := "data:" + m.Type + ";base64," + m.Data
	kind, _, _ := strings.Cut(m.Type, "/")
	switch {
	case m.Text:
		e.typed("input_text")
		e.Text("text", m.Data)
		e.lost.Medium(at, m, 0)
		return
	case m.FileID != "" && m.Vendor != conversation.VendorOpenAI, kind == "audio" || kind == "video":
		e.typed("input_file")
		e.refuse(at)
		return
	case kind == "image":
		e.typed("input_image")
		if m.Data == "" {
			data = m.URL
		}
		if m.FileID == "" {
			e.Text("image_url", data)
		}
		e.Key("detail")
		if m.Detail == "" {
			e.String("auto")
		} else {
			e.String(m.Detail)
		}
		e.lost.Medium(at, m, conversation.AboutDetail)
	default:
		e.typed("input_file")
		e.lost.Medium(at, m, conversation.AboutName)
		e.Text("filename", m.Name)
		e.Text("file_url", m.URL)
		if m.Data != "" {
			e.Text("file_data", data)
		}
	}
	e.Text("file_id", m.FileID)
}

func (e *encoder) cache(at string, p *conversation.Part) {
	if p.Cache != nil {
		e.lost.Drop(p.Where(at)+".cache_control", "OpenAI caches by itself")
	}
}

func (e *encoder) item(at string, p *conversation.Part) {
	e.cache(at, p)
	switch p.Kind {
	case conversation.ToolCall:
		writeCall(&e.Writer, p, "", p.Call.ID, p.Call.Written(), "")
	case conversation.ToolResult:
		e.typed("function_call_output")
		e.Text("call_id", p.Result.ID)
		e.Key("output")
		if len(p.Result.Parts) == 1 && p.Result.Parts[0].Kind == conversation.Text {
			e.cache(at, &p.Result.Parts[0])
			e.String(p.Result.Parts[0].Text)
		} else {
			e.content(at, "input_text", p.Result.Parts)
		}
		e.EndObject()
		if p.Result.Error {
			e.lost.Drop(at+".is_error", "a tool's result has no mark of failure in Responses; its words stay")
		}
	case conversation.Thinking:
		if p.Opaque.Vendor != conversation.VendorOpenAI {
			e.lost.Drop(at, "thoughts of another vendor's model cannot be given back to this one")
			return
		}
		writeReasoning(&e.Writer, p, p.Opaque.ID, "")
	default:
		if p.Native != nil && p.Native.Dialect == llm.Responses {
			e.Raw(p.Native.Raw)
			return
		}
		e.refuse(at)
	}
}

// writeCall writes a tool call. id is the item's, callID the one that the result names; a status that is "" is not
// said.
func writeCall(w *dialect.Writer, p *conversation.Part, id, callID, arguments, status string) {
	kind, member := "function_call", "arguments"
	if p.Call.Custom {
		kind, member = "custom_tool_call", "input"
	}
	w.Object()
	w.Text("id", id)
	w.Text("type", kind)
	w.Text("status", status)
	w.Key(member)
	w.String(arguments)
	w.Text("call_id", callID)
	w.Text("name", p.Call.Name)
	w.EndObject()
}

// writeReasoning writes a reasoning item with its sealed state.
func writeReasoning(w *dialect.Writer, p *conversation.Part, id, status string) {
	w.Object()
	w.Text("id", id)
	w.Text("type", "reasoning")
	w.Key("summary")
	w.Array()
	if p.Text != "" {
		w.Object()
		w.Text("type", "summary_text")
		w.Text("text", p.Text)
		w.EndObject()
	}
	w.EndArray()
	w.Text("encrypted_content", p.Opaque.Seal(conversation.VendorOpenAI))
	w.Text("status", status)
	w.EndObject()
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
	if q.ToolChoice.Mode != conversation.ToolDefault {
		e.Key("tool_choice")
		e.toolChoice(q.ToolChoice)
	}
	if q.Parallel != nil && len(q.Tools) > 0 {
		e.Key("parallel_tool_calls")
		e.Bool(*q.Parallel)
	}
}

func (e *encoder) tool(i int, t *conversation.Tool) {
	if t.Native != nil {
		if t.Native.Dialect == llm.Responses {
			e.Raw(t.Native.Raw)
		} else {
			e.refuse(t.Where(i) + " (" + t.Native.Type + ")")
		}
		return
	}
	e.typed("function")
	e.Text("name", t.Name)
	e.Text("description", t.Description)
	e.Key("parameters")
	if t.Parameters == nil {
		e.Raw([]byte(`{"type":"object","properties":{}}`))
	} else {
		e.Raw(t.Parameters)
	}
	e.Key("strict") // the default here is true, elsewhere it is false
	e.Bool(t.Strict != nil && *t.Strict)
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
		e.typed("function")
		e.Text("name", c.Names[0])
		e.EndObject()
	default:
		e.typed("allowed_tools")
		e.Text("mode", word)
		e.Key("tools")
		e.Array()
		for _, name := range c.Names {
			e.typed("function")
			e.Text("name", name)
			e.EndObject()
		}
		e.EndArray()
		e.EndObject()
	}
}

func (e *encoder) wishes() {
	q := e.q
	e.Count("max_output_tokens", q.MaxTokens)
	e.Member("temperature", []byte(q.Temperature))
	e.Member("top_p", []byte(q.TopP))
	e.text()
	e.reasoning()
	e.Member("top_logprobs", []byte(q.TopLogprobs))
	e.Text("user", q.User)
	e.Text("prompt_cache_key", q.CacheKey)
	e.Key("store") // the default here is true, elsewhere it is false
	e.Bool(q.Store)
	for _, f := range q.Shared {
		if f.Name != verbosity {
			e.Member(f.Name, f.Value)
		}
	}
	if q.Stream {
		e.Key("stream")
		e.Bool(true)
	}
}

// verbosity is what a member of text is called in a chat, where it is one of the request.
const verbosity = "verbosity"

func (e *encoder) reasoning() {
	r := e.q.Reasoning
	effort := r.Effort
	switch {
	case r.Off:
		effort = "none"
	case effort != "":
	case r.Budget > 8192:
		effort = "high"
	case r.Budget > 1024:
		effort = "medium"
	case r.Budget > 0:
		effort = "low"
	}
	var include []string
	if effort != "" || r.Include || r.Summary != "" {
		e.Key("reasoning")
		e.Object()
		e.Text("effort", effort)
		if summary := r.Summary; summary != "" {
			e.Text("summary", summary)
		} else if r.Include {
			e.Text("summary", "auto")
		}
		e.EndObject()
		if !r.Off {
			include = append(include, "reasoning.encrypted_content") // so that the state comes back
		}
	}
	if e.q.Logprobs {
		include = append(include, "message.output_text.logprobs")
	}
	if len(include) > 0 {
		e.Key("include")
		e.Strings(include)
	}
}

// text writes the form of the answer and how wordy it shall be.
func (e *encoder) text() {
	form := e.q.Format.Kind == conversation.FormatJSON || e.q.Format.Kind == conversation.FormatSchema
	at := slices.IndexFunc(e.q.Shared, func(f conversation.Field) bool { return f.Name == verbosity })
	if !form && at < 0 {
		return
	}
	e.Key("text")
	e.Object()
	if form {
		e.format()
	}
	if at >= 0 {
		e.Member(verbosity, e.q.Shared[at].Value)
	}
	e.EndObject()
}

func (e *encoder) format() {
	f := &e.q.Format
	e.Key("format")
	if f.Kind == conversation.FormatJSON {
		e.typed("json_object")
	} else {
		e.typed("json_schema")
		name := f.Name
		if name == "" {
			name = "answer"
		}
		e.Text("name", name)
		e.Text("description", f.Description)
		e.Member("schema", f.Schema)
		if f.Strict != nil {
			e.Key("strict")
			e.Bool(*f.Strict)
		}
	}
	e.EndObject()
}

// unsayable refuses or drops what the dialect has no words for.
func (e *encoder) unsayable() {
	q := e.q
	if q.Choices > 1 {
		e.refuse("n")
	}
	if len(q.Stop) > 0 {
		e.refuse("stop")
	}
	for _, f := range []struct {
		name  string
		value conversation.Number
	}{{"frequency_penalty", q.FrequencyPenalty}, {"presence_penalty", q.PresencePenalty}, {"seed", q.Seed}, {"top_k", q.TopK}} {
		if n, err := strconv.ParseFloat(string(f.value), 64); err == nil && (n != 0 || f.name == "seed") {
			e.lost.Drop(f.name, "Responses has nothing like it")
		}
	}
}
