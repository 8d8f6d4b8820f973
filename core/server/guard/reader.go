package guard

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Phase is what a Reader waits for; each has its own time limit.
type Phase uint8

// The phases of a connection.
const (
	Idle   Phase = iota // for the first byte of a request
	InHead              // for the rest of a head
	InBody              // for the rest of a body
)

// Source is where a Reader's bytes come from.
type Source interface {
	// Fill reads at least one byte into p. The phase says what is waited for, fresh that this is
	// the first wait of that phase for this message. A timeout is os.ErrDeadlineExceeded.
	Fill(p []byte, phase Phase, fresh bool) (int, error)
	// Reserve reports whether the server has room for n more bytes of the message's body. They are
	// asked for before they are read: a length that is only claimed makes the parser allocate.
	Reserve(n int64) bool
}

// Limits bounds one message.
type Limits struct {
	Head int   // bytes
	Body int64 // bytes, without chunk framing

	Form int64 // the same of form data; 0 = Body
}

// placeholder is what the parser behind gets to see in place of a refused head. Nothing of a refused
// request reaches it; the answer to the placeholder is the refusal.
const placeholder = "GET / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n"

// firstBuffer is the size of a reader's buffer until a head needs more.
const firstBuffer = 4 << 10

type state uint8

const (
	inHead state = iota
	inBody       // left bytes of a body or of a chunk's data are to come
	inChunkSize
	inChunkEnd // the CR LF after a chunk's data
	inTrailer
	refused
)

// Reader hands the bytes of one connection on, one message at a time. Its Read is for a parser of heads, which is
// never shown a body, nor a field that says there is one: there is nothing about a message's end that the two could
// read in two ways. Body is what the message's body says. The head of the next message comes after Begin.
type Reader struct {
	src    Source
	limits func() Limits

	buf   []byte
	r, w  int  // buf[r:w] has come
	pass  int  // buf[r:r+pass] is approved for the parser
	scan  int  // buf[r:r+scan] of a head has no end
	lines int  // buf[r:r+lines] of a head was looked at by CheckPart
	blank bool // the one empty line before the head was passed over
	state state
	left  int64 // of the body or the chunk
	total int64 // of a chunked body
	most  int64 // bytes of a body
	slow  int64 // bytes until a body's time begins anew
	room  int64 // that the source has granted and that are not used
	phase Phase
	fresh bool

	head     Head
	fields   llm.Header // reused for each head
	messages int
	begun    int
	refusal  *Refusal
}

// NewReader returns a reader over src; limits is asked at each message.
func NewReader(src Source, limits func() Limits) *Reader {
	return &Reader{src: src, limits: limits, fresh: true}
}

// Head returns the head of the message at hand. Its Header is overwritten by the next one.
func (g *Reader) Head() *Head { return &g.head }

// Refusal returns why the connection's last message is refused, or nil.
func (g *Reader) Refusal() *Refusal { return g.refusal }

// Buffered returns the number of bytes that came and were not handed on.
func (g *Reader) Buffered() int { return g.w - g.r }

// Begin is called by the handler, once per message that the parser gave it. It reports whether
// the parser and the guard are at the same message, with nothing left over: if not, they disagree
// about where it ends, and the connection must end.
func (g *Reader) Begin() bool {
	g.begun++
	return g.begun == g.messages && g.pass == 0 && (g.state == inHead || g.state == refused)
}

// Read implements io.Reader for the parser. A refusal of a head is a placeholder message.
func (g *Reader) Read(p []byte) (int, error) {
	for g.pass == 0 {
		switch g.state {
		case inHead:
			if err := g.advanceHead(); err != nil {
				return 0, err
			}
		case refused:
			return 0, g.refused()
		default:
			return 0, g.refuse(ErrDesync) // it wants more than the head
		}
	}
	n := copy(p, g.buf[g.r:g.r+g.pass])
	g.pass -= n
	g.consume(n)
	return n, nil
}

// Body reads on in the body of the message at hand, whose head has been read: what is in the chunks where it comes in
// chunks. An error is a refusal or, behind the end, io.EOF.
func (g *Reader) Body(p []byte) (int, error) {
	if g.pass > 0 {
		return 0, g.refuse(ErrDesync)
	}
	for {
		switch g.state {
		case inHead:
			return 0, io.EOF
		case refused:
			return 0, g.refused()
		case inBody:
			return g.piece(p[:min(int64(len(p)), g.left)])
		}
		if err := g.advanceChunk(); err != nil {
			return 0, err
		}
	}
}

func (g *Reader) refused() error {
	if g.refusal != nil {
		return g.refusal
	}
	return io.EOF
}

// piece reads bytes of the body or of a chunk: those that have come already, or past the buffer.
func (g *Reader) piece(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if n = copy(p, g.buf[g.r:g.w]); n > 0 {
		g.consume(n)
	} else if n, err = g.wait(p, InBody); n == 0 {
		return 0, g.broken(err)
	}
	if !g.grant(int64(n), g.left) {
		return 0, g.refuse(ErrNoRoom)
	}
	g.bodyBytes(n)
	return n, nil
}

// step is what room is asked for at once.
const step = 64 << 10

// grant makes room for n more bytes of the body, which have come, out of those that are left: a length is only
// claimed, and who claims much and sends nothing must not keep others out.
func (g *Reader) grant(n, left int64) bool {
	if g.room -= n; g.room >= 0 {
		return true
	}
	want := max(-g.room, min(left, step))
	if !g.src.Reserve(want) {
		return false
	}
	g.room += want
	return true
}

// bodyBytes counts n bytes of the body or chunk as handed on.
func (g *Reader) bodyBytes(n int) {
	if g.slow -= int64(n); g.slow <= 0 { // form data may be longer than what a body's time is for
		g.fresh, g.slow = true, g.limits().Body
	}
	if g.left -= int64(n); g.left > 0 {
		return
	}
	if g.head.Length == Chunked {
		g.state = inChunkEnd
	} else {
		g.next()
	}
}

// next makes ready for the next message.
func (g *Reader) next() {
	g.state, g.scan, g.lines, g.blank, g.fresh, g.phase = inHead, 0, 0, false, true, Idle
}

// advanceHead looks for the end of a head and checks it.
func (g *Reader) advanceHead() error {
	if g.begun < g.messages {
		// The parser wants more bytes for a message that is complete.
		return g.refuse(ErrDesync)
	}
	if have := g.buf[g.r:g.w]; !g.blank && len(have) >= 2 && have[0] == '\r' && have[1] == '\n' {
		g.consume(2) // RFC 9112, 2.2
		g.blank, g.scan = true, 0
	}
	have := g.buf[g.r:g.w]
	limits := g.limits()
	if at := bytes.Index(have[max(g.scan-3, 0):], crlfcrlf); at >= 0 {
		size := max(g.scan-3, 0) + at + 4
		if size > limits.Head {
			return g.refuseHead(ErrHeadTooLarge)
		}
		return g.take(size, limits)
	}
	g.scan = len(have)
	if len(have) > limits.Head {
		return g.refuseHead(ErrHeadTooLarge)
	}
	if r := g.checkPart(have); r != nil {
		return g.refuseHead(r)
	}
	phase := InHead
	if len(have) == 0 {
		phase = Idle
	}
	return g.fillHead(phase)
}

var crlfcrlf = []byte("\r\n\r\n")

// checkPart checks a head that waits for more, but only where new lines came.
func (g *Reader) checkPart(have []byte) *Refusal {
	last := bytes.LastIndexByte(have, '\n') + 1
	if last <= g.lines {
		return nil
	}
	g.lines = last
	g.head.Header = g.fields[:0]
	r := CheckPart(string(have[:last]), &g.head)
	g.fields = g.head.Header[:0]
	return r
}

// take checks a whole head and approves it.
func (g *Reader) take(size int, limits Limits) error {
	g.head.Header = g.fields[:0]
	r := Check(string(g.buf[g.r:g.r+size]), &g.head)
	g.fields = g.head.Header[:0]
	h := &g.head
	h.Boundary, g.most, g.slow = "", limits.Body, limits.Body
	if r == nil && limits.Form > 0 && h.Length != 0 {
		if h.Boundary = dialect.Boundary(h.Header); h.Boundary != "" {
			g.most = limits.Form
		}
	}
	if r == nil && h.Length > g.most {
		r = ErrBodyTooLarge
	}
	g.room = 0
	rest := g.w - g.r - size
	if r == nil && h.Close && h.Length >= 0 && int64(rest) > h.Length && trailing(g.buf[g.r+size+int(h.Length):g.w]) {
		r = ErrAfterClose
	}
	if r == nil && h.WebSocket && rest > 0 {
		r = ErrAfterUpgrade // whose they are depends on an answer that nobody has yet
	}
	if r != nil {
		return g.refuseHead(r)
	}
	h.hide(g.buf[g.r : g.r+size])
	g.messages++
	g.pass, g.left, g.total = size, h.Length, 0
	switch {
	case h.Length == Chunked:
		g.state, g.fresh = inChunkSize, true
	case h.Length > 0:
		g.state, g.fresh = inBody, true
	default:
		g.next()
	}
	return nil
}

// trailing reports whether b is more than the line ends that old clients send after a body.
func trailing(b []byte) bool { return len(bytes.Trim(b, "\r\n")) > 0 }

// fillHead waits for more of a head; a connection that ends or times out before the first byte ends
// silently.
func (g *Reader) fillHead(phase Phase) error {
	err := g.fill(phase)
	if err == nil || g.state == refused {
		return err
	}
	if g.r == g.w {
		return io.EOF
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return g.refuseHead(ErrHeadTimeout)
	case errors.Is(err, io.EOF):
		return g.refuseHead(ErrIncomplete)
	}
	return io.EOF
}

// fill reads more bytes into the buffer, which it makes larger where it must.
func (g *Reader) fill(phase Phase) error {
	if g.r > 0 && g.w == len(g.buf) {
		g.w = copy(g.buf, g.buf[g.r:g.w])
		g.r = 0
	}
	if g.w == len(g.buf) {
		grown := make([]byte, max(firstBuffer, 2*len(g.buf)))
		copy(grown, g.buf[:g.w])
		g.buf = grown
	}
	n, err := g.wait(g.buf[g.w:], phase)
	g.w += n
	switch {
	case n > 0:
		return nil
	case phase == InBody:
		return g.broken(err)
	}
	return err
}

func (g *Reader) wait(p []byte, phase Phase) (int, error) {
	fresh := g.fresh || phase != g.phase
	g.fresh, g.phase = false, phase
	n, err := g.src.Fill(p, phase, fresh)
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	return n, err
}

// broken makes the error of a body that does not arrive.
func (g *Reader) broken(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return g.refuse(ErrBodyTimeout)
	}
	return g.refuse(ErrIncomplete)
}

// refuse ends the connection within a message that the parser has begun.
func (g *Reader) refuse(r *Refusal) error {
	g.state, g.pass, g.refusal = refused, 0, r
	return r
}

// refuseHead puts the placeholder in the place of a message that the parser has not seen.
func (g *Reader) refuseHead(r *Refusal) error {
	g.state, g.refusal = refused, r
	g.messages++
	g.buf = append(g.buf[:0:0], placeholder...)
	g.r, g.w, g.pass = 0, len(placeholder), len(placeholder)
	return nil
}

func (g *Reader) consume(n int) {
	if g.r += n; g.r == g.w {
		g.r, g.w = 0, 0
		if len(g.buf) > firstBuffer {
			g.buf = nil // a large head was the exception
		}
	}
}
