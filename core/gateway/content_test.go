package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

const speechBody = `{"model":"m","input":"a word","voice":"alloy"}`

// tap is a connection without a network: behind an answer's head each read gives one chunk of its body, until as many have
// been read as there are.
type tap struct {
	parrot
	kind   string
	chunk  []byte
	chunks int  // that are left
	cut    bool // it ends behind them without an end
	asked  bool
	given  int // bytes of the body
	closed bool
}

func (c *tap) Write(b []byte) (int, error) { return len(b), nil }

func (c *tap) Read(b []byte) (int, error) {
	switch {
	case len(c.rest) > 0:
	case !c.asked:
		c.asked = true
		c.rest = []byte("HTTP/1.1 200 OK\r\nContent-Type: " + c.kind + "\r\nTransfer-Encoding: chunked\r\n\r\n")
	case c.chunks > 0:
		c.chunks--
		c.given += len(c.chunk)
		c.rest = fmt.Appendf(nil, "%x\r\n%s\r\n", len(c.chunk), c.chunk)
	case c.chunks == 0 && !c.cut:
		c.chunks--
		c.rest = []byte("0\r\n\r\n")
	}
	return c.parrot.Read(b)
}

func (c *tap) Close() error {
	c.closed = true
	return nil
}

// sung serves one request for a text spoken, or what else it is, from a tap.
func sung(t *testing.T, c *tap, path string, filters ...exchange.Filter) (*exchange.Exchange, *exchange.Reply) {
	t.Helper()
	g := gatewayTo(t, egress.New(egress.Needs{Dial: func(context.Context, string, string) (net.Conn, error) { return c, nil }}), "http://192.0.2.1", filters...)
	x := exchange.New(t.Context())
	x.ID, x.Method, x.Path = "req-1", "POST", path
	x.Request.Body = exchange.NewBody([]byte(speechBody), nil)
	return x, g.Serve(t.Context(), x)
}

// TestSoundPassesAsItComes: it is on its way to the client before more of it was read than a few buffers hold, and
// however long it is no more than that is ever held.
func TestSoundPassesAsItComes(t *testing.T) {
	const most = 64 << 10
	c := &tap{kind: "audio/mpeg", chunk: bytes.Repeat([]byte("{la}"), 8<<10), chunks: 2*DefaultMaxAnswer>>15 + 1}
	long := c.chunks * len(c.chunk)
	var seen []exchange.Phase
	saw := func(p exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
		if seen = append(seen, p); p == exchange.PhaseResponseHead && (x.Response.Status != 200 || x.Response.Header.Get("content-type") != "audio/mpeg") {
			t.Errorf("a head of %d: %v", x.Response.Status, x.Response.Header)
		}
		return exchange.Verdict{}, nil
	}
	x, reply := sung(t, c, "/v1/audio/speech", filter{exchange.PhaseResponseHead | exchange.PhaseDelta | exchange.PhaseEvent | exchange.PhaseEnd, saw})
	if reply.Stream == nil || reply.Status != 200 || reply.Header.Get("content-type") != "audio/mpeg" || c.given > most {
		t.Fatalf("%d %v with %d bytes of the sound read", reply.Status, reply.Header, c.given)
	}
	var piece []byte
	sum := 0
	for err := error(nil); err != io.EOF; sum += len(piece) {
		if slices.Contains(seen, exchange.PhaseEnd) {
			t.Fatal("the filters were told its end before it was there")
		}
		if piece, err = reply.Stream.Next(piece[:0]); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if ahead := c.given - sum; ahead > most || cap(piece) > most {
			t.Fatalf("%d bytes were read that the client has not, and %d are in one piece", ahead, cap(piece))
		}
	}
	if reply.Done(exchange.Completed); sum != long || x.End != exchange.Completed || x.Timings.First == 0 {
		t.Errorf("%d bytes of %d, ended %s, the first behind %s", sum, long, x.End, x.Timings.First)
	}
	if !slices.Equal(seen, []exchange.Phase{exchange.PhaseResponseHead, exchange.PhaseEnd}) {
		t.Errorf("the filters saw %v", seen)
	}
}

// TestSoundThatBreaksOff has no clean end, and a client that leaves has the upstream's connection closed.
func TestSoundThatBreaksOff(t *testing.T) {
	c := &tap{kind: "audio/mpeg", chunk: []byte("la"), chunks: 3, cut: true}
	x, reply := sung(t, c, "/v1/audio/speech")
	if reply.Stream == nil {
		t.Fatalf("%d %s", reply.Status, reply.Body)
	}
	var all []byte
	var err error
	for err == nil {
		all, err = reply.Stream.Next(all)
	}
	if reply.Done(exchange.Internal); err == io.EOF || string(all) != "lalala" || x.End != exchange.UpstreamCut {
		t.Errorf("%s: %v, ended %s", all, err, x.End)
	}

	c = &tap{kind: "audio/mpeg", chunk: []byte("la"), chunks: 1 << 20}
	x, reply = sung(t, c, "/v1/audio/speech")
	if _, err := reply.Stream.Next(nil); err != nil || c.closed {
		t.Fatal(err, c.closed)
	}
	if reply.Done(exchange.ClientCancelled); x.End != exchange.ClientCancelled || !c.closed {
		t.Errorf("ended %s, closed %v", x.End, c.closed)
	}

	denied := errors.New("not so")
	c = &tap{kind: "audio/mpeg", chunk: []byte("la"), chunks: 1}
	x, reply = sung(t, c, "/v1/audio/speech", filter{exchange.PhaseEnd, func(exchange.Phase, *exchange.Exchange) (exchange.Verdict, error) {
		return exchange.Verdict{}, denied
	}})
	for err = nil; err == nil; {
		_, err = reply.Stream.Next(nil)
	}
	if reply.Done(exchange.Internal); !errors.Is(err, denied) || x.End != exchange.Internal {
		t.Errorf("a filter that fails in the end: %v, ended %s", err, x.End)
	}
}

// TestWhatIsSoundAndWhatIsNot: an object is read, unless it calls itself sound, and who looks at bodies gets them whole.
func TestWhatIsSoundAndWhatIsNot(t *testing.T) {
	for _, c := range []struct {
		path, kind, chunk string
		status            int
		passes            bool
	}{
		{"/v1/audio/speech", "audio/pcm", "{la", 200, true},
		{"/v1/audio/speech", "Audio/PCM", "{}", 200, true},
		{"/v1/audio/speech", "application/octet-stream", "la", 200, true},
		{"/v1/audio/speech", "application/json", ` {"error":{"message":"no voice","type":"server_error"}}`, 502, false},
		{"/v1/audio/speech", "application/json", `{"url":"https://192.0.2.1/sound"}`, 200, false},
		{"/v1/audio/speech", "application/json", `{"error":{"message":"` + strings.Repeat("no ", 40<<10) + `","type":"server_error"}}`, 502, false},
		{"/v1/chat/completions", "audio/mpeg", "la", 502, false},
	} {
		_, reply := sung(t, &tap{kind: c.kind, chunk: []byte(c.chunk), chunks: 1}, c.path)
		if reply.Status != c.status || (reply.Stream != nil) != c.passes {
			t.Errorf("%s, %.80s: %d, passes: %v", c.kind, c.chunk, reply.Status, reply.Stream != nil)
		}
		reply.Done(exchange.Completed)
	}
	var body []byte
	look := filter{exchange.PhaseResponseBody, func(_ exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
		body = bytes.Clone(x.Response.Body.Bytes())
		return exchange.Verdict{Action: exchange.Respond, Reply: &exchange.Answer{Error: &llm.Error{Code: llm.CodeDenied, Message: "out of tune"}}}, nil
	}}
	_, reply := sung(t, &tap{kind: "audio/mpeg", chunk: []byte("{la"), chunks: 3}, "/v1/audio/speech", look)
	if reply.Done(exchange.Completed); reply.Stream != nil || reply.Status != 403 || string(body) != "{la{la{la" {
		t.Errorf("%d %s of %s", reply.Status, reply.Body, body)
	}
}
