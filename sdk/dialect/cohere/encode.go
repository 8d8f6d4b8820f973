package cohere

import (
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// mostStops is the number of stop sequences that the API takes.
const mostStops = 5

// budgets are those of reasoning for the words of other dialects.
var budgets = map[string]int64{"minimal": 512, "low": 1024, "medium": 4096, "high": 16384, "xhigh": 32768, "max": 32768}

type encoder struct {
	dialect.Writer
	q    *conversation.Request
	lost conversation.Lost
	err  error
}

// Head has nothing to say beside the body.
func (Codec) Head(bool) (query string, h llm.Header) { return "", nil }

// EncodeRequest writes a request for a chat.
func (Codec) EncodeRequest(q *conversation.Request, _ conversation.Limits) ([]byte, []conversation.Loss, error) {
	e := &encoder{q: q}
	e.Object()
	e.Key("model")
	e.String(q.Model)
	e.Key("stream")
	e.Bool(q.Stream)
	e.Key("messages")
	e.messages()
	e.tools()
	e.limits()
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

func (e *encoder) messages() {
	if len(e.q.System)+len(e.q.Turns) == 0 {
		e.fail(e.q.Silent())
	}
	e.Array()
	if len(e.q.System) > 0 {
		e.said("system", "system", e.q.System)
	}
	for i := range e.q.Turns {
		t := &e.q.Turns[i]
		at := t.Where(i)
		if t.Name != "" {
			e.lost.Drop(at+".name", "Cohere's dialect has no names of participants")
		}
		switch t.Role {
		case conversation.Assistant:
			e.assistant(at, t.Parts)
		case conversation.System:
			e.said(at, "system", t.Parts)
		default:
			e.user(at, t.Parts)
		}
	}
	e.EndArray()
}

// user writes results of tools as messages of their own, then what the user says.
func (e *encoder) user(at string, parts []conversation.Part) {
	var rest []conversation.Part
	for i := range parts {
		if parts[i].Kind != conversation.ToolResult {
			rest = append(rest, parts[i])
			continue
		}
		r := parts[i].Result
		e.Object()
		e.Text("role", "tool")
		e.Text("tool_call_id", r.ID)
		e.Key("content")
		var words strings.Builder
		for j := range r.Parts {
			if r.Parts[j].Kind != conversation.Text {
				e.refuse(r.Parts[j].Where(at + ".content[" + strconv.Itoa(i) + "]"))
			}
			words.WriteString(r.Parts[j].Text)
			e.cache(r.Parts[j].Where(at), &r.Parts[j])
		}
		e.cache(parts[i].Where(at), &parts[i])
		e.String(words.String())
		e.EndObject()
		if r.Error {
			e.lost.Drop(parts[i].Where(at)+".is_error", "Cohere's dialect has no mark for a tool's failure; its words stay")
		}
	}
	if len(rest) > 0 {
		e.said(at, "user", rest)
	}
}

// said writes a message of texts and images: a string where there is one text.
func (e *encoder) said(at, role string, parts []conversation.Part) {
	e.Object()
	e.Text("role", role)
	e.Key("content")
	if len(parts) == 1 && parts[0].Kind == conversation.Text {
		e.String(parts[0].Text)
		e.cache(parts[0].Where(at), &parts[0])
		e.EndObject()
		return
	}
	e.Array()
	for i := range parts {
		p := &parts[i]
		where := p.Where(at + ".content[" + strconv.Itoa(i) + "]")
		switch p.Kind {
		case conversation.Text, conversation.Refusal:
			e.text(p.Text)
		case conversation.Media:
			e.medium(where, p.Media)
		default:
			if p.Native == nil || p.Native.Dialect != llm.Cohere {
				e.refuse(where)
				continue
			}
			e.Raw(p.Native.Raw)
		}
		e.cache(where, p)
	}
	e.EndArray()
	e.EndObject()
}

func (e *encoder) text(s string) {
	e.Object()
	e.Text("type", "text")
	e.Key("text")
	e.String(s)
	e.EndObject()
}

func (e *encoder) cache(at string, p *conversation.Part) {
	if p.Cache != nil {
		e.lost.Drop(at+".cache_control", "Cohere caches by itself")
	}
}

// medium writes an image; the dialect knows no other media.
func (e *encoder) medium(at string, m *conversation.Medium) {
	url := m.URL
	switch {
	case m.Data != "" && !m.Text && strings.HasPrefix(m.Type, "image/"):
		url = "data:" + m.Type + ";base64," + m.Data
	case url == "" || m.Type != "" && !strings.HasPrefix(m.Type, "image/"):
		e.refuse(at)
	}
	e.Object()
	e.Text("type", "image_url")
	e.Key("image_url")
	e.Object()
	e.Text("url", url)
	e.Text("detail", m.Detail)
	e.EndObject()
	e.EndObject()
	e.lost.Medium(at, m, conversation.AboutDetail)
}

// assistant writes what the model said. Beside calls its words are the plan.
func (e *encoder) assistant(at string, parts []conversation.Part) {
	var words strings.Builder
	var calls []*conversation.Call
	for i := range parts {
		p := &parts[i]
		where := p.Where(at + ".content[" + strconv.Itoa(i) + "]")
		switch p.Kind {
		case conversation.Text, conversation.Refusal:
			words.WriteString(p.Text)
		case conversation.ToolCall:
			calls = append(calls, p.Call)
		case conversation.Thinking:
			e.lost.Drop(where, "thoughts are not given back to this model")
		default:
			e.refuse(where)
		}
		e.cache(where, p)
	}
	e.Object()
	e.Text("role", "assistant")
	if len(calls) == 0 {
		e.Key("content")
		e.String(words.String())
		e.EndObject()
		return
	}
	e.Text("tool_plan", words.String())
	e.Key("tool_calls")
	e.Array()
	for _, c := range calls {
		e.Object()
		e.Text("id", c.ID)
		e.Text("type", "function")
		e.Key("function")
		e.Object()
		e.Text("name", c.Name)
		e.Key("arguments")
		e.String(c.Written())
		e.EndObject()
		e.EndObject()
	}
	e.EndArray()
	e.EndObject()
}

func (e *encoder) tools() {
	q := e.q
	if len(q.Tools) == 0 {
		return
	}
	strict := false
	e.Key("tools")
	e.Array()
	for i := range q.Tools {
		t := &q.Tools[i]
		at := t.Where(i)
		if t.Native != nil {
			e.refuse(at + " (" + t.Native.Type + ")")
			continue
		}
		e.Object()
		e.Text("type", "function")
		e.Key("function")
		e.Object()
		e.Text("name", t.Name)
		e.Text("description", t.Description)
		e.Key("parameters")
		if t.Parameters == nil {
			e.Raw([]byte(`{"type":"object","properties":{}}`))
		} else {
			e.Raw(t.Parameters)
		}
		e.EndObject()
		e.EndObject()
		strict = strict || t.Strict != nil && *t.Strict
		if t.Cache != nil {
			e.lost.Drop(at+".cache_control", "Cohere caches by itself")
		}
	}
	e.EndArray()
	if strict {
		e.Key("strict_tools")
		e.Bool(true)
	}
	c := q.ToolChoice
	if len(c.Names) > 0 {
		e.refuse("tool_choice") // a tool cannot be named
	}
	switch c.Mode {
	case conversation.ToolRequired:
		e.Text("tool_choice", "REQUIRED")
	case conversation.ToolNone:
		e.Text("tool_choice", "NONE")
	}
	if q.Parallel != nil && !*q.Parallel {
		e.lost.Drop("parallel_tool_calls", "Cohere's dialect cannot be told to call one tool at a time")
	}
}

func (e *encoder) limits() {
	q := e.q
	e.Count("max_tokens", q.MaxTokens)
	if len(q.Stop) > mostStops {
		e.fail(e.q.TooMany("stop", mostStops))
	} else if len(q.Stop) > 0 {
		e.Key("stop_sequences")
		e.Strings(q.Stop)
	}
	temperature := q.Temperature
	if n, err := strconv.ParseFloat(string(temperature), 64); err == nil && n > 1 {
		e.lost.Drop("temperature", "it is 1 at most in Cohere's dialect")
		temperature = "1"
	}
	e.Member("temperature", []byte(temperature))
	e.Member("p", []byte(q.TopP))
	e.Member("k", []byte(q.TopK))
	e.Member("seed", []byte(q.Seed))
	e.penalty("frequency_penalty", q.FrequencyPenalty)
	e.penalty("presence_penalty", q.PresencePenalty)
}

// penalty writes a penalty, which is none below zero.
func (e *encoder) penalty(name string, v conversation.Number) {
	n, err := strconv.ParseFloat(string(v), 64)
	switch {
	case err != nil || n == 0:
	case n < 0:
		e.lost.Drop(name, "it is 0 at least in Cohere's dialect")
	case n > 1:
		e.lost.Drop(name, "it is 1 at most in Cohere's dialect")
		e.Member(name, []byte("1"))
	default:
		e.Member(name, []byte(v))
	}
}

func (e *encoder) wishes() {
	q := e.q
	switch f := q.Format; f.Kind {
	case conversation.FormatJSON, conversation.FormatSchema:
		e.Key("response_format")
		e.Object()
		e.Text("type", "json_object")
		e.Member("json_schema", f.Schema)
		if f.Description != "" {
			e.lost.Drop("response_format.description", "a schema has none in Cohere's dialect")
		}
		e.EndObject()
	}
	e.thinking()
	if q.Choices > 1 {
		e.refuse("n")
	}
	if q.Logprobs {
		e.refuse("logprobs") // it has them, by tokens' numbers
	}
	e.lost.Wishes(q)
	if q.User != "" {
		e.lost.Drop("user", "Cohere's dialect has no place for the end user")
	}
	if q.CacheKey != "" {
		e.lost.Drop("prompt_cache_key", "Cohere caches by itself")
	}
}

// thinking says how much a model shall think. Only those that can are told so: the others refuse it.
func (e *encoder) thinking() {
	r := e.q.Reasoning
	budget := r.Budget
	if budget <= 0 {
		budget = budgets[r.Effort]
	}
	off := r.Off || r.Effort == "none"
	e.lost.Summary(&r, !off && budget+r.Budget != 0 && reasons(e.q.Model))
	switch {
	case !off && budget == 0 && r.Budget == 0:
		if r.Effort != "" {
			e.lost.Drop("reasoning_effort", "Cohere's dialect has no such word")
		}
		return
	case !reasons(e.q.Model):
		e.lost.Drop("reasoning_effort", "this model does not think")
		return
	}
	e.Key("thinking")
	e.Object()
	if off {
		e.Text("type", "disabled")
	} else {
		e.Text("type", "enabled")
		e.Count("token_budget", budget)
	}
	e.EndObject()
}

// reasons reports whether a model is one that thinks, by its name.
func reasons(model string) bool {
	return strings.Contains(model, "reasoning") || strings.Contains(model, "command-a-plus")
}
