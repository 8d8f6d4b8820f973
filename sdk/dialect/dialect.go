// Package dialect reads and writes the vendors' wire formats without re-marshalling them: it finds
// the spans of a JSON text that the gateway needs (the model's name, the texts, the usage), splices
// what must change, and frames server-sent events.
//
// Same dialect on both sides means the bytes pass through; whatever a codec does not know stays as
// it was written. Transport, routing and policy are elsewhere. It lives in the sdk so that plugins
// can read and translate too.
package dialect

import "github.com/ginnel/ginnel/sdk/llm"

// Span is a half-open range of bytes.
type Span struct{ Start, End int }

// Len returns the number of bytes in the span.
func (s Span) Len() int { return s.End - s.Start }

// Kind says what a text is to the model.
type Kind uint8

// The kinds of text, in requests and in answers.
const (
	KindText       Kind = iota // a message's words
	KindArguments              // a tool call's arguments, JSON inside a string
	KindToolResult             // what a tool gave back
	KindToolDef                // a tool's name, description and parameter descriptions
	KindReasoning              // the model's thinking
	KindRefusal                // the model's refusal
	KindStructured             // a short field with a form of its own: metadata, a user id, a file name
)

// Role is who speaks a text.
type Role uint8

// The roles.
const (
	RoleNone Role = iota
	RoleSystem
	RoleUser
	RoleAssistant
	RoleTool
)

// Channel tells the concurrent texts of one answer apart.
type Channel struct {
	Choice int16 // index of the choice, candidate or output item
	Block  int16 // index of the content block or tool call in it
	Kind   Kind
	Repeat bool // what another channel says already, as Responses repeats a text when it is complete
}

// Block is one content block of an answer: all its channels.
type Block struct{ Choice, Block int16 }

// Text is one string that carries text for or from a model.
type Text struct {
	Span    Span // of the raw, still escaped content, without its quotes
	Role    Role
	Channel Channel // Kind is Channel.Kind; Choice and Block matter in answers only
	Nested  bool    // it is a JSON text itself, or a piece of one
	Key     bool    // it names a member of a tool call's arguments, which a model chose
	Whole   bool    // of a stream: nothing is added to it by other events, whatever the channel
}

// Request is what a codec finds in a request's body in one pass. Spans index the body. A codec
// appends to Texts, so that its capacity is reused.
type Request struct {
	Model        string
	ModelSpan    Span   // of the model's name without its quotes; empty where the body has none
	MoreModels   []Span // further places with the same name, as a batch has them: what SetModel puts in goes there too
	Stream       bool
	IncludeUsage bool  // the client itself asked for a usage event in the stream
	MaxTokens    int64 // 0 = not said
	Texts        []Text
	Further      []string // models besides Model that the vendor is to run: in its place, as advisors, as tools
	Files        []string // what the vendor keeps that the request names by an id or an address: files, what answers left
	Previous     string   // the one of them that is the response that the request goes on from
	Items        []string // items of earlier answers that it repeats, whose content the vendor takes by their ids, and containers of theirs
	Compactions  []string // of what is to be compacted, those that it has: an answer that repeats one did not make it
	Background   bool     // the answer is only begun: it is fetched later
	Unstored     bool     // nothing of the answer is to be stored
	Unseen       string   // a field whose content the gateway cannot see ("previous_response_id"), or ""
	UsageSplice  Splice   // what makes a stream tell its usage; With is "" where nothing is to do
	Boundary     string   // of form data, from the Endpoint: the caller sets it, and it is kept
	File         Span     // of the file in form data, of OpFiles
	Purpose      string   // what the file is for
}

// Left is the id of something that an answer leaves at the vendor beside itself, which later calls may name.
type Left struct {
	Span      Span // of the raw, still escaped content, without its quotes
	Container bool // it is where the vendor ran code, and no part of the answer: it is left where nothing is stored, too
	Repeated  bool // who repeats it later names it (see Request.Items), where nothing is stored, too: it says less than the vendor may have
}

// Splice is a change to a body: With takes the place of the bytes of Span, which may be empty.
type Splice struct {
	Span Span
	With string
}

// Answer is what a codec finds in a unary answer.
type Answer struct {
	Texts  []Text
	Model  string
	Finish string // the dialect's own finish reason, or ""
	Usage  *llm.Usage
	Error  *llm.Error // the body is an error object
	Faults []Text     // the words of it, which filters see as they see Texts

	ID       Span // of its id, as Left has them, where later calls may name it
	Left     []Left
	Unstored bool // it says that it is not stored
}

// Event is what a codec finds in the payload of one event of a stream. A codec appends to Texts, Closed and
// Left, so that their capacity is reused.
type Event struct {
	Texts  []Text
	Closed []Block // blocks that end with this event: no later one adds to their texts
	Begun  Choices // choices of which something is said, where the dialect has several in one stream
	Over   Choices // those of them that say why they ended
	Finish string
	Usage  *llm.Usage // of the call so far; what it leaves out is 0
	First  bool       // carries content of the answer: the first such event ends the time to first token
	// Opening says that the event comes before the answer's content and has none: where the call fails behind it, a client
	// that got no more has got nothing.
	Opening bool
	End     bool       // the dialect's terminator; it may carry whole texts
	More    bool       // with End: there are servers that send another terminator behind it
	Error   *llm.Error // the upstream reports an error inside the stream
	Faults  []Text     // the words of it, which filters see as they see Texts

	ID       Span // of the answer's id, as Left has them, where later calls may name it
	Left     []Left
	Unstored bool // it says that the answer is not stored

	Next int64 // the number of the event behind it, where the dialect numbers them and this one has one; else 0

	// UsageOnly: nothing but usage. A client that did not ask for usage does not get the event.
	UsageOnly bool
}

// Framing is how a stream is cut into events.
type Framing uint8

// The framings.
const (
	ServerSent Framing = iota // server-sent events
	JSONArray                 // one JSON array that grows, as Gemini streams without alt=sse
	JSONLines                 // a JSON text a line, as Ollama streams
)

// Cutter cuts the bytes of a stream into events. The concatenation of what it yields, and of its tail, is what it was
// fed. It is used by one goroutine at a time.
type Cutter interface {
	// Feed appends a copy of chunk.
	Feed(chunk []byte)
	// Next fills frame with the next complete event and reports whether there was one.
	Next(frame *Frame) (bool, error)
	// Tail fills frame with the bytes behind the last complete event and reports whether there are any.
	Tail(frame *Frame) bool
}

// NewCutter returns what cuts streams of a framing.
func NewCutter(f Framing) Cutter {
	switch f {
	case JSONArray:
		return new(ArrayFramer)
	case JSONLines:
		return new(LineFramer)
	}
	return new(Framer)
}

// Endpoint is what the head of a request asks for.
type Endpoint struct {
	Op       llm.Op
	Model    string // where the path names it: of OpModels the one asked for, else the body's
	Stream   bool   // the path asks for a stream; where it does not, the body may
	Framing  Framing
	Boundary string // of a body that is form data and not JSON
	Item     string // of OpFiles, OpBatches, OpResponses, OpConversations and OpContainers: the id of one; "" = all, or a new one
	Act      string // what of it is meant, or is to be done, where the path says it: "content", "cancel", "items/ID"
	// Query is what of the request's query goes to the upstream, without a question mark: never a key.
	Query string
	// Unseen is what the query asks for that the gateway cannot see in an answer ("logprobs"), or "".
	Unseen string
}

// Model is an entry of the list of models.
type Model struct {
	Name    string
	Created int64 // seconds since the epoch
}

// Upstream is what is read of a provider that speaks a dialect. Implementations keep no state and are safe
// for concurrent use. Errors of the reading methods are *llm.Error with CodeInvalid and a message for the
// client.
type Upstream interface {
	Name() llm.Dialect
	// Answer reads a unary answer, Event one event's payload (the joined data lines).
	Answer(op llm.Op, body []byte, into *Answer) error
	Event(op llm.Op, payload []byte, into *Event) error
	// Complete reports whether a stream that ended so is whole.
	Complete(Ending) bool
}

// Realtime is a Codec whose dialect has sessions over WebSocket: OpRealtime is one of its operations. Request
// reads a message of the client then, and Event one of the upstream's, whose usage is of one response.
type Realtime interface {
	// Subprotocols splits what a client offers as subprotocols into the API keys among them and what an upstream may see.
	Subprotocols(h llm.Header) (keys, offered []string)
}

// Numbered is a Codec whose dialect numbers the events of a stream.
type Numbered interface {
	// AppendErrorNumbered is AppendErrorEvent for the event with that number.
	AppendErrorNumbered(dst []byte, e *llm.Error, requestID string, number int64) []byte
}

// Codec is one dialect that clients speak. Implementations are what Upstream's are.
type Codec interface {
	Upstream
	// Endpoint reports whether a request is of the dialect, by its method, its normalised path, of
	// which only the end counts, its raw query and its header, and what it asks for.
	Endpoint(method, path, query string, h llm.Header) (Endpoint, bool)
	// Request reads a request's body. A key that the dialect reads and that stands twice, in
	// another case or written with escapes is refused.
	Request(op llm.Op, body []byte, into *Request) error
	// SetModel returns the splice that makes name the model of a body that Request has read; an empty
	// one where the body has no place for it.
	SetModel(body []byte, read *Request, name string) (Span, []byte)
	// AppendError appends the body of an error answer, AppendErrorEvent a whole event, framed, that
	// ends a stream with an error the official SDKs notice; see Numbered.
	AppendError(dst []byte, e *llm.Error, requestID string) []byte
	AppendErrorEvent(dst []byte, e *llm.Error, requestID string) []byte
	// AppendModels appends the body of the list of models, AppendModel that of one model.
	AppendModels(dst []byte, models []Model) []byte
	AppendModel(dst []byte, m Model) []byte
	// RequestID is the header field in which the dialect's SDKs look for the request's id, lower case.
	RequestID() string
}
