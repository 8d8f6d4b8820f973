package ollama

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
)

// said is what a message is going to say.
type said struct {
	texts    []string
	thoughts []string
	images   []string // base64
	calls    []*conversation.Call
}

func (e *encoder) messages() {
	q := e.q
	if len(q.System) == 0 && len(q.Turns) == 0 {
		e.fail(q.Silent()) // which loads the model and says nothing
	}
	e.Array()
	if len(q.System) > 0 {
		e.write("system", e.gather("system", q.System), nil)
	}
	for i := range q.Turns {
		t := &q.Turns[i]
		at := t.Where(i)
		if t.Name != "" {
			e.lost.Drop(at+".name", "Ollama's dialect has no names of participants")
		}
		switch t.Role {
		case conversation.Assistant:
			e.write("assistant", e.gather(at, t.Parts), nil)
		case conversation.System:
			e.write("system", e.gather(at, t.Parts), nil)
		default:
			e.user(at, t.Parts)
		}
	}
	e.EndArray()
}

// user writes results of tools as messages of their own, then what the user says. The images of results go with
// the user's words.
func (e *encoder) user(at string, parts []conversation.Part) {
	var rest, media []conversation.Part
	for i := range parts {
		if parts[i].Kind != conversation.ToolResult {
			rest = append(rest, parts[i])
			continue
		}
		r := parts[i].Result
		var words []conversation.Part
		for _, p := range r.Parts {
			if p.Kind == conversation.Media && !p.Media.Text {
				media = append(media, p)
			} else {
				words = append(words, p)
			}
		}
		e.write("tool", e.gather(at, words), r)
		if parts[i].Cache != nil {
			e.lost.Drop(parts[i].Where(at)+".cache_control", cachesItself)
		}
		if r.Error {
			e.lost.Drop(parts[i].Where(at)+".is_error", "Ollama's dialect has no mark for a tool's failure; its words stay")
		}
	}
	if len(media) > 0 {
		e.lost.Drop(at+".content", "a tool's images follow in a message of the user")
	}
	if rest = append(media, rest...); len(rest) > 0 {
		e.write("user", e.gather(at, rest), nil)
	}
}

// gather sorts the parts of a message by where they go.
func (e *encoder) gather(at string, parts []conversation.Part) (s said) {
	for i := range parts {
		p := &parts[i]
		where := p.Where(at + ".content[" + strconv.Itoa(i) + "]")
		switch {
		case p.Kind == conversation.Text || p.Kind == conversation.Refusal:
			s.texts = append(s.texts, p.Text)
		case p.Kind == conversation.Media && p.Media.Text:
			s.texts = append(s.texts, p.Media.Data)
		case p.Kind == conversation.Media && p.Media.Data != "" && strings.HasPrefix(p.Media.Type, "image/"):
			s.images = append(s.images, p.Media.Data)
		case p.Kind == conversation.ToolCall && !p.Call.Custom:
			s.calls = append(s.calls, p.Call)
		case p.Kind == conversation.Thinking && p.Opaque.Value == "":
			s.thoughts = append(s.thoughts, p.Text)
		case p.Kind == conversation.Thinking:
			e.lost.Drop(where, "thoughts of another vendor's model are not given back to this one")
		default:
			e.refuse(where)
		}
		if p.Kind == conversation.Media {
			e.lost.Medium(where, p.Media, 0)
		}
		if p.Cache != nil {
			e.lost.Drop(where+".cache_control", cachesItself)
		}
	}
	return s
}

// write writes a message; result is the one that a tool's message is.
func (e *encoder) write(role string, s said, result *conversation.Result) {
	e.Object()
	e.Text("role", role)
	e.Key("content")
	e.String(strings.Join(s.texts, "\n"))
	e.Text("thinking", strings.Join(s.thoughts, ""))
	if len(s.images) > 0 {
		e.Key("images")
		e.Strings(s.images)
	}
	if len(s.calls) > 0 {
		e.Key("tool_calls")
		e.Array()
		for _, c := range s.calls {
			e.call(c)
		}
		e.EndArray()
	}
	if result != nil {
		e.Text("tool_name", result.Name)
		e.Text("tool_call_id", result.ID)
	}
	e.EndObject()
}

// call writes a call. Its arguments must be an object; what a model wrote that is none goes as text inside of one.
func (e *encoder) call(c *conversation.Call) {
	e.Object()
	e.Text("id", c.ID)
	e.Key("function")
	e.Object()
	e.Text("name", c.Name)
	e.Key("arguments")
	switch text := strings.TrimSpace(c.Arguments); {
	case text == "":
		e.Raw([]byte("{}"))
	case text[0] == '{' && json.Valid([]byte(text)):
		e.Raw([]byte(text))
	default:
		e.Object()
		e.Text("arguments", text)
		e.EndObject()
		e.lost.Drop("arguments of "+c.Name, "they are no JSON object and go as text inside of one")
	}
	e.EndObject()
	e.EndObject()
}
