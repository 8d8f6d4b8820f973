package guard

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/ginnel/ginnel/sdk/llm"
)

const typical = "POST /v1/chat/completions HTTP/1.1\r\nHost: gateway.example:8443\r\nContent-Type: application/json\r\n" +
	"Authorization: Bearer xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nUser-Agent: OpenAI/Python 2.0\r\nAccept: application/json\r\n" +
	"X-Stainless-Lang: python\r\nX-Stainless-OS: Linux\r\nAccept-Encoding: gzip, deflate\r\nContent-Length: 1916\r\n\r\n"

func TestCheckReadsAHead(t *testing.T) {
	var h Head
	raw := "PUT http://A.b:81/x%20y?q=%2e HTTP/1.0\r\nhost: a.B:81\r\nConnection: keep-alive, x-gone\r\nX-Gone: 1\r\nX-Kept: \t2 \r\nAuthorization: k\r\n" +
		"X-Forwarded-Proto: https\r\nx-real-ip: 1\r\nTE: trailers\r\nUpgrade: h2c\r\nProxy-Authorization: p\r\nContent-Length: 12\r\nExpect: 100-Continue\r\n\r\n"
	if r := Check(raw, &h); r != nil {
		t.Fatal(r)
	}
	if h.Method != "PUT" || h.Path != "/x%20y" || h.Query != "q=%2e" || NormalHost(h.Host) != "a.b" || !h.HTTP10 || h.Close || h.Length != 12 || h.Expect {
		t.Errorf("%+v", h)
	}
	want := llm.Header{{Name: "X-Kept", Value: "2"}, {Name: "Authorization", Value: "k"}}
	if len(h.Header) != len(want) || h.Header[0] != want[0] || h.Header[1] != want[1] {
		t.Errorf("%v", h.Header)
	}
}

func TestCheckClose(t *testing.T) {
	for raw, want := range map[string]bool{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n":                                       false,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, CLOSE\r\n\r\n":             true,
		"GET / HTTP/1.0\r\nHost: a\r\n\r\n":                                       true,
		"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n":             false,
		"GET / HTTP/1.0\r\nHost: a\r\nConnection: close, keep-alive\r\n\r\n":      true,
		"GET / HTTP/1.1\r\nConnection: keep-alive, close\r\nHost: a\r\n\r\n":      true,
		"GET / HTTP/1.1\r\nConnection: close\r\nConnection: x\r\nHost: a\r\n\r\n": true,
	} {
		var h Head
		if r := Check(raw, &h); r != nil || h.Close != want {
			t.Errorf("%q: close %v, %v", raw, h.Close, r)
		}
	}
}

func TestNormalHost(t *testing.T) {
	for in, want := range map[string]string{
		"A.Example": "a.example", "a.example.": "a.example", "a.example.:80": "a.example", "a:80": "a", "[::1]:80": "::1", "[FE80::A]": "fe80::a", "127.0.0.1:1": "127.0.0.1", "": "",
	} {
		if got := NormalHost(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestRepeatedFraming(t *testing.T) {
	var h Head
	for line, want := range map[string]*Refusal{
		"Content-Length: 2\r\n": ErrLength, "Transfer-Encoding: chunked\r\n": ErrTransfer, "Expect: 100-continue\r\n": ErrExpect,
	} {
		if r := Check("POST / HTTP/1.1\r\nHost: a\r\n"+strings.Repeat(line, 5)+"\r\n", &h); r != want {
			t.Errorf("%s: %v", line, r)
		}
	}
}

func TestTooManyFields(t *testing.T) {
	var h Head
	head := "GET / HTTP/1.1\r\nHost: a\r\n"
	if r := Check(head+strings.Repeat("A: b\r\n", MaxFields-1)+"\r\n", &h); r != nil {
		t.Error(r)
	}
	if r := Check(head+strings.Repeat("A: b\r\n", MaxFields)+"\r\n", &h); r != ErrManyFields {
		t.Error(r)
	}
}

// TestControl compares the fast search with the plain one.
func TestControl(t *testing.T) {
	for at := range 24 {
		for c := range 256 {
			b := bytes.Repeat([]byte{'x'}, 24)
			b[at] = byte(c)
			if got, want := control(string(b)), c < 0x20 && c != '\t' || c == 0x7f; got != want {
				t.Fatalf("byte %#x at %d: %v", c, at, got)
			}
		}
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	var h Head
	h.Header = make(llm.Header, 0, 16)
	if n := testing.AllocsPerRun(100, func() {
		if r := Check(typical, &h); r != nil {
			t.Fatal(r)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCheck(b *testing.B) {
	var h Head
	h.Header = make(llm.Header, 0, 16)
	b.ReportAllocs()
	b.SetBytes(int64(len(typical)))
	for b.Loop() {
		if r := Check(typical, &h); r != nil {
			b.Fatal(r)
		}
	}
}

// BenchmarkParserAlone is what fasthttp's own reading of the same head costs, for comparison.
func BenchmarkParserAlone(b *testing.B) {
	var h fasthttp.RequestHeader
	src := strings.NewReader(typical)
	br := bufio.NewReader(src)
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(typical)
		br.Reset(src)
		if err := h.Read(br); err != nil {
			b.Fatal(err)
		}
	}
}

// script is a source that yields what was written for it, in the pieces it was written in.
type script struct {
	pieces []string
	end    error
	phases []Phase
}

func (s *script) Fill(p []byte, phase Phase, fresh bool) (int, error) {
	if fresh {
		s.phases = append(s.phases, phase)
	}
	if len(s.pieces) == 0 {
		return 0, s.end
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; s.pieces[0] == "" {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func (s *script) Reserve(n int64) bool { return n != 666 }

func limits() Limits { return Limits{Head: 4096, Body: 1 << 20} }

func TestReaderNeverCrossesAMessage(t *testing.T) {
	type message struct{ head, body, parser, content string }
	messages := []message{
		{"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "2;x\r\nhi\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n", "POST /1 HTTP/1.1\r\nHost: a\r\nxxxxxxxxxxxxxxxxx: chunked\r\n\r\n", "hi!"},
		{"POST /2 HTTP/1.1\r\nHost: a\r\ncontent-LENGTH: 2\r\nExpect:100-continue\r\n\r\n", "hi", "POST /2 HTTP/1.1\r\nHost: a\r\nxxxxxxxxxxxxxx: 2\r\nxxxxxx:100-continue\r\n\r\n", "hi"},
		{"GET /3 HTTP/1.1\r\nHost: a\r\n\r\n", "", "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n", ""},
	}
	var all string
	for _, m := range messages {
		all += m.head + m.body
	}
	for step := 1; step <= len(all); step++ {
		src := &script{end: io.EOF}
		for rest := all; rest != ""; rest = rest[min(step, len(rest)):] {
			src.pieces = append(src.pieces, rest[:min(step, len(rest))])
		}
		g := NewReader(src, limits)
		for _, m := range messages {
			got := make([]byte, 0, 256)
			for len(got) < len(m.parser) {
				n, err := g.Read(got[len(got):cap(got)])
				if err != nil {
					t.Fatal(err)
				}
				got = got[:len(got)+n]
			}
			if string(got) != m.parser {
				t.Fatalf("%q, want %q", got, m.parser)
			}
			if body, err := io.ReadAll(bodyOf{g}); err != nil || string(body) != m.content {
				t.Fatalf("%q: the body is %q: %v", m.head, body, err)
			}
			if !g.Begin() {
				t.Fatal("out of step")
			}
		}
		if _, err := g.Read(make([]byte, 1)); err != io.EOF {
			t.Fatal(err)
		}
	}
}

type bodyOf struct{ *Reader }

func (b bodyOf) Read(p []byte) (int, error) { return b.Body(p) }

func TestReaderNoticesAParserThatDisagrees(t *testing.T) {
	raw := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
	g := NewReader(&script{pieces: []string{raw}, end: io.EOF}, limits)
	if _, err := g.Read(make([]byte, 1024)); err != nil {
		t.Fatal(err)
	}
	if g.Begin() {
		t.Error("a body that is left was not noticed")
	}
	if _, err := g.Read(make([]byte, 1024)); err != ErrDesync {
		t.Errorf("a parser that wants a body: %v", err)
	}
	g = NewReader(&script{pieces: []string{raw}, end: io.EOF}, limits)
	if _, err := g.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Body(make([]byte, 8)); err != ErrDesync {
		t.Errorf("a parser that leaves half of the head: %v", err)
	}
	g = NewReader(&script{pieces: []string{strings.Replace(raw, "4", "0", 1)}, end: io.EOF}, limits)
	if _, err := g.Read(make([]byte, 1024)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Read(make([]byte, 1024)); err != ErrDesync {
		t.Errorf("a parser that wants more than the message: %v", err)
	}
}

func TestReaderLimitsAndTimes(t *testing.T) {
	long := "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 5000)
	for name, c := range map[string]struct {
		pieces []string
		end    error
		want   *Refusal // nil = the connection just ends
		phases []Phase
	}{
		"nothing came":      {nil, io.EOF, nil, []Phase{Idle}},
		"idle too long":     {nil, os.ErrDeadlineExceeded, nil, []Phase{Idle}},
		"slow head":         {[]string{"GET / HT"}, os.ErrDeadlineExceeded, ErrHeadTimeout, []Phase{Idle, InHead}},
		"half a head":       {[]string{"GET / HT", "TP"}, io.EOF, ErrIncomplete, []Phase{Idle, InHead}},
		"slow body":         {[]string{"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"}, os.ErrDeadlineExceeded, ErrBodyTimeout, []Phase{Idle, InBody}},
		"slow chunk":        {[]string{"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "5"}, os.ErrDeadlineExceeded, ErrBodyTimeout, []Phase{Idle, InBody}},
		"half a body":       {[]string{"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"}, io.EOF, ErrIncomplete, []Phase{Idle, InBody}},
		"large head":        {[]string{long + "\r\n\r\n"}, io.EOF, ErrHeadTooLarge, nil},
		"endless head":      {[]string{long}, os.ErrDeadlineExceeded, ErrHeadTooLarge, nil},
		"large body":        {[]string{"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n"}, io.EOF, ErrBodyTooLarge, nil},
		"large chunk":       {[]string{"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n"}, io.EOF, ErrBodyTooLarge, nil},
		"huge chunk":        {[]string{"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\nfffffffffffffff\r\n"}, io.EOF, ErrBodyTooLarge, nil},
		"no room":           {[]string{"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 666\r\n\r\n", "a"}, io.EOF, ErrNoRoom, nil},
		"no room for chunk": {[]string{"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n29a\r\n", "a"}, io.EOF, ErrNoRoom, nil},
		"endless extension": {[]string{"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 3000)}, io.EOF, ErrChunk, nil},
		"bad line early":    {[]string{"GET / HTTP/3.0\r\nHo"}, os.ErrDeadlineExceeded, ErrVersion, nil},
		"folded line early": {[]string{"GET / HTTP/1.1\r\nHost: a\r\n b\r\n"}, os.ErrDeadlineExceeded, ErrFold, nil},
	} {
		t.Run(name, func(t *testing.T) {
			src := &script{pieces: c.pieces, end: c.end}
			g := NewReader(src, limits)
			head := make([]byte, 8192)
			_, err := g.Read(head)
			if err == nil {
				_, err = io.ReadAll(bodyOf{g})
			}
			if g.Refusal() != c.want {
				t.Errorf("refused with %v (%v), want %v", g.Refusal(), err, c.want)
			}
			if c.phases != nil && string(phases(src.phases)) != string(phases(c.phases)) {
				t.Errorf("phases %v, want %v", src.phases, c.phases)
			}
		})
	}
}

func phases(p []Phase) (b []byte) {
	for _, x := range p {
		b = append(b, byte(x)+'0')
	}
	return b
}

// FuzzReader gives any bytes, cut anywhere, to the guard and fasthttp's parser behind it, and holds
// that they agree about every message that the guard lets through.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		typical, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=\"y\"\r\nhi\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.0\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"\r\nPUT http://a:1/x?y HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
		"GET / HTTP/1.1\nHost: a\n\n", "GET /%2e HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS /a HTTP/1.1\r\nHost: [::1]\r\nTrailer: a\r\n\r\n",
	} {
		f.Add([]byte(seed), uint8(3))
		f.Add([]byte(seed), uint8(255))
	}
	f.Fuzz(func(t *testing.T, raw []byte, step uint8) {
		src := &script{end: io.EOF}
		for rest := string(raw); rest != ""; {
			n := min(int(step)+1, len(rest))
			src.pieces, rest = append(src.pieces, rest[:n]), rest[n:]
		}
		g := NewReader(src, limits)
		br := bufio.NewReaderSize(g, 8192)
		var req fasthttp.Request
		given := func() int {
			left := g.Buffered()
			for _, p := range src.pieces {
				left += len(p)
			}
			return len(raw) - left
		}
		for range 8 {
			begin := given()
			req.Reset()
			if req.Header.Read(br) != nil {
				return // what the parser does not take is refused as well
			}
			body, err := io.ReadAll(bodyOf{g})
			same := g.Begin()
			if g.Refusal() != nil {
				return
			}
			h := g.Head()
			if !same || br.Buffered() != 0 || string(req.Header.Method()) != h.Method || string(req.Header.RequestURI()) != h.Target || string(req.Header.Host()) != h.Host {
				t.Fatalf("%q: in step %v, %d bytes left, parser %q %q, guard %+v", raw, same, br.Buffered(), req.Header.Method(), req.Header.RequestURI(), h)
			}
			if n := req.Header.ContentLength(); n > 0 || len(req.Header.Peek("Transfer-Encoding")) > 0 || len(req.Header.Peek("Expect")) > 0 {
				t.Fatalf("%q: the parser sees a body of %d bytes", raw, n)
			}
			// Another parser, which is given the message as it came, finds the same body and the same end.
			other := bufio.NewReaderSize(bytes.NewReader(raw[begin:given()]), 8192)
			req.Reset()
			if req.ReadLimitBody(other, 1<<21) != nil || req.MayContinue() && req.ContinueReadBody(other, 1<<21, false) != nil {
				return
			}
			if err != nil || !bytes.Equal(body, req.Body()) || h.Length >= 0 && int64(len(body)) != h.Length {
				t.Fatalf("%q: a body of %q (%v), guard says %d, a parser %q", raw, body, err, h.Length, req.Body())
			}
			if n, _ := other.Discard(1); n > 0 {
				t.Fatalf("%q: a parser is at its end before the guard", raw)
			}
		}
	})
}
