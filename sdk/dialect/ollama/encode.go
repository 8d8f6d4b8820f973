package ollama

import (
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

type encoder struct {
	dialect.Writer
	q    *conversation.Request
	lost conversation.Lost
	err  error // the first thing that cannot be said
}

// Head has nothing to say beside the body.
func (Codec) Head(bool) (query string, h llm.Header) { return "", nil }

// EncodeRequest writes a request for a chat.
func (Codec) EncodeRequest(q *conversation.Request, _ conversation.Limits) ([]byte, []conversation.Loss, error) {
	e := &encoder{q: q}
	e.Object()
	e.Key("model")
	e.String(q.Model)
	e.Key("stream") // a server streams unless told otherwise
	e.Bool(q.Stream)
	e.Key("messages")
	e.messages()
	e.tools()
	e.format()
	e.options()
	e.thinking()
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

func (e *encoder) tools() {
	q := e.q
	c := q.ToolChoice
	if c.Mode == conversation.ToolRequired || len(c.Names) > 0 && c.Mode != conversation.ToolNone {
		e.refuse("tool_choice")
	}
	if q.Parallel != nil && !*q.Parallel && len(q.Tools) > 0 {
		e.lost.Drop("parallel_tool_calls", "Ollama's dialect cannot be told to call one tool at a time")
	}
	if len(q.Tools) == 0 || c.Mode == conversation.ToolNone { // what is not there is not called
		return
	}
	e.Key("tools")
	e.Array()
	for i := range q.Tools {
		e.tool(q.Tools[i].Where(i), &q.Tools[i])
	}
	e.EndArray()
}

func (e *encoder) tool(at string, t *conversation.Tool) {
	if t.Native != nil {
		e.refuse(at + " (" + t.Native.Type + ")")
		return
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
	if t.Strict != nil && *t.Strict {
		e.lost.Drop(at+".strict", "Ollama does not hold a model to a tool's schema")
	}
	if t.Cache != nil {
		e.lost.Drop(at+".cache_control", cachesItself)
	}
}

const cachesItself = "Ollama caches by itself"

func (e *encoder) format() {
	switch f := &e.q.Format; f.Kind {
	case conversation.FormatJSON:
		e.Text("format", "json")
	case conversation.FormatSchema:
		e.Member("format", f.Schema)
		if f.Description != "" {
			e.lost.Drop("response_format.description", "a schema has none in Ollama's dialect")
		}
	}
}

// options writes how the model shall sample. An object that says nothing is left out.
func (e *encoder) options() {
	q := e.q
	o := &dialect.Writer{}
	o.Object()
	before := len(o.Buf)
	o.Count("num_predict", q.MaxTokens)
	if len(q.Stop) > 0 {
		o.Key("stop")
		o.Strings(q.Stop)
	}
	for _, n := range []struct {
		name  string
		value conversation.Number
	}{
		{"temperature", q.Temperature}, {"top_p", q.TopP}, {"top_k", q.TopK}, {"seed", q.Seed},
		{"frequency_penalty", q.FrequencyPenalty}, {"presence_penalty", q.PresencePenalty},
	} {
		o.Member(n.name, []byte(n.value))
	}
	if len(o.Buf) > before {
		o.EndObject()
		e.Member("options", o.Buf)
	}
}

// levels are the words of the models that take one, for those of other dialects.
var levels = map[string]string{"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}

// thinking says whether the model shall think. How much is for one family of models only: a server refuses a word
// for any other, and any wish to think for a model that cannot.
func (e *encoder) thinking() {
	r := e.q.Reasoning
	level := levels[r.Effort]
	e.lost.Summary(&r, !r.Off && (level != "" || r.Budget != 0))
	switch {
	case r.Off || r.Effort == "none":
		e.Key("think")
		e.Bool(false)
		return
	case level == "" && r.Budget == 0:
		if r.Effort != "" {
			e.lost.Drop("reasoning_effort", "Ollama's dialect has no such word")
		}
		return
	case level == "" && r.Budget > 0:
		level = levelOf(r.Budget)
	}
	e.Key("think")
	if level != "" && strings.Contains(e.q.Model, "gpt-oss") {
		e.String(level)
		return
	}
	e.Bool(true)
	if level != "" {
		e.lost.Drop("reasoning_effort", "this model can be told to think, and not how much")
	}
}

// levelOf returns the word whose usual budget is next to a number of tokens.
func levelOf(budget int64) string {
	switch {
	case budget <= 1024:
		return "low"
	case budget <= 8192:
		return "medium"
	}
	return "high"
}

func (e *encoder) wishes() {
	q := e.q
	if q.Logprobs {
		e.Key("logprobs")
		e.Bool(true)
		e.Member("top_logprobs", []byte(q.TopLogprobs))
	}
	e.lost.Wishes(q)
	if q.Choices > 1 {
		e.refuse("n")
	}
	if q.User != "" {
		e.lost.Drop("user", "Ollama's dialect has no place for the end user")
	}
	if q.CacheKey != "" {
		e.lost.Drop("prompt_cache_key", cachesItself)
	}
}
