package wasmhost

import (
	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/filter/abi"
	"github.com/ginnel/ginnel/sdk/llm"
)

// writable returns the header that a guest may change now, or why it may not.
func (in *instance) writable(field uint32, name []byte) (*llm.Header, int) {
	if in.x == nil {
		return nil, abi.WrongPhase
	}
	if len(name) == 0 || len(name) > maxHeaderName || !validName(name) {
		return nil, abi.Invalid
	}
	switch {
	case field == abi.Header && in.phase >= exchange.PhaseResponseHead,
		field == abi.ResponseHeader && in.phase != exchange.PhaseResponseHead:
		return nil, abi.WrongPhase
	case field != abi.Header && field != abi.ResponseHeader:
		return nil, abi.Denied
	case listed(framing[:], name):
		return nil, abi.Denied
	case !in.filter.builtin && field == abi.Header && listed(credentials[:], name):
		return nil, abi.Denied
	}
	return in.header(field)
}

// framing headers belong to the transport: a filter that could write them could split requests.
var framing = [...]string{
	"connection", "content-length", "content-encoding", "host", "keep-alive", "proxy-connection",
	"te", "trailer", "transfer-encoding", "upgrade", "expect",
}

// credentials are hidden from filters that are not built in.
var credentials = [...]string{
	"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key", "x-goog-api-key",
}

func (in *instance) visible(name string) bool {
	return in.filter.builtin || !listed(credentials[:], name)
}

// listed reports whether name is one of the lower-case names, without regard to ASCII case.
func listed[T string | []byte](names []string, name T) bool {
	for _, n := range names {
		if equalFold(n, name) {
			return true
		}
	}
	return false
}

func equalFold[T string | []byte](a string, b T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// validName reports whether a header's name is a token of RFC 9110, section 5.6.2.
func validName(name []byte) bool {
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '!', c == '#', c == '$', c == '%', c == '&', c == '\'', c == '*', c == '+', c == '-', c == '.', c == '^', c == '_', c == '`', c == '|', c == '~':
		default:
			return false
		}
	}
	return true
}

// validValue reports whether a header's value has no control character but the tab and no space
// at its ends.
func validValue(value []byte) bool {
	for _, c := range value {
		if c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	n := len(value)
	return n == 0 || value[0] != ' ' && value[0] != '\t' && value[n-1] != ' ' && value[n-1] != '\t'
}
