// Package guard lets through only requests whose bytes mean one thing: it cuts a connection's bytes
// into messages, refuses whatever two HTTP parsers could read differently, and gives the parser
// behind it never more than one message at a time.
//
// It is not that parser (fasthttp is), and it knows no routes, no bodies' content and no sockets.
package guard

import (
	"strings"

	"github.com/ginnel/ginnel/sdk/llm"
)

// MaxFields is the largest number of header fields in one request.
const MaxFields = 128

// Refusal says why a request is not served. The values of this package are constants by use: they
// are compared, never changed.
type Refusal struct {
	Status  int
	Code    string // stable, for machines
	Message string // public
}

func (r *Refusal) Error() string { return r.Message }

// The refusals of a head and of a body's framing.
var (
	ErrBareLF       = &Refusal{400, "bad_framing", "a line ends without CR LF"}
	ErrControl      = &Refusal{400, "bad_framing", "a control character in the request's head"}
	ErrFold         = &Refusal{400, "bad_framing", "a folded header field"}
	ErrName         = &Refusal{400, "bad_framing", "an invalid header name"}
	ErrUnderscore   = &Refusal{400, "bad_framing", "an underscore in the name of a framing or forwarding header"}
	ErrRequestLine  = &Refusal{400, "bad_framing", "an invalid request line"}
	ErrVersion      = &Refusal{400, "bad_version", "the HTTP version is neither 1.0 nor 1.1"}
	ErrMethod       = &Refusal{405, "method_not_allowed", "the method is not served here"}
	ErrTarget       = &Refusal{400, "bad_path", "the request target is not an absolute path in normal form"}
	ErrHost         = &Refusal{400, "bad_host", "the request must carry exactly one valid Host that matches its target"}
	ErrLength       = &Refusal{400, "bad_framing", "an invalid or repeated Content-Length"}
	ErrTransfer     = &Refusal{400, "bad_framing", "an invalid or repeated Transfer-Encoding"}
	ErrBothLengths  = &Refusal{400, "bad_framing", "Content-Length and Transfer-Encoding exclude each other"}
	ErrBodyMethod   = &Refusal{400, "bad_framing", "GET and HEAD carry no body"}
	ErrExpect       = &Refusal{417, "bad_expectation", "the only expectation served is 100-continue"}
	ErrManyFields   = &Refusal{431, "header_too_large", "too many header fields"}
	ErrHeadTooLarge = &Refusal{431, "header_too_large", "the request's head is too large"}
	ErrBodyTooLarge = &Refusal{413, "body_too_large", "the request's body is too large"}
	ErrNoRoom       = &Refusal{503, "overloaded", "too much is being received, try again shortly"}
	ErrHeadTimeout  = &Refusal{408, "header_timeout", "the request's head did not arrive in time"}
	ErrBodyTimeout  = &Refusal{408, "body_timeout", "the request's body did not arrive in time"}
	ErrIncomplete   = &Refusal{400, "incomplete", "the request ended before it was complete"}
	ErrChunk        = &Refusal{400, "bad_framing", "an invalid chunk"}
	ErrTrailer      = &Refusal{400, "bad_framing", "an invalid or forbidden trailer"}
	ErrUpgrade      = &Refusal{400, "bad_upgrade", "an invalid WebSocket handshake"}
	ErrAfterUpgrade = &Refusal{400, "bad_framing", "bytes follow a request for another protocol before its answer"}
	ErrAfterClose   = &Refusal{400, "bad_framing", "bytes follow a request that closes its connection"}
	ErrDesync       = &Refusal{400, "bad_framing", "the request's end is ambiguous"}
)

// Chunked is the Length of a body whose end its chunks say.
const Chunked = -1

// Head is what a request's head says. Its strings are parts of the string it was read from.
type Head struct {
	Method string
	Target string // as written
	Path   string // of Target; in normal form
	Query  string // of Target, without the question mark
	Host   string // the authority as written; NormalHost makes it a name
	HTTP10 bool
	Close  bool // the connection ends with this request
	Expect bool // the client waits for 100 Continue
	Length int64
	// WebSocket: the connection is to become one (RFC 6455, section 4.2.1), which no body and no other wish forbids.
	WebSocket bool
	// Boundary is that of a body of form data, where such has a limit of its own; "" = none.
	Boundary string
	// Header holds the end-to-end fields in order: without framing, hop-by-hop and forwarding
	// fields, which are the connection's business or forged.
	Header llm.Header

	framing [4]int32 // offsets of the fields that say how the body comes
	framed  int      // of them
}

// hide gives the fields that say how the body comes other names, in the text that the head was read from.
func (h *Head) hide(raw []byte) {
	for _, at := range h.framing[:h.framed] {
		for i := at; raw[i] != ':'; i++ {
			raw[i] = 'x'
		}
	}
}

// Check reads a whole head, with the empty line that ends it, into h, whose Header's capacity is
// reused, and returns why it must be refused, or nil. It allocates nothing else.
func Check(raw string, h *Head) *Refusal {
	fields := h.Header[:0]
	*h = Head{Header: fields}
	end := strings.IndexByte(raw, '\n')
	if r := requestLine(raw[:end+1], h); r != nil {
		return r
	}
	var seen seen
	for at := end + 1; at < len(raw); {
		n := strings.IndexByte(raw[at:], '\n') + 1
		line := raw[at : at+max(n, 0)]
		if n < 2 || line[n-2] != '\r' {
			return ErrBareLF
		}
		if n == 2 {
			if at+2 != len(raw) {
				return ErrBareLF
			}
			return seen.finish(h)
		}
		switch r := seen.field(line[:n-2], h); {
		case r != nil:
			return r
		case seen.framing && h.framed == len(h.framing):
			return ErrExpect // again and again
		case seen.framing:
			h.framing[h.framed] = int32(at)
			h.framed++
		}
		at += n
	}
	return ErrIncomplete
}

// CheckPart looks at the complete lines of a head that is not complete yet, so that what can only
// be refused is refused without waiting for more.
func CheckPart(raw string, h *Head) *Refusal {
	last := strings.LastIndexByte(raw, '\n')
	if last < 0 {
		return nil
	}
	if r := Check(raw[:last+1], h); r != ErrIncomplete {
		return r
	}
	return nil
}

// requestLine reads "METHOD SP target SP HTTP/1.x CR LF".
func requestLine(line string, h *Head) *Refusal {
	n := len(line)
	if n == 0 {
		return ErrIncomplete
	}
	if n < 2 || line[n-2] != '\r' {
		return ErrBareLF
	}
	line = line[:n-2]
	if control(line) {
		return ErrControl
	}
	sp := strings.IndexByte(line, ' ')
	if sp <= 0 {
		return ErrRequestLine
	}
	h.Method = line[:sp]
	rest := line[sp+1:]
	if sp = strings.IndexByte(rest, ' '); sp <= 0 {
		return ErrRequestLine
	}
	h.Target = rest[:sp]
	switch rest[sp+1:] {
	case "HTTP/1.1":
	case "HTTP/1.0":
		h.HTTP10 = true
	default:
		return ErrVersion
	}
	switch h.Method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
	default:
		return ErrMethod
	}
	return target(h)
}
