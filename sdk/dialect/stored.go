package dialect

import (
	"bytes"
	"net/url"
	"strings"
)

// OfAccount reports whether a vendor reads what a URL leads to with the rights of the account that it is called
// with: a bucket, a file in its own keeping. What is on the web or in the URL itself anybody may read. A text
// without a scheme is no URL, and none of these.
func OfAccount(s string) bool {
	scheme, authority, ok := strings.Cut(s, ":")
	if !ok || strings.EqualFold(scheme, "data") {
		return false
	}
	if !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return true
	}
	authority = strings.TrimLeft(authority, `/\`)
	if end := strings.IndexAny(authority, "/?#"); end >= 0 {
		authority = authority[:end] // what is behind it may be no URL by the rules, and be fetched all the same
	}
	u, err := url.Parse("https://" + authority)
	if err != nil {
		return true
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	return strings.HasSuffix(host, ".googleapis.com") && strings.Contains(host, "generativelanguage") // that of a region, too
}

// IsDataURL reports whether a string's content, as it is written, is a URL that holds what it leads to.
func IsDataURL(raw []byte) bool {
	const scheme = "data:"
	return len(raw) >= len(scheme) && bytes.EqualFold(raw[:len(scheme)], []byte(scheme))
}

// MayBeURL reports whether a string's content, as it is written, may be a URL: base64 has neither a colon nor a
// character that JSON writes as a number.
func MayBeURL(raw []byte) bool {
	return bytes.IndexByte(raw, ':') >= 0 || bytes.Contains(raw, []byte(`\u`))
}

// AppendURL appends the URL in a string's content to the files that a request names where it is one.
func AppendURL(files []string, raw []byte) []string {
	if s := TextOf(raw, ""); OfAccount(s) {
		return append(files, s)
	}
	return files
}
