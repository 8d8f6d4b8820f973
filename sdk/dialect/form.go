package dialect

import (
	"mime"

	"github.com/ginnel/ginnel/sdk/llm"
)

// Boundary returns what stands between the parts of a body of form data (RFC 7578), by the request's header, and ""
// for any other body. More than one content type, or one that cannot be read, is none: who reads the body may
// take another.
func Boundary(h llm.Header) string {
	if h.Count("content-type") != 1 {
		return ""
	}
	kind, params, err := mime.ParseMediaType(h.Get("content-type"))
	if err != nil || kind != "multipart/form-data" || len(params["boundary"]) > 70 {
		return ""
	}
	return params["boundary"]
}
