package gateway

import (
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// unaryAllocs is the budget of one call through an empty pipeline, from the exchange to its end. The server's own is another
// one, in its package.
const unaryAllocs = 23

// parrot is a connection without a network: each request is answered with the same text.
type parrot struct {
	text []byte
	rest []byte
}

func (c *parrot) Write(b []byte) (int, error) {
	c.rest = c.text
	return len(b), nil
}

func (c *parrot) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (*parrot) Close() error                     { return nil }
func (*parrot) LocalAddr() net.Addr              { return nil }
func (*parrot) RemoteAddr() net.Addr             { return nil }
func (*parrot) SetDeadline(time.Time) error      { return nil }
func (*parrot) SetReadDeadline(time.Time) error  { return nil }
func (*parrot) SetWriteDeadline(time.Time) error { return nil }

// unaryCall returns a function that serves one call from its body to its end.
func unaryCall(tb testing.TB) func() {
	answer := `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"` +
		strings.Repeat("word ", 250) + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}}`
	up := &parrot{text: []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: r\r\nDate: now\r\nContent-Length: " + strconv.Itoa(len(answer)) + "\r\n\r\n" + answer)}
	transport := egress.New(egress.Needs{Dial: func(context.Context, string, string) (net.Conn, error) { return up, nil }})
	g := gatewayTo(tb, transport, "http://192.0.2.1")
	body := []byte(`{"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"` + strings.Repeat("word ", 300) + `"}]}`)
	header := llm.Header{
		{Name: "Content-Type", Value: "application/json"}, {Name: "Authorization", Value: "Bearer none"}, {Name: "User-Agent", Value: "OpenAI/Python 2.0"},
		{Name: "Accept", Value: "application/json"}, {Name: "Accept-Encoding", Value: "gzip, deflate"}, {Name: "X-Stainless-Lang", Value: "python"},
	}
	return func() {
		x := exchange.New(context.Background())
		x.ID, x.Method, x.Path = "req-1", "POST", "/v1/chat/completions"
		x.Request.Header, x.Request.Body = header, exchange.NewBody(body, nil)
		reply := g.Serve(x.Context(), x)
		if reply.Status != 200 || len(reply.Body) != len(answer) {
			tb.Fatalf("%d: %s", reply.Status, reply.Body)
		}
		reply.Done(exchange.Completed)
		x.Cancel(nil)
	}
}

func TestUnaryAllocations(t *testing.T) {
	one := unaryCall(t)
	for range 2000 { // until what is remembered of the last exchanges has its memory
		one()
	}
	if n := testing.AllocsPerRun(200, one); n > unaryAllocs {
		t.Errorf("%v allocations per call, budget %d", n, unaryAllocs)
	} else {
		t.Logf("%v allocations per call", n)
	}
}

func BenchmarkUnary(b *testing.B) {
	one := unaryCall(b)
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}
