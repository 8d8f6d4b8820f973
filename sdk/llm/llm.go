// Package llm is the vocabulary that the core, the plugins and the dialects share: an operation, a
// call, its answer in chunks, usage and errors.
//
// It knows no wire format (package dialect does), no transport and no configuration, and imports
// the standard library only, so that a plugin that speaks it carries nothing else.
package llm

import "time"

// Op is what a call asks for.
type Op string

// The operations that a dialect can carry.
const (
	OpChat            Op = "chat"             // one turn of a conversation, streamed or not
	OpEmbeddings      Op = "embeddings"       // vectors for texts
	OpBatchEmbeddings Op = "batch_embeddings" // the same for a list of requests, where that is an operation of its own
	OpRerank          Op = "rerank"           // texts in the order in which they answer a question
	OpModels          Op = "models"           // the list of models
	OpCountTokens     Op = "count_tokens"     // how many tokens a request would take
	OpCompact         Op = "compact"          // a conversation said in less, which goes on from there
	OpCompletions     Op = "completions"      // OpenAI's older completion of a text
	OpModerations     Op = "moderations"      // whether texts and images are what a vendor calls harmful
	OpImages          Op = "images"           // images for a text
	OpSpeech          Op = "speech"           // a text spoken
	OpTranscriptions  Op = "transcriptions"   // the words of a recording
	OpTranslations    Op = "translations"     // the same in English
	OpImageEdits      Op = "image_edits"      // an image changed as a text says
	OpImageVariations Op = "image_variations" // images like one
	OpFiles           Op = "files"            // files that a vendor keeps, and their content
	OpBatches         Op = "batches"          // calls out of such a file, made some time
	OpResponses       Op = "responses"        // responses that a vendor keeps: fetched, cancelled, deleted, what they were asked
	OpConversations   Op = "conversations"    // conversations that a vendor keeps, and their items
	OpContainers      Op = "containers"       // where a vendor runs code, and the files in there
	OpRealtime        Op = "realtime"         // a session over WebSocket, spoken or written
	OpOther           Op = "other"            // anything a route relays without understanding it
)

// Dialect names a vendor's wire format.
type Dialect string

// The dialects that package dialect knows.
const (
	OpenAI    Dialect = "openai"    // Chat Completions, Embeddings, Models
	Responses Dialect = "responses" // OpenAI's Responses
	Anthropic Dialect = "anthropic" // Messages
	Gemini    Dialect = "gemini"    // generateContent and its kin
	Bedrock   Dialect = "bedrock"   // Converse: of providers only
	Cohere    Dialect = "cohere"    // version 2: reranking; chat and embeddings of providers only
	Mistral   Dialect = "mistral"   // Chat Completions and Embeddings in Mistral's words: of providers only
	Ollama    Dialect = "ollama"    // /api/chat and /api/embed: of providers only
)

// Field is one header field. Name keeps the case it was written in.
type Field struct{ Name, Value string }

// Header is an ordered list of fields; repeated names are kept.
type Header []Field

// Get returns the value of the first field of that name, compared without regard to ASCII case,
// or "".
func (h Header) Get(name string) string {
	for i := range h {
		if EqualFold(h[i].Name, name) {
			return h[i].Value
		}
	}
	return ""
}

// Count returns the number of fields of that name.
func (h Header) Count(name string) int {
	n := 0
	for i := range h {
		if EqualFold(h[i].Name, name) {
			n++
		}
	}
	return n
}

// Add appends a field.
func (h *Header) Add(name, value string) { *h = append(*h, Field{name, value}) }

// Set replaces the first field of that name in place and drops the others, or appends one.
func (h *Header) Set(name, value string) {
	found := false
	out := (*h)[:0]
	for _, f := range *h {
		if !EqualFold(f.Name, name) {
			out = append(out, f)
		} else if !found {
			found = true
			out = append(out, Field{f.Name, value})
		}
	}
	if !found {
		out = append(out, Field{name, value})
	}
	*h = out
}

// Del drops every field of that name.
func (h *Header) Del(name string) {
	out := (*h)[:0]
	for _, f := range *h {
		if !EqualFold(f.Name, name) {
			out = append(out, f)
		}
	}
	*h = out
}

// Clone returns a copy that shares nothing but the strings.
func (h Header) Clone() Header { return append(Header(nil), h...) }

// EqualFold reports whether two header names are the same but for ASCII case.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// Call is one request to a model, in the dialect the client wrote it in. Whoever holds a Call owns
// its Header and Body until the call returns.
type Call struct {
	ID      string // the request id, as the client sees it in x-request-id
	Op      Op
	Dialect Dialect
	Model   string // the model's name at the provider, already put into Body
	Stream  bool
	Once    bool   // what it begins goes on where its answer is lost: it is not to be sent a second time
	Query   string // what the dialect gives on of the client's query, without a question mark
	Header  Header
	Body    []byte
}

// Chunk is a piece of an answer's body: for a stream one or more whole server-sent events, else
// the body itself. Data is valid until the next call of Recv unless the caller supplied a buffer
// with capacity, which Recv appends to.
type Chunk struct{ Data []byte }

// Response is the answer to a Call.
type Response struct {
	Status int
	Header Header
	// Recv fills the chunk with the next piece and returns io.EOF after the last one. It may
	// return an *Error where the answer breaks off. It is called by one goroutine at a time and
	// returns when the context of the call ends.
	Recv func(*Chunk) error
}

// Usage is what a call consumed, normalised: cached tokens are part of the input, reasoning is
// part of the output. Token counts; -1 is never used, absent is 0.
type Usage struct {
	InputTotal   int64
	CacheRead    int64 // of InputTotal
	CacheWrite5m int64 // of InputTotal
	CacheWrite1h int64 // of InputTotal
	OutputTotal  int64
	Reasoning    int64  // of OutputTotal
	Raw          []byte // the provider's own usage object, as it was sent; nil when there was none
}

// Add adds what another call used, of which Raw stays.
func (u *Usage) Add(other *Usage) {
	u.InputTotal += other.InputTotal
	u.CacheRead += other.CacheRead
	u.CacheWrite5m += other.CacheWrite5m
	u.CacheWrite1h += other.CacheWrite1h
	u.OutputTotal += other.OutputTotal
	u.Reasoning += other.Reasoning
	u.Raw = other.Raw
}

// Merge takes over what a later report of the same call says: each count that is not zero replaces the
// earlier one, and nothing is added up, since reports are of the call so far.
func (u *Usage) Merge(later *Usage) {
	for _, c := range [...]struct{ dst, src *int64 }{
		{&u.InputTotal, &later.InputTotal}, {&u.CacheRead, &later.CacheRead}, {&u.CacheWrite5m, &later.CacheWrite5m},
		{&u.CacheWrite1h, &later.CacheWrite1h}, {&u.OutputTotal, &later.OutputTotal}, {&u.Reasoning, &later.Reasoning},
	} {
		if *c.src != 0 {
			*c.dst = *c.src
		}
	}
	if later.Raw != nil {
		u.Raw = later.Raw
	}
	u.InputTotal = max(u.InputTotal, u.CacheRead+u.CacheWrite5m+u.CacheWrite1h)
	u.OutputTotal = max(u.OutputTotal, u.Reasoning)
}

// Code classifies an error; it decides about retry and fallback, and each dialect maps it to its
// own error type.
type Code string

// The codes. Retryable reports which of them another attempt may cure.
const (
	CodeInvalid     Code = "invalid_request"
	CodeAuth        Code = "authentication"
	CodePermission  Code = "permission"
	CodeNotFound    Code = "not_found"   // the model is not there
	CodeNoPrevious  Code = "no_previous" // the response that a call goes on from is not there
	CodeTooLarge    Code = "too_large"
	CodeTooLong     Code = "too_long" // the request is longer than the model's context window
	CodeFiltered    Code = "filtered" // the upstream does not answer to what the request says
	CodeQuota       Code = "quota"    // the account at the upstream has no credit, or used up what it may
	CodeDenied      Code = "denied"   // a filter or a policy said no
	CodeRateLimited Code = "rate_limited"
	CodeOverloaded  Code = "overloaded"
	CodeTimeout     Code = "timeout"
	CodeUnavailable Code = "unavailable" // no connection, a crashed plugin, a reset before the answer
	CodeUpstream    Code = "upstream"    // the upstream answered with something that is not an answer
	CodeCut         Code = "cut"         // the answer broke off
	CodeDraining    Code = "draining"
	CodeInternal    Code = "internal"
)

// Retryable reports whether the same call may succeed when it is made again.
func (c Code) Retryable() bool {
	switch c {
	case CodeRateLimited, CodeOverloaded, CodeTimeout, CodeUnavailable, CodeUpstream:
		return true
	}
	return false
}

// Error is a failed call as its caller may see it: Message is public.
type Error struct {
	Code       Code
	Status     int           // HTTP status; 0 = the code's own
	RetryAfter time.Duration // 0 = not said
	Message    string
	Param      string // the member of the request that is at fault; "" = not said
	// Quoted: the message is the upstream's own words, which may repeat what a model or a client said.
	Quoted bool
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// HTTPStatus returns Status or, where it is 0, the status that belongs to Code.
func (e *Error) HTTPStatus() int {
	if e.Status != 0 {
		return e.Status
	}
	switch e.Code {
	case CodeInvalid, CodeTooLong, CodeFiltered:
		return 400
	case CodeAuth:
		return 401
	case CodePermission, CodeDenied:
		return 403
	case CodeNotFound, CodeNoPrevious:
		return 404
	case CodeTooLarge:
		return 413
	case CodeRateLimited, CodeQuota:
		return 429
	case CodeOverloaded, CodeUnavailable, CodeDraining:
		return 503
	case CodeTimeout:
		return 504
	case CodeUpstream, CodeCut:
		return 502
	}
	return 500
}
