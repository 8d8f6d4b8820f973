// Package conversation is the one model between the dialects: what a client asks in one vendor's wire
// format is decoded into it and encoded in another's, and the answer comes back the same way, whole or
// in pieces. With n dialects there are n codecs and not n squared translations.
//
// The model holds what the dialects can say, not what they have in common: a part that only two of them
// know has its place, and an encoder that cannot express something refuses the request and names the
// field, or drops it and says so (Losses). Nothing is guessed and nothing is lost in silence.
//
// It is used only where the client's dialect is not the provider's; where they are the same, bytes pass
// and nothing here runs. It knows no transport and no vendor's address.
package conversation

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/llm"
)

// Number is a JSON number as it was written, or "" where there was none: a temperature of 0.70 stays
// 0.70.
type Number string

// Request is one turn that is asked for: the conversation so far, the tools and the wishes.
type Request struct {
	Model  string
	System []Part // what stands above the conversation; texts
	Turns  []Turn // never two of the same role in a row
	Tools  []Tool

	ToolChoice ToolChoice
	Parallel   *bool // whether several tools may be called in one turn; nil = the target's default

	MaxTokens        int64 // of the answer, reasoning included; 0 = not said
	Stop             []string
	Temperature      Number
	TopP             Number
	FrequencyPenalty Number
	PresencePenalty  Number
	TopK             Number
	Seed             Number
	Choices          int64  // how many answers are asked for; 0 = one
	Logprobs         bool   // the probabilities of the answer's tokens
	TopLogprobs      Number // and of so many alternatives
	Format           Format
	Reasoning        Reasoning
	User             string // the end user, as the application calls them
	CacheKey         string // what tells requests with a common beginning apart from others

	Stream       bool
	IncludeUsage bool // a stream shall tell its usage
	Store        bool // the vendor shall keep the answer; a dialect's default that nobody says is not followed

	// Shared is what Chat Completions and Responses both have and nobody else, by Chat Completions' names.
	Shared []Field

	// Names are what the source calls members of a request that the model and its codecs know by another name, by
	// that name: an error or a list of what was left out speaks of what the client wrote.
	Names map[string]string

	// Other is what the source said besides, in its own words. Encoders of other dialects cannot
	// express it: Encode of each lists it as lost, or refuses where leaving it out changes what is
	// asked for.
	Other []Field
}

// Field is a member of a request or an answer that the model has no place for.
type Field struct {
	Name  string          // or the way to it: "messages[2].content[0].priority"
	Value json.RawMessage // of a member of a request itself; else nil
	// Vital says that the request means something else without it: it cannot be dropped.
	Vital bool
}

// Role is who speaks a turn.
type Role uint8

// The roles. A System turn stands inside the conversation; what stands above it is Request.System.
// Results of tools are parts of User turns.
const (
	User Role = iota
	Assistant
	System
)

// Turn is what one side said at once.
type Turn struct {
	Role  Role
	Name  string // of the participant, or ""
	Parts []Part
	At    string // where the source says it: "messages[3]"; of turns that became one the first; "" = not known
}

// Where returns where the source says the turn, the i-th one.
func (t *Turn) Where(i int) string {
	if t.At != "" {
		return t.At
	}
	return "messages[" + strconv.Itoa(i) + "]"
}

// Kind is what a part is.
type Kind uint8

// The kinds of part.
const (
	Text       Kind = iota // words
	Media                  // an image, audio, a video, a file
	ToolCall               // the model wants a tool called
	ToolResult             // what the tool gave back
	Thinking               // the model's reasoning, its summary, or only its opaque state
	Refusal                // the model's words for not answering
	Native                 // a part of one vendor's own that no other dialect has; see Part.Native
)

// Part is a piece of a turn or of an answer. Which fields are set depends on Kind.
type Part struct {
	Kind Kind

	Text   string  // of Text, Thinking, Refusal
	Media  *Medium // of Media
	Call   *Call   // of ToolCall
	Result *Result // of ToolResult

	// Opaque is state that only its vendor can read and that must come back where it was given: a
	// thinking block's signature, the encrypted content of reasoning, a thought signature.
	Opaque Opaque
	// Redacted says that a Thinking part has no words, only opaque state.
	Redacted bool

	Cache     *Cache     // what comes up to here may be cached
	Citations []Citation // of Text
	Native    *Foreign   // of Native

	Item string // of an answer: the id under which its vendor keeps it, "" = none; of several parts of one item the first has it
	At   string // where the source says it: "messages[3].content[1]"; of an answer only what not every dialect has; "" = not known
}

// HasForm reports whether a part of an answer has a form in a dialect whose answers are lists of such parts, as those of
// Messages and of Responses are.
func (p *Part) HasForm(d llm.Dialect) bool {
	switch p.Kind {
	case Native:
		return p.Native.Dialect == d
	case Media:
		return p.Media.IsImage()
	case ToolResult:
		return false
	}
	return true
}

// Words returns the texts of parts in one.
func Words(parts []Part) string {
	var all strings.Builder
	for i := range parts {
		all.WriteString(parts[i].Text)
	}
	return all.String()
}

// Where returns where the source says the part, or else, which is where it stands now.
func (p *Part) Where(otherwise string) string { return cmp.Or(p.At, otherwise) }

// Opaque is a vendor's sealed state; the zero value is none.
type Opaque struct {
	Vendor string // of the model that sealed it: VendorAnthropic and so on
	ID     string // the item's id, where the vendor has one
	Value  string
}

// The vendors whose opaque state there is.
const (
	VendorOpenAI    = "openai"
	VendorAnthropic = "anthropic"
	VendorGoogle    = "google"
)

// Medium is something that is no text. Exactly one of Data, URL and FileID is set.
type Medium struct {
	Type     string // "image/png"; "" = not known
	Data     string // base64, as it was written
	URL      string
	FileID   string // at Vendor
	Vendor   string // of FileID
	Name     string // of a file
	Named    string // what the source calls Name: "title"; "" = "name"
	Detail   string // OpenAI's: low, high, auto
	Detailed string // what the source calls Detail: "image_url.detail"; "" = "detail"
	Text     bool   // Data is the text itself, not base64
	Format   string // of audio, as OpenAI names it: wav, mp3

	Context string // of a document: what the model is told about it beside its words
	Cited   bool   // of a document: the answer shall cite it
}

// IsImage reports whether an answer's medium can be shown as an image.
func (m *Medium) IsImage() bool { return strings.HasPrefix(m.Type, "image/") && m.Data+m.URL != "" }

// Call is a tool call. Arguments is a JSON text, byte for byte as the model wrote it.
type Call struct {
	ID        string // "" where the dialect has none; see Turn ids in ids.go
	Name      string
	Arguments string
	Custom    bool // Arguments is free text, of a custom tool
}

// Written returns the arguments for a dialect that has them as a string: where a model gave none, an empty object stands
// behind what it wrote, since clients parse them.
func (c *Call) Written() string {
	if c.Custom || strings.TrimSpace(c.Arguments) != "" {
		return c.Arguments
	}
	return c.Arguments + NoArguments
}

// NoArguments are those of a call that was given none.
const NoArguments = "{}"

// Result is what a tool gave back.
type Result struct {
	ID    string // of the call
	Name  string // of the tool; "" = look for the call
	Parts []Part // Text and Media
	// Object is the result where it is a JSON object by itself, as Gemini wants it; Parts has the same
	// as text then.
	Object json.RawMessage
	Error  bool
}

// Cache marks the end of what may be cached.
type Cache struct{ TTL string } // "5m", "1h", "" = the target's default

// Citation is where a text comes from.
type Citation struct {
	URL, Title, Quote string
	Start, End        int // of the text, in bytes; both 0 = not said
	Raw               json.RawMessage
	Vendor            string
	At                string // where an answer says one without an address; "" = not known
}

// Foreign is a part in its vendor's own words.
type Foreign struct {
	Dialect llm.Dialect
	Type    string
	Raw     json.RawMessage
}

// Tool is a function the model may call.
type Tool struct {
	Name        string
	Description string
	Parameters  json.RawMessage // a JSON schema; nil = none
	Strict      *bool
	Cache       *Cache
	Native      *Foreign // a tool of the vendor's own, such as its web search; the other fields are empty
	At          string   // where the source says it, where that is not "tools" and its index
}

// Where returns where the source says the tool, the i-th one.
func (t *Tool) Where(i int) string {
	if t.At != "" {
		return t.At
	}
	return "tools[" + strconv.Itoa(i) + "]"
}

// ToolMode is whether tools may or must be called.
type ToolMode uint8

// The modes.
const (
	ToolDefault ToolMode = iota // not said
	ToolAuto
	ToolNone
	ToolRequired // one of Names, or any where there are none
)

// ToolChoice is which tools may be called.
type ToolChoice struct {
	Mode  ToolMode
	Names []string
}

// Format is the form that the answer must have.
type Format struct {
	Kind        FormatKind
	Name        string
	Description string
	Schema      json.RawMessage
	Strict      *bool
	At          string // where the source says the schema: "text.format.schema"; "" = not known
}

// FormatKind is a form of answer.
type FormatKind uint8

// The forms.
const (
	FormatDefault FormatKind = iota
	FormatText
	FormatJSON   // any JSON object
	FormatSchema // JSON that fits Format.Schema
)

// Reasoning is how much the model shall think. Effort and Budget are two ways of saying it; both may
// be absent.
type Reasoning struct {
	Effort  string // none, minimal, low, medium, high, xhigh, max; "" = not said
	Budget  int64  // tokens; 0 = not said, -1 = the model decides
	Off     bool   // no thinking
	Include bool   // the answer shall show it
	Summary string // auto, concise, detailed: OpenAI's
}

// Answer is a whole answer.
type Answer struct {
	ID      string
	Model   string
	Created int64 // seconds since the epoch; 0 = not said
	Choices []Choice
	Usage   *llm.Usage
	Stored  bool // its vendor keeps it, under its ID, and a client of the same dialect may name it

	// Other is what the source said besides that is no envelope of it (see Left): no client of another dialect gets it.
	Other []Field
}

// Choice is one of the answers that were asked for.
type Choice struct {
	Parts        []Part
	Finish       Finish
	StopSequence string          // that ended it
	Logprobs     json.RawMessage // in OpenAI's form
}

// Finish is why an answer ended.
type Finish string

// The reasons. Unknown ones are kept as "other:" and the vendor's word; to a client of another dialect they say that the
// answer may not be whole, and not that somebody refused it.
const (
	FinishStop     Finish = "stop" // the model was done
	FinishSequence Finish = "stop_sequence"
	FinishLength   Finish = "length"  // the limit that the request set
	FinishContext  Finish = "context" // the model's own limit
	FinishTools    Finish = "tools"
	FinishFilter   Finish = "content_filter" // the vendor's filter
	FinishRefusal  Finish = "refusal"        // the model refused
	FinishPause    Finish = "pause"          // the vendor wants to be called again with what it said
	FinishError    Finish = "error"          // the model wrote something that cannot be used
	FinishFailed   Finish = "failed"         // the vendor broke it off
)

// Usable returns the error of an answer that was broken off, or that ended with something nobody can use, such as a tool
// call that is no JSON, and nil for every other reason: it must not look like an end.
func (f Finish) Usable() *llm.Error {
	switch f {
	case FinishError:
		return &llm.Error{Code: llm.CodeUpstream, Message: "the model wrote something that cannot be used"}
	case FinishFailed:
		return &llm.Error{Code: llm.CodeUpstream, Message: "the upstream broke its answer off"}
	}
	return nil
}

// Ended returns the reason for an answer with these parts where the vendor says "stop" only: a call that
// was forced, or a refusal, says more.
func (f Finish) Ended(parts []Part) Finish {
	if f != FinishStop {
		return f
	}
	for i := range parts {
		switch parts[i].Kind {
		case ToolCall:
			return FinishTools
		case Refusal:
			f = FinishRefusal
		}
	}
	return f
}

// Delta is a piece of a streamed answer. Decoders give them in this order, for each choice: Begin once;
// for each block Open, any number of More, Close; blocks are numbered from 0 in the order they open, and
// several may be open at once; Finish; Usage any time; and nothing after the end. Begin is for the whole
// answer.
type Delta struct {
	Kind   DeltaKind
	Choice int
	Block  int

	ID, Model string     // of Begin
	Created   int64      // of Begin
	Stored    bool       // of Begin
	Part      *Part      // of Open: kind, and what is known of it; its Text or Arguments come with More
	Text      string     // of More: appended to the block's text, arguments or thoughts
	Opaque    Opaque     // of Close: the block's sealed state
	Citations []Citation // of More
	Finish    Finish     // of Finish
	Sequence  string     // of Finish: the stop sequence
	Usage     *llm.Usage // of Usage: of the call so far
	Logprobs  json.RawMessage
	Err       *llm.Error // of Failed: nothing follows
}

// DeltaKind is what a delta tells.
type DeltaKind uint8

// The kinds of delta.
const (
	Begin DeltaKind = iota
	Open
	More
	Close
	Finished
	Usage
	Failed
)
