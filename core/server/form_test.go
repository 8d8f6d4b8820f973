package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/server"
	"github.com/ginnel/ginnel/core/spool"
	"github.com/ginnel/ginnel/sdk/llm"
)

// files makes files for form data in a directory of the test's, and counts those that are open.
type files struct {
	spool.Create
	open, made atomic.Int64
}

func filesIn(dir string) *files { return &files{Create: spool.In(dir)} }

func (f *files) create() (spool.File, error) {
	file, err := f.Create()
	if err == nil {
		f.open.Add(1)
		f.made.Add(1)
		file = &counted{File: file, files: f}
	}
	return file, err
}

// none waits until no file is open.
func (f *files) none(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); f.open.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d files stay open", f.open.Load())
		}
	}
}

// counted is a file that is closed once.
type counted struct {
	spool.File
	files *files
}

func (c *counted) Close() error {
	c.files.open.Add(-1)
	return c.File.Close()
}

const formHead = "POST /u HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=bnd\r\n"

// formOf returns form data with a file of a size.
func formOf(size int) string {
	return "--bnd\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" + strings.Repeat("0123456789\r\n----bn", size/18+1) + "\r\n--bnd--\r\n"
}

func chunks(body string, size int) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(len(body), size)
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String() + "0\r\n\r\n"
}

// receiving is a handler that receives what was left to it, and hands it to f.
func receiving(f func(x *exchange.Exchange)) *handler {
	return newHandler(func(_ context.Context, x *exchange.Exchange) *exchange.Reply {
		if x.Receive != nil {
			var e *llm.Error
			if err := x.Receive(); errors.As(err, &e) {
				return &exchange.Reply{Status: e.Status, Body: []byte(e.Message)}
			}
		}
		f(x)
		return &exchange.Reply{Status: 200, Body: []byte("ok")}
	})
}

// TestForms: form data of any size arrives, by its length or in chunks, asked for or not, and the next request of the
// connection behind it; its file is gone then.
func TestForms(t *testing.T) {
	noLeak(t)
	var small, long = formOf(1000), formOf(3 << 20)
	got := make(chan string, 8)
	h := receiving(func(x *exchange.Exchange) {
		b := &x.Request.Body
		if held := b.Held().Len(); (held > 0) != (b.Size() > 2<<20) || len(b.Raw()) > 2<<20 || b.Size() != int64(len(b.Raw()))+held {
			t.Errorf("%d bytes, %d of them held", b.Size(), held)
		}
		if err := b.Load(1 << 30); err != nil {
			t.Error(err)
		}
		got <- string(b.Bytes())
	})
	f := filesIn(t.TempDir())
	s := start(t, h, func(c *server.Config) { c.Spool, c.Limits.BodyTimeout = f.create, patience })
	c := dial(t, s)
	br := bufio.NewReader(c)
	for name, body := range map[string]string{"small": small, "long": long} {
		for way, request := range map[string]string{
			"by length": fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", formHead, len(body), body),
			"in chunks": formHead + "Transfer-Encoding: chunked\r\n\r\n" + chunks(body, 100_000),
		} {
			go io.WriteString(c, request+"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
			if r, text := response(t, br); r.StatusCode != 200 || text != "ok" {
				t.Fatalf("%s %s: %d %s", name, way, r.StatusCode, text)
			}
			if <-got != body {
				t.Errorf("%s %s: another body", name, way)
			}
			if r, text := response(t, br); r.StatusCode != 200 || text != "ok" || <-got != "" {
				t.Errorf("%s %s: the next request: %d %s", name, way, r.StatusCode, text)
			}
		}
	}
	f.none(t)
	send(t, c, fmt.Sprintf("%sExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", formHead, len(long)))
	if line, err := br.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q %v", line, err)
	}
	br.ReadString('\n')
	go io.WriteString(c, long)
	if r, _ := response(t, br); r.StatusCode != 200 || <-got != long {
		t.Errorf("expected: %d", r.StatusCode)
	}
	if f.none(t); f.made.Load() != 3 {
		t.Errorf("%d files for three long forms", f.made.Load())
	}
}

// TestFormsThatAreRefused: each is answered, and nothing of it stays.
func TestFormsThatAreRefused(t *testing.T) {
	long := formOf(3 << 20)
	length := func(body string) string {
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", formHead, len(body), body)
	}
	for name, c := range map[string]struct {
		send   string
		change func(*server.Config)
		status int
		says   string
	}{
		"too large":              {length(long), func(c *server.Config) { c.Limits.Form = 2 << 20 }, 413, "too large"},
		"too large, in chunks":   {formHead + "Transfer-Encoding: chunked\r\n\r\n" + chunks(long, 1<<20), func(c *server.Config) { c.Limits.Form = 2 << 20 }, 413, "too large"},
		"no directory":           {length(long), func(c *server.Config) { c.Spool = spool.In("/nowhere/at/all") }, 507, "cannot be kept"},
		"no memory":              {length(long), func(c *server.Config) { c.Limits.Bodies = 1 << 19 }, 503, "too much"},
		"too much in memory":     {length(strings.Repeat("x", 3<<20)), func(c *server.Config) { c.Limits.Body = 1 << 20 }, 413, "too large"},
		"a broken chunk":         {formHead + "Transfer-Encoding: chunked\r\n\r\n200000\r\n" + long[:0x200000] + "\r\nzz\r\n", nil, 400, "chunk"},
		"slow":                   {formHead + "Content-Length: 3000000\r\n\r\n" + long[:2<<20], func(c *server.Config) { c.Limits.BodyTimeout = 200 * time.Millisecond }, 408, "in time"},
		"its boundary elsewhere": {length(strings.Replace(long, "\r\n--bnd--", "xx--bnd--", 1)), nil, 400, "boundary"},
		"no form data":           {strings.Replace(length(long), "multipart/form-data; boundary=bnd", "application/json", 1), func(c *server.Config) { c.Limits.Body = 2 << 20 }, 413, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			h := receiving(func(x *exchange.Exchange) { t.Errorf("%d bytes were received", x.Request.Body.Size()) })
			f := filesIn(t.TempDir())
			s := start(t, h, func(config *server.Config) {
				config.Spool, config.Limits.BodyTimeout = f.create, patience
				if c.change != nil {
					c.change(config)
				}
			})
			conn := dial(t, s)
			go io.WriteString(conn, c.send) // the server may stop reading before the end
			if r, text := response(t, bufio.NewReader(conn)); r.StatusCode != c.status || !strings.Contains(text, c.says) || !r.Close {
				t.Errorf("%d %s", r.StatusCode, text)
			}
			f.none(t)
		})
	}
}

// TestAFormWhoseClientLeaves: its file goes with the client, and the room that it took.
func TestAFormWhoseClientLeaves(t *testing.T) {
	noLeak(t)
	f := filesIn(t.TempDir())
	s := start(t, receiving(func(*exchange.Exchange) {}), func(c *server.Config) {
		c.Spool, c.Limits.BodyTimeout, c.Limits.Form = f.create, patience, 4<<20
	})
	long := formOf(3 << 20)
	for range 20 { // sixteen are as much as there is room for
		c := dial(t, s)
		send(t, c, fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", formHead, len(long), long[:2<<20]))
		for end := time.Now().Add(patience); f.open.Load() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("no file was made")
			}
		}
		c.Close()
		f.none(t)
	}
}

// TestAFormThatNobodyReceives: who may not send it is answered at once, and nothing of it is kept.
func TestAFormThatNobodyReceives(t *testing.T) {
	noLeak(t)
	f := filesIn(t.TempDir())
	s := start(t, newHandler(func(context.Context, *exchange.Exchange) *exchange.Reply {
		return &exchange.Reply{Status: 401, Body: []byte("who are you?")}
	}), func(c *server.Config) { c.Spool, c.Limits.Linger = f.create, patience })
	long := formOf(3 << 20)
	const some = 8 << 10 // what fasthttp reads by itself
	for _, request := range []string{fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", formHead, len(long), long[:some]), formHead + "Transfer-Encoding: chunked\r\n\r\n"} {
		c := dial(t, s)
		send(t, c, request)
		br := bufio.NewReader(c)
		if r, text := response(t, br); r.StatusCode != 401 || text != "who are you?" || !r.Close {
			t.Errorf("%d %s", r.StatusCode, text)
		}
		send(t, c, long[some:]) // it is not cut off
		if n := f.made.Load(); n != 0 {
			t.Errorf("%d files", n)
		}
		c.CloseWrite()
		if _, err := br.ReadByte(); err != io.EOF {
			t.Errorf("after the answer: %v", err)
		}
	}
}

// TestAFormWhileTheServerGoesDown: it is not waited for.
func TestAFormWhileTheServerGoesDown(t *testing.T) {
	noLeak(t)
	cancel := make(chan context.CancelCauseFunc, 1)
	f := filesIn(t.TempDir())
	s := start(t, newHandler(func(_ context.Context, x *exchange.Exchange) *exchange.Reply {
		cancel <- x.Cancel
		var e *llm.Error
		if err := x.Receive(); !errors.As(err, &e) || e.Status != 503 {
			t.Errorf("%v", err)
		}
		return &exchange.Reply{Status: 503, Body: []byte("later")}
	}), func(c *server.Config) { c.Spool, c.Limits.BodyTimeout = f.create, patience })
	c := dial(t, s)
	send(t, c, formHead+"Content-Length: 3000000\r\n\r\n"+formOf(2 << 20)[:2<<20])
	(<-cancel)(exchange.ErrDraining)
	send(t, c, "more")
	if r, text := response(t, bufio.NewReader(c)); r.StatusCode != 503 || text != "later" || !r.Close {
		t.Errorf("%d %s", r.StatusCode, text)
	}
	f.none(t)
}
