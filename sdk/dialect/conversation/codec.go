package conversation

import (
	"cmp"
	"strconv"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Loss is something that a target cannot express and that was left out.
type Loss struct {
	Field string // as the source calls it: "logit_bias", "messages[2].name"
	Why   string // for the log and the docs; public
}

// Limits is what an encoder may know about the model it writes for.
type Limits struct {
	// MaxTokensField is what a server of OpenAI's dialect calls the limit; "" = max_completion_tokens.
	MaxTokensField string
	// ReasoningField is where in an assistant's message a server of OpenAI's dialect takes the model's thoughts back, one
	// of the Reasoning constants; "", or another word, = not at all. ReasoningAlways says that it refuses a message with
	// tool calls without it.
	ReasoningField  string
	ReasoningAlways bool
	// MaxTokens is the longest answer that the model gives, where a dialect wants a limit and the request says none; 0 = not
	// known.
	MaxTokens int64
	// Within is the member in which a server of Gemini's dialect wants a request whose tokens it is to count; "" = the
	// request is the body.
	Within string
}

// The places in which servers of OpenAI's dialect take thoughts back. The dialect itself has none.
const (
	ReasoningContent = "reasoning_content" // words, as DeepSeek has them
	ReasoningWords   = "reasoning"         // words
	ReasoningDetails = "reasoning_details" // words and sealed state with their vendor's name, as OpenRouter has them; words alone are `reasoning`
	ReasoningParts   = "content"           // words, as parts of the content, as Mistral has them
	ReasoningExtra   = "extra_content"     // Google's sealed state, of a message and of its calls, as its own surface has it
)

// RequestCodec translates requests of one dialect. Implementations keep no state and are safe for
// concurrent use. Errors are *llm.Error with CodeInvalid and a message that names the field.
type RequestCodec interface {
	// DecodeRequest reads a request that the dialect's codec has read before: its keys are unambiguous.
	DecodeRequest(body []byte) (*Request, error)
	// EncodeRequest writes a request for a model of the dialect. What it cannot express it refuses, if
	// the request would mean something else without it, or leaves out and lists.
	EncodeRequest(r *Request, l Limits) (body []byte, lost []Loss, err error)
	// Head returns what an upstream of the dialect is told beside the body: a query, without a question
	// mark, and header fields.
	Head(stream bool) (query string, h llm.Header)
}

// AnswerReader reads whole answers and, one event at a time, streams of one dialect. What it reads over is listed (Left),
// the envelope aside: ids, times, fingerprints, tiers, and what says the request or the answer once more.
type AnswerReader interface {
	DecodeAnswer(body []byte) (*Answer, error)
	// Decoder returns the reading half of one stream.
	Decoder() StreamDecoder
}

// AnswerWriter writes them for a client of the dialect.
type AnswerWriter interface {
	// EncodeAnswer writes an answer for a client of the dialect. It cannot fail: what the dialect has no
	// place for is written in the nearest one (see the dialect's package comment), or left out (Places).
	EncodeAnswer(a *Answer) []byte
	// Encoder returns the writing half of one stream.
	Encoder(o StreamOptions) StreamEncoder
	// Places returns what both have a place for.
	Places() Places
}

// UpstreamCodec is the translation of a dialect that providers speak.
type UpstreamCodec interface {
	RequestCodec
	AnswerReader
}

// Codec is the translation of a dialect that clients speak, too.
type Codec interface {
	UpstreamCodec
	AnswerWriter
}

// UpstreamCounter is the translation of a count of tokens in a dialect that providers speak.
type UpstreamCounter interface {
	// EncodeCount writes a request for the number of tokens that r would take. What changes nothing about it is left out.
	EncodeCount(r *Request, l Limits) (body []byte, lost []Loss, err error)
	// Counted returns the form of the answer.
	Counted() Counted
}

// Counter is the translation of a count of tokens in a dialect that clients speak, too.
type Counter interface {
	UpstreamCounter
	// DecodeCount reads a request whose tokens are to be counted, which the dialect's codec has read before.
	DecodeCount(body []byte) (*Request, error)
}

// Counted is how a dialect says how many tokens there are: as a member of an object.
type Counted struct {
	Member string
	Beside string // what an answer to a client has before it, as JSON with a comma
}

// Encode writes a count.
func (c Counted) Encode(tokens int64) []byte {
	return append(strconv.AppendInt([]byte("{"+c.Beside+`"`+c.Member+`":`), tokens, 10), '}')
}

// Decode reads one; it is -1 where the answer does not say.
func (c Counted) Decode(body []byte) (tokens int64, err error) {
	r := NewReader(body)
	tokens = -1
	r.Each("the answer", func(key string) {
		if key == c.Member && r.Type() == dialect.TypeNumber {
			tokens = r.Count(key)
			return
		}
		r.Skip()
	})
	return tokens, r.End()
}

// StreamOptions is what a client asked for that its stream depends on.
type StreamOptions struct {
	IncludeUsage bool            // OpenAI's include_usage
	Framing      dialect.Framing // where the dialect has more than one
}

// StreamDecoder reads the events of one stream in order. It is used by one goroutine at a time.
type StreamDecoder interface {
	// Event appends what the payload of one event tells to dst and returns it. Its strings are the
	// caller's to keep.
	Event(payload []byte, dst []Delta) ([]Delta, error)
	// End appends what is still open when the stream has ended, and a finish reason that was not final
	// until then: it may not invent one.
	End(dst []Delta) []Delta
	// Left returns what of the stream so far was read over and listed.
	Left() []Field
}

// StreamEncoder writes one stream. It is used by one goroutine at a time.
type StreamEncoder interface {
	// Append appends the framed events that say d, none where the dialect says it later.
	Append(dst []byte, d *Delta) []byte
	// End appends what ends a stream that was whole, the terminator included. It is not called after
	// Failed.
	End(dst []byte) []byte
}

// Unsupported is the error of a request whose field the provider of the model cannot be told.
func (r *Request) Unsupported(field string) error {
	field = r.named(field)
	return &llm.Error{Code: llm.CodeInvalid, Param: field, Message: "the provider of this model cannot be told `" + field + "`, and leaving it out would change the request"}
}

// Silent is the error of a request in which nothing is said beside instructions, for a provider that must refuse that. What
// else the source said that stands for words, such as a stored prompt, is named first.
func (r *Request) Silent() error {
	if err := r.vital(); err != nil {
		return err
	}
	field := r.named("messages")
	return &llm.Error{Code: llm.CodeInvalid, Param: field, Message: "the provider of this model wants something said in `" + field + "` beside instructions"}
}

// Unnamed is the error of a tool's result that answers no call, for a provider that must be told the tool's name. What the
// source said that may have the call, such as an earlier response, is named first.
func (r *Request) Unnamed(at string) error {
	if err := r.vital(); err != nil {
		return err
	}
	return &llm.Error{Code: llm.CodeInvalid, Param: at, Message: "the provider of this model wants the name of a result's tool, and `" + at + "` answers no call of this conversation"}
}

// UserFirst returns the error of turns that a provider must refuse where the user has to begin, or nil.
func (r *Request) UserFirst(turns []Turn) error {
	if len(turns) == 0 {
		return r.Silent()
	}
	if turns[0].Role == User {
		return nil
	}
	at := turns[0].Where(0)
	return &llm.Error{Code: llm.CodeInvalid, Param: at, Message: "the provider of this model wants the conversation to begin with the user, and `" + at + "` is the model's"}
}

// vital returns the error of what cannot be left out of what the source said in its own words.
func (r *Request) vital() error {
	for _, f := range r.Other {
		if f.Vital {
			return r.Unsupported(f.Name)
		}
	}
	return nil
}

// TooMany is the error of a request with more of something than the provider of the model can be told.
func (r *Request) TooMany(field string, most int) error {
	field = r.named(field)
	return &llm.Error{Code: llm.CodeInvalid, Param: field, Message: "the provider of this model cannot be told more than " + strconv.Itoa(most) + " of `" + field + "`, and leaving some out would change the request"}
}

// named returns what the source calls a field.
func (r *Request) named(field string) string { return cmp.Or(r.Names[field], field) }

// Begun puts begin before the deltas from at on, where the stream had none yet and they are more than a
// failure: a vendor may leave its own beginning out.
func Begun(began *bool, dst []Delta, at int, begin Delta) []Delta {
	if *began || len(dst) == at || dst[at].Kind == Failed {
		return dst
	}
	*began = true
	if dst[at].Kind == Begin {
		return dst
	}
	begin.Kind = Begin
	dst = append(dst, Delta{})
	copy(dst[at+1:], dst[at:])
	dst[at] = begin
	return dst
}

// ReadAnswer reads an answer with its dialect's codec: what it used, or the error that it is.
func ReadAnswer(c dialect.Upstream, op llm.Op, body []byte) (*dialect.Answer, error) {
	var found dialect.Answer
	if err := c.Answer(op, body, &found); err != nil {
		return nil, err
	}
	if found.Error != nil {
		return nil, found.Error
	}
	return &found, nil
}

// Unreadable is the error of an answer that is none.
func Unreadable() error {
	return &llm.Error{Code: llm.CodeUpstream, Message: "the upstream's answer could not be read"}
}
