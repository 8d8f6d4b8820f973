package mistral

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/dialect/openai"
	"github.com/ginnel/ginnel/sdk/llm"
)

// seed is what the dialect calls it.
const seed = "random_seed"

// own are the members of a request that only this dialect knows. A client's are kept.
var own = []string{"safe_prompt", "prompt_mode", "guardrails", "prediction", "metadata"}

// Head has nothing to say beside the body.
func (Codec) Head(bool) (query string, h llm.Header) { return "", nil }

// DecodeRequest reads a request for a chat.
func (Codec) DecodeRequest(body []byte) (*conversation.Request, error) {
	q, err := openai.Codec{}.DecodeRequest(body)
	if err != nil {
		return nil, err
	}
	q.IncludeUsage = true
	unbridge(q)
	q.Other = slices.DeleteFunc(q.Other, func(f conversation.Field) bool {
		if f.Name != seed {
			return false
		}
		q.Seed = conversation.Number(f.Value)
		return true
	})
	return q, nil
}

// encoder makes of a request what OpenAI's encoder writes as this dialect has it, and the members that it does not
// write.
type encoder struct {
	q       conversation.Request // a copy, but for what its slices hold
	members dialect.Writer       // as of an object
	lost    conversation.Lost
	err     error // the first thing that cannot be said
}

// EncodeRequest writes a request for a chat.
func (Codec) EncodeRequest(q *conversation.Request, _ conversation.Limits) ([]byte, []conversation.Loss, error) {
	e := &encoder{q: *q}
	e.limits()
	e.wishes()
	e.tools()
	e.turns()
	e.others()
	if e.err != nil {
		return nil, nil, e.err
	}
	l := conversation.Limits{MaxTokensField: "max_tokens"}
	if e.thinks() {
		l.ReasoningField = conversation.ReasoningParts
	}
	body, lost, err := openai.Codec{}.EncodeRequest(&e.q, l)
	if err != nil {
		return nil, nil, err
	}
	if e.begun() {
		body = prefix(body)
	}
	if len(e.members.Buf) > 0 {
		span, members := dialect.FirstMember(body, e.members.Buf)
		body = slices.Replace(body, span.Start, span.End, members...)
	}
	e.lost.Named(q)
	return body, append(e.lost, lost...), nil
}

func (e *encoder) refuse(field string) {
	if e.err == nil {
		e.err = e.q.Unsupported(field)
	}
}

// limits writes what the dialect calls otherwise, or takes more or less of.
func (e *encoder) limits() {
	q := &e.q
	e.members.Member(seed, []byte(q.Seed))
	q.Seed = ""
	if len(q.Stop) > 0 { // as many as one likes
		e.members.Key("stop")
		e.members.Strings(q.Stop)
		q.Stop = nil
	}
	if q.Stream { // which tells its usage unasked
		e.members.Key("stream")
		e.members.Bool(true)
		q.Stream = false
	}
	if n, err := strconv.ParseFloat(string(q.Temperature), 64); err == nil && n > 1.5 {
		e.lost.Drop("temperature", "it is 1.5 at most in Mistral's dialect")
		q.Temperature = "1.5"
	}
	if q.TopK != "" {
		e.lost.Drop("top_k", "Mistral's dialect has no such limit")
		q.TopK = ""
	}
}

// adjusts reports whether a model can be told whether to think, by its name. Others always think or never do, and refuse
// to be told.
func adjusts(model string) bool {
	return strings.Contains(model, "mistral-small") || strings.Contains(model, "mistral-medium")
}

// thinks reports whether the model takes thoughts back: one that always thinks, or that is told to. Others refuse them, as
// they do those of another vendor's model, which a conversation may have that began elsewhere.
func (e *encoder) thinks() bool {
	return strings.Contains(e.q.Model, "magistral") || e.q.Reasoning.Effort != ""
}

// wishes takes away what the dialect has no place for. Of reasoning it knows whether, and not how much.
func (e *encoder) wishes() {
	q := &e.q
	if q.Logprobs {
		e.refuse("logprobs")
	}
	if q.User != "" {
		e.lost.Drop("user", "Mistral's dialect has no place for the end user")
		q.User = ""
	}
	q.Shared = slices.DeleteFunc(slices.Clone(q.Shared), e.own)
	e.lost.Wishes(q)
	q.Store, q.TopLogprobs, q.Shared = false, "", nil
	r := &q.Reasoning
	e.lost.Summary(r, adjusts(q.Model) && !r.Off && (r.Effort != "" && r.Effort != "none" || r.Budget != 0))
	r.Summary = ""
	switch effort := r.Effort; {
	case effort == "" && r.Budget == 0 && !r.Off:
	case !adjusts(q.Model):
		e.lost.Drop("reasoning_effort", "this model cannot be told whether to think")
		*r = conversation.Reasoning{}
	case r.Off || effort == "none":
		*r = conversation.Reasoning{Off: true}
	default:
		if effort != "high" && r.Budget >= 0 {
			e.lost.Drop("reasoning_effort", "Mistral's models can be told to think, and not how much")
		}
		*r = conversation.Reasoning{Effort: "high"}
	}
}

func (e *encoder) tools() {
	q := &e.q
	q.Tools = slices.Clone(q.Tools)
	for i := range q.Tools {
		t := &q.Tools[i]
		if t.Native != nil {
			e.refuse(t.Where(i) + " (" + t.Native.Type + ")")
		}
		if t.Parameters == nil { // they are required
			t.Parameters = []byte(`{"type":"object","properties":{}}`)
		}
	}
	switch c := q.ToolChoice; {
	case c.Mode == conversation.ToolRequired && len(c.Names) == 0:
		e.members.Text("tool_choice", "any")
		q.ToolChoice = conversation.ToolChoice{}
	case len(c.Names) > 1 || len(c.Names) == 1 && c.Mode == conversation.ToolAuto:
		e.refuse("tool_choice")
	}
}

// others moves a client's words of this dialect from what nobody knows to the members.
func (e *encoder) others() {
	e.q.Other = slices.DeleteFunc(slices.Clone(e.q.Other), e.own)
}

// own moves a field to the members where it is one of this dialect's.
func (e *encoder) own(f conversation.Field) bool {
	known := slices.Contains(own, f.Name) || f.Name == seed && !strings.Contains(string(e.members.Buf), seed)
	if known {
		e.members.Member(f.Name, f.Value)
	}
	return known
}
