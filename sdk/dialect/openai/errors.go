package openai

import (
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
	dst = append(dst, `","param":`...)
	dst = appendParam(dst, e.Param)
	dst = append(dst, `,"code":"`...)
	dst = append(dst, code...)
	dst = append(dst, '"')
	if requestID != "" {
		dst = append(dst, `,"request_id":"`...)
		dst = dialect.AppendQuoted(dst, []byte(requestID))
		dst = append(dst, '"')
	}
	return append(dst, `}}`...)
}

// appendParam appends the member of the request that is at fault, or null.
func appendParam(dst []byte, param string) []byte {
	if param == "" {
		return append(dst, "null"...)
	}
	return append(dialect.AppendQuoted(append(dst, '"'), []byte(param)), '"')
}

// AppendErrorEvent appends an event whose payload is the error object: the official SDKs raise on
// it. No terminator may follow.
func (c Codec) AppendErrorEvent(dst []byte, e *llm.Error, requestID string) []byte {
	dst = append(dst, "data: "...)
	return append(c.AppendError(dst, e, requestID), "\n\n"...)
}

// ErrorCode returns the code of an error as AppendError writes it.
func ErrorCode(e *llm.Error) string {
	_, code := errorType(e)
	return code
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
	case llm.CodeNoPrevious:
		return "invalid_request_error", "previous_response_not_found"
	case llm.CodeTooLong:
		return "invalid_request_error", "context_length_exceeded"
	case llm.CodeFiltered:
		return "invalid_request_error", "content_filter"
	case llm.CodeQuota:
		return "insufficient_quota", "insufficient_quota"
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
