package mistral

import (
	"crypto/sha256"
	"encoding/binary"
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
	body, lost, err := openai.Codec{}.EncodeRequest(&e.q, conversation.Limits{MaxTokensField: "max_tokens"})
	if err != nil {
		return nil, nil, err
	}
	if n := len(e.q.Turns); n > 0 && e.q.Turns[n-1].Role == conversation.Assistant && !slices.ContainsFunc(e.q.Turns[n-1].Parts, isCall) {
		body = prefix(body)
	}
	if len(e.members.Buf) > 0 {
		span, members := dialect.FirstMember(body, e.members.Buf)
		body = slices.Replace(body, span.Start, span.End, members...)
	}
	return body, append(e.lost, lost...), nil
}

func isCall(p conversation.Part) bool { return p.Kind == conversation.ToolCall }

func (e *encoder) refuse(field string) {
	if e.err == nil {
		e.err = conversation.Unsupported(field)
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
	r := &q.Reasoning
	switch effort := r.Effort; {
	case r.Off || effort == "none":
		*r = conversation.Reasoning{Off: true}
	case effort == "" && r.Budget == 0:
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
			e.refuse("tools[" + strconv.Itoa(i) + "] (" + t.Native.Type + ")")
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
	e.q.Other = slices.DeleteFunc(slices.Clone(e.q.Other), func(f conversation.Field) bool {
		known := slices.Contains(own, f.Name) || f.Name == seed && !strings.Contains(string(e.members.Buf), seed)
		if known {
			e.members.Member(f.Name, f.Value)
		}
		return known
	})
}

// turns changes what the parts of the conversation are called.
func (e *encoder) turns() {
	q := &e.q
	q.Turns = slices.Clone(q.Turns)
	for i := range q.Turns {
		t := &q.Turns[i]
		at := "messages[" + strconv.Itoa(i) + "]"
		if t.Name != "" {
			e.lost.Drop(at+".name", "Mistral's dialect has no names of participants")
			t.Name = ""
		}
		t.Parts = slices.Clone(t.Parts)
		for j := range t.Parts {
			e.part(at+".content["+strconv.Itoa(j)+"]", &t.Parts[j])
		}
	}
}

func (e *encoder) part(at string, p *conversation.Part) {
	switch p.Kind {
	case conversation.Refusal:
		p.Kind = conversation.Text
	case conversation.ToolCall:
		call := *p.Call
		if call.Custom {
			e.refuse(at)
		}
		call.ID = callID(call.ID)
		p.Call = &call
	case conversation.ToolResult:
		r := *p.Result
		r.ID = callID(r.ID)
		r.Parts = slices.Clone(r.Parts)
		for i := range r.Parts {
			e.part(at, &r.Parts[i])
		}
		p.Result = &r
	case conversation.Media:
		e.medium(at, p)
	}
}

// medium makes a document the part that it is here: an address, which may be the data itself.
func (e *encoder) medium(at string, p *conversation.Part) {
	m := p.Media
	kind, _, _ := strings.Cut(m.Type, "/")
	switch {
	case m.Text || kind == "image" || kind == "audio":
		return
	case kind == "video" || m.FileID != "":
		e.refuse(at)
		return
	}
	url := m.URL
	if m.Data != "" {
		url = "data:" + m.Type + ";base64," + m.Data
	}
	var w dialect.Writer
	w.Object()
	w.Text("type", "document_url")
	w.Text("document_url", url)
	w.Text("document_name", m.Name)
	w.EndObject()
	*p = conversation.Part{Kind: conversation.Native, Cache: p.Cache, Native: &conversation.Foreign{Dialect: llm.OpenAI, Type: "document_url", Raw: w.Buf}}
}

// idLength is that of a call's id, idChars what it is written in.
const (
	idLength = 9
	idChars  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// callID returns an id as the API takes it, the same for the same id: those of other vendors are longer and have
// other characters.
func callID(id string) string {
	if len(id) == idLength && strings.Trim(id, idChars) == "" {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	n := binary.BigEndian.Uint64(sum[:])
	out := make([]byte, idLength)
	for i := range out {
		out[i] = idChars[n%uint64(len(idChars))]
		n /= uint64(len(idChars))
	}
	return string(out)
}

// prefix marks the last message of a body as the beginning of the answer: the API refuses an assistant's otherwise.
func prefix(body []byte) []byte {
	r := dialect.NewReader(body)
	last := -1
	for o := r.Object(nil); ; {
		_, ok := r.Next(&o)
		if !ok {
			break
		}
		if string(r.Bytes(o.Key)) != "messages" {
			r.Skip()
			continue
		}
		r.Array()
		for n := 0; r.Item(&n); {
			last = r.Skip().Start
		}
	}
	if last < 0 {
		return body
	}
	return slices.Insert(body, last+1, []byte(`"prefix":true,`)...)
}
