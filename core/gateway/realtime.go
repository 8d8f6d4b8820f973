package gateway

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ginnel/ginnel/core/access"
	"github.com/ginnel/ginnel/core/egress"
	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/socket"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// handshakeWithin is how long an upstream has to answer the handshake of a socket.
const handshakeWithin = 30 * time.Second

// talkLimits bounds a realtime session. OpenAI's messages have at most 15 MiB of sound, as text.
var talkLimits = socket.Limits{
	Message: 24 << 20, Observed: 4 << 20,
	Ping: 20 * time.Second, Silence: 60 * time.Second, Write: 30 * time.Second, Farewell: 2 * time.Second,
}

// protocolField is where a client says which subprotocols it speaks, and which was chosen is told.
const protocolField = "Sec-WebSocket-Protocol"

// realtime opens a session at a model's provider and, once that has agreed, at the client's.
func (s *serving) realtime() *exchange.Reply {
	x := s.x
	if x.Upgrade != exchange.WebSocket {
		return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Status: 426, Message: "this is a WebSocket: the request must ask to upgrade to one, in version 13"}, nil)
	}
	if x.Model = s.endpoint.Model; x.Model == "" {
		return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Message: "the request names no model: the query does, as model=NAME"}, nil)
	}
	if s.model = s.find(x.Model); s.model == nil {
		return s.unknownModel(x.Model)
	}
	protocols := spoken(&x.Request.Header)
	x.Unseen = "a realtime session"
	if reply := s.filterRequest(); reply != nil {
		return reply
	}
	if name := s.flow.Overlooks(); name != "" {
		return s.fail(exchange.Denied, &llm.Error{Code: llm.CodeDenied, Message: "realtime sessions are not served here: the filter " + quote(name) + " looks at what is said, and cannot see a session's messages"}, nil)
	}
	begin := time.Now()
	answer, err := s.model.Do(s.ctx, &upstream.Call{
		Op: x.Op, Dialect: x.Dialect,
		Request: func(*upstream.Target, *upstream.Plan) (*upstream.Request, error) {
			r := &upstream.Request{Header: s.forward(), Query: s.endpoint.Query}
			r.Header.Del("Origin")
			s.Telemetry.Inject(s.ctx, &r.Header)
			return r, nil
		},
		Open: func(ctx context.Context, p *upstream.Plan, r *egress.Request) (*upstream.Answer, error) {
			return s.dial(ctx, p, r, protocols)
		},
	})
	x.Timings.Upstream = time.Since(begin)
	s.answer = answer
	if err != nil {
		return s.upstreamFailed(err)
	}
	x.Response.Status, x.Response.Header = answer.Status, s.backward(answer)
	if answer.Status >= 400 {
		return s.upstreamRefused()
	}
	if s.upstream == nil {
		return s.upstreamFailed(&llm.Error{Code: llm.CodeUpstream, Message: "the upstream opened no session"})
	}
	if v, err := s.flow.ResponseHead(s.ctx); err != nil {
		return s.filterFailed(err)
	} else if v.Action == exchange.Respond {
		return s.refuse(v.Reply)
	}
	reply := s.reply(answer.Status, x.Response.Header, nil)
	reply.Talk = s.talk
	return reply
}

// dial opens a socket at an upstream.
func (s *serving) dial(ctx context.Context, p *upstream.Plan, r *egress.Request, protocols []string) (*upstream.Answer, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	conn, err := p.Origin.Connect(ctx)
	if err != nil {
		return nil, err
	}
	a, err := socket.Dial(ctx, conn, socket.Handshake{Host: p.Origin.Host(), Path: r.Path, Header: r.Header, Protocols: protocols, Within: handshakeWithin})
	if err != nil {
		return nil, &egress.Error{Kind: egress.Protocol, Err: err}
	}
	s.upstream = a.Socket
	if a.Protocol != "" {
		a.Header.Set(protocolField, a.Protocol)
	}
	return &upstream.Answer{Status: a.Status, Header: a.Header, First: a.Body}, nil
}

// spoken takes the client's subprotocols out of a header: those that hold what is the gateway's or the gateway's
// account's go no further.
func spoken(h *llm.Header) (protocols []string) {
	for _, f := range *h {
		if !llm.EqualFold(f.Name, protocolField) {
			continue
		}
		for p := range strings.SplitSeq(f.Value, ",") {
			p = strings.TrimSpace(p)
			if p != "" && !strings.HasPrefix(p, access.SocketKey) && !strings.HasPrefix(p, "openai-organization.") && !strings.HasPrefix(p, "openai-project.") {
				protocols = append(protocols, p)
			}
		}
	}
	h.Del(protocolField)
	return protocols
}

// talk relays the session until it ends.
func (s *serving) talk(client exchange.Socket) {
	end := socket.Relay(s.ctx, client, s.upstream, talkLimits, s.hear)
	s.out = end.Bytes
	s.end, s.err = s.talked(end)
	s.delivered = s.end == exchange.Completed
	if _, err := s.flow.End(context.WithoutCancel(s.ctx)); err != nil && s.err == nil {
		s.err = err
	}
}

// talked says how a session ended.
func (s *serving) talked(end socket.End) (exchange.Terminal, error) {
	closed := fmt.Errorf("closed with %d", end.Code)
	if end.Err != nil {
		closed = fmt.Errorf("%w: %w", closed, end.Err)
	}
	switch {
	case end.By == socket.Neither:
		if terminal, e := s.stopped(); e != nil {
			return terminal, e
		}
		return exchange.Internal, closed
	case end.By == socket.Client && end.Err == nil:
		return exchange.Completed, nil
	case end.By == socket.Client && end.Code == socket.CodeTooLarge:
		return exchange.ClientError, closed
	case end.By == socket.Client:
		return exchange.ClientCancelled, closed
	case end.Err != nil:
		return exchange.UpstreamCut, closed
	case socket.Failed(end.Code):
		return exchange.UpstreamError, closed
	}
	return exchange.Completed, nil
}

// hear counts what a message of the upstream's says was used.
func (s *serving) hear(message []byte) {
	x := s.x
	if x.Timings.First == 0 {
		x.Timings.First = time.Since(x.Start)
	}
	var e dialect.Event
	if err := s.codec.Event(x.Op, message, &e); err != nil || e.Usage == nil {
		return
	}
	if x.Finish = e.Finish; x.Usage == nil {
		x.Usage = new(llm.Usage)
	}
	x.Usage.Add(e.Usage)
}
