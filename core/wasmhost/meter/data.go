package meter

import "bytes"

const (
	zeroRun  = 64       // zeros that end a segment: fewer are cheaper written than left out
	maxImage = 16 << 20 // bytes of memory that are laid out here
	pageSize = 64 << 10
)

// segment is an active piece of data.
type segment struct {
	at    uint64
	bytes []byte
}

// encodeData writes what memory begins with in as few segments as it takes. Go's linker makes one of each eight bytes
// that stand between zeros, 23,000 of a small filter, and the runtime keeps 100 bytes for each and 24 more in each
// instance. Data that code may name, or that does not fit, stays as it is.
func (m *module) encodeData() []byte {
	old := m.sections[secData]
	all, start, end := m.activeData()
	if len(all) == 0 || end > m.memoryMin*pageSize || end-start > maxImage {
		return old
	}
	image := make([]byte, end-start)
	for _, s := range all {
		copy(image[s.at-start:], s.bytes)
	}
	n, more := 0, make([]byte, 0, len(image))
	for rest, at := image, start; len(rest) > 0; n++ {
		from := len(rest) - len(bytes.TrimLeft(rest, "\x00"))
		length := bytes.Index(rest[from:], make([]byte, zeroRun))
		if length < 0 {
			length = len(bytes.TrimRight(rest[from:], "\x00"))
		}
		if length == 0 {
			break
		}
		more = append(i32Const(append(more, 0), int32(at+uint64(from))), opEnd)
		more = sized(more, rest[from:from+length])
		rest, at = rest[from+length:], at+uint64(from+length)
	}
	if n >= len(all) {
		return old
	}
	return append(unsigned(make([]byte, 0, len(more)+5), uint64(n)), more...)
}

// activeData returns all data and the part of memory where it goes, or nothing where some of it goes elsewhere or
// where nobody can say yet.
func (m *module) activeData() (all []segment, start, end uint64) {
	if !m.memory || m.sections[secDataCount] != nil { // without a count, no code names a segment
		return nil, 0, 0
	}
	plain := true
	m.each(secData, func(r *reader) {
		plain = plain && r.u32() == 0 && r.b[r.at] == opI32Const
		if !plain {
			return
		}
		at := r.at
		r.constant()
		s := segment{at: offset(r.b[at+1 : r.at-1])}
		s.bytes = r.take(r.u32())
		if len(all) == 0 || s.at < start {
			start = s.at
		}
		end = max(end, s.at+uint64(len(s.bytes)))
		all = append(all, s)
	})
	if !plain {
		return nil, 0, 0
	}
	return all, start, end
}

// offset reads the operand of i32.const as an address.
func offset(b []byte) uint64 {
	var v, shift uint64
	for _, c := range b {
		v |= uint64(c&0x7f) << shift
		shift += 7
	}
	if b[len(b)-1]&0x40 != 0 && shift < 32 {
		v |= ^uint64(0) << shift
	}
	return v & (1<<32 - 1)
}
