package gemini

import (
	"bytes"

	"github.com/ginnel/ginnel/sdk/dialect"
)

const (
	topModel = iota
	topContents
	topSystem
	topTools
	topToolConfig
	topConfig
	topCached
	topLabels
	topGenerate
	topContent
	topRequests
	topTitle
	topEmbedConfig
	topInstances
)

const (
	configMaxTokens = iota
	configLogprobs
	configSchema
	configJSONSchema
	configOrderedSchema
	configFormat
	configTitle
)

const (
	toolFunctions = iota
	toolFileSearch
	toolRetrieval
)

const (
	functionName = iota
	functionDescription
	functionParameters
	functionJSONParameters
	functionResponse
	functionJSONResponse
)

var (
	requestKeys = dialect.NewSnakeKeys("model", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "cachedContent", "labels",
		"generateContentRequest", "content", "requests", "title", "embedContentConfig", "instances")
	configKeys = dialect.NewSnakeKeys("maxOutputTokens", "responseLogprobs", "responseSchema", "responseJsonSchema", "_responseJsonSchema",
		"responseFormat", "title")
	toolKeys     = dialect.NewSnakeKeys("functionDeclarations", "fileSearch", "retrieval")
	functionKeys = dialect.NewSnakeKeys("name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema")
	searchKeys   = dialect.NewSnakeKeys("metadataFilter")
	toolModeKeys = dialect.NewSnakeKeys("functionCallingConfig")
	callModeKeys = dialect.NewSnakeKeys("allowedFunctionNames")
)

// requestReader reads one request's body.
type requestReader struct {
	reader
	into  *dialect.Request
	known string // a model's name that costs no allocation
}

// request reads a request of any operation: their fields do not collide. One inside another, as
// countTokens and batchEmbedContents have it, holds no further one.
func (q *requestReader) request(outer bool) {
	if q.Type() != dialect.TypeObject {
		q.hidden("requests")
		return
	}
	o := q.Object(requestKeys)
	for {
		key, ok := q.Next(&o)
		if !ok {
			return
		}
		switch key {
		case topModel:
			q.model()
		case topContents, topContent:
			q.contents(dialect.RoleUser)
		case topSystem:
			q.content(dialect.RoleSystem)
		case topTools:
			q.tools()
		case topToolConfig:
			q.toolConfig()
		case topConfig, topEmbedConfig:
			q.config()
		case topCached:
			n := len(q.files)
			if q.files = q.AppendNames(q.files); len(q.files) > n {
				q.mark("cachedContent")
			}
		case topLabels:
			q.strings(dialect.RoleNone, dialect.KindStructured)
		case topTitle:
			q.text(dialect.RoleUser, dialect.KindText, "title")
		case topInstances:
			q.strings(dialect.RoleUser, dialect.KindText)
		case topGenerate, topRequests:
			if outer {
				q.requests()
			} else {
				q.hidden("requests")
			}
		default:
			q.Skip()
		}
	}
}

func (q *requestReader) requests() {
	if q.Type() != dialect.TypeArray {
		q.request(false)
		return
	}
	q.Array()
	for n := 0; q.Item(&n); {
		q.requests()
	}
}

// model reads the name of the model, which the path says too. Where a batch repeats it, it must be the
// same one.
func (q *requestReader) model() {
	if q.Null() {
		return
	}
	s, ok := q.String()
	if !ok {
		q.Refuse(`"model" must be a string`)
		return
	}
	s.Start += prefixLen(q.Bytes(s))
	raw := q.Bytes(s)
	if q.into.ModelSpan.Start == 0 {
		q.into.ModelSpan, q.into.Model = s, dialect.TextOf(raw, q.known)
		return
	}
	if dialect.TextOf(raw, q.into.Model) != q.into.Model {
		q.Refuse("the request names more than one model")
		return
	}
	q.into.MoreModels = append(q.into.MoreModels, s)
}

// prefixLen returns how many bytes of a model's raw resource name stand before the model's own:
// "models/", or on Vertex AI the publisher's path with it.
func prefixLen(raw []byte) int {
	if !dialect.Escaped(raw) {
		return prefixEnd(raw)
	}
	return dialect.RawOffset(raw, prefixEnd(dialect.AppendUnquoted(nil, raw)))
}

func prefixEnd(name []byte) int {
	if bytes.HasPrefix(name, []byte(modelPrefix)) {
		return len(modelPrefix)
	}
	if i := bytes.LastIndex(name, []byte("/"+modelPrefix)); i >= 0 {
		return i + 1 + len(modelPrefix)
	}
	return 0
}

func (q *requestReader) contents(role dialect.Role) {
	if q.Type() != dialect.TypeArray {
		q.content(role)
		return
	}
	q.Array()
	for n := 0; q.Item(&n); {
		q.contents(role)
	}
}

// config reads what a generation or an embedding is to be like. Log probabilities would say the
// answer's words once more, in tokens that no text filter puts together again.
func (q *requestReader) config() {
	if q.Type() != dialect.TypeObject {
		q.Skip()
		return
	}
	o := q.Object(configKeys)
	for {
		key, ok := q.Next(&o)
		if !ok {
			return
		}
		switch key {
		case configMaxTokens:
			q.maxTokens()
		case configLogprobs:
			if v, ok := q.Bool(); !ok {
				q.hidden("responseLogprobs")
			} else if v {
				q.mark("responseLogprobs")
			}
		case configSchema, configJSONSchema, configOrderedSchema, configFormat:
			q.schema()
		case configTitle:
			q.text(dialect.RoleUser, dialect.KindText, "title")
		default:
			q.Skip()
		}
	}
}

// maxTokens reads a count, which the JSON form of protocol buffers also writes as a string.
func (q *requestReader) maxTokens() {
	if s, ok := q.String(); ok {
		r := dialect.NewReader(q.Bytes(s))
		if n, ok := r.Int(); ok && r.End() == nil {
			q.into.MaxTokens = n
			return
		}
	} else if q.Null() {
		return
	} else if n, ok := q.Int(); ok {
		q.into.MaxTokens = n
		return
	}
	q.Refuse(`"maxOutputTokens" must be a number`)
}

func (q *requestReader) tools() {
	switch q.Type() {
	case dialect.TypeArray:
		q.Array()
		for n := 0; q.Item(&n); {
			q.tools()
		}
	case dialect.TypeObject:
		q.tool()
	default:
		q.hidden("tools")
	}
}

// tool reads functions or one of Google's own tools, whose settings are words for whoever runs it.
// What a search finds is no part of the request; a store of the client's own files is.
func (q *requestReader) tool() {
	o := q.Object(toolKeys)
	for {
		key, ok := q.Next(&o)
		if !ok {
			return
		}
		switch key {
		case toolFunctions:
			q.functions()
			continue
		case toolFileSearch:
			q.mark("fileSearch")
			q.stores()
		case toolRetrieval:
			q.mark("retrieval")
			q.stores()
		default:
			q.strings(dialect.RoleNone, dialect.KindToolDef)
		}
	}
}

// stores reads what is searched with the rights of the account: whatever is said of it but a filter may be its name.
func (q *requestReader) stores() {
	if q.Type() != dialect.TypeObject {
		q.store()
		return
	}
	for o := q.Object(searchKeys); ; {
		key, ok := q.Next(&o)
		switch {
		case !ok:
			return
		case key == 0:
			q.strings(dialect.RoleNone, dialect.KindToolDef)
		default:
			q.store()
		}
	}
}

func (q *requestReader) store() {
	begin := len(q.texts)
	q.strings(dialect.RoleNone, dialect.KindToolDef)
	for _, t := range q.texts[begin:] {
		q.files = append(q.files, dialect.TextOf(q.Bytes(t.Span), ""))
	}
}

func (q *requestReader) functions() {
	switch q.Type() {
	case dialect.TypeArray:
		q.Array()
		for n := 0; q.Item(&n); {
			q.functions()
		}
		return
	case dialect.TypeObject:
	default:
		q.hidden("tools")
		return
	}
	o := q.Object(functionKeys)
	for {
		key, ok := q.Next(&o)
		if !ok {
			return
		}
		switch key {
		case functionName, functionDescription:
			q.whole(dialect.RoleNone, dialect.KindToolDef, "tools")
		case functionParameters, functionJSONParameters, functionResponse, functionJSONResponse:
			q.schema()
		default:
			q.Skip()
		}
	}
}

// schema reads the words of a schema.
func (q *requestReader) schema() {
	q.texts = q.AppendSchema(q.texts, dialect.Text{Channel: dialect.Channel{Kind: dialect.KindToolDef}, Whole: true})
}

func (q *requestReader) toolConfig() {
	if q.Type() != dialect.TypeObject {
		q.Skip()
		return
	}
	o := q.Object(toolModeKeys)
	for {
		key, ok := q.Next(&o)
		if !ok {
			return
		}
		if key < 0 || q.Type() != dialect.TypeObject {
			q.Skip()
			continue
		}
		mode := q.Object(callModeKeys)
		for {
			key, ok := q.Next(&mode)
			if !ok {
				break
			}
			if key == 0 {
				q.strings(dialect.RoleNone, dialect.KindStructured)
			} else {
				q.Skip()
			}
		}
	}
}
