package anthropic

import (
	"github.com/ginnel/ginnel/sdk/llm"
)

// AppendError appends an error in Anthropic's shape. Its type is the vendor's; the gateway's own code,
// which is finer, stands where its SDKs look for one, in the details.
func (Codec) AppendError(dst []byte, e *llm.Error, requestID string) []byte {
	kind, code := errorType(e)
	dst = append(dst, `{"type":"error","error":{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","message":`...)
	dst = appendString(dst, e.Message)
	dst = append(dst, `,"details":{"error_code":"`...)
	dst = append(dst, code...)
	dst = append(dst, `"}}`...)
	if requestID != "" {
		dst = append(dst, `,"request_id":`...)
		dst = appendString(dst, requestID)
	}
	return append(dst, '}')
}

// AppendErrorEvent appends an error event: the official SDKs raise on its name. No terminator may
// follow.
func (c Codec) AppendErrorEvent(dst []byte, e *llm.Error, requestID string) []byte {
	dst = append(dst, "event: error\ndata: "...)
	return append(c.AppendError(dst, e, requestID), "\n\n"...)
}

// errorType returns Anthropic's type and the gateway's own code for an error.
func errorType(e *llm.Error) (kind, code string) {
	switch e.Code {
	case llm.CodeInvalid:
		return "invalid_request_error", "invalid_request"
	case llm.CodeAuth:
		return "authentication_error", "invalid_api_key"
	case llm.CodePermission:
		return "permission_error", "permission_denied"
	case llm.CodeNotFound:
		return "not_found_error", "model_not_found"
	case llm.CodeNoPrevious:
		return "not_found_error", "previous_message_not_found"
	case llm.CodeTooLong:
		return "invalid_request_error", "context_length_exceeded"
	case llm.CodeFiltered:
		return "invalid_request_error", "content_filter"
	case llm.CodeQuota:
		return "billing_error", "insufficient_quota"
	case llm.CodeTooLarge:
		return "request_too_large", "request_too_large"
	case llm.CodeDenied:
		return "permission_error", "denied"
	case llm.CodeRateLimited:
		return "rate_limit_error", "rate_limit_exceeded"
	case llm.CodeOverloaded:
		return "overloaded_error", "overloaded"
	case llm.CodeTimeout:
		return "timeout_error", "timeout"
	case llm.CodeUnavailable:
		return "api_error", "unavailable"
	case llm.CodeUpstream:
		return "api_error", "upstream_error"
	case llm.CodeCut:
		return "api_error", "upstream_cut"
	case llm.CodeDraining:
		return "overloaded_error", "draining"
	}
	return "api_error", "internal_error"
}
