package telemetry

import (
	"strconv"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
)

// AppendServerTiming appends the value of a Server-Timing field (W3C Server Timing): the parts that
// are known, in milliseconds.
func AppendServerTiming(dst []byte, t *exchange.Timings) []byte {
	begin := len(dst)
	dst = appendPart(dst, begin, "guard", t.Guard)
	dst = appendPart(dst, begin, "auth", t.Auth)
	for i := range t.Filters {
		f := &t.Filters[i]
		dst = separate(dst, begin)
		dst = append(dst, "filter-"...)
		for _, c := range []byte(f.Filter) {
			if !isToken(c) {
				c = '_'
			}
			dst = append(dst, c)
		}
		dst = appendDuration(dst, f.Spent)
	}
	dst = appendPart(dst, begin, "upstream", t.Upstream)
	dst = appendPart(dst, begin, "first", t.First)
	return appendPart(dst, begin, "total", t.Total)
}

func appendPart(dst []byte, begin int, name string, d time.Duration) []byte {
	if d <= 0 {
		return dst
	}
	return appendDuration(append(separate(dst, begin), name...), d)
}

func separate(dst []byte, begin int) []byte {
	if len(dst) > begin {
		return append(dst, ", "...)
	}
	return dst
}

// appendDuration appends a duration in milliseconds, to the microsecond.
func appendDuration(dst []byte, d time.Duration) []byte {
	us := int64(d.Round(time.Microsecond) / time.Microsecond)
	dst = append(strconv.AppendInt(append(dst, ";dur="...), us/1000, 10), '.')
	return append(dst, byte('0'+us/100%10), byte('0'+us/10%10), byte('0'+us%10))
}

// isToken reports whether c may stand in the name of a metric; a dot may, but reads as a member.
func isToken(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == '-'
}
