package gemini

import (
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// The blocks of an answer. A candidate's words go on from part to part and from event to event, so all
// of them are one block; what is complete in itself is Whole and needs none of its own.
const (
	blockContent = 0
	blockPartial = 1  // a function call's arguments that come in fragments
	blockBeside  = -1 // what stands beside the content: why it ended, what it is grounded on
)

const (
	contentRole = iota
	contentParts
)

const (
	partText = iota
	partThought
	partInline
	partFile
	partCall
	partResponse
	partCode
	partResult
	partToolCall
	partToolResponse
	partMetadata
	partSignature
	partVideo
	partResolution
)

const (
	callName = iota
	callArgs
	callPartial
	callResponse
	callParts
)

var (
	contentKeys = dialect.NewSnakeKeys("role", "parts")
	partKeys    = dialect.NewSnakeKeys("text", "thought", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode",
		"codeExecutionResult", "toolCall", "toolResponse", "partMetadata", "thoughtSignature", "videoMetadata", "mediaResolution")
	callKeys    = dialect.NewSnakeKeys("name", "args", "partialArgs", "response", "parts")
	partialKeys = dialect.NewSnakeKeys("stringValue")
	codeKeys    = dialect.NewSnakeKeys("code", "output")
	dataKeys    = dialect.NewSnakeKeys("displayName", "fileUri")
)

// reader reads what requests and answers share: contents and their parts.
type reader struct {
	dialect.Reader
	texts  []dialect.Text
	unseen string   // of a request: the first field that no text filter can see
	files  []string // of a request: what the vendor keeps
	called bool     // of an answer: content that is no text stands in it
}

// content reads one content: a role and parts. The texts without a role of their own get role unless
// the content says another.
func (r *reader) content(role dialect.Role) {
	if r.Type() != dialect.TypeObject {
		r.text(role, dialect.KindText, "contents")
		return
	}
	begin := len(r.texts)
	o := r.Object(contentKeys)
	for {
		key, ok := r.Next(&o)
		if !ok {
			break
		}
		switch key {
		case contentRole:
			role = r.role(role)
		case contentParts:
			r.parts()
		default:
			r.Skip()
		}
	}
	for i := begin; i < len(r.texts); i++ {
		if t := &r.texts[i]; t.Role == dialect.RoleNone {
			t.Role = role
		}
	}
}

func (r *reader) role(otherwise dialect.Role) dialect.Role {
	s, ok := r.String()
	if !ok {
		r.Skip()
		return otherwise
	}
	raw := r.Bytes(s)
	if dialect.Escaped(raw) {
		raw = dialect.AppendUnquoted(nil, raw)
	}
	if otherwise == dialect.RoleSystem {
		return otherwise // clients give a system instruction any role
	}
	switch string(raw) {
	case "user":
		return dialect.RoleUser
	case "model":
		return dialect.RoleAssistant
	case "function", "tool":
		return dialect.RoleTool
	case "system":
		return dialect.RoleSystem
	}
	return otherwise
}

// parts reads a list of parts. Google's servers read a single value where a list should stand as a list
// of one, here as elsewhere, and their own examples write it so.
func (r *reader) parts() {
	if r.Type() != dialect.TypeArray {
		r.part()
		return
	}
	r.Array()
	for n := 0; r.Item(&n); {
		r.parts()
	}
}

// part reads one part, whose "thought" may stand after its text.
func (r *reader) part() {
	if r.Type() != dialect.TypeObject {
		r.text(dialect.RoleNone, dialect.KindText, "parts")
		return
	}
	said, thought := -1, false
	o := r.Object(partKeys)
	for {
		key, ok := r.Next(&o)
		if !ok {
			break
		}
		switch key {
		case partText:
			said = len(r.texts)
			r.text(dialect.RoleNone, dialect.KindText, "text")
		case partThought:
			if v, ok := r.Bool(); ok {
				thought = v
			} else {
				r.Skip()
			}
		case partInline, partFile:
			r.data()
		case partCall, partToolCall:
			r.called = true
			r.call()
		case partResponse, partToolResponse:
			r.call()
		case partCode:
			r.called = true
			r.code(dialect.RoleNone, dialect.KindArguments)
		case partResult:
			r.code(dialect.RoleTool, dialect.KindToolResult)
		case partMetadata:
			r.strings(dialect.RoleNone, dialect.KindStructured)
		case partSignature, partVideo, partResolution:
			r.Skip()
		default:
			r.unknown()
		}
	}
	if thought && said >= 0 && said < len(r.texts) {
		r.texts[said].Channel.Kind = dialect.KindReasoning
	}
}

// unknown reads a member of a part that is not known: all its strings, which may not be all that it carries.
func (r *reader) unknown() {
	switch r.Type() {
	case dialect.TypeObject, dialect.TypeArray, dialect.TypeString:
		r.mark("parts")
	}
	r.strings(dialect.RoleNone, dialect.KindText)
}

// data reads media, inline or by reference: what is referred to is out of sight.
func (r *reader) data() {
	if r.Type() != dialect.TypeObject {
		r.hidden("parts")
		return
	}
	r.called = true
	o := r.Object(dataKeys)
	for {
		key, ok := r.Next(&o)
		if !ok {
			return
		}
		switch key {
		case 0:
			r.whole(dialect.RoleNone, dialect.KindStructured, "displayName")
		case 1:
			r.uri()
		default:
			r.Skip()
		}
	}
}

// call reads the call of a function or of one of Google's own tools, or what it gave back.
func (r *reader) call() {
	if r.Type() != dialect.TypeObject {
		r.hidden("parts")
		return
	}
	o := r.Object(callKeys)
	for {
		key, ok := r.Next(&o)
		if !ok {
			return
		}
		switch key {
		case callName:
			r.whole(dialect.RoleNone, dialect.KindStructured, "name")
		case callArgs:
			r.strings(dialect.RoleNone, dialect.KindArguments)
		case callPartial:
			r.partials()
		case callResponse:
			r.strings(dialect.RoleTool, dialect.KindToolResult)
		case callParts:
			r.parts()
		default:
			r.Skip()
		}
	}
}

// partials reads the fragments of a call's arguments, which Vertex AI streams on demand.
func (r *reader) partials() {
	switch r.Type() {
	case dialect.TypeArray:
		r.Array()
		for n := 0; r.Item(&n); {
			r.partials()
		}
	case dialect.TypeObject:
		o := r.Object(partialKeys)
		for {
			key, ok := r.Next(&o)
			if !ok {
				return
			}
			if s, is := r.String(); !is {
				r.Skip()
			} else if key == 0 {
				r.add(s, dialect.Text{Channel: dialect.Channel{Block: blockPartial, Kind: dialect.KindArguments}})
			}
		}
	default:
		r.Skip()
	}
}

// code reads code that the model wrote for Google to run, or what came of it.
func (r *reader) code(role dialect.Role, kind dialect.Kind) {
	if r.Type() != dialect.TypeObject {
		r.hidden("parts")
		return
	}
	o := r.Object(codeKeys)
	for {
		key, ok := r.Next(&o)
		if !ok {
			return
		}
		if key < 0 {
			r.Skip()
		} else {
			r.whole(role, kind, "code")
		}
	}
}

// text reads a string that others may continue; anything else but null is out of sight.
func (r *reader) text(role dialect.Role, kind dialect.Kind, name string) {
	if s, ok := r.String(); ok {
		r.add(s, dialect.Text{Role: role, Channel: dialect.Channel{Kind: kind}})
		return
	}
	r.hidden(name)
}

// whole reads a string that is complete in itself.
func (r *reader) whole(role dialect.Role, kind dialect.Kind, name string) {
	if s, ok := r.String(); ok {
		r.add(s, dialect.Text{Role: role, Channel: dialect.Channel{Kind: kind}, Whole: true})
		return
	}
	r.hidden(name)
}

// strings reads every string of the value at hand, whose keys are its author's.
func (r *reader) strings(role dialect.Role, kind dialect.Kind) {
	r.texts = r.AppendStrings(r.texts, dialect.Text{Role: role, Channel: dialect.Channel{Kind: kind}, Whole: true})
}

// uri reads where media are: by a URL, or by the name of a file that Google keeps.
func (r *reader) uri() {
	if s, ok := r.String(); ok {
		if uri := dialect.TextOf(r.Bytes(s), ""); !strings.Contains(uri, "://") || dialect.OfAccount(uri) {
			r.files = append(r.files, uri)
		}
		r.mark("fileUri")
		return
	}
	r.hidden("fileUri")
}

// hidden skips the value at hand and marks it unless it is null.
func (r *reader) hidden(name string) {
	if !r.Null() {
		r.Skip()
		r.mark(name)
	}
}

func (r *reader) mark(name string) {
	if r.unseen == "" {
		r.unseen = name
	}
}

func (r *reader) add(s dialect.Span, t dialect.Text) {
	if s.Len() > 0 {
		t.Span = s
		r.texts = append(r.texts, t)
	}
}
