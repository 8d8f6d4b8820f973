package meter

import "encoding/binary"

// unsigned appends a number in its shortest form.
func unsigned(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

// signed appends a number in its shortest form.
func signed(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func text(b []byte, s string) []byte { return append(unsigned(b, uint64(len(s))), s...) }

// sized appends a vector of bytes.
func sized(b, v []byte) []byte { return append(unsigned(b, uint64(len(v))), v...) }

// op appends an instruction with one index.
func op(b []byte, code byte, index uint64) []byte { return unsigned(append(b, code), index) }

func i32Const(b []byte, v int32) []byte { return signed(append(b, opI32Const), int64(v)) }

func i64Const(b []byte, v int64) []byte { return signed(append(b, opI64Const), v) }

// extended returns a section's vector with n more elements, whose bytes are more.
func extended(section []byte, n int, more []byte) []byte {
	if n == 0 {
		return section
	}
	r, old := &reader{b: section}, uint64(0)
	if len(section) > 0 {
		old = r.u32()
	}
	out := unsigned(make([]byte, 0, len(section)+len(more)+5), old+uint64(n))
	return append(append(out, section[r.at:]...), more...)
}
