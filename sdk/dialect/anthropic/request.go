package anthropic

import "github.com/ginnel/ginnel/sdk/dialect"

const (
	reqModel = iota
	reqMessages
	reqSystem
	reqStream
	reqMaxTokens
	reqTools
	reqMetadata
	reqServers
	reqContainer
	reqContext
	reqCompaction
	reqThread
	reqOutput
	reqFormat
	reqModels
	reqFallbacks
	reqFallbackModels
	reqPreset
)

var (
	requestKeys = dialect.NewKeys("model", "messages", "system", "stream", "max_tokens", "tools", "metadata",
		"mcp_servers", "container", "context_management", "compaction", "thread", "output_config", "output_format",
		"models", "fallbacks", "fallback_models", "preset")
	messageKeys = dialect.NewKeys("role", "content")
	contextKeys = dialect.NewKeys("edits", "instructions")
	threadKeys  = dialect.NewKeys("previous_message_id")
	placedKeys  = dialect.NewKeys("skills", "id")
	skillKeys   = dialect.NewKeys("type", "skill_id")
	serverKeys  = dialect.NewKeys("name", "url")
	formatKeys  = dialect.NewKeys("format", "schema")
)

// requestReader reads one request's body.
type requestReader struct {
	reader
	into *dialect.Request
}

func (q *requestReader) request() {
	for o := q.Object(requestKeys); ; {
		key, ok := q.Next(&o)
		if !ok {
			return
		}
		switch key {
		case reqModel:
			q.model()
		case reqMessages:
			q.messages()
		case reqSystem:
			q.spoken(dialect.RoleSystem, "system", (*reader).content)
		case reqStream:
			q.stream()
		case reqMaxTokens:
			q.maxTokens()
		case reqTools:
			q.tools("tools")
		case reqMetadata:
			q.strings(dialect.KindStructured)
		case reqServers:
			q.servers()
		case reqContainer:
			q.container()
		case reqContext, reqCompaction:
			q.spoken(dialect.RoleSystem, "instructions", (*reader).instructions)
		case reqThread:
			q.thread()
		case reqOutput, reqFormat:
			q.format()
		case reqModels, reqFallbacks, reqFallbackModels, reqPreset: // Anthropic's, and others' that speak as it does
			q.further = q.AppendNames(q.further)
		default:
			q.Skip()
		}
	}
}

func (q *requestReader) model() {
	if q.Null() {
		return
	}
	s, ok := q.String()
	if !ok {
		q.Refuse(`"model" must be a string`)
		return
	}
	q.into.ModelSpan = s
}

// stream reads whether a stream is wanted. A server that takes the word "true" for one exists, so
// nothing but a boolean is let through.
func (q *requestReader) stream() {
	if q.Null() {
		return
	}
	v, ok := q.Bool()
	if !ok {
		q.Refuse(`"stream" must be true or false`)
	}
	q.into.Stream = v
}

func (q *requestReader) maxTokens() {
	if q.Null() {
		return
	}
	n, ok := q.Int()
	if !ok {
		q.Refuse(`"max_tokens" must be a number`)
	}
	q.into.MaxTokens = max(n, 0)
}

// spoken reads a value's texts and makes role, where a text has none, the one that speaks them.
func (q *requestReader) spoken(role dialect.Role, name string, read func(*reader, string)) {
	begin := len(q.texts)
	read(&q.reader, name)
	q.speak(begin, role)
}

func (q *requestReader) messages() {
	if q.Null() {
		return
	}
	if q.Type() != dialect.TypeArray {
		q.Refuse(`"messages" must be an array`)
		return
	}
	q.Array()
	for n := 0; q.Item(&n); {
		if q.Type() != dialect.TypeObject {
			q.Refuse(`each of the "messages" must be an object`)
			return
		}
		q.message()
	}
}

// message reads one message. Its role may stand after its texts.
func (q *requestReader) message() {
	begin, role := len(q.texts), dialect.RoleNone
	for o := q.Object(messageKeys); ; {
		key, ok := q.Next(&o)
		if !ok {
			break
		}
		switch key {
		case 0:
			role = q.role()
		case 1:
			q.content("content")
		default:
			q.Skip()
		}
	}
	q.speak(begin, role)
}

func (q *requestReader) role() dialect.Role {
	s, ok := q.String()
	if !ok {
		q.Skip()
		return dialect.RoleNone
	}
	raw := q.Bytes(s)
	if dialect.Escaped(raw) {
		raw = dialect.AppendUnquoted(nil, raw)
	}
	switch string(raw) {
	case "user":
		return dialect.RoleUser
	case "assistant":
		return dialect.RoleAssistant
	case "system":
		return dialect.RoleSystem
	}
	return dialect.RoleNone
}

// container reads where the vendor runs what the model writes: one that an earlier answer left, by its id, or a new one;
// and the skills that it finds there: the account's, but for those that are the vendor's own.
func (q *requestReader) container() {
	if q.Null() {
		return
	}
	q.mark("container")
	if q.Type() != dialect.TypeObject {
		q.files = q.AppendNames(q.files)
		return
	}
	q.Members(placedKeys, func(key int) {
		if key == 1 {
			q.files = q.AppendNames(q.files)
			return
		}
		if q.Type() != dialect.TypeArray {
			q.Skip()
			return
		}
		q.Array()
		for n := 0; q.Item(&n); {
			q.skill()
		}
	})
}

func (q *requestReader) skill() {
	begin, own := len(q.files), false
	q.Members(skillKeys, func(key int) {
		if key == 1 {
			q.files = q.AppendNames(q.files)
		} else if s, ok := q.String(); ok {
			own = string(q.Bytes(s)) == "anthropic"
		} else {
			q.Skip()
		}
	})
	if own {
		q.files = q.files[:begin]
	}
}

// servers reads the MCP servers that the vendor is to ask: their tools and what those say reach the
// model past the gateway.
func (q *requestReader) servers() {
	if q.Type() != dialect.TypeArray {
		q.unseen("mcp_servers")
		return
	}
	q.Array()
	for n := 0; q.Item(&n); {
		q.mark("mcp_servers")
		if q.Type() != dialect.TypeObject {
			q.Skip()
			continue
		}
		for o := q.Object(serverKeys); ; {
			key, ok := q.Next(&o)
			if !ok {
				break
			}
			if key < 0 {
				q.Skip()
			} else {
				q.text(dialect.KindStructured, "mcp_servers")
			}
		}
	}
}

// thread reads whether the request goes on from a message that the vendor keeps. In a thread it keeps the answer, too.
func (q *requestReader) thread() {
	if q.Null() {
		return
	}
	q.into.Unstored = false
	if q.Type() != dialect.TypeObject {
		q.unseen("thread")
		return
	}
	for o := q.Object(threadKeys); ; {
		key, ok := q.Next(&o)
		if !ok {
			return
		}
		if key == 0 {
			n := len(q.files)
			if q.kept("previous_message_id"); len(q.files) > n {
				q.into.Previous = q.files[n]
			}
		} else {
			q.Skip()
		}
	}
}

// format reads the schema that the answer is to have, whose words the model sees.
func (q *requestReader) format() {
	if q.Type() != dialect.TypeObject {
		q.Skip()
		return
	}
	for o := q.Object(formatKeys); ; {
		key, ok := q.Next(&o)
		if !ok {
			return
		}
		switch key {
		case 0:
			q.format()
		case 1:
			q.texts = q.AppendSchema(q.texts, like(dialect.KindToolDef))
		default:
			q.Skip()
		}
	}
}

// instructions reads what tells the model how to sum up an earlier part of the conversation: in an
// object of its own, or in each of a list of edits.
func (r *reader) instructions(name string) {
	switch r.Type() {
	case dialect.TypeObject:
	case dialect.TypeArray:
		r.Array()
		for n := 0; r.Item(&n); {
			r.instructions(name)
		}
		return
	default:
		r.Skip()
		return
	}
	for o := r.Object(contextKeys); ; {
		key, ok := r.Next(&o)
		if !ok {
			return
		}
		switch key {
		case 0:
			r.instructions(name)
		case 1:
			r.text(dialect.KindText, name)
		default:
			r.Skip()
		}
	}
}
