package mistral

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// bridge is what the model says between a tool's result and the user's words: the API refuses a user's message behind a
// tool's.
const bridge = "OK."

// turns changes what the parts of the conversation are called, and their order to the one that the API wants.
func (e *encoder) turns() {
	var all []conversation.Turn
	for i, t := range e.q.Turns {
		at := t.Where(i)
		if t.Name != "" {
			e.lost.Drop(at+".name", "Mistral's dialect has no names of participants")
			t.Name = ""
		}
		t.Parts = slices.Clone(t.Parts)
		for j := range t.Parts {
			e.part(t.Parts[j].Where(at+".content["+strconv.Itoa(j)+"]"), &t.Parts[j], false)
		}
		if t.Role == conversation.Assistant && !slices.ContainsFunc(t.Parts, speaks) {
			e.lost.Drop(at, "a message of the model's without words and calls is refused by this provider")
			continue
		}
		all = e.ordered(at, all, t)
	}
	if e.q.Turns = all; len(all) == 0 && e.err == nil { // the API refuses instructions alone
		e.err = e.q.Silent()
	}
}

func isResult(p conversation.Part) bool { return p.Kind == conversation.ToolResult }

// speaks reports whether a part of the model's is more than thoughts, which are not given back.
func speaks(p conversation.Part) bool {
	return p.Kind != conversation.Thinking && (p.Kind != conversation.Text || p.Text != "")
}

// ordered appends a turn; what the user says behind results of tools, in the same turn or the next, stands behind words
// of the model's.
func (e *encoder) ordered(at string, all []conversation.Turn, t conversation.Turn) []conversation.Turn {
	results := slices.DeleteFunc(slices.Clone(t.Parts), func(p conversation.Part) bool { return !isResult(p) })
	rest := slices.DeleteFunc(t.Parts, isResult)
	answered := len(results) > 0 || len(all) > 0 && slices.ContainsFunc(all[len(all)-1].Parts, isResult)
	if len(results) > 0 {
		all = append(all, conversation.Turn{Role: t.Role, Parts: results, At: at})
	}
	if t.Role == conversation.User && answered && len(rest) > 0 {
		e.lost.Drop(at+".content", "the model says `"+bridge+"` between a tool's result and the user's words, which this provider wants")
		all = append(all, conversation.Turn{Role: conversation.Assistant, Parts: []conversation.Part{{Text: bridge}}})
	}
	if t.Parts = rest; len(rest) > 0 || len(results) == 0 {
		all = append(all, t)
	}
	return all
}

// unbridge takes away from a request what ordered put between.
func unbridge(q *conversation.Request) {
	for i := len(q.Turns) - 2; i > 0; i-- {
		t := &q.Turns[i]
		between := t.Role == conversation.Assistant && q.Turns[i+1].Role == conversation.User && slices.ContainsFunc(q.Turns[i-1].Parts, isResult)
		if between && len(t.Parts) == 1 && t.Parts[0].Kind == conversation.Text && t.Parts[0].Text == bridge {
			q.Turns = slices.Delete(q.Turns, i, i+1)
		}
	}
	q.Join()
}

// begun reports whether the conversation ends with the beginning of an answer.
func (e *encoder) begun() bool {
	n := len(e.q.Turns)
	return n > 0 && e.q.Turns[n-1].Role == conversation.Assistant &&
		!slices.ContainsFunc(e.q.Turns[n-1].Parts, func(p conversation.Part) bool { return p.Kind == conversation.ToolCall })
}

// part changes what a part is called; inside is one of a tool's result.
func (e *encoder) part(at string, p *conversation.Part, inside bool) {
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
			e.part(r.Parts[i].Where(at), &r.Parts[i], true)
		}
		p.Result = &r
	case conversation.Media:
		e.medium(at, p, inside)
	}
}

// medium makes a document, and an image of a tool's result, the part that it is here: an address, which may be the data
// itself.
func (e *encoder) medium(at string, p *conversation.Part, inside bool) {
	m := p.Media
	kind, _, _ := strings.Cut(m.Type, "/")
	switch {
	case m.Text:
		e.lost.Medium(at, m, 0)
		*p = conversation.Part{Text: m.Data, Cache: p.Cache, At: p.At}
		return
	case m.FileID != "" || kind == "video" || kind == "audio" && inside:
		e.refuse(at)
		return
	case kind == "audio" || kind == "image" && !inside:
		return
	}
	url := m.URL
	if m.Data != "" {
		url = "data:" + m.Type + ";base64," + m.Data
	}
	name, kept := "document_url", conversation.AboutName
	if kind == "image" {
		name, kept = "image_url", 0
	}
	e.lost.Medium(at, m, kept)
	var w dialect.Writer
	w.Object()
	w.Text("type", name)
	w.Text(name, url)
	if kind != "image" {
		w.Text("document_name", m.Name)
	}
	w.EndObject()
	*p = conversation.Part{Kind: conversation.Native, Cache: p.Cache, At: p.At, Native: &conversation.Foreign{Dialect: llm.OpenAI, Type: name, Raw: w.Buf}}
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
