package server_test

import (
	"bytes"
	"context"
	"net"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/llm"
)

// unaryAllocs is the budget of one unary request: the exchange, its context (2), its header and the
// text it is cut from, its body, its id; and one for a stolen pool.
const unaryAllocs = 8

var request = []byte("POST /v1/chat/completions HTTP/1.1\r\nHost: gateway.example:8443\r\nContent-Type: application/json\r\n" +
	"Authorization: Bearer xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nUser-Agent: OpenAI/Python 2.0\r\nAccept: application/json\r\n" +
	"Accept-Encoding: gzip, deflate\r\nContent-Length: 1000\r\n\r\n" + string(bytes.Repeat([]byte("x"), 1000)))

type fixed struct{ reply *exchange.Reply }

func (f fixed) Serve(context.Context, *exchange.Exchange) *exchange.Reply { return f.reply }

var fixedReply = &exchange.Reply{Status: 200, Header: llm.Header{{Name: "Content-Type", Value: "application/json"}}, Body: bytes.Repeat([]byte("y"), 1000)}

// round returns a function that makes one request and reads the answer, without allocating.
func round(tb testing.TB, conn net.Conn) func() {
	buf := make([]byte, 8<<10)
	return func() {
		if _, err := conn.Write(request); err != nil {
			tb.Fatal(err)
		}
		for got := 0; ; {
			n, err := conn.Read(buf[got:])
			if err != nil {
				tb.Fatal(err)
			}
			if got += n; bytes.HasSuffix(buf[:got], fixedReply.Body) {
				return
			}
		}
	}
}

func TestUnaryAllocations(t *testing.T) {
	s := start(t, fixed{fixedReply}, nil)
	one := round(t, dial(t, s))
	for range 10 {
		one()
	}
	if n := testing.AllocsPerRun(200, one); n > unaryAllocs {
		t.Errorf("%v allocations per request, budget %d", n, unaryAllocs)
	} else {
		t.Logf("%v allocations per request", n)
	}
}

func BenchmarkUnary(b *testing.B) {
	s := start(b, fixed{fixedReply}, nil)
	one := round(b, dial(b, s))
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}

// BenchmarkBareFasthttp answers the same with nothing of this package, for comparison.
func BenchmarkBareFasthttp(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	bare := &fasthttp.Server{NoDefaultServerHeader: true, Handler: func(rc *fasthttp.RequestCtx) {
		rc.SetContentType("application/json")
		rc.Response.SetBodyRaw(fixedReply.Body)
	}}
	go bare.Serve(ln)
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	one := round(b, conn)
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}

// TestStreamAllocations holds that an event on its way through the server costs nothing.
func TestStreamAllocations(t *testing.T) {
	events := make(chan string)
	h := newHandler(func(ctx context.Context, _ *exchange.Exchange) *exchange.Reply { return sse(&chanStream{ctx, events}) })
	s := start(t, h, nil)
	c := dial(t, s)
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	buf := make([]byte, 4<<10)
	one := func() {
		events <- "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"
		for got := 0; !bytes.HasSuffix(buf[:got], []byte("}\n\n\r\n")); {
			n, err := c.Read(buf[got:])
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
	}
	one()
	if n := testing.AllocsPerRun(200, one); n >= 1 {
		t.Errorf("%v allocations per event", n)
	}
	close(events)
	h.end(t, exchange.Completed)
}
