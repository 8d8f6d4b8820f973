package gateway

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/socket"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// maxHandshake bounds the time for an upstream's answer to an upgrade: no model works on it.
const maxHandshake = 30 * time.Second

// spoken are the phases in which a filter looks at what is said. No filter is shown the messages of a session.
const spoken = exchange.PhaseRequestBody | exchange.PhaseRequestText | exchange.PhaseResponseBody | exchange.PhaseDelta | exchange.PhaseEvent

// session is a WebSocket that is relayed. The upstream's side belongs to the goroutine that reads from it.
type session struct {
	offered  []string // subprotocols
	upstream *socket.Conn
	usage    *llm.Usage // of all responses
	finish   string
	out      socket.Outcome
	taken    int64 // bytes of the room for bodies, for a message of the upstream's
	counted  bool  // it is one of its tenant's
}

// reserve returns what takes room for a message of the upstream's, and release what gives it back.
func (r *session) reserve(room func(int64) bool) func(int64) bool {
	return func(n int64) bool {
		if !room(n) {
			return false
		}
		r.taken += n
		return true
	}
}

func (r *session) release(room func(int64) bool) func() {
	return func() {
		room(-r.taken)
		r.taken = 0
	}
}

// subprotocols takes the client's key and account out of the subprotocols it offers: browsers have no other place.
func (s *serving) subprotocols() {
	c, ok := s.codec.(dialect.Realtime)
	if !ok {
		return
	}
	h := &s.x.Request.Header
	keys, offered := c.Subprotocols(*h)
	h.Del("sec-websocket-protocol")
	for _, k := range keys {
		h.Add("Authorization", "Bearer "+k)
	}
	s.session = &session{offered: offered}
}

// realtime takes a session up to the answer to its upgrade. What can be refused is refused before, and what the
// upstream refuses is an ordinary answer.
func (s *serving) realtime() *exchange.Reply {
	x := s.x
	x.Model = s.endpoint.Model
	switch {
	case !x.Upgrade:
		return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Status: 426, Message: "this is a WebSocket: ask for an upgrade, by HTTP/1.1"}, nil)
	case x.Model == "":
		return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Message: "the query names no model"}, nil)
	}
	if s.model = s.find(x.Model); s.model == nil {
		return s.unknownModel(x.Model)
	}
	if s.route.Pipeline.Phases()&spoken != 0 {
		return s.fail(exchange.Denied, &llm.Error{Code: llm.CodeDenied, Message: "a filter of this route looks at what is said, and no filter sees the messages of a realtime session"}, nil)
	}
	if s.route.Open && s.elsewhere() {
		return s.fail(exchange.Denied, &llm.Error{Code: llm.CodeDenied, Message: "a page of another origin has no session where no key is asked for"}, nil)
	}
	if reply := s.enterSession(); reply != nil {
		return reply
	}
	if reply := s.filterRequest(); reply != nil {
		return reply
	}
	begin := time.Now()
	answer, err := s.model.Do(s.ctx, &upstream.Call{Op: x.Op, Dialect: x.Dialect, Tenant: x.Tenant, Source: upstream.SourceFunc(s.upgradeFor), Judge: s, Open: s.open})
	x.Timings.Upstream = time.Since(begin)
	if s.answer = answer; err != nil || answer.Status >= 400 {
		s.leaveSession() // before the client hears of it
	}
	if err != nil {
		return s.upstreamFailed(err)
	}
	x.Response.Status, x.Response.Header = answer.Status, s.backward(answer)
	if answer.Status >= 400 {
		return s.upstreamRefused()
	}
	if v, err := s.flow.ResponseHead(s.ctx); err != nil {
		return s.filterFailed(err)
	} else if v.Action == exchange.Respond {
		return s.refuse(v.Reply)
	}
	reply := s.reply(answer.Status, x.Response.Header, nil)
	reply.Session = s.relay
	return reply
}

// elsewhere reports whether a browser asks for a page that is not the gateway's own: it lets any page open a WebSocket
// and read from it, also where it would show it no answer to a request.
func (s *serving) elsewhere() bool {
	h := s.x.Request.Header
	if h.Count("origin") == 0 {
		return false
	}
	u, err := url.Parse(h.Get("origin"))
	return err != nil || h.Count("origin") > 1 || !llm.EqualFold(strings.TrimSuffix(u.Hostname(), "."), s.x.Host)
}

// upgradeFor writes what a target is asked with: the plan's path names its model, and has the plan's credentials.
func (s *serving) upgradeFor(_ *upstream.Target, _ *upstream.Plan, r *upstream.Request) error {
	r.Query = s.endpoint.Query
	for _, f := range s.forward() {
		if !handshakes(f.Name) && !llm.EqualFold(f.Name, "accept-encoding") {
			r.Header = append(r.Header, f)
		}
	}
	s.Telemetry.Inject(s.ctx, &r.Header)
	return nil
}

// handshakes reports whether a field is of one connection's handshake, or says which page a browser shows.
func handshakes(name string) bool {
	const prefix = "sec-websocket-"
	return len(name) > len(prefix) && llm.EqualFold(name[:len(prefix)], prefix) || llm.EqualFold(name, "origin")
}

// open asks an upstream for the session.
func (s *serving) open(ctx context.Context, p *upstream.Plan, r *egress.Request) (*upstream.Answer, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	limits := p.Origin.Timeouts()
	call := &socket.Call{Host: p.Origin.Host(), Path: r.Path, Header: r.Header, Protocols: s.session.offered, Timeout: maxHandshake, Dial: p.Origin.Dial}
	if limits.FirstByte > 0 {
		call.Timeout = min(limits.FirstByte, maxHandshake)
	}
	a, err := socket.Dial(ctx, call, socket.Config{
		Message: int64(s.MaxAnswer), Idle: limits.Idle, Write: limits.Write, Reserve: s.session.reserve(s.x.Room), Release: s.session.release(s.x.Room),
	})
	if err != nil {
		return nil, unopened(ctx, err)
	}
	if a.Conn == nil && a.Status < 400 {
		return nil, s.notSwitched(p.Dialect, a)
	}
	a.Header = slices.DeleteFunc(a.Header, func(f llm.Field) bool { return handshakes(f.Name) })
	if s.session.upstream = a.Conn; a.Protocol != "" {
		a.Header.Set("Sec-WebSocket-Protocol", a.Protocol)
	}
	return &upstream.Answer{Status: a.Status, Header: a.Header, First: a.Body}, nil
}

// notSwitched is the error of an answer that neither opens a session nor refuses one: some servers say an error in a 200.
func (s *serving) notSwitched(d llm.Dialect, a *socket.Answer) *llm.Error {
	var found dialect.Answer
	switch err := s.codecOf(d).Answer(s.x.Op, a.Body, &found); {
	case a.Status >= 300:
		return errRedirects
	case err == nil && found.Error != nil:
		return found.Error
	}
	return &llm.Error{Code: llm.CodeUpstream, Message: "the upstream does not switch to WebSocket"}
}

// unopened sorts the error of a handshake.
func unopened(ctx context.Context, err error) error {
	var known *egress.Error
	var network net.Error
	e := &egress.Error{Kind: egress.Reset, Err: err}
	switch {
	case errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		e.Kind, e.Err = egress.Cancelled, context.Cause(ctx)
	case errors.As(err, &network) && network.Timeout():
		e.Kind = egress.FirstByte
	case errors.Is(err, socket.ErrHandshake):
		e.Kind, e.Began = egress.Protocol, true
	case errors.Is(err, socket.ErrBroken):
		e.Kind, e.Began = egress.Cut, true
	}
	return e
}

// relay is the session itself. Nobody is answered any more: how it ends is for telemetry.
func (s *serving) relay(client exchange.Socket) {
	x, r := s.x, s.session
	x.Timings.First = time.Since(x.Start)
	ctx := s.ctx
	if longest := s.generation.MaxSession; longest > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, longest, socket.ErrOver)
		defer cancel()
	}
	r.out = socket.Relay(ctx, &socket.Session{Client: client, Upstream: r.upstream, Asked: s.asked, Answered: s.answered})
	r.release(x.Room)()
	x.Usage, x.Finish, s.out = r.usage, r.finish, r.out.Out
	if s.end, s.err = sessionEnd(&r.out); s.end == exchange.Completed {
		s.delivered = true
	}
	if v, err := s.flow.End(context.WithoutCancel(s.ctx)); err != nil || v.Action == exchange.Respond || v.Action == exchange.Close {
		s.err = errors.Join(s.err, err) // it is over, whatever a filter says
	}
}

// asked looks at a message of the client: it may name the models that the session uses, and those are the
// caller's own or none.
func (s *serving) asked(text bool, message []byte) ([]byte, error) {
	if err := s.still(); err != nil {
		return nil, err
	}
	if start := bytes.TrimLeft(message, " \t\r\n\uFEFF"); !text && (len(start) == 0 || start[0] != '{') {
		if wideObject(message) {
			return nil, &socket.Refusal{Reason: "a message cannot be read: it is not UTF-8"}
		}
		return message, nil
	}
	read := dialect.Request{}
	if err := s.codec.Request(s.x.Op, message, &read); err != nil {
		reason := "a message cannot be read"
		var e *llm.Error
		if errors.As(err, &e) {
			reason = e.Message
		}
		return nil, &socket.Refusal{Reason: reason}
	}
	for _, name := range read.Further {
		if !s.vendors(name) {
			return nil, &socket.Refusal{Reason: "the model " + quote(name) + " does not exist or this key may not use it"}
		}
	}
	if err := s.owns(s.answer.Target, read.Files); err != nil {
		return nil, &socket.Refusal{Reason: publicOf(err, "").Message}
	}
	switch name := s.answer.Target.Model; read.Model {
	case "", name:
		return message, nil
	case s.x.Model:
		span, with := s.codec.SetModel(message, &read, name)
		return slices.Concat(message[:span.Start], with, message[span.End:]), nil
	}
	return nil, &socket.Refusal{Reason: "a session keeps the model that it began with"}
}

// wideObject reports whether a message begins as a JSON object does in UTF-16 or UTF-32, in which some servers read
// one too: an ASCII character has one or three zeros beside it there.
func wideObject(message []byte) bool {
	open, zeros := false, 0
	for _, c := range message {
		switch c {
		case 0:
			if zeros++; zeros > 3 {
				return false
			}
			continue
		case 0xFE, 0xFF, ' ', '\t', '\r', '\n':
		case '{':
			if open {
				return false
			}
			open = true
		default:
			return open && (c == '"' || c == '}')
		}
		zeros = 0
	}
	return false
}

// still refuses what is said or heard with a key that is of no use any more.
func (s *serving) still() error {
	if s.key != nil && s.Keys.Still(s.key) != nil {
		return &socket.Refusal{Reason: "the API key is not valid any more"}
	}
	return nil
}

// answered notes what the upstream says of its use: each response has its own.
func (s *serving) answered(_ bool, message []byte) error {
	var e dialect.Event
	if err := s.codec.Event(s.x.Op, message, &e); err != nil {
		return s.still() // it is the client's to read
	}
	if e.Finish != "" {
		s.session.finish = strings.Clone(e.Finish)
	}
	switch {
	case e.Usage == nil:
	case s.session.usage == nil:
		s.session.usage = e.Usage
	default:
		s.session.usage.Add(e.Usage)
	}
	return s.still()
}

// sessionEnd returns the terminal state of a session, and what went wrong.
func sessionEnd(o *socket.Outcome) (exchange.Terminal, error) {
	var bye *exchange.Goodbye
	var refused *socket.Refusal
	var broken *socket.Panic
	switch {
	case errors.As(o.Err, &broken):
		return exchange.Internal, o.Err
	case errors.As(o.Err, &bye):
		if o.Side == socket.Client {
			return exchange.Completed, nil
		}
		return goodbyeEnd(bye)
	case errors.As(o.Err, &refused):
		return exchange.ClientError, o.Err
	case errors.Is(o.Err, socket.ErrIdle), errors.Is(o.Err, socket.ErrSlow), errors.Is(o.Err, socket.ErrLate), errors.Is(o.Err, socket.ErrOver), errors.Is(o.Err, exchange.ErrWriteTimeout), errors.Is(o.Err, context.DeadlineExceeded):
		return exchange.TimedOut, o.Err
	case errors.Is(o.Err, socket.ErrNoRoom):
		return exchange.Shed, o.Err
	case errors.Is(o.Err, exchange.ErrDraining):
		return exchange.Drained, o.Err
	case o.Side == socket.Upstream:
		return exchange.UpstreamCut, o.Err
	case errors.Is(o.Err, socket.ErrTooLarge), errors.Is(o.Err, socket.ErrFrame), errors.Is(o.Err, socket.ErrFlood):
		return exchange.ClientError, o.Err
	}
	return exchange.ClientCancelled, o.Err
}

// goodbyeEnd reads an upstream's close code (RFC 6455, section 7.4): it may be done, blame the client, or fail.
func goodbyeEnd(g *exchange.Goodbye) (exchange.Terminal, error) {
	err := &llm.Error{Code: llm.CodeCut, Message: "the upstream said " + g.Error(), Quoted: true}
	switch {
	case g.Code == exchange.CloseNormal, g.Code == exchange.CloseAway, g.Code == exchange.CloseNoStatus:
		return exchange.Completed, nil
	case g.Code < exchange.CloseInternal && g.Code > exchange.CloseAway, g.Code >= 3000:
		err.Code = llm.CodeInvalid
		return exchange.ClientError, err
	}
	return exchange.UpstreamCut, err
}
