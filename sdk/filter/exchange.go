package filter

import "github.com/ginnel/ginnel/sdk/filter/abi"

// Exchange is the request and its answer that the callback is about. It has no content of its own:
// its methods ask the host.
type Exchange struct{}

// Field is a part of an exchange that is text.
type Field uint32

// The fields. A header is asked for by name.
const (
	Method    Field = abi.Method
	Path      Field = abi.Path
	Query     Field = abi.Query
	Model     Field = abi.Model
	Route     Field = abi.Route
	Dialect   Field = abi.Dialect
	Tenant    Field = abi.Tenant
	RequestID Field = abi.RequestID
	Remote    Field = abi.Remote
	Host      Field = abi.Host
	KeyID     Field = abi.KeyID
	Op        Field = abi.Op
	Finish    Field = abi.Finish
	Terminal  Field = abi.Terminal
	Listener  Field = abi.Listener
	Unseen    Field = abi.Unseen // a part of the request whose content no filter can see, or ""
)

// Error is a refusal of the host: a negative result of the ABI.
type Error int32

func (e Error) Error() string {
	switch e {
	case abi.NotFound:
		return "not found"
	case abi.Denied:
		return "denied"
	case abi.Invalid:
		return "invalid"
	case abi.TooLarge:
		return "too large"
	case abi.WrongPhase:
		return "wrong phase"
	case abi.Limit:
		return "limit"
	case abi.Unsupported:
		return "unsupported"
	}
	return "internal error"
}

func result(n int32) error {
	if n < 0 {
		return Error(n)
	}
	return nil
}

// The buffers that the host writes into, one for each kind of thing, so that a text outlives the
// reading of a header.
var (
	scratch = make([]byte, 512)
	lists   []byte
	texts   []byte
	values  []byte
	states  []byte
)

// fetch calls ask with a buffer, and again with a larger one where the first is too small. The
// result is valid until the buffer is used again.
func fetch(buf *[]byte, ask func(buf []byte) int32) ([]byte, error) {
	for {
		n := ask(*buf)
		if n < 0 {
			return nil, Error(n)
		}
		if int(n) <= len(*buf) {
			return (*buf)[:n], nil
		}
		*buf = make([]byte, int(n)+int(n)/4)
	}
}

func get(field Field, key string) ([]byte, error) {
	for {
		n := sysGet(uint32(field), key, scratch)
		if n < 0 {
			return nil, Error(n)
		}
		if int(n) <= len(scratch) {
			return scratch[:n], nil
		}
		scratch = make([]byte, int(n)+int(n)/4)
	}
}

// Bytes returns a field, or nothing where it is not known. The result is valid until the next call.
func (Exchange) Bytes(f Field) []byte {
	b, _ := get(f, "")
	return b
}

// Get returns a field, or "".
func (x Exchange) Get(f Field) string { return string(x.Bytes(f)) }

func number(f Field) int { return max(0, int(sysGet(uint32(f), "", nil))) }

// Status returns the answer's status, 0 before there is one.
func (Exchange) Status() int { return number(abi.Status) }

// Stream reports whether the client asked for a stream.
func (Exchange) Stream() bool { return number(abi.Stream) == 1 }

// TLS reports whether the request came over TLS.
func (Exchange) TLS() bool { return number(abi.TLS) == 1 }

// Tokens returns what the call consumed, from End on, where the provider told.
func (Exchange) Tokens() (input, output int) {
	return number(abi.InputTokens), number(abi.OutputTokens)
}

// Phase returns the event at hand as a number of package abi, in CallDone the one that paused; 0 in and
// after a Tick.
func (Exchange) Phase() int { return number(abi.Phase) }

// Elapsed returns the milliseconds since the request came.
func (Exchange) Elapsed() int { return number(abi.Elapsed) }

// Header returns the first request header of that name, or "". Credentials are visible to built-in
// filters only.
func (Exchange) Header(name string) string {
	b, _ := get(abi.Header, name)
	return string(b)
}

// HasHeader reports whether the request has a header of that name.
func (Exchange) HasHeader(name string) bool { return sysGet(abi.Header, name, nil) >= 0 }

// SetHeader replaces the request's headers of that name; AddHeader adds one, DelHeader drops them.
func (Exchange) SetHeader(name, value string) error { return result(sysSet(abi.Header, name, value)) }

// AddHeader adds a request header.
func (Exchange) AddHeader(name, value string) error {
	return result(sysSet(abi.Header|abi.Append, name, value))
}

// DelHeader drops the request's headers of that name.
func (Exchange) DelHeader(name string) error { return result(sysDel(abi.Header, name)) }

// Headers calls yield with each request header until it returns false.
func (Exchange) Headers(yield func(name, value string) bool) { headers(abi.Header, yield) }

// ResponseHeader is Header for the answer, from ResponseHead on.
func (Exchange) ResponseHeader(name string) string {
	b, _ := get(abi.ResponseHeader, name)
	return string(b)
}

// HasResponseHeader reports whether the answer has a header of that name.
func (Exchange) HasResponseHeader(name string) bool {
	return sysGet(abi.ResponseHeader, name, nil) >= 0
}

// SetResponseHeader replaces the answer's headers of that name, in ResponseHead.
func (Exchange) SetResponseHeader(name, value string) error {
	return result(sysSet(abi.ResponseHeader, name, value))
}

// AddResponseHeader adds a header to the answer, in ResponseHead.
func (Exchange) AddResponseHeader(name, value string) error {
	return result(sysSet(abi.ResponseHeader|abi.Append, name, value))
}

// DelResponseHeader drops the answer's headers of that name, in ResponseHead.
func (Exchange) DelResponseHeader(name string) error {
	return result(sysDel(abi.ResponseHeader, name))
}

// ResponseHeaders calls yield with each header of the answer until it returns false.
func (Exchange) ResponseHeaders(yield func(name, value string) bool) {
	headers(abi.ResponseHeader, yield)
}

func headers(f Field, yield func(name, value string) bool) {
	b, err := fetch(&lists, func(buf []byte) int32 { return sysList(uint32(f), buf) })
	if err != nil {
		return
	}
	all := string(b)
	for len(all) > 0 {
		var name, value string
		name, all = cut(all)
		value, all = cut(all)
		if !yield(name, value) {
			return
		}
	}
}

// cut splits s at its first NUL.
func cut(s string) (before, after string) {
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// SetStatus changes the answer's status, in ResponseHead.
func (Exchange) SetStatus(status int) error {
	return result(sysSet(abi.Status, "", string(appendInt(nil, int64(status)))))
}

// JSON returns the value at an RFC 6901 pointer in the body of the request or, from ResponseHead
// on, of the answer, as it was written. The result is valid until the next call of JSON.
func (Exchange) JSON(pointer string) (Value, error) {
	b, err := fetch(&values, func(buf []byte) int32 { return sysJSONGet(pointer, buf) })
	return Value{b}, err
}

// SetJSON replaces the value at an RFC 6901 pointer, which must exist, by another JSON value.
func (Exchange) SetJSON(pointer string, value []byte) error {
	return result(sysJSONSet(pointer, value))
}

// Out appends to what a handler that returns Replace puts in the place of the body or the window.
func (Exchange) Out(b []byte) error { return result(sysOut(b)) }

// Annotate leaves a note on the exchange; it travels in the event and the request log.
func (Exchange) Annotate(key, value string) error { return result(sysAnnotate(key, value)) }

// Note returns the last note under a key, of any filter, or "".
func (Exchange) Note(key string) string {
	b, _ := get(abi.Note, key)
	return string(b)
}

// State returns what PutState kept for this filter and exchange, at most 64 KiB. The result is valid
// until the next call of State.
func (Exchange) State() []byte {
	b, _ := fetch(&states, sysStateGet)
	return b
}

// PutState keeps b with the exchange.
func (Exchange) PutState(b []byte) error { return result(sysStatePut(b)) }

// Delay holds the exchange up after the callback.
func (Exchange) Delay(milliseconds int) error { return result(sysDelay(uint32(milliseconds))) }

// Answer is a filter's own reply.
type Answer struct {
	Status int
	Header [][2]string
	// Code, a code of sdk/llm such as "denied", makes the answer an error in the client's dialect
	// whose message is Body; without one Body is sent as it is.
	Code  string
	Class string // what was found, for the event and the metric
	Body  string
}

// Respond answers in the upstream's place; in a stream that began it ends it. Its result is the
// handler's.
func (Exchange) Respond(a Answer) Action {
	h := make([]byte, 0, 128)
	put := func(name, value string) {
		h = append(append(append(append(h, name...), 0), value...), 0)
	}
	if a.Code != "" {
		put(abi.PseudoCode, a.Code)
	}
	if a.Class != "" {
		put(abi.PseudoClass, a.Class)
	}
	for _, f := range a.Header {
		put(f[0], f[1])
	}
	if sysRespond(uint32(a.Status), h, a.Body) < 0 {
		return Failed
	}
	return respond
}

// Deny answers with the dialect's error for a refusal.
func (x Exchange) Deny(class, message string) Action {
	return x.Respond(Answer{Status: 403, Code: "denied", Class: class, Body: message})
}
