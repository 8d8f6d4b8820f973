package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const callWithin = 30 * time.Second

// client is one connection of the load generator. It reads no more of an answer than it has to, so
// that the machine's time goes to what is measured.
type client struct {
	addr string
	conn net.Conn
	br   *bufio.Reader
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// moments say when what came of an answer: the first byte of its body, of a stream the first event with words, and its end.
type moments struct{ first, token, end time.Time }

// do sends a request and reads its answer. After an error the next call connects anew.
func (c *client) do(request []byte) (at moments, err error) {
	if c.conn == nil {
		if c.conn, err = net.Dial("tcp", c.addr); err != nil {
			return at, err
		}
		c.br = bufio.NewReaderSize(c.conn, 32<<10)
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	c.conn.SetDeadline(time.Now().Add(callWithin))
	if _, err = c.conn.Write(request); err != nil {
		return at, err
	}
	length, chunked, err := c.head()
	if err != nil {
		return at, err
	}
	if _, err = c.br.Peek(1); err != nil {
		return at, err
	}
	at.first = time.Now()
	if chunked {
		at.token, err = c.chunks()
	} else {
		_, err = c.br.Discard(length)
	}
	at.end = time.Now()
	return at, err
}

// head reads the head and returns how the body is framed.
func (c *client) head() (length int, chunked bool, err error) {
	line, err := c.line()
	if err != nil {
		return 0, false, err
	}
	if len(line) < 12 || string(line[9:12]) != "200" {
		return 0, false, fmt.Errorf("answer %q", line)
	}
	length = -1
	for {
		if line, err = c.line(); err != nil {
			return 0, false, err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case len(name) == 14 && bytes.EqualFold(name, []byte("content-length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, false, err
			}
		case len(name) == 17 && bytes.EqualFold(name, []byte("transfer-encoding")):
			chunked = true
		}
	}
	if length < 0 && !chunked {
		return 0, false, errors.New("the answer has no framing")
	}
	return length, chunked, nil
}

// chunks reads the chunks of a stream and returns when the first with words came.
func (c *client) chunks() (token time.Time, err error) {
	for {
		line, err := c.line()
		if err != nil {
			return token, err
		}
		size, err := strconv.ParseInt(string(line), 16, 32)
		if err != nil {
			return token, err
		}
		if token.IsZero() {
			chunk, err := c.br.Peek(min(int(size), c.br.Size()))
			if err != nil {
				return token, err
			}
			if hasWords(chunk) {
				token = time.Now()
			}
		}
		if _, err := c.br.Discard(int(size) + 2); err != nil || size == 0 {
			return token, err
		}
	}
}

// hasWords reports whether an event of those in a chunk has content. The first one of a stream has an empty text.
func hasWords(chunk []byte) bool {
	const content = `"content":"`
	for {
		_, behind, ok := bytes.Cut(chunk, []byte(content))
		if !ok || len(behind) > 0 && behind[0] != '"' {
			return ok
		}
		chunk = behind
	}
}

func (c *client) line() ([]byte, error) {
	line, err := c.br.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// load is what a load generator did.
type load struct {
	requests, failed int64
	took             time.Duration
	latencies        []time.Duration // sorted, as are
	firsts, tokens   []time.Duration // to the first byte of a body, and to the first words of a stream
	err              error           // the first
}

// closedLoop keeps conns connections busy for d.
func closedLoop(ctx context.Context, addr string, request []byte, conns int, d time.Duration) load {
	var requests, failed atomic.Int64
	var first firstError
	begin := time.Now()
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			c := &client{addr: addr}
			defer c.close()
			for time.Since(begin) < d && ctx.Err() == nil {
				if _, err := c.do(request); err != nil {
					failed.Add(1)
					first.set(err)
					continue
				}
				requests.Add(1)
			}
		})
	}
	wg.Wait()
	return load{requests: requests.Load(), failed: failed.Load(), took: time.Since(begin), err: first.get()}
}

// openLoop sends rate requests a second for d over conns connections and measures each.
func openLoop(ctx context.Context, addr string, request []byte, conns, rate int, d time.Duration) load {
	var first firstError
	per := make([]load, conns)
	begin := time.Now()
	every := time.Second * time.Duration(conns) / time.Duration(rate)
	var wg sync.WaitGroup
	for i := range conns {
		wg.Go(func() {
			c, l := &client{addr: addr}, &per[i]
			defer c.close()
			c.do(request) // the connection is made, and is not what is measured
			for due := begin.Add(every * time.Duration(i) / time.Duration(conns)); due.Sub(begin) < d && ctx.Err() == nil; due = due.Add(every) {
				time.Sleep(time.Until(due))
				sent := time.Now()
				at, err := c.do(request)
				if err != nil {
					l.failed++
					first.set(err)
					continue
				}
				l.requests++
				l.latencies = append(l.latencies, at.end.Sub(sent))
				l.firsts = append(l.firsts, at.first.Sub(sent))
				if !at.token.IsZero() {
					l.tokens = append(l.tokens, at.token.Sub(sent))
				}
			}
		})
	}
	wg.Wait()
	sum := load{took: time.Since(begin), err: first.get()}
	for _, l := range per {
		sum.requests += l.requests
		sum.failed += l.failed
		sum.latencies = append(sum.latencies, l.latencies...)
		sum.firsts, sum.tokens = append(sum.firsts, l.firsts...), append(sum.tokens, l.tokens...)
	}
	for _, times := range [][]time.Duration{sum.latencies, sum.firsts, sum.tokens} {
		slices.Sort(times)
	}
	return sum
}

// firstError keeps the first of many.
type firstError struct {
	mu  sync.Mutex
	err error
}

func (f *firstError) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *firstError) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
