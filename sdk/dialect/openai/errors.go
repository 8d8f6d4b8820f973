package openai

import (
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// AppendError appends an error in OpenAI's shape. The request id is a member of its own, beside
// those that OpenAI's error object has; its SDKs keep it.
func (Codec) AppendError(dst []byte, e *llm.Error, requestID string) []byte {
	kind, code := errorType(e)
	dst = append(dst, `{"error":{"message":"`...)
	dst = dialect.AppendQuoted(dst, []byte(e.Message))
	dst = append(dst, `","type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","param":null,"code":"`...)
	dst = append(dst, code...)
	dst = append(dst, '"')
	if requestID != "" {
		dst = append(dst, `,"request_id":"`...)
		dst = dialect.AppendQuoted(dst, []byte(requestID))
		dst = append(dst, '"')
	}
	return append(dst, `}}`...)
}

// AppendErrorEvent appends an event whose payload is the error object: the official SDKs raise on
// it. No terminator may follow.
func (c Codec) AppendErrorEvent(dst []byte, e *llm.Error, requestID string) []byte {
	dst = append(dst, "data: "...)
	return append(c.AppendError(dst, e, requestID), "\n\n"...)
}

// errorType returns OpenAI's type and a code for an error. Where OpenAI documents a code for the
// case it is that one; the rest are the gateway's own and stable.
func errorType(e *llm.Error) (kind, code string) {
	switch e.Code {
	case llm.CodeInvalid:
		return "invalid_request_error", "invalid_request"
	case llm.CodeAuth:
		return "invalid_request_error", "invalid_api_key"
	case llm.CodePermission:
		return "invalid_request_error", "permission_denied"
	case llm.CodeNotFound:
		return "invalid_request_error", "model_not_found"
	case llm.CodeTooLarge:
		return "invalid_request_error", "request_too_large"
	case llm.CodeDenied:
		return "invalid_request_error", "denied"
	case llm.CodeRateLimited:
		return "requests", "rate_limit_exceeded"
	case llm.CodeOverloaded:
		return "server_error", "overloaded"
	case llm.CodeTimeout:
		return "server_error", "timeout"
	case llm.CodeUnavailable:
		return "server_error", "unavailable"
	case llm.CodeUpstream:
		return "server_error", "upstream_error"
	case llm.CodeCut:
		return "server_error", "upstream_cut"
	case llm.CodeDraining:
		return "server_error", "draining"
	}
	return "server_error", "internal_error"
}

// errorReader collects what an upstream says about its error, in whichever shape.
type errorReader struct {
	reported bool // an "error" member stands in it
	text     string
	kind     string
	label    string // a code that is a word
	status   int
}

// read reads the value of "error": an object, a string or null.
func (f *errorReader) read(r *dialect.Reader, top bool) {
	switch r.Type() {
	case dialect.TypeNull:
		r.Skip()
		return
	case dialect.TypeFalse:
		r.Skip()
		return
	case dialect.TypeObject:
	default:
		f.reported = true
		f.message(r)
		return
	}
	f.reported = true
	o := r.Object(nil)
	for {
		if _, ok := r.Next(&o); !ok {
			return
		}
		switch string(r.Bytes(o.Key)) {
		case "message":
			f.message(r)
		case "type":
			f.kind = word(r)
		case "code", "status", "status_code":
			f.code(r)
		case "error":
			if top {
				f.read(r, false)
			} else {
				r.Skip()
			}
		default:
			r.Skip()
		}
	}
}

func (f *errorReader) message(r *dialect.Reader) {
	if s, ok := r.String(); ok {
		if raw := r.Bytes(s); f.text == "" {
			f.text = dialect.TextOf(raw, "")
		}
		return
	}
	r.Skip()
}

// code reads a code, which is a word, a number or a number in quotes.
func (f *errorReader) code(r *dialect.Reader) {
	if r.Type() == dialect.TypeNumber {
		n, _ := r.Int()
		f.setStatus(n)
		return
	}
	text := word(r)
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		f.setStatus(n)
	} else if text != "" {
		f.label = text
	}
}

func (f *errorReader) setStatus(n int64) {
	if n >= 400 && n <= 599 {
		f.status = int(n)
	}
}

func word(r *dialect.Reader) string {
	if s, ok := r.String(); ok {
		return dialect.TextOf(r.Bytes(s), "")
	}
	r.Skip()
	return ""
}

func (f *errorReader) error() *llm.Error {
	e := &llm.Error{Code: codeOf(f.label + " " + f.kind), Status: f.status, Message: f.text}
	if f.status != 0 {
		e.Code = codeOfStatus(f.status)
	}
	if e.Message == "" {
		e.Message = "the upstream reported an error"
	}
	return e
}

// codeOf classifies an error by the words of its code and type.
func codeOf(words string) llm.Code {
	words = strings.ToLower(words)
	for _, c := range []struct {
		part string
		code llm.Code
	}{
		{"rate_limit", llm.CodeRateLimited}, {"quota", llm.CodeRateLimited}, {"too_many_requests", llm.CodeRateLimited},
		{"overloaded", llm.CodeOverloaded}, {"capacity", llm.CodeOverloaded}, {"unavailable", llm.CodeOverloaded},
		{"authentication", llm.CodeAuth}, {"api_key", llm.CodeAuth}, {"unauthorized", llm.CodeAuth},
		{"permission", llm.CodePermission}, {"forbidden", llm.CodePermission},
		{"not_found", llm.CodeNotFound}, {"notfound", llm.CodeNotFound},
		{"timeout", llm.CodeTimeout}, {"too_large", llm.CodeTooLarge}, {"server_error", llm.CodeUpstream},
		{"invalid", llm.CodeInvalid}, {"context_length", llm.CodeInvalid}, {"content_filter", llm.CodeInvalid}, {"too_many", llm.CodeInvalid},
	} {
		if strings.Contains(words, c.part) {
			return c.code
		}
	}
	return llm.CodeUpstream
}

func codeOfStatus(status int) llm.Code {
	switch status {
	case 401:
		return llm.CodeAuth
	case 402, 403:
		return llm.CodePermission
	case 404:
		return llm.CodeNotFound
	case 408, 504:
		return llm.CodeTimeout
	case 413:
		return llm.CodeTooLarge
	case 429:
		return llm.CodeRateLimited
	case 503, 529:
		return llm.CodeOverloaded
	}
	if status < 500 {
		return llm.CodeInvalid
	}
	return llm.CodeUpstream
}
