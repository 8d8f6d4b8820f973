package openai

import "github.com/ginnel/ginnel/sdk/dialect"

const (
	chatModel = iota
	chatMessages
	chatStream
	chatStreamOptions
	chatMaxTokens
	chatMaxCompletionTokens
	chatTools
	chatFunctions
	chatUser
	chatSafety
	chatCacheKey
	chatMetadata
	chatPrediction
	chatPrompt
	chatPrevious
	chatConversation
	chatModels
	chatFallbacks
	chatFallbackModels
	chatPreset
	chatLogprobs
	chatSources
	chatExtra
	chatGoogle
)

const (
	embedModel = iota
	embedInput
	embedUser
)

const (
	msgRole = iota
	msgContent
	msgName
	msgToolCalls
	msgFunctionCall
	msgRefusal
	msgReasoningContent
	msgReasoning
	msgReasoningDetails
	msgAudio
)

const (
	partType = iota
	partText
	partRefusal
	partThinking
	partFile
	partFileID
	partImage
	partVideo
	partAudio
	partDocument
)

var (
	chatKeys = dialect.NewKeys("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "tools", "functions",
		"user", "safety_identifier", "prompt_cache_key", "metadata", "prediction", "prompt", "previous_response_id", "conversation",
		"models", "fallbacks", "fallback_models", "preset", "logprobs", "data_sources", "extra_body", "google")
	extraKeys   = dialect.NewKeys("google")
	googleKeys  = dialect.NewSnakeKeys("cachedContent")
	embedKeys   = dialect.NewKeys("model", "input", "user")
	optionKeys  = dialect.NewKeys("include_usage")
	messageKeys = dialect.NewKeys("role", "content", "name", "tool_calls", "function_call", "refusal",
		"reasoning_content", "reasoning", "reasoning_details", "audio")
	partKeys = dialect.NewKeys("type", "text", "refusal", "thinking", "file", "file_id", "image_url", "video_url", "audio_url", "document_url")
	fileKeys = dialect.NewKeys("file_id", "filename", "file_data", "file_url")
	urlKeys  = dialect.NewKeys("url")
	idKeys   = dialect.NewKeys("id")
)

// requestReader reads one request's body.
type requestReader struct {
	dialect.Reader
	into *dialect.Request
}

func (q *requestReader) chat() {
	o := q.Object(chatKeys)
	first, usage := q.Pos(), false
	for {
		key, ok := q.Next(&o)
		if !ok {
			break
		}
		switch key {
		case chatModel:
			q.model()
		case chatMessages:
			q.messages()
		case chatStream:
			q.into.Stream = q.flag("stream")
		case chatStreamOptions:
			usage = true
			q.streamOptions()
		case chatMaxTokens, chatMaxCompletionTokens:
			q.maxTokens()
		case chatTools, chatFunctions:
			q.tools()
		case chatUser, chatSafety, chatCacheKey, chatMetadata:
			q.strings(dialect.RoleNone, dialect.KindStructured)
		case chatPrediction:
			q.prediction()
		case chatPrompt:
			q.unseen("prompt")
		case chatPrevious:
			n := len(q.into.Files)
			if q.kept("previous_response_id"); len(q.into.Files) > n {
				q.into.Previous = q.into.Files[n]
			}
		case chatConversation:
			q.kept("conversation")
		case chatModels, chatFallbacks, chatFallbackModels, chatPreset: // of OpenRouter and others
			q.into.Further = q.AppendNames(q.into.Further)
		case chatLogprobs: // they say the answer once more, in pieces and as numbers
			if v, ok := q.Bool(); !ok {
				q.unseen("logprobs")
			} else if v {
				q.mark("logprobs")
			}
		case chatSources:
			q.dataSources()
		case chatExtra: // of Google
			q.Members(extraKeys, func(int) { q.google() })
		case chatGoogle:
			q.google()
		default:
			q.Skip()
		}
	}
	switch {
	case !q.into.Stream:
		q.into.UsageSplice = dialect.Splice{}
	case !usage:
		q.into.UsageSplice = dialect.Splice{Span: dialect.Span{Start: first, End: first}, With: `"stream_options":{"include_usage":true},`}
	}
}

func (q *requestReader) embeddings() {
	o := q.Object(embedKeys)
	for {
		key, ok := q.Next(&o)
		if !ok {
			return
		}
		switch key {
		case embedModel:
			q.model()
		case embedInput:
			q.input()
		case embedUser:
			q.strings(dialect.RoleNone, dialect.KindStructured)
		default:
			q.Skip()
		}
	}
}

// input reads the texts of an embeddings request. Token numbers are texts that no filter can read.
func (q *requestReader) input() {
	if q.Type() != dialect.TypeArray {
		q.text(dialect.RoleUser, dialect.KindText, "input")
		return
	}
	q.Array()
	for n := 0; q.Item(&n); {
		q.text(dialect.RoleUser, dialect.KindText, "input")
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
		q.Refuse(`"max_tokens" and "max_completion_tokens" must be numbers`)
		return
	}
	q.into.MaxTokens = max(q.into.MaxTokens, n)
}

// streamOptions finds out whether the client asks for usage and what must change if it does not.
func (q *requestReader) streamOptions() {
	const usage = `"include_usage":true`
	if q.Type() != dialect.TypeObject {
		span := q.Skip()
		q.into.UsageSplice = dialect.Splice{Span: span, With: `{` + usage + `}`}
		return
	}
	o := q.Object(optionKeys)
	first := q.Pos()
	splice := dialect.Splice{Span: dialect.Span{Start: first, End: first}}
	found := false
	for {
		key, ok := q.Next(&o)
		if !ok {
			break
		}
		if key != 0 {
			q.Skip()
			continue
		}
		found = true
		q.Type() // steps to the value
		splice.Span.Start = q.Pos()
		q.into.IncludeUsage = q.flag("include_usage")
		splice.Span.End = q.Pos()
	}
	switch {
	case q.into.IncludeUsage:
		return
	case found:
		splice.With = `true`
	case o.Empty():
		splice.With = usage
	default:
		splice.With = usage + `,`
	}
	q.into.UsageSplice = splice
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
	begin, role := len(q.into.Texts), dialect.RoleNone
	o := q.Object(messageKeys)
	for {
		key, ok := q.Next(&o)
		if !ok {
			break
		}
		switch key {
		case msgRole:
			role = q.role()
		case msgContent:
			q.content(dialect.KindText)
		case msgName:
			q.text(dialect.RoleNone, dialect.KindStructured, "name")
		case msgToolCalls:
			q.toolCalls()
		case msgFunctionCall:
			q.call()
		case msgRefusal:
			q.text(dialect.RoleNone, dialect.KindRefusal, "refusal")
		case msgReasoningContent, msgReasoning:
			q.strings(dialect.RoleNone, dialect.KindReasoning)
		case msgReasoningDetails:
			q.details()
		case msgAudio:
			q.spoken()
		default:
			q.Skip()
		}
	}
	for i := begin; i < len(q.into.Texts); i++ {
		t := &q.into.Texts[i]
		t.Role = role
		if role == dialect.RoleTool && t.Channel.Kind == dialect.KindText {
			t.Channel.Kind = dialect.KindToolResult
		}
	}
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
	case "system", "developer":
		return dialect.RoleSystem
	case "user":
		return dialect.RoleUser
	case "assistant":
		return dialect.RoleAssistant
	case "tool", "function":
		return dialect.RoleTool
	}
	return dialect.RoleNone
}

// content reads a string or a list of parts.
func (q *requestReader) content(kind dialect.Kind) {
	if q.Type() != dialect.TypeArray {
		q.text(dialect.RoleNone, kind, "content")
		return
	}
	q.Array()
	for n := 0; q.Item(&n); {
		if q.Type() != dialect.TypeObject {
			q.text(dialect.RoleNone, kind, "content")
			continue
		}
		q.part(kind)
	}
}

func (q *requestReader) part(kind dialect.Kind) {
	o := q.Object(partKeys)
	for {
		key, ok := q.Next(&o)
		if !ok {
			return
		}
		switch key {
		case partType:
			q.partType()
		case partText:
			q.text(dialect.RoleNone, kind, "text")
		case partRefusal:
			q.text(dialect.RoleNone, dialect.KindRefusal, "refusal")
		case partThinking:
			q.content(dialect.KindReasoning)
		case partFile:
			q.file()
		case partFileID:
			q.fileID()
		case partImage:
			q.url("image_url")
		case partVideo:
			q.url("video_url")
		case partAudio:
			q.url("audio_url")
		case partDocument:
			q.url("document_url")
		default:
			q.Skip()
		}
	}
}

// partType marks a part of a type that is not known: whatever it carries was not read.
func (q *requestReader) partType() {
	s, ok := q.String()
	if !ok {
		q.Skip()
		return
	}
	switch string(q.Bytes(s)) {
	case "text", "refusal", "thinking", "file", "image_url", "video_url", "audio_url", "document_url", "input_audio":
	default:
		q.mark("type")
	}
}

// url reads a URL or an object with one. What a data URL holds is media; what any other points at
// is out of sight.
func (q *requestReader) url(name string) {
	if q.Type() == dialect.TypeObject {
		o := q.Object(urlKeys)
		for {
			key, ok := q.Next(&o)
			if !ok {
				return
			}
			if key == 0 {
				q.url(name)
			} else {
				q.Skip()
			}
		}
	}
	if q.Null() {
		return
	}
	if s, ok := q.String(); !ok {
		q.Skip()
	} else if raw := q.Bytes(s); dialect.IsDataURL(raw) {
		return
	} else {
		q.into.Files = dialect.AppendURL(q.into.Files, raw)
	}
	q.mark(name)
}

func (q *requestReader) file() {
	if q.Type() != dialect.TypeObject {
		q.fileID()
		return
	}
	o := q.Object(fileKeys)
	for {
		key, ok := q.Next(&o)
		if !ok {
			return
		}
		switch key {
		case 0:
			q.fileID()
		case 1:
			q.text(dialect.RoleNone, dialect.KindStructured, "filename")
		case 2:
			q.fileData()
		case 3:
			q.url("file_url")
		default:
			q.Skip()
		}
	}
}

// fileData passes over base64, bare or in a data URL, and marks what points elsewhere.
func (q *requestReader) fileData() {
	if s, ok := q.String(); !ok {
		q.unseen("file_data")
	} else if raw := q.Bytes(s); !dialect.IsDataURL(raw) && dialect.MayBeURL(raw) {
		q.into.Files = dialect.AppendURL(q.into.Files, raw)
		q.mark("file_data")
	}
}

// dataSources reads what Azure is to search, which may be with the rights of the account.
func (q *requestReader) dataSources() {
	n := 0
	switch q.Type() {
	case dialect.TypeNull:
		q.Skip()
	case dialect.TypeArray:
		q.Array()
		for q.Item(&n) {
			q.Skip()
		}
	default:
		q.Skip()
		n++
	}
	if n > 0 {
		q.into.Files = append(q.into.Files, "data_sources")
		q.mark("data_sources")
	}
}

// google reads the wishes that only Google's models know: they may name a part of the prompt that is kept.
func (q *requestReader) google() { q.Members(googleKeys, func(int) { q.kept("cached_content") }) }

func (q *requestReader) fileID() { q.kept("file_id") }

// spoken reads what names the sound of an earlier answer.
func (q *requestReader) spoken() {
	if q.Type() != dialect.TypeObject {
		q.kept("audio")
		return
	}
	q.mark("audio")
	q.Members(idKeys, func(int) { q.kept("audio") })
}

// kept reads the ids at hand of what the vendor keeps.
func (q *requestReader) kept(name string) {
	n := len(q.into.Files)
	if q.into.Files = q.AppendNames(q.into.Files); len(q.into.Files) > n {
		q.mark(name)
	}
}

// text reads a string as a text of the conversation; anything else but null is out of sight.
func (q *requestReader) text(role dialect.Role, kind dialect.Kind, name string) {
	if s, ok := q.String(); ok {
		q.add(s, role, kind)
		return
	}
	q.unseen(name)
}

// unseen skips the value at hand and marks it unless it is null.
func (q *requestReader) unseen(name string) {
	if !q.Null() {
		q.Skip()
		q.mark(name)
	}
}

func (q *requestReader) mark(name string) {
	if q.into.Unseen == "" {
		q.into.Unseen = name
	}
}

func (q *requestReader) add(s dialect.Span, role dialect.Role, kind dialect.Kind) {
	if s.Len() > 0 {
		q.into.Texts = append(q.into.Texts, dialect.Text{Span: s, Role: role, Channel: dialect.Channel{Kind: kind}})
	}
}
