package provider

import (
	"maps"
	"slices"
	"strings"

	"github.com/ginnel/ginnel/sdk/llm"
)

// Credential is a field of a lease's header whose value stands in a plugin's config.
type Credential struct{ Field, Scheme, Value string }

// LeaseHeader returns the header of a lease: the credentials that have a value, each behind its scheme
// where it has one, and more, which an operator's config names and which takes the place of a
// credential's. What would break a request is refused, with an *llm.Error that shows no value.
func LeaseHeader(credentials []Credential, more map[string]string) (llm.Header, error) {
	var h llm.Header
	for _, c := range credentials {
		switch {
		case c.Value == "":
			continue
		case !plain(c.Value) || strings.ContainsRune(c.Value, ' '):
			return nil, &llm.Error{Code: llm.CodeInvalid, Message: "config: the value for " + c.Field + " has a space or a control character in it"}
		case c.Scheme != "":
			c.Value = c.Scheme + " " + c.Value
		}
		h.Add(c.Field, c.Value)
	}
	for _, field := range slices.Sorted(maps.Keys(more)) {
		if !token(field) || !plain(more[field]) || framing(field) ||
			llm.EqualFold(field, "content-type") || llm.EqualFold(field, "content-encoding") {
			return nil, &llm.Error{Code: llm.CodeInvalid, Message: "config: headers: " + field + " cannot be set"}
		}
		h.Set(field, more[field])
	}
	return h, nil
}

// token reports whether s is a header field's name (RFC 9110, section 5.6.2).
func token(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// plain reports whether a field's value has no control characters.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
