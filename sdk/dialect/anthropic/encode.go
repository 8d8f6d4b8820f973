package anthropic

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// leastAnswer is what is left of an answer beside its thinking where nobody says a limit, in tokens.
const leastAnswer = 4096

// The budgets of reasoning for words of other dialects; the least that the API takes is minBudget.
const minBudget = 1024

var budgets = map[string]int64{"minimal": minBudget, "low": minBudget, "medium": 4096, "high": 16384, "xhigh": 32768, "max": 32768}

type encoder struct {
	dialect.Writer
	q    *conversation.Request
	lost conversation.Lost
	err  error
}

// version is the version of the API that is written.
const version = "2023-06-01"

// Head returns the version of the API.
func (Codec) Head(bool) (query string, h llm.Header) {
	return "", llm.Header{{Name: "anthropic-version", Value: version}}
}

// EncodeRequest writes a request for a message.
func (Codec) EncodeRequest(q *conversation.Request, l conversation.Limits) ([]byte, []conversation.Loss, error) {
	e := spoken(q)
	budget, limit := e.budget(l.MaxTokens)
	e.Key("max_tokens")
	e.Int(limit)
	e.wishes(budget)
	return e.finished()
}

// spoken begins a body with all that takes tokens: what is said, and the tools.
func spoken(q *conversation.Request) *encoder {
	e := &encoder{q: q}
	e.Object()
	e.Key("model")
	e.String(q.Model)
	e.system()
	e.Key("messages")
	e.messages()
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

// budget returns how many tokens the model may think, 0 for none and -1 for as many as it likes, and the
// limit of the answer, which contains them: where nobody says one, the longest that the model gives. The dialect demands it.
func (e *encoder) budget(longest int64) (budget, limit int64) {
	q := e.q
	limit = max(q.MaxTokens, 0)
	if limit == 0 {
		limit = longest
	}
	said := limit > 0
	if !said {
		limit = conversation.ClaudeOutput(q.Model)
	}
	r := q.Reasoning
	if budget = r.Budget; budget == 0 && r.Effort != "" {
		budget = budgets[r.Effort]
	}
	if budget < 0 && !conversation.ClaudeAdapts(q.Model) {
		budget = cmp.Or(budgets[r.Effort], budgets["medium"])
	}
	if budget == 0 && !r.Off && r.Effort != "" {
		e.lost.Drop("reasoning_effort", "Anthropic's dialect has no such word")
	}
	if r.Off || budget == 0 {
		return 0, limit
	}
	drop := func(why string) (int64, int64) {
		e.lost.Drop("reasoning_effort", why)
		return 0, limit
	}
	switch {
	case !conversation.ClaudeThinks(q.Model):
		return drop("this model of Anthropic's does not think")
	case q.ToolChoice.Mode == conversation.ToolRequired:
		return drop("a tool must be called, which excludes thinking in Anthropic's dialect")
	case e.unsigned():
		return drop("the conversation has tool calls without the thinking that led to them, which Anthropic's models want back")
	case budget < 0:
		return budget, limit
	case conversation.AdaptiveOnly(q.Model):
		if !said {
			limit = max(limit, leastAnswer+budget)
		}
		return -1, limit
	case !said:
		limit = max(limit, leastAnswer+budget)
	case limit <= minBudget:
		return drop("the limit of the answer leaves no room for it")
	case budget >= limit:
		budget = max(minBudget, limit/2)
	}
	return max(budget, minBudget), limit
}

// unsigned reports whether the turn that the model is in has tool calls without sealed thinking.
func (e *encoder) unsigned() bool {
	turns := e.q.Turns
	for i := len(turns) - 1; i >= 0; i-- {
		t := &turns[i]
		calls, sealed, words := false, false, false
		for _, p := range t.Parts {
			calls = calls || p.Kind == conversation.ToolCall
			sealed = sealed || p.Kind == conversation.Thinking && p.Opaque.Vendor == conversation.VendorAnthropic
			words = words || t.Role == conversation.User && p.Kind != conversation.ToolResult
		}
		if words {
			return false // here the turn began
		}
		if calls && !sealed {
			return true
		}
	}
	return false
}

func (e *encoder) system() {
	parts := e.q.System
	if e.q.Format.Kind == conversation.FormatJSON {
		parts = append(parts[:len(parts):len(parts)], conversation.Part{Kind: conversation.Text, Text: "Answer with one JSON object and nothing else."})
		e.lost.Drop("response_format", "asked for in words: Anthropic's dialect has no JSON mode without a schema")
	}
	if len(parts) == 0 {
		return
	}
	e.Key("system")
	e.content("system", parts, true)
}

// messages writes the conversation: roles take turns, the user begins, and results of tools come first.
func (e *encoder) messages() {
	turns := e.q.Alternating("Anthropic's dialect", conversation.VendorAnthropic, &e.lost)
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
		e.content(t.Where(i)+".content", resultsFirst(t.Parts), false)
		e.EndObject()
	}
	e.EndArray()
}

// resultsFirst returns the parts with the results of tools before everything else.
func resultsFirst(parts []conversation.Part) []conversation.Part {
	out := make([]conversation.Part, 0, len(parts))
	for pass := range 2 {
		for _, p := range parts {
			if (p.Kind == conversation.ToolResult) == (pass == 0) {
				out = append(out, p)
			}
		}
	}
	return out
}

// content writes a string where there is one plain text, else blocks.
func (e *encoder) content(at string, parts []conversation.Part, system bool) {
	if len(parts) == 1 && parts[0].Kind == conversation.Text && parts[0].Cache == nil {
		e.String(parts[0].Text)
		return
	}
	e.Array()
	for i := range parts {
		if system && parts[i].Kind != conversation.Text {
			e.refuse(parts[i].Where(at))
			continue
		}
		e.part(parts[i].Where(at+"["+strconv.Itoa(i)+"]"), &parts[i])
	}
	e.EndArray()
}

func (e *encoder) part(at string, p *conversation.Part) {
	switch p.Kind {
	case conversation.Text, conversation.Refusal:
		if p.Text == "" {
			return // the API takes no empty texts
		}
		e.begin("text")
		e.Text("text", p.Text)
	case conversation.Media:
		e.medium(at, p.Media)
	case conversation.ToolCall:
		e.begin("tool_use")
		e.Text("id", conversation.PlainID(p.Call.ID))
		e.Text("name", p.Call.Name)
		e.Key("input")
		if !writeInput(&e.Writer, p.Call.Arguments) {
			e.lost.Drop(at+".arguments", "they are no JSON object and go as text inside of one")
		}
	case conversation.ToolResult:
		e.begin("tool_result")
		e.Text("tool_use_id", conversation.PlainID(p.Result.ID))
		if len(p.Result.Parts) > 0 {
			e.Key("content")
			e.content(at+".content", p.Result.Parts, false)
		}
		if p.Result.Error {
			e.Key("is_error")
			e.Bool(true)
		}
	case conversation.Thinking:
		writeThinking(&e.Writer, p)
		return
	default:
		if p.Native != nil && p.Native.Dialect == llm.Anthropic {
			e.Raw(p.Native.Raw)
			return
		}
		e.refuse(at)
		return
	}
	e.cache(p.Cache)
	e.EndObject()
}

func (e *encoder) begin(kind string) {
	e.Object()
	e.Text("type", kind)
}

func (e *encoder) cache(c *conversation.Cache) {
	if c == nil {
		return
	}
	e.Key("cache_control")
	e.Object()
	e.Text("type", "ephemeral")
	e.Text("ttl", c.TTL)
	e.EndObject()
}

// writeInput writes a call's arguments as the object that they are, and reports false where they are
// none.
func writeInput(w *dialect.Writer, arguments string) bool {
	trimmed := strings.TrimSpace(arguments)
	switch {
	case trimmed == "":
		w.Raw([]byte("{}"))
	case trimmed[0] == '{' && json.Valid([]byte(arguments)):
		w.Raw([]byte(arguments))
	default:
		w.Object()
		w.Text("arguments", arguments)
		w.EndObject()
		return false
	}
	return true
}

// writeThinking writes a thinking block with its sealed state, whosever it is.
func writeThinking(w *dialect.Writer, p *conversation.Part) {
	w.Object()
	if p.Redacted {
		w.Text("type", "redacted_thinking")
		w.Key("data")
	} else {
		w.Text("type", "thinking")
		w.Key("thinking")
		w.String(p.Text)
		w.Key("signature")
	}
	w.String(p.Opaque.Seal(conversation.VendorAnthropic))
	w.EndObject()
}

// medium writes an image or a document, without closing its object.
func (e *encoder) medium(at string, m *conversation.Medium) {
	kind, _, _ := strings.Cut(m.Type, "/")
	block := "document"
	switch {
	case kind == "image":
		block = "image"
	case kind == "audio" || kind == "video":
		e.refuse(at)
	}
	e.begin(block)
	e.Key("source")
	e.Object()
	switch {
	case m.Text:
		e.Text("type", "text")
		e.Text("media_type", "text/plain")
		e.Text("data", m.Data)
	case m.Data != "":
		e.Text("type", "base64")
		e.Text("media_type", m.Type)
		e.Text("data", m.Data)
	case m.URL != "":
		e.Text("type", "url")
		e.Text("url", m.URL)
	case m.FileID != "" && m.Vendor == conversation.VendorAnthropic:
		e.Text("type", "file")
		e.Text("file_id", m.FileID)
	default:
		e.refuse(at)
	}
	e.EndObject()
	if block != "document" {
		e.lost.Medium(at, m, 0)
		return
	}
	e.Text("title", m.Name)
	e.Text("context", m.Context)
	if m.Cited {
		e.Key("citations")
		e.Raw([]byte(`{"enabled":true}`))
	}
	e.lost.Medium(at, m, conversation.AboutName|conversation.AboutDocument)
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
	e.toolChoice()
}

func (e *encoder) tool(i int, t *conversation.Tool) {
	if t.Native != nil {
		if t.Native.Dialect == llm.Anthropic {
			e.Raw(t.Native.Raw)
		} else {
			e.refuse(t.Where(i) + " (" + t.Native.Type + ")")
		}
		return
	}
	e.Object()
	e.Text("name", t.Name)
	e.Text("description", t.Description)
	e.Key("input_schema")
	if t.Parameters == nil {
		e.Raw([]byte(`{"type":"object"}`))
	} else {
		e.Raw(t.Parameters)
	}
	if t.Strict != nil && *t.Strict {
		e.Key("strict")
		e.Bool(true)
	}
	e.cache(t.Cache)
	e.EndObject()
}

func (e *encoder) toolChoice() {
	c, parallel := e.q.ToolChoice, e.q.Parallel
	serial := parallel != nil && !*parallel && len(e.q.Tools) > 0
	kind := map[conversation.ToolMode]string{conversation.ToolAuto: "auto", conversation.ToolNone: "none", conversation.ToolRequired: "any"}[c.Mode]
	if kind == "" && serial {
		kind = "auto"
	}
	if kind == "" || len(e.q.Tools) == 0 && kind == "auto" {
		return
	}
	if kind != "none" && len(c.Names) > 0 {
		if len(c.Names) > 1 || kind == "auto" {
			e.refuse("tool_choice")
		}
		kind = "tool"
	}
	e.Key("tool_choice")
	e.begin(kind)
	if kind == "tool" {
		e.Text("name", c.Names[0])
	}
	if serial && kind != "none" {
		e.Key("disable_parallel_tool_use")
		e.Bool(true)
	}
	e.EndObject()
}

func (e *encoder) wishes(budget int64) {
	q := e.q
	if len(q.Stop) > 0 {
		for _, s := range q.Stop {
			if strings.TrimSpace(s) == "" {
				e.refuse("stop") // the API takes no white space
			}
		}
		e.Key("stop_sequences")
		e.Strings(q.Stop)
	}
	e.thinking(budget)
	e.lost.Summary(&q.Reasoning, budget != 0)
	e.sampling(budget != 0)
	if q.User != "" {
		e.Key("metadata")
		e.Object()
		e.Text("user_id", q.User)
		e.EndObject()
	}
	e.output(budget)
	if q.Stream {
		e.Key("stream")
		e.Bool(true)
	}
	e.unsayable()
}

// sampling writes what is said about chance, but for what a model that thinks, or a newer one, refuses to be told.
func (e *encoder) sampling(thinks bool) {
	q, none := e.q, ""
	if thinks || conversation.AdaptiveOnly(q.Model) {
		none = "this model, or one that thinks, has none in Anthropic's dialect"
	}
	for _, f := range [...]struct {
		name  string
		value conversation.Number
		none  string // why the model is not told it
	}{{"temperature", q.Temperature, none}, {"top_k", q.TopK, none}, {"top_p", q.TopP, q.NoClaudeTopP(thinks)}} {
		switch {
		case f.value == "":
		case f.none != "":
			e.lost.Drop(f.name, f.none)
		case f.name == "temperature":
			e.Member(f.name, []byte(e.temperature()))
		default:
			e.Member(f.name, []byte(f.value))
		}
	}
}

// temperature returns the temperature, at most 1: that is where the dialect's range ends.
func (e *encoder) temperature() conversation.Number {
	if n, err := strconv.ParseFloat(string(e.q.Temperature), 64); err == nil && n > 1 {
		e.lost.Drop("temperature", "it is 1 at most in Anthropic's dialect")
		return "1"
	}
	return e.q.Temperature
}

func (e *encoder) thinking(budget int64) {
	if budget == 0 {
		if e.q.Reasoning.Off && conversation.ClaudeThinks(e.q.Model) {
			e.Key("thinking")
			e.Raw([]byte(`{"type":"disabled"}`))
		}
		return
	}
	e.Key("thinking")
	if budget < 0 {
		e.Raw([]byte(conversation.Adaptive(e.q.Model)))
		return
	}
	e.begin("enabled")
	e.Count("budget_tokens", budget)
	e.EndObject()
}

func (e *encoder) output(budget int64) {
	q, effort := e.q, ""
	schema := q.Format.Kind == conversation.FormatSchema
	if budget < 0 {
		effort = q.Reasoning.ClaudeEffort()
	}
	if !schema && effort == "" {
		return
	}
	e.Key("output_config")
	e.Object()
	e.Text("effort", effort)
	if schema {
		if !conversation.ClaudeFormats(q.Model) {
			e.refuse("response_format")
		}
		if q.Format.Description != "" {
			e.lost.Drop("response_format.description", "a schema has none in Anthropic's dialect")
		}
		e.Key("format")
		e.begin("json_schema")
		e.Member("schema", e.lost.ClaudeSchema(&q.Format))
		e.EndObject()
	}
	e.EndObject()
}

// unsayable refuses or drops what the dialect has no words for.
func (e *encoder) unsayable() {
	q := e.q
	if q.Choices > 1 {
		e.refuse("n")
	}
	if q.Logprobs {
		e.refuse("logprobs")
	}
	for _, f := range []struct {
		name  string
		value conversation.Number
	}{{"frequency_penalty", q.FrequencyPenalty}, {"presence_penalty", q.PresencePenalty}, {"seed", q.Seed}} {
		if n, err := strconv.ParseFloat(string(f.value), 64); err == nil && (n != 0 || f.name == "seed") {
			e.lost.Drop(f.name, "Anthropic's dialect has nothing like it")
		}
	}
	e.lost.Wishes(q)
	if q.CacheKey != "" {
		e.lost.Drop("prompt_cache_key", "Anthropic's dialect marks what is cached")
	}
}
