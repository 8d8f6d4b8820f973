package gemini

import (
	"strconv"
	"strings"
	"time"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// AppendError appends an error in Google's shape (google.rpc.Status as JSON). The reason and the
// request's id stand in details of Google's own types.
func (Codec) AppendError(dst []byte, e *llm.Error, requestID string) []byte {
	status, reason := statusOf(e)
	dst = append(dst, `{"error":{"code":`...)
	dst = strconv.AppendInt(dst, int64(e.HTTPStatus()), 10)
	dst = append(dst, `,"message":"`...)
	dst = dialect.AppendQuoted(dst, []byte(e.Message))
	dst = append(append(append(dst, `","status":"`...), status...), `","details":[`...)
	dst = append(append(append(dst, `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"`...), reason...), `","domain":"ginnel"}`...)
	if requestID != "" {
		dst = append(dst, `,{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":"`...)
		dst = dialect.AppendQuoted(dst, []byte(requestID))
		dst = append(dst, `"}`...)
	}
	if e.RetryAfter > 0 {
		dst = append(dst, `,{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"`...)
		dst = strconv.AppendFloat(dst, e.RetryAfter.Seconds(), 'f', -1, 64)
		dst = append(dst, `s"}`...)
	}
	return append(dst, `]}}`...)
}

// AppendErrorEvent appends an event whose payload is the error object: the official SDKs raise on it,
// and Google itself ends a broken stream so.
func (c Codec) AppendErrorEvent(dst []byte, e *llm.Error, requestID string) []byte {
	dst = append(dst, "data: "...)
	return append(c.AppendError(dst, e, requestID), "\r\n\r\n"...)
}

// statusOf returns Google's word for an error, which is the canonical one of its status where there is
// one, and the reason: the code's own, stable, or Google's where it has one for the case.
func statusOf(e *llm.Error) (status, reason string) {
	switch e.Code {
	case llm.CodeInvalid:
		if e.HTTPStatus() == 404 {
			return "NOT_FOUND", "INVALID_REQUEST"
		}
		return "INVALID_ARGUMENT", "INVALID_REQUEST"
	case llm.CodeAuth:
		return "UNAUTHENTICATED", "API_KEY_INVALID"
	case llm.CodePermission:
		return "PERMISSION_DENIED", "PERMISSION_DENIED"
	case llm.CodeNotFound:
		return "NOT_FOUND", "MODEL_NOT_FOUND"
	case llm.CodeTooLong:
		return "INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED"
	case llm.CodeFiltered:
		return "INVALID_ARGUMENT", "CONTENT_FILTER"
	case llm.CodeQuota:
		return "RESOURCE_EXHAUSTED", "INSUFFICIENT_QUOTA"
	case llm.CodeTooLarge:
		return "INVALID_ARGUMENT", "REQUEST_TOO_LARGE"
	case llm.CodeDenied:
		return "PERMISSION_DENIED", "DENIED"
	case llm.CodeRateLimited:
		return "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"
	case llm.CodeOverloaded:
		return "UNAVAILABLE", "OVERLOADED"
	case llm.CodeTimeout:
		return "DEADLINE_EXCEEDED", "TIMEOUT"
	case llm.CodeUnavailable:
		return "UNAVAILABLE", "UNAVAILABLE"
	case llm.CodeUpstream:
		return "UNAVAILABLE", "UPSTREAM_ERROR"
	case llm.CodeCut:
		return "UNAVAILABLE", "UPSTREAM_CUT"
	case llm.CodeDraining:
		return "UNAVAILABLE", "DRAINING"
	}
	if e.Status == 499 {
		return "CANCELLED", "CANCELLED"
	}
	return "INTERNAL", "INTERNAL_ERROR"
}

// fault is what an upstream says about its error.
type fault struct {
	code    int
	message string
	status  string
	reason  string
	retry   time.Duration
}

// readError reads the value of "error": Google's object, or a string from whoever stands in between.
// Without anything said it returns nil.
func readError(r *dialect.Reader) *llm.Error {
	var f fault
	switch r.Type() {
	case dialect.TypeNull, dialect.TypeFalse:
		r.Skip()
		return nil
	case dialect.TypeObject:
		f.read(r)
	default:
		if f.message = word(r); f.message == "" {
			return nil
		}
	}
	e := &llm.Error{Code: f.llmCode(), Status: f.code, RetryAfter: f.retry, Message: f.message}
	if e.Quoted = e.Message != ""; !e.Quoted {
		e.Message = "the upstream reported an error"
	}
	return e
}

func (f *fault) read(r *dialect.Reader) {
	o := r.Object(nil)
	for {
		if _, ok := r.Next(&o); !ok {
			return
		}
		switch string(r.Bytes(o.Key)) {
		case "code":
			if n, ok := r.Int(); !ok {
				r.Skip()
			} else if n >= 400 && n <= 599 {
				f.code = int(n)
			}
		case "message":
			f.message = word(r)
		case "status":
			f.status = word(r)
		case "details":
			f.details(r)
		default:
			r.Skip()
		}
	}
}

func (f *fault) details(r *dialect.Reader) {
	if r.Type() != dialect.TypeArray {
		r.Skip()
		return
	}
	r.Array()
	for n := 0; r.Item(&n); {
		if r.Type() != dialect.TypeObject {
			r.Skip()
			continue
		}
		o := r.Object(nil)
		for {
			if _, ok := r.Next(&o); !ok {
				break
			}
			switch string(r.Bytes(o.Key)) {
			case "reason":
				f.reason = word(r)
			case "retryDelay", "retry_delay":
				if d, err := time.ParseDuration(word(r)); err == nil && d > 0 {
					f.retry = d
				}
			default:
				r.Skip()
			}
		}
	}
}

func word(r *dialect.Reader) string {
	if s, ok := r.String(); ok {
		return dialect.TextOf(r.Bytes(s), "")
	}
	r.Skip()
	return ""
}

// llmCode classifies the error. Google answers a bad key with 400, so the reason counts first.
func (f *fault) llmCode() llm.Code {
	if strings.HasPrefix(f.reason, "API_KEY_") || f.reason == "ACCESS_TOKEN_EXPIRED" || f.reason == "CREDENTIALS_MISSING" {
		return llm.CodeAuth
	}
	switch f.status {
	case "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "ALREADY_EXISTS", "UNIMPLEMENTED":
		if f.code == 413 {
			return llm.CodeTooLarge
		}
		return llm.CodeInvalid
	case "UNAUTHENTICATED":
		return llm.CodeAuth
	case "PERMISSION_DENIED":
		return llm.CodePermission
	case "NOT_FOUND":
		return llm.CodeNotFound
	case "RESOURCE_EXHAUSTED":
		return llm.CodeRateLimited
	case "UNAVAILABLE":
		return llm.CodeOverloaded
	case "DEADLINE_EXCEEDED":
		return llm.CodeTimeout
	}
	if f.code != 0 {
		return dialect.CodeOfStatus(f.code)
	}
	return llm.CodeUpstream
}
