// Package abi is the numbers of the filter ABI ginnel_v1: events, actions, result codes, fields and
// record layouts, as the host and every guest library write them.
//
// It holds constants only. How a guest uses them is package filter's business, what they do to an
// exchange is the host's.
package abi

// Name is the ABI's name in a manifest. Its major version is part of the name; the guest tells the
// minor one by the export ginnel_abi_1.
const (
	Name  = "ginnel_v1"
	Minor = 0
)

// Section is the custom section that holds a module's manifest.
const Section = "ginnel.manifest"

// The events: the first argument of ginnel_on. The second is the number of bytes that the host put
// into the buffer of the guest's last ginnel_alloc: the raw bytes of RequestBody, ResponseBody and
// Event, the body of the answer in CallDone, else 0.
const (
	RequestHead  = 1
	RequestBody  = 2
	RequestText  = 3
	ResponseHead = 4
	ResponseBody = 5
	Delta        = 6 // text 0 is the unsettled window of one channel
	Event        = 7
	End          = 8
	Done         = 9
	Tick         = 10 // outside of exchanges, once in the manifest's tick_ms
	CallDone     = 11 // a call has ended while the filter pauses; its action is that of the phase that paused
)

// The actions: the low eight bits of ginnel_on's result. Hold carries the number of bytes at the
// window's end that may still change in the upper bits; 0 means all of them. A negative result
// means that the filter failed.
const (
	Continue = 0
	Replace  = 1 // what out wrote becomes the body, or the window
	Drop     = 2
	Respond  = 3 // what respond gave is the answer
	Hold     = 4
	Close    = 5
	Pause    = 6 // until CallDone; a call must be outstanding

	HoldShift = 8
)

// The results of an import below zero. Others are a length or a value.
const (
	NotFound    = -1
	Denied      = -2 // no right to it
	Invalid     = -3 // a value, a name or an address that cannot be
	TooLarge    = -4
	WrongPhase  = -5
	Limit       = -6 // a budget is spent; of rate_take: the rate says no
	Unsupported = -7
	Internal    = -8
)

// The fields of get, set, del and list that are text. A header needs a key, its name. list yields
// name NUL value NUL for each field of a header.
const (
	Method         = 1
	Path           = 2
	Query          = 3
	Header         = 4 // of the request
	ResponseHeader = 5
	Model          = 6
	Route          = 7
	Dialect        = 8
	Tenant         = 9
	RequestID      = 10
	Remote         = 11 // the client's address without its port
	Host           = 12
	KeyID          = 13
	Op             = 14
	Finish         = 15
	Terminal       = 16
	Listener       = 17
	Note           = 18 // an annotation, by its key; the last one wins
	Rate           = 19 // the decision of the last rate_take of this callback: RateRecord
	Unseen         = 20 // a part of the request whose content no filter can see, such as previous_response_id
	CallHeader     = 21 // of the answer, in CallDone
	CallError      = 22 // why the call has no whole answer, in CallDone: a code of sdk/llm
)

// The fields that are numbers: get returns the value itself, at most 1<<31 - 1, and writes nothing.
const (
	Numbers      = 64 // the first of them
	Status       = 64
	Stream       = 65 // 1 when the client asked for a stream
	TLS          = 66
	Phase        = 67 // the event at hand; in CallDone the one that paused
	InputTokens  = 68
	OutputTokens = 69
	CacheRead    = 70
	Reasoning    = 71
	Choice       = 72 // of the window's channel
	Block        = 73
	Fresh        = 74 // where the text begins in the window that this filter has not seen
	Elapsed      = 75 // milliseconds since the request came
	CallID       = 76 // in CallDone: what http_call returned
	CallStatus   = 77 // in CallDone: 0 where there was no answer
)

// Append, added to a header's field number, makes set append a field instead of replacing.
const Append = 1 << 8

// The pseudo headers of respond. With Code, the answer is an error in the client's dialect, and the
// body is its message for the client. Class says what was found, for the event and the metric.
const (
	PseudoCode  = ":code" // a code of sdk/llm, such as denied or rate_limited
	PseudoClass = ":class"
)

// The pseudo headers of http_call. Its block is name NUL value NUL for each of them and each header
// field, then one more NUL and the body.
const (
	PseudoURL    = ":url"    // absolute
	PseudoMethod = ":method" // absent: GET, or POST where there is a body
)

// text_info packs a text's role and kind (the numbers of sdk/dialect), whether its channel ends
// with it, and whether it names a member of a tool call's arguments.
const (
	RoleMask  = 0xff
	KindShift = 8
	FinalBit  = 1 << 16
	KeyBit    = 1 << 17
)

// The sources of scan.
const (
	SourceText   = 0 // text i of the conversation, or the window as it stands
	SourceWindow = 1 // the window as a part of its channel; the host remembers what came before
	SourceField  = 2 // field i; a header's values, one per line
)

// MatchRecord is the size of one result of scan: rule, start, end, flags as little-endian u32.
// With SourceWindow the last record has the rule Open; its start and end are the part of the window
// that may still become a match.
const (
	MatchRecord = 16
	Open        = 1<<32 - 1
)

// The flags of a match. Growing: it is certain, but its tail may go on in text that is to come; it
// comes again when it has ended. Continued: its beginning was edited in an earlier callback, and the
// match begins where that edit ended.
const (
	GrowingFlag   = 1
	ContinuedFlag = 2
)

// RateRecord is the size of the field Rate: limit, remaining, reset, retry after, delay as
// little-endian u32, the times in milliseconds.
const RateRecord = 20

// The levels of log.
const (
	Debug = 0
	Info  = 1
	Warn  = 2
	Error = 3
)

// The kinds of metric.
const (
	Counter   = 0
	Gauge     = 1
	Histogram = 2
)
