package rediscall

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxDepth bounds how deep arrays stand in a reply, maxLine a line of it.
const (
	maxDepth = 32
	maxLine  = 16 << 10
)

// errReply is the error of a reply that is not of RESP2.
var errReply = errors.New("the server's reply is malformed")

// refused are the commands that change what later replies of the connection mean, or end it: it serves
// other calls too.
var refused = map[string]bool{
	"AUTH": true, "CLIENT": true, "HELLO": true, "MONITOR": true, "PSUBSCRIBE": true, "PSYNC": true, "PUNSUBSCRIBE": true,
	"QUIT": true, "REPLCONF": true, "RESET": true, "SELECT": true, "SSUBSCRIBE": true, "SUBSCRIBE": true, "SUNSUBSCRIBE": true, "SYNC": true, "UNSUBSCRIBE": true,
	"UNWATCH": true, "WATCH": true,
}

// commands returns how many commands a query has: one array of bulk strings each. Errors wrap ErrInvalid.
func commands(query []byte) (n int, err error) {
	multi := false
	for at := 0; at < len(query); n++ {
		name, end, ok := command(query, at)
		switch {
		case !ok:
			return 0, fmt.Errorf("%w: not an array of bulk strings", ErrInvalid)
		case refused[name], name == "MULTI" && multi, (name == "EXEC" || name == "DISCARD") && !multi:
			return 0, fmt.Errorf("%w: %s is not for a shared connection", ErrInvalid, name)
		case n == MaxCommands:
			return 0, fmt.Errorf("%w: more than %d commands", ErrInvalid, MaxCommands)
		}
		multi = name == "MULTI" || multi && name != "EXEC" && name != "DISCARD"
		at = end
	}
	if n == 0 || multi {
		return 0, fmt.Errorf("%w: no command, or a transaction without its end", ErrInvalid)
	}
	return n, nil
}

// command reads the command that begins at an offset: its name in capitals, and where it ends.
func command(query []byte, at int) (name string, end int, ok bool) {
	count, at, ok := length(query, at, '*')
	if !ok || count < 1 {
		return "", 0, false
	}
	for i := range count {
		size, start, ok := length(query, at, '$')
		if !ok || size > len(query)-start-2 || !bytes.HasPrefix(query[start+size:], []byte("\r\n")) {
			return "", 0, false
		}
		if i == 0 {
			name = strings.ToUpper(string(query[start : start+size]))
		}
		at = start + size + 2
	}
	return name, at, true
}

// length reads a line of a kind and a number, and returns where the next begins.
func length(b []byte, at int, kind byte) (n, next int, ok bool) {
	if at >= len(b) || b[at] != kind {
		return 0, 0, false
	}
	end := bytes.IndexByte(b[at:min(len(b), at+24)], '\r')
	if end < 2 || at+end+1 >= len(b) || b[at+end+1] != '\n' {
		return 0, 0, false
	}
	u, err := strconv.ParseUint(string(b[at+1:at+end]), 10, 31)
	return int(u), at + end + 2, err == nil
}

// reply appends one reply, as it came, to dst.
func reply(r *bufio.Reader, dst []byte, depth int) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return dst, errReply
	case err != nil:
		return dst, err
	case len(line) < 3 || line[len(line)-2] != '\r':
		return dst, errReply
	case len(dst)+len(line) > MaxReply:
		return dst, ErrTooLarge
	}
	kind, number := line[0], string(line[1:len(line)-2])
	dst = append(dst, line...)
	switch kind {
	case '+', '-', ':':
		return dst, nil
	case '$', '*':
	default:
		return dst, errReply
	}
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil || n < -1 || depth == maxDepth:
		return dst, errReply
	case n == -1:
		return dst, nil
	case n > MaxReply:
		return dst, ErrTooLarge
	case kind == '$':
		return bulk(r, dst, int(n))
	}
	for range n {
		if dst, err = reply(r, dst, depth+1); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// bulk appends the n bytes of a string and their line end.
func bulk(r *bufio.Reader, dst []byte, n int) ([]byte, error) {
	if len(dst)+n+2 > MaxReply {
		return dst, ErrTooLarge
	}
	at := len(dst)
	dst = append(dst, make([]byte, n+2)...)
	for read := at; read < len(dst); {
		m, err := r.Read(dst[read:])
		if err != nil {
			return dst[:at], err
		}
		read += m
	}
	if string(dst[len(dst)-2:]) != "\r\n" {
		return dst, errReply
	}
	return dst, nil
}

// appendCommand appends a command.
func appendCommand(dst []byte, words ...string) []byte {
	dst = fmt.Appendf(dst, "*%d\r\n", len(words))
	for _, w := range words {
		dst = fmt.Appendf(dst, "$%d\r\n%s\r\n", len(w), w)
	}
	return dst
}
