package socket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// frame is one with so much in it.
func frame(first byte, size int, masked bool) []byte {
	f := []byte{first, byte(size)}
	switch {
	case size > 0xffff:
		f = binary.BigEndian.AppendUint64([]byte{first, 127}, uint64(size))
	case size > 125:
		f = binary.BigEndian.AppendUint16([]byte{first, 126}, uint16(size))
	}
	if masked {
		f[1] |= 0x80
		f = append(f, "mask"...)
	}
	return append(f, make([]byte, size)...)
}

// TestFrames: those that are empty are found between any others, however their bytes come.
func TestFrames(t *testing.T) {
	for _, masked := range []bool{false, true} {
		var others, flood []byte
		for _, size := range []int{0, 1, 125, 126, 300, 0xffff, 0x10000} {
			for _, first := range []byte{0x81, 0x80, 0x89, 0x8a} { // whole messages, ends, pings, pongs
				others = append(others, frame(first, size, masked)...)
			}
			if size > 0 {
				others = append(others, frame(0, size, masked)...)
			}
		}
		for range 20 {
			flood = append(flood, frame(0, 0, masked)...)
		}
		for _, piece := range []int{1, 7, 4096, 1 << 30} {
			f := NewFrames()
			f.empty.step *= 1000 // none is paid off while the test runs
			follow := func(b []byte) (err error) {
				for err == nil && len(b) > 0 {
					n := min(piece, len(b))
					err, b = f.Follow(b[:n]), b[n:]
				}
				return err
			}
			for range controls.burst {
				if err := follow(frame(0, 0, masked)); err != nil {
					t.Fatalf("%v, pieces of %d: %v", masked, piece, err)
				}
			}
			if err := follow(others); err != nil {
				t.Errorf("%v, pieces of %d: %v", masked, piece, err)
			}
			if err := follow(flood); !errors.Is(err, ErrFlood) {
				t.Errorf("%v, pieces of %d: %v", masked, piece, err)
			}
		}
	}
}

// FuzzFrames: what is read in pieces is followed as what is read at once.
func FuzzFrames(f *testing.F) {
	f.Add(bytes.Join([][]byte{frame(1, 3, true), frame(0, 0, true), frame(0x80, 126, false)}, nil), uint8(1))
	f.Add(frame(0, 0x10000, true)[:20], uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, piece uint8) {
		whole, pieces := NewFrames(), NewFrames()
		want := whole.Follow(b)
		var got error
		for rest := b; got == nil && len(rest) > 0; {
			n := min(int(piece)+1, len(rest))
			got, rest = pieces.Follow(rest[:n]), rest[n:]
		}
		if got != want || want == nil && (whole.rest != pieces.rest || whole.have != pieces.have) {
			t.Errorf("%v and %v: %+v, %+v", want, got, whole, pieces)
		}
	})
}
