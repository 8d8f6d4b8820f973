package socket

import (
	"encoding/binary"
	"time"
)

// Frames follows the frames of one side of a connection (RFC 6455, section 5.2) where their bytes are read. The library
// says nothing of an empty one in the middle of a message: it reads on, and thousands of them fit into one read.
type Frames struct {
	head  [10]byte // of the frame at hand: all but the mask
	have  int      // bytes of it
	rest  uint64   // bytes of the frame that are behind it
	empty pace
}

// NewFrames returns one that awaits a first frame.
func NewFrames() *Frames { return &Frames{empty: controls} }

// Follow looks at what was read, all of it in its order, and returns an error where too many frames carry nothing.
func (f *Frames) Follow(read []byte) error {
	for len(read) > 0 {
		if f.rest > 0 {
			n := min(f.rest, uint64(len(read)))
			f.rest -= n
			read = read[n:]
			continue
		}
		f.head[f.have] = read[0]
		f.have++
		read = read[1:]
		if f.have < 2 || f.have < f.size() {
			continue
		}
		if err := f.begin(); err != nil {
			return err
		}
	}
	return nil
}

// size returns how long the head is.
func (f *Frames) size() int {
	switch f.head[1] & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

// begin has the rest of a frame awaited, whose head is whole.
func (f *Frames) begin() error {
	const final, control, masked = 0x80, 0x08, 0x80
	length := uint64(f.head[1] & 0x7f)
	switch f.have {
	case 4:
		length = uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 10:
		length = binary.BigEndian.Uint64(f.head[2:])
	}
	f.have, f.rest = 0, length
	if f.head[1]&masked != 0 {
		f.rest += 4
	}
	if length == 0 && f.head[0]&(final|control) == 0 && f.empty.count(time.Now()) > 0 {
		return ErrFlood
	}
	return nil
}
