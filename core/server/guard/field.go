package guard

import (
	"strings"

	"github.com/ginnel/ginnel/sdk/llm"
)

// class is what a header field is to the framing.
type class uint8

const (
	plain      class = iota
	dropped          // hop-by-hop or forwarding: never handed on
	host             // names the site
	length           // Content-Length
	transfer         // Transfer-Encoding
	connection       // Connection
	expect           // Expect
	upgrade          // Upgrade
	trailer          // Trailer: announces fields that are dropped anyway
	end              // end-to-end, but never in a trailer
)

// seen is what the fields of one head said so far.
type seen struct {
	hosts, lengths, transfers int
	fields                    int
	framing                   bool // the last one says how the body comes
	closes, keepAlive         bool
	upgrades                  bool   // a Connection field names Upgrade
	protocols                 int    // Upgrade fields
	socket                    bool   // the last one is just WebSocket
	named                     string // a Connection field that names other fields
}

// field reads one line without its CR LF.
func (s *seen) field(line string, h *Head) *Refusal {
	if line[0] == ' ' || line[0] == '\t' {
		return ErrFold
	}
	if s.fields++; s.fields > MaxFields {
		return ErrManyFields
	}
	colon, under := nameEnd(line)
	if colon <= 0 {
		return ErrName
	}
	name, value := line[:colon], line[colon+1:]
	if control(value) {
		return ErrControl
	}
	value = strings.Trim(value, " \t")
	c := classify(name)
	if under && c != plain && c != end {
		return ErrUnderscore
	}
	s.framing = c == length || c == transfer || c == expect
	switch c {
	case plain, end:
		h.Header = append(h.Header, llm.Field{Name: name, Value: value})
	case host:
		s.hosts++
		if h.Host != "" && !sameHost(h.Host, value) {
			return ErrHost // it differs from the absolute target's
		}
		h.Host = value
	case length:
		if s.lengths++; s.lengths > 1 {
			return ErrLength
		}
		return contentLength(value, h)
	case transfer:
		if s.transfers++; s.transfers > 1 || value != "chunked" {
			return ErrTransfer
		}
		h.Length = Chunked
	case connection:
		s.connection(value)
	case upgrade:
		s.protocols++
		s.socket = llm.EqualFold(value, "websocket")
	case expect:
		if !llm.EqualFold(value, "100-continue") {
			return ErrExpect
		}
		h.Expect = true
	}
	return nil
}

// finish looks at what only the whole head can tell.
func (s *seen) finish(h *Head) *Refusal {
	switch {
	case s.hosts != 1 || !validHost(h.Host):
		return ErrHost
	case s.transfers > 0 && s.lengths > 0:
		return ErrBothLengths
	case s.transfers > 0 && h.HTTP10:
		return ErrTransfer
	case h.Length != 0 && (h.Method == "GET" || h.Method == "HEAD"):
		return ErrBodyMethod
	}
	h.Close = s.closes || h.HTTP10 && !s.keepAlive
	h.Expect = h.Expect && !h.HTTP10
	h.WebSocket = s.upgrades && s.socket && s.protocols == 1 && h.Method == "GET" && !h.HTTP10 && !h.Close && !h.Expect
	if s.named != "" {
		dropNamed(h, s.named)
	}
	return nil
}

// connection reads the options of a Connection field.
func (s *seen) connection(value string) {
	for rest := value; rest != ""; {
		var option string
		option, rest, _ = strings.Cut(rest, ",")
		switch option = strings.Trim(option, " \t"); {
		case llm.EqualFold(option, "close"):
			s.closes = true
		case llm.EqualFold(option, "keep-alive"):
			s.keepAlive = true
		case llm.EqualFold(option, "upgrade"):
			s.upgrades = true
		case option == "":
		default:
			s.named = value
		}
	}
}

// dropNamed drops the fields that a Connection field names as hop-by-hop.
func dropNamed(h *Head, value string) {
	for rest := value; rest != ""; {
		var option string
		option, rest, _ = strings.Cut(rest, ",")
		h.Header.Del(strings.Trim(option, " \t"))
	}
}

func contentLength(value string, h *Head) *Refusal {
	if value == "" || len(value) > 18 {
		return ErrLength
	}
	n := int64(0)
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c < '0' || c > '9' {
			return ErrLength
		}
		n = n*10 + int64(c-'0')
	}
	if h.Length != Chunked {
		h.Length = n
	}
	return nil
}

// nameEnd returns the offset of the colon that ends a line's name, or -1 where the name is not a
// token, and reports whether it has an underscore.
func nameEnd(line string) (colon int, under bool) {
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case chars[c]&isToken != 0:
			under = under || c == '_'
		case c == ':':
			return i, under
		default:
			return -1, under
		}
	}
	return -1, under
}

// classify compares without regard to case and takes an underscore for a dash, as servers that make
// environment variables of headers do.
func classify(name string) class {
	if len(name) > 11 && either(name[:11], "x-forwarded", dropped) == dropped {
		return dropped
	}
	switch len(name) {
	case 2:
		return either(name, "te", dropped)
	case 4:
		return either(name, "host", host)
	case 6:
		return either(name, "expect", expect)
	case 7:
		return max(either(name, "trailer", trailer), either(name, "upgrade", upgrade))
	case 9:
		return max(either(name, "forwarded", dropped), either(name, "x-real-ip", dropped))
	case 10:
		return max(either(name, "connection", connection), either(name, "keep-alive", dropped))
	case 13:
		return either(name, "authorization", end)
	case 14:
		return max(either(name, "content-length", length), either(name, "http2-settings", dropped))
	case 16:
		return either(name, "proxy-connection", dropped)
	case 17:
		return either(name, "transfer-encoding", transfer)
	case 18:
		return either(name, "proxy-authenticate", dropped)
	case 19:
		return either(name, "proxy-authorization", dropped)
	}
	return plain
}

func either(name, want string, c class) class {
	for i := 0; i < len(want); i++ {
		b := name[i]
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		} else if b == '_' {
			b = '-'
		}
		if b != want[i] {
			return plain
		}
	}
	return c
}

// EndToEnd reports whether a header field concerns those who speak with each other rather than a
// single connection: neither framing, nor hop-by-hop, nor forwarding.
func EndToEnd(name string) bool {
	c := classify(name)
	return c == plain || c == end
}

// ValidField reports whether a field can be written without becoming two.
func ValidField(name, value string) bool {
	if name == "" || control(value) {
		return false
	}
	for i := 0; i < len(name); i++ {
		if chars[name[i]]&isToken == 0 {
			return false
		}
	}
	return true
}
