package dialect

import (
	"mime"
	"strings"

	"github.com/ginnel/ginnel/sdk/llm"
)

// Boundary returns what stands between the parts of a body of form data (RFC 7578), by the request's header, and ""
// for any other body. More than one content type, or one that cannot be read, is none: who reads the body may
// take another.
func Boundary(h llm.Header) string {
	if h.Count("content-type") != 1 {
		return ""
	}
	text := h.Get("content-type")
	if strings.ContainsAny(text, `*\`) { // of RFC 2231 and of quoted pairs, which some readers know and some do not
		return ""
	}
	if len(text) < len(multipart) || !llm.EqualFold(text[:len(multipart)], multipart) {
		return ""
	}
	kind, params, err := mime.ParseMediaType(text)
	boundary := params["boundary"]
	if err != nil || kind != "multipart/form-data" || len(boundary) > 70 || strings.HasSuffix(boundary, " ") || strings.ContainsFunc(boundary, notOfBoundary) {
		return ""
	}
	return boundary
}

const multipart = "multipart/"

// notOfBoundary reports whether a boundary cannot have a character (RFC 2046, section 5.1.1). One that is percent-encoded
// could be a line end.
func notOfBoundary(c rune) bool {
	return (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && !strings.ContainsRune("'()+_,-./:=? ", c)
}
