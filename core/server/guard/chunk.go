package guard

import "bytes"

// MaxChunkLine is the largest size of a chunk's first line or of a trailer section.
const MaxChunkLine = 1 << 10

// advanceChunk reads the next piece of a chunked body's framing.
func (g *Reader) advanceChunk() error {
	have := g.buf[g.r:g.w]
	switch g.state {
	case inChunkSize:
		end := bytes.IndexByte(have, '\n')
		if end < 0 {
			return g.more(have)
		}
		size, ok := chunkSize(have[:end+1])
		if !ok {
			return g.refuse(ErrChunk)
		}
		if g.total += size; size > g.most || g.total > g.most {
			return g.refuse(ErrBodyTooLarge)
		}
		g.consume(end + 1)
		if g.left, g.state = size, inBody; size == 0 {
			g.state = inTrailer
		}
		return nil
	case inChunkEnd:
		if len(have) < 2 {
			return g.fill(InBody)
		}
		if have[0] != '\r' || have[1] != '\n' {
			return g.refuse(ErrChunk)
		}
		g.consume(2)
		g.state = inChunkSize
		return nil
	}
	return g.advanceTrailer(have)
}

// advanceTrailer drops the trailer fields one by one and passes over the empty line that ends them.
// They are dropped because whatever merges them into the header would take orders after the head
// was checked.
func (g *Reader) advanceTrailer(have []byte) error {
	end := bytes.IndexByte(have, '\n')
	switch {
	case end < 0:
		return g.more(have)
	case end == 1 && have[0] == '\r':
		g.consume(2)
		g.next()
		return nil
	case end < 2 || have[end-1] != '\r' || !harmlessTrailer(string(have[:end-1])):
		return g.refuse(ErrTrailer)
	}
	if g.total += int64(end); g.total > g.most+MaxChunkLine {
		return g.refuse(ErrTrailer)
	}
	g.consume(end + 1)
	return nil
}

// more waits for the rest of a line.
func (g *Reader) more(have []byte) error {
	if len(have) > MaxChunkLine {
		return g.refuse(ErrChunk)
	}
	return g.fill(InBody)
}

func harmlessTrailer(line string) bool {
	colon, under := nameEnd(line)
	return colon > 0 && !under && !control(line[colon:]) && classify(line[:colon]) == plain
}

// chunkSize reads "1*HEXDIG *( ";" name [ "=" value ] ) CR LF" (RFC 9112, 7.1.1) without the
// whitespace that is allowed only for the sake of bad senders.
func chunkSize(line []byte) (size int64, ok bool) {
	n := len(line)
	if n < 3 || n > MaxChunkLine || line[n-2] != '\r' {
		return 0, false
	}
	line = line[:n-2]
	i := 0
	for ; i < len(line) && chars[line[i]]&isHex != 0; i++ {
		if i >= 15 {
			return 0, false
		}
		size = size<<4 | int64(unhex(line[i]))
	}
	if i == 0 {
		return 0, false
	}
	for i < len(line) {
		if line[i] != ';' {
			return 0, false
		}
		if i = extension(line, i+1); i < 0 {
			return 0, false
		}
	}
	return size, true
}

// extension returns the end of a chunk extension that begins at i, or -1.
func extension(line []byte, i int) int {
	start := i
	for i < len(line) && chars[line[i]]&isToken != 0 {
		i++
	}
	if i == start {
		return -1
	}
	if i == len(line) || line[i] != '=' {
		return i
	}
	i++
	if i == len(line) || line[i] != '"' {
		for start = i; i < len(line) && chars[line[i]]&isToken != 0; i++ {
		}
		if i == start {
			return -1
		}
		return i
	}
	for i++; i < len(line); i++ {
		if line[i] == '"' {
			return i + 1
		}
		if line[i] == '\\' {
			i++
		}
		if i == len(line) || controlByte(string(line[i:i+1])) {
			return -1
		}
	}
	return -1
}
