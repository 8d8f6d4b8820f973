package gateway

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
)

// HeaderDropped lists, in an answer, the fields of the request that the provider could not be told and, behind "answer:",
// what of a whole answer the client is not told. Of a stream, whose head is out before, the exchange's event has it.
const HeaderDropped = "X-Ginnel-Dropped"

// mostDropped bounds the list in bytes, for clients that bound a header: behind it stands how many more there are.
const mostDropped = 4 << 10

// allLost returns what was lost of the request and of the answer so far.
func (s *serving) allLost() []conversation.Loss {
	if s.decoder != nil {
		s.losses.Left(s.decoder.Left())
	}
	return append(slices.Clip(s.lost), s.losses.All()...)
}

// tellLost lists in a whole answer's header what was lost.
func (s *serving) tellLost() {
	if lost := s.allLost(); len(lost) > len(s.lost) {
		s.x.Response.Header.Set(HeaderDropped, dropped(lost))
	}
}

// dropped lists the fields that were left out, each once.
func dropped(lost []conversation.Loss) string {
	if len(lost) == 0 {
		return ""
	}
	var list strings.Builder
	seen := make(map[string]bool, len(lost))
	more := 0
	for _, l := range lost {
		field := headerSafe(l.Field)
		switch {
		case seen[field]:
			continue
		case list.Len()+len(field) > mostDropped:
			more++
		case list.Len() > 0:
			list.WriteString(", ")
			fallthrough
		default:
			list.WriteString(field)
		}
		seen[field] = true
	}
	if more > 0 {
		list.WriteString(", and " + strconv.Itoa(more) + " more")
	}
	return list.String()
}

// headerSafe returns a field's name, which may be the client's own word, as a header field can carry it.
func headerSafe(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == ',' {
			return '_'
		}
		return r
	}, s[:min(len(s), 100)])
}
