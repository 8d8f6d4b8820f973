package gemini

import (
	"encoding/json"
	"mime"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// The budgets of reasoning for words of other dialects, where the model takes a number.
var budgets = map[string]int64{"minimal": 512, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}

// levels are the words that models from the third generation on take.
var levels = map[string]string{"minimal": "minimal", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}

// mostStops is the number of stop sequences that the API takes.
const mostStops = 5

type encoder struct {
	dialect.Writer
	q    *conversation.Request
	lost conversation.Lost
	err  error
}

// Head asks for server-sent events.
func (Codec) Head(stream bool) (query string, h llm.Header) {
	if stream {
		return "alt=sse", nil
	}
	return "", nil
}

// EncodeRequest writes a request for content.
func (Codec) EncodeRequest(q *conversation.Request, _ conversation.Limits) ([]byte, []conversation.Loss, error) {
	e := &encoder{q: q}
	e.Object()
	e.spoken()
	e.toolConfig()
	e.config()
	e.unsayable()
	return e.finished()
}

// spoken writes all that takes tokens: what is said, and the tools.
func (e *encoder) spoken() {
	if len(e.q.System) > 0 {
		e.Key("systemInstruction")
		e.Object()
		e.parts("system", e.q.System)
		e.EndObject()
	}
	e.Key("contents")
	e.contents()
	e.tools()
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

// contents writes the conversation; roles take turns.
func (e *encoder) contents() {
	q := conversation.Request{Turns: slices.Clone(e.q.Turns)}
	for i := range q.Turns {
		t := &q.Turns[i]
		parts, lone := resealed(t.Parts)
		for j := range lone {
			e.lost.Drop(lone[j].Where(t.Where(i)+".content"), "it is the state of an image that is not given back")
		}
		t.Parts = parts
	}
	turns := q.Alternating("Gemini's dialect", conversation.VendorGoogle, &e.lost)
	if len(turns) == 0 {
		e.fail(e.q.Silent())
	}
	e.Array()
	for i := range turns {
		t := &turns[i]
		if i > 0 {
			t.Parts = inOrder(turns[i-1].Parts, t.Parts)
		}
		role := "user"
		if t.Role == conversation.Assistant {
			role = "model"
		}
		e.Object()
		e.Text("role", role)
		e.parts(t.Where(i), t.Parts)
		e.EndObject()
	}
	e.EndArray()
}

// inOrder returns parts with the results of tools in the order of their calls: that is how the vendor finds
// the call where two have one name.
func inOrder(calls, parts []conversation.Part) []conversation.Part {
	place := map[string]int{}
	for i := range calls {
		if c := calls[i].Call; c != nil {
			place[c.ID] = i
		}
	}
	var results []conversation.Part
	for i := range parts {
		if parts[i].Kind == conversation.ToolResult {
			results = append(results, parts[i])
		}
	}
	slices.SortStableFunc(results, func(a, b conversation.Part) int { return place[a.Result.ID] - place[b.Result.ID] })
	out := slices.Clone(parts)
	for i := range out {
		if out[i].Kind == conversation.ToolResult {
			out[i], results = results[0], results[1:]
		}
	}
	return out
}

func (e *encoder) parts(at string, parts []conversation.Part) {
	e.Key("parts")
	e.Array()
	for i := range parts {
		p := &parts[i]
		e.cache(at, p)
		e.part(p.Where(at+".content["+strconv.Itoa(i)+"]"), p)
	}
	e.EndArray()
}

func (e *encoder) cache(at string, p *conversation.Part) {
	if p.Cache != nil {
		e.lost.Drop(p.Where(at)+".cache_control", "Gemini caches by itself")
	}
}

func (e *encoder) part(at string, p *conversation.Part) {
	if p.Kind == conversation.ToolCall && !isObject(p.Call.Arguments) {
		e.lost.Drop(at+".arguments", "they are no JSON object and go as text inside of one")
	}
	switch p.Kind {
	case conversation.Text, conversation.Refusal, conversation.ToolCall, conversation.Thinking:
		writePart(&e.Writer, p, false)
	case conversation.Media:
		e.Object()
		e.medium(at, p.Media)
		if p.Opaque.Vendor == conversation.VendorGoogle {
			e.Text("thoughtSignature", p.Opaque.Value)
		}
		e.EndObject()
	case conversation.ToolResult:
		e.result(at, p.Result)
	default:
		if p.Native != nil && p.Native.Dialect == llm.Gemini {
			e.Raw(p.Native.Raw)
			return
		}
		e.refuse(at)
	}
}

// writePart writes words, thoughts or a call. For a client, state of any vendor goes along and calls
// have ids.
func writePart(w *dialect.Writer, p *conversation.Part, client bool) {
	w.Object()
	switch p.Kind {
	case conversation.ToolCall:
		w.Key("functionCall")
		w.Object()
		if client {
			w.Text("id", p.Call.ID)
		}
		w.Text("name", p.Call.Name)
		w.Key("args")
		writeArgs(w, p.Call.Arguments)
		w.EndObject()
	default:
		w.Key("text")
		w.String(p.Text)
		if p.Kind == conversation.Thinking && !(p.Redacted && p.Opaque.Vendor == conversation.VendorGoogle) { // whose state alone stands in a part that is empty
			w.Key("thought")
			w.Bool(true)
		}
	}
	if client || p.Opaque.Vendor == conversation.VendorGoogle {
		w.Text("thoughtSignature", p.Opaque.Seal(conversation.VendorGoogle))
	}
	w.EndObject()
}

// writeArgs writes a call's arguments as the object that they are; what is none goes inside of one.
func writeArgs(w *dialect.Writer, arguments string) {
	switch {
	case strings.TrimSpace(arguments) == "":
		w.Raw([]byte("{}"))
	case isObject(arguments):
		w.Raw([]byte(arguments))
	default:
		w.Object()
		w.Text("arguments", arguments)
		w.EndObject()
	}
}

// isObject reports whether a call's arguments are an object; none are an empty one.
func isObject(arguments string) bool {
	trimmed := strings.TrimSpace(arguments)
	return trimmed == "" || trimmed[0] == '{' && json.Valid([]byte(arguments))
}

// medium writes a medium's member into the open object.
func (e *encoder) medium(at string, m *conversation.Medium) {
	switch {
	case m.Text:
		e.Text("text", m.Data)
	case m.Data != "":
		e.Key("inlineData")
		e.Object()
		e.Text("mimeType", m.Type)
		e.Text("data", m.Data)
		e.EndObject()
	case strings.Contains(m.URL, "://") || m.Vendor == conversation.VendorGoogle: // what has no scheme is a name, of a file that Google keeps
		e.Key("fileData")
		e.Object()
		kind := m.Type
		if kind == "" || strings.HasSuffix(kind, "/*") {
			clean, _, _ := strings.Cut(m.URL, "?")
			kind = mime.TypeByExtension(path.Ext(clean))
		}
		e.Text("mimeType", kind)
		e.Text("fileUri", m.URL+m.FileID)
		e.EndObject()
	default:
		e.refuse(at)
	}
	e.lost.Medium(at, m, 0)
}

// result writes a tool's result, an object by the dialect's rules, and its media behind it.
func (e *encoder) result(at string, r *conversation.Result) {
	var texts, media []conversation.Part
	for _, p := range r.Parts {
		e.cache(at, &p)
		if p.Kind == conversation.Text {
			texts = append(texts, p)
		} else {
			media = append(media, p)
		}
	}
	text := conversation.Words(texts)
	e.Object()
	if r.Name == "" {
		e.fail(e.q.Unnamed(at))
	}
	e.Key("functionResponse")
	e.Object()
	e.Text("name", r.Name)
	e.Key("response")
	trimmed := strings.TrimSpace(text)
	switch {
	case r.Object != nil && !refers(string(r.Object)):
		e.Raw(r.Object)
	case !r.Error && strings.HasPrefix(trimmed, "{") && !wrapped([]byte(text)) && !refers(text):
		e.Raw([]byte(text))
	default:
		key := "result"
		if r.Error {
			key = "error"
		}
		e.Object()
		e.Key(key)
		e.String(text)
		e.EndObject()
	}
	e.EndObject()
	e.EndObject()
	for i := range media {
		e.part(media[i].Where(at), &media[i])
	}
}

// refers reports whether a JSON text may have a member that is a reference: the API looks for a part of that name, and
// refuses the request where there is none. A schema as a text is only read.
func refers(text string) bool {
	return strings.Contains(text, `$ref"`) || strings.Contains(text, `\u00`) // as it may be written, too
}

// wrapped reports whether a text is no JSON object, or one that reads as the wrapping of another text: it is
// wrapped itself then.
func wrapped(text []byte) bool {
	var all map[string]json.RawMessage
	if json.Unmarshal(text, &all) != nil {
		return true
	}
	for _, key := range []string{"result", "output", "error"} {
		if _, ok := all[key]; ok && len(all) == 1 {
			return true
		}
	}
	return false
}

func (e *encoder) tools() {
	q := e.q
	if len(q.Tools) == 0 {
		return
	}
	e.Key("tools")
	e.Array()
	functions := false
	for i := range q.Tools {
		t := &q.Tools[i]
		switch {
		case t.Native == nil:
			functions = true
		case t.Native.Dialect == llm.Gemini:
			e.Raw(t.Native.Raw)
		default:
			e.refuse(t.Where(i) + " (" + t.Native.Type + ")")
		}
	}
	if functions {
		e.Object()
		e.Key("functionDeclarations")
		e.Array()
		for i := range q.Tools {
			if t := &q.Tools[i]; t.Native == nil {
				if t.Cache != nil {
					e.lost.Drop(t.Where(i)+".cache_control", "Gemini caches by itself")
				}
				if t.Strict != nil && *t.Strict {
					e.lost.Drop(t.Where(i)+".strict", "Gemini's dialect has no such promise")
				}
				e.Object()
				e.Text("name", t.Name)
				e.Text("description", t.Description)
				e.Member("parametersJsonSchema", t.Parameters)
				e.EndObject()
			}
		}
		e.EndArray()
		e.EndObject()
	}
	e.EndArray()
}

func (e *encoder) toolConfig() {
	c := e.q.ToolChoice
	mode := map[conversation.ToolMode]string{conversation.ToolAuto: "AUTO", conversation.ToolNone: "NONE", conversation.ToolRequired: "ANY"}[c.Mode]
	if mode == "" {
		return
	}
	if mode == "AUTO" && len(c.Names) > 0 {
		e.refuse("tool_choice")
	}
	e.Key("toolConfig")
	e.Object()
	e.Key("functionCallingConfig")
	e.Object()
	e.Text("mode", mode)
	if mode == "ANY" && len(c.Names) > 0 {
		e.Key("allowedFunctionNames")
		e.Strings(c.Names)
	}
	e.EndObject()
	e.EndObject()
}

func (e *encoder) config() {
	q := e.q
	e.Key("generationConfig")
	e.Object()
	e.Member("temperature", []byte(q.Temperature))
	e.Member("topP", []byte(q.TopP))
	e.Member("topK", []byte(q.TopK))
	e.Member("seed", []byte(q.Seed))
	e.Member("presencePenalty", []byte(q.PresencePenalty))
	e.Member("frequencyPenalty", []byte(q.FrequencyPenalty))
	e.Count("maxOutputTokens", q.MaxTokens)
	if q.Choices > 1 {
		e.Count("candidateCount", q.Choices)
	}
	if len(q.Stop) > mostStops {
		e.fail(e.q.TooMany("stop", mostStops))
	} else if len(q.Stop) > 0 {
		e.Key("stopSequences")
		e.Strings(q.Stop)
	}
	if q.Logprobs {
		e.Key("responseLogprobs")
		e.Bool(true)
		e.Member("logprobs", []byte(q.TopLogprobs))
	}
	switch q.Format.Kind {
	case conversation.FormatJSON:
		e.Text("responseMimeType", "application/json")
	case conversation.FormatSchema:
		e.Text("responseMimeType", "application/json")
		e.Member("responseJsonSchema", q.Format.Schema)
		if q.Format.Description != "" {
			e.lost.Drop("response_format.description", "a schema has none in Gemini's dialect")
		}
	}
	e.thinking()
	e.EndObject()
}

func (e *encoder) thinking() {
	r := e.q.Reasoning
	if r.Effort == "" && r.Budget == 0 && !r.Off && !r.Include {
		return
	}
	if r.Effort != "" && !r.Off && levels[r.Effort] == "" {
		e.lost.Drop("reasoning_effort", "Gemini's dialect has no such word")
	}
	e.Key("thinkingConfig")
	e.Object()
	switch {
	case r.Off:
		e.Key("thinkingBudget")
		e.Int(0)
	case r.Budget > 0 || r.Budget < 0 && levels[r.Effort] == "":
		e.Count("thinkingBudget", r.Budget)
	case r.Effort != "" && strings.Contains(e.q.Model, "gemini-3"):
		e.Text("thinkingLevel", levels[r.Effort])
	case r.Effort != "":
		e.Count("thinkingBudget", budgets[r.Effort])
	}
	if !r.Off {
		e.Key("includeThoughts")
		e.Bool(true)
	}
	e.EndObject()
}

// unsayable drops what the dialect has no words for.
func (e *encoder) unsayable() {
	q := e.q
	if q.Parallel != nil && !*q.Parallel && len(q.Tools) > 0 {
		e.lost.Drop("parallel_tool_calls", "Gemini's models decide by themselves")
	}
	e.lost.Wishes(q)
	e.lost.Summary(&q.Reasoning, !q.Reasoning.Off)
	if q.User != "" {
		e.lost.Drop("user", "Gemini's dialect has nothing like it")
	}
	if q.CacheKey != "" {
		e.lost.Drop("prompt_cache_key", "Gemini caches by itself")
	}
}
