package responses

import "github.com/ginnel/ginnel/sdk/dialect"

const (
	reqModel = iota
	reqInput
	reqInstructions
	reqStream
	reqMaxTokens
	reqTools
	reqText
	reqPrompt
	reqInclude
	reqTopLogprobs
	reqBackground
	reqPrevious
	reqConversation
	reqUser
	reqSafety
	reqCacheKey
	reqMetadata
	reqModels
	reqFallbacks
	reqFallbackModels
	reqPreset
	reqStore
)

const formSchema = 0

var (
	requestKeys = dialect.NewKeys("model", "input", "instructions", "stream", "max_output_tokens", "tools", "text", "prompt", "include", "top_logprobs",
		"background", "previous_response_id", "conversation", "user", "safety_identifier", "prompt_cache_key", "metadata",
		"models", "fallbacks", "fallback_models", "preset", "store")
	conversationKeys = dialect.NewKeys("id")
	containerKeys    = dialect.NewKeys("name", "file_ids", "file_id", "skills")
	talkKeys         = dialect.NewKeys("items", "metadata")
	textKeys         = dialect.NewKeys("format")
	formatKeys       = dialect.NewKeys("schema", "name", "description")
	promptKeys       = dialect.NewKeys("variables")
)

// requestReader reads one request's body.
type requestReader struct {
	reader
	into *dialect.Request
}

func (q *requestReader) read() {
	o := q.Object(requestKeys)
	for {
		key, ok := q.Next(&o)
		if !ok {
			return
		}
		switch key {
		case reqModel:
			q.model()
		case reqInput:
			q.input()
		case reqInstructions:
			q.instructions()
		case reqStream:
			q.into.Stream = q.flag("stream")
		case reqMaxTokens:
			q.maxTokens()
		case reqTools:
			q.tools()
		case reqText:
			q.format()
		case reqPrompt:
			q.prompt()
		case reqInclude:
			q.include()
		case reqTopLogprobs:
			if n, ok := q.Int(); !ok {
				q.Skip()
			} else if n > 0 {
				q.mark("top_logprobs")
			}
		case reqBackground:
			if q.into.Background = q.flag("background"); q.into.Background {
				q.mark("background") // its answer is fetched later, perhaps past these filters
			}
		case reqStore:
			q.store()
		case reqPrevious:
			n := len(q.files)
			if q.kept("previous_response_id"); len(q.files) > n {
				q.into.Previous = q.files[n]
			}
		case reqConversation:
			q.conversation()
		case reqUser, reqSafety, reqCacheKey, reqMetadata:
			q.strings(dialect.KindStructured)
		case reqModels, reqFallbacks, reqFallbackModels, reqPreset: // of OpenRouter and others
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

// flag reads a truth value. A server that takes the word "true" for one exists, so nothing but a
// boolean is let through.
func (q *requestReader) flag(key string) bool {
	if q.Null() {
		return false
	}
	v, ok := q.Bool()
	if !ok {
		q.Refuse(`"` + key + `" must be true or false`)
	}
	return v
}

func (q *requestReader) maxTokens() {
	if q.Null() {
		return
	}
	n, ok := q.Int()
	if !ok {
		q.Refuse(`"max_output_tokens" must be a number`)
		return
	}
	q.into.MaxTokens = max(n, 0)
}

// talk reads what a conversation is made of, or gets.
func (q *requestReader) talk() {
	for o := q.Object(talkKeys); ; {
		key, ok := q.Next(&o)
		switch {
		case !ok:
			return
		case key == 0:
			q.input()
		case key == 1:
			q.strings(dialect.KindStructured)
		default:
			q.Skip()
		}
	}
}

// container reads what a container is made of, or the file that it gets.
func (q *requestReader) container() {
	q.Members(containerKeys, func(key int) {
		switch key {
		case 0:
			q.text(dialect.KindStructured, "name")
		case 3:
			q.list(shapeSkill)
		default:
			q.kept("file_ids")
		}
	})
}

// store reads whether the answer is stored, which it is where nothing is said. What is no truth value is the vendor's to
// refuse.
func (q *requestReader) store() {
	v, ok := q.Bool()
	if q.into.Unstored = ok && !v; !ok {
		q.Skip()
	}
}

// conversation reads the id of a conversation, or an object that has it.
func (q *requestReader) conversation() {
	if q.Type() != dialect.TypeObject {
		q.kept("conversation")
		return
	}
	named := false
	for o := q.Object(conversationKeys); ; {
		key, ok := q.Next(&o)
		if !ok {
			break
		}
		if key == 0 {
			named = q.Type() == dialect.TypeString
			q.kept("conversation")
		} else {
			q.Skip()
		}
	}
	if !named {
		q.files = append(q.files, "") // which is nobody's
		q.mark("conversation")
	}
}

// input reads the user's words or a list of items.
func (q *requestReader) input() {
	switch q.Type() {
	case dialect.TypeNull:
		q.Skip()
	case dialect.TypeString:
		begin := len(q.texts)
		q.text(dialect.KindText, "input")
		q.speak(begin, dialect.RoleUser)
	case dialect.TypeArray:
		q.Array()
		for n := 0; q.Item(&n); {
			if q.Type() != dialect.TypeObject {
				q.Refuse(`each item of "input" must be an object`)
				return
			}
			q.item()
		}
	default:
		q.Refuse(`"input" must be a string or an array`)
	}
}

// logprobs is what a client asks for that wants to know how likely the tokens of an answer were.
const logprobs = "message.output_text.logprobs"

// include marks what a filter could not take back: the tokens of an answer's text, one by one, and
// their bytes as numbers.
func (q *requestReader) include() {
	if q.Type() != dialect.TypeArray {
		q.Skip()
		return
	}
	q.Array()
	for n := 0; q.Item(&n); {
		if s, ok := q.String(); !ok {
			q.Skip()
		} else if string(q.word(s)) == logprobs {
			q.mark("logprobs")
		}
	}
}
