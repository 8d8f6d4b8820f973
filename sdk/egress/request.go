package egress

import (
	"fmt"
	"strconv"

	"github.com/ginnel/ginnel/sdk/llm"
)

// Check refuses what would not be one request of HTTP/1.1 (RFC 9112, section 3), whoever wrote it: the
// error is ErrRequest. Do calls it too.
func (r *Request) Check() error {
	if !token(r.Method) || r.Method == "CONNECT" {
		return fmt.Errorf("%w: method", ErrRequest)
	}
	if r.Path == "" || r.Path[0] != '/' {
		return fmt.Errorf("%w: path does not begin with a slash", ErrRequest)
	}
	for i := 0; i < len(r.Path); i++ {
		if c := r.Path[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return fmt.Errorf("%w: path", ErrRequest)
		}
	}
	if r.Host != "" && !validHost(r.Host) {
		return fmt.Errorf("%w: host", ErrRequest)
	}
	for i := range r.Header {
		if !token(r.Header[i].Name) || !fieldValue(r.Header[i].Value) {
			return fmt.Errorf("%w: header field %d", ErrRequest, i) // not its text: it may be a secret
		}
	}
	return nil
}

// append writes the head. A proxy is told where a plain request goes by the origin, never by the
// request (RFC 9112, section 3.2.2).
func (r *Request) append(b []byte, o *Origin) []byte {
	host, proxied := o.host, o.proxy != nil && o.tls == nil
	if r.Host != "" {
		host = r.Host
	}
	b = append(append(b, r.Method...), ' ')
	if proxied {
		b = append(b, o.proxy.target...)
	}
	b = append(append(b, r.Path...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, host...), "\r\n"...)
	if proxied && o.proxy.credentials != "" {
		b = append(append(append(b, "Proxy-Authorization: "...), o.proxy.credentials...), "\r\n"...)
	}
	connection := r.Header.Get("connection")
	for i := range r.Header {
		f := &r.Header[i]
		if ownField(f.Name) || connection != "" && named(r.Header, f.Name) {
			continue
		}
		b = append(append(b, f.Name...), ": "...)
		b = append(append(b, f.Value...), "\r\n"...)
	}
	if r.Body != nil || len(r.Held.Holes) > 0 || r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH" {
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, int64(len(r.Body))+r.Held.Len(), 10), "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// ownField reports whether a field belongs to one connection or to the framing on it (RFC 9110,
// section 7.6.1), so that it is never passed on in either direction.
func ownField(name string) bool {
	is := func(s string) bool { return llm.EqualFold(name, s) }
	switch len(name) {
	case 2:
		return is("te")
	case 4:
		return is("host")
	case 6:
		return is("expect")
	case 7:
		return is("trailer") || is("upgrade")
	case 10:
		return is("connection") || is("keep-alive")
	case 14:
		return is("content-length")
	case 16:
		return is("proxy-connection")
	case 17:
		return is("transfer-encoding")
	case 18:
		return is("proxy-authenticate")
	case 19:
		return is("proxy-authorization")
	}
	return false
}

// named reports whether a Connection field names the field.
func named(h llm.Header, name string) bool {
	for i := range h {
		if llm.EqualFold(h[i].Name, "connection") && listed(h[i].Value, name) {
			return true
		}
	}
	return false
}

// listed reports whether a comma-separated list has the item, in any case.
func listed(list, item string) bool {
	for len(list) > 0 {
		end := 0
		for end < len(list) && list[end] != ',' {
			end++
		}
		if llm.EqualFold(trim(list[:end]), item) {
			return true
		}
		list = list[min(end+1, len(list)):]
	}
	return false
}

// trim takes off the white space that may stand around a value.
func trim(s string) string {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// tokens marks the bytes of a token (RFC 9110, section 5.6.2).
var tokens = func() (t [256]bool) {
	for c := range t {
		t[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

func token(s string) bool {
	for i := 0; i < len(s); i++ {
		if !tokens[s[i]] {
			return false
		}
	}
	return s != ""
}

// fieldValue reports whether a value has no control byte; obs-text is left to those it concerns.
func fieldValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// validHost reports whether s can be a Host: a name or an address, with or without a port.
func validHost(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']') {
			return false
		}
	}
	return s != ""
}
