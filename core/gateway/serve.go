package gateway

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/ginnel/ginnel/core/access"
	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/dialect/embedding"
	"github.com/ginnel/ginnel/sdk/dialect/rerank"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// serving is one exchange on its way. It belongs to one goroutine at a time: the server's, first in
// the handler, then while it writes the reply.
type serving struct {
	*Gateway
	ctx        context.Context // the exchange's own
	x          *exchange.Exchange
	generation *Generation
	route      *Route
	codec      dialect.Codec
	endpoint   dialect.Endpoint
	known      bool // endpoint is one
	key        *access.Key
	team       *Team
	model      *Model
	request    dialect.Request
	texts      [4]dialect.Text // the memory of the texts of a short request
	way        exchange.Flow
	flow       *exchange.Flow // way, once it has begun
	calling    upstream.Call
	answer     *upstream.Answer
	lost       []conversation.Loss // what the upstream's dialect cannot express of the request
	losses     conversation.Losses // what the client's dialect cannot express of the answer
	decoder    leaver              // what reads a stream, or nil

	embedding   *embedding.Request // what a provider of another dialect was asked for
	embeddingOp llm.Op             // as which of its operations
	reranking   *rerank.Request    // the same of texts to be put in order
	untold      bool               // it did not say what it used

	opening opening         // of the stream that is awaited
	found   dialect.Answer  // in a whole answer
	replied exchange.Reply  // the memory of the reply
	refusal *exchange.Reply // of what a filter made of the request

	end    exchange.Terminal // "" until it is known
	err    error             // what went wrong, for the log
	class  string            // what a filter found
	status int
	out    int64 // bytes of the answer's body

	owner   uploads.Owner  // of files and batches, and of the response that is asked for
	upload  uploads.Upload // the one that is asked for, or is new
	charged int64          // calls of a batch that is to be made

	untallied bool // what the response used that is asked for is not told yet

	keepers []string // providers that keep, for the caller, all that the request names

	left *leaving // what the answer leaves at the vendor; nil = nothing

	delivered bool // the client has the stream's terminator

	session *session // of OpRealtime
}

// leaver says what it read over.
type leaver interface{ Left() []conversation.Field }

// serve takes the exchange up to its reply's head.
func (s *serving) serve() *exchange.Reply {
	if s.generation == nil {
		return s.fail(exchange.Drained, &llm.Error{Code: llm.CodeDraining, Message: "the gateway is going down", RetryAfter: time.Second}, nil)
	}
	if reply := s.enter(); reply != nil {
		return reply
	}
	switch s.x.Op {
	case llm.OpModels:
		return s.listModels()
	case llm.OpRealtime:
		return s.realtime()
	case llm.OpFiles, llm.OpBatches, llm.OpConversations, llm.OpContainers:
		return s.files()
	case llm.OpResponses:
		return s.responses()
	}
	if reply := s.readBody(); reply != nil {
		return reply
	}
	if reply := s.filterRequest(); reply != nil {
		return reply
	}
	if reply := s.named(); reply != nil {
		return reply
	}
	return s.call()
}

// enter finds the route and the operation and lets the caller in.
func (s *serving) enter() *exchange.Reply {
	x := s.x
	route, known := s.generation.match(x.Listener, x.Path, x.Method)
	switch {
	case route == nil && known:
		return s.wrongMethod()
	case route == nil:
		return s.unknownPath()
	}
	s.route, x.Route = route, route.Name
	if !s.known {
		return s.unknownEndpoint()
	}
	if x.Op, x.Dialect = s.endpoint.Op, s.codec.Name(); x.Op == llm.OpRealtime {
		s.subprotocols()
	}
	begin := time.Now()
	reply := s.admit()
	x.Timings.Auth = time.Since(begin)
	return reply
}

func (s *serving) unknownPath() *exchange.Reply {
	return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Status: 404, Message: "unknown path: " + s.x.Method + " " + s.x.Path}, nil)
}

func (s *serving) wrongMethod() *exchange.Reply {
	return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Status: 405, Message: s.x.Method + " is not allowed here"}, nil)
}

// read finds out what the request's head asks for, and in which dialect.
func (s *serving) read() {
	x := s.x
	for _, s.codec = range s.Codecs {
		if s.endpoint, s.known = s.codec.Endpoint(x.Method, x.Path, x.Query, x.Request.Header); s.known {
			return
		}
	}
}

// unknownEndpoint refuses what no dialect has, or has by another method only.
func (s *serving) unknownEndpoint() *exchange.Reply {
	x := s.x
	for _, codec := range s.Codecs {
		for _, method := range []string{"GET", "POST"} {
			if _, ok := codec.Endpoint(method, x.Path, x.Query, x.Request.Header); ok {
				s.codec = codec
				reply := s.wrongMethod()
				reply.Header.Set("Allow", method)
				return reply
			}
		}
	}
	return s.unknownPath()
}

// readBody finds the spans of the body and the model.
func (s *serving) readBody() *exchange.Reply {
	x := s.x
	if reply := s.receive(s.endpoint.Boundary == ""); reply != nil {
		return reply
	}
	raw := x.Request.Body.Raw()
	s.request.Boundary = s.endpoint.Boundary
	if err := s.codec.Request(x.Op, raw, &s.request); err != nil {
		var e *llm.Error
		if !errors.As(err, &e) {
			e = &llm.Error{Code: llm.CodeInvalid, Message: "the request's body cannot be read"}
		}
		return s.fail(exchange.ClientError, e, err)
	}
	x.Request.Body = x.Request.Body.Read(s.request.Texts)
	x.Unseen = s.request.Unseen
	x.Model, x.Stream = s.request.Model, s.request.Stream || s.endpoint.Stream
	if s.endpoint.Model != "" {
		if x.Model != "" && x.Model != s.endpoint.Model {
			return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Message: "the body names another model than the path"}, nil)
		}
		x.Model = s.endpoint.Model
	}
	if x.Model == "" {
		return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Message: "the request names no model"}, nil)
	}
	s.model = s.find(x.Model)
	if s.model == nil {
		return s.unknownModel(x.Model)
	}
	return s.further()
}

// receive has the rest of a long upload come in, since its sender may send it, and takes all of it into memory where
// it is wanted whole, or a filter wants it so.
func (s *serving) receive(whole bool) *exchange.Reply {
	if encoding := s.x.Request.Header.Get("content-encoding"); encoding != "" && !llm.EqualFold(encoding, "identity") {
		return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Status: 415, Message: "the request's body is encoded; send it as it is"}, nil)
	}
	receive := s.x.Receive
	if s.x.Receive = nil; receive != nil {
		if reply := s.incoming(receive); reply != nil {
			return reply
		}
	}
	if whole || s.route.Pipeline.Phases()&exchange.PhaseRequestBody != 0 {
		return s.load()
	}
	return nil
}

func (s *serving) notReceived(err error) *exchange.Reply {
	if end, e := s.stopped(); e != nil {
		return s.fail(end, e, err)
	}
	var e *llm.Error
	end := exchange.ClientError
	if !errors.As(err, &e) {
		e = &llm.Error{Code: llm.CodeInternal, Message: "internal error"}
	}
	switch e.Code {
	case llm.CodeOverloaded:
		end = exchange.Shed
	case llm.CodeInternal:
		end = exchange.Internal
	}
	return s.fail(end, e, err)
}

// load takes a body of which some is in a file into memory.
func (s *serving) load() *exchange.Reply {
	switch err := s.x.Request.Body.Load(s.generation.MaxBody); {
	case err == nil:
		return nil
	case errors.Is(err, exchange.ErrTooLong):
		return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeTooLarge, Message: "the request's body is too large to be looked through"}, nil)
	case errors.Is(err, exchange.ErrNoRoom):
		return s.fail(exchange.Shed, &llm.Error{Code: llm.CodeOverloaded, Message: "too much is being received, try again shortly", RetryAfter: time.Second}, nil)
	default:
		return s.fail(exchange.Internal, &llm.Error{Code: llm.CodeInternal, Message: "internal error"}, err)
	}
}

// quote makes a client's word fit for an error message.
func quote(s string) string {
	if len(s) > 100 {
		s = s[:100] + "..."
	}
	return "`" + strings.ToValidUTF8(s, "\uFFFD") + "`"
}

// filterRequest runs the request phases.
func (s *serving) filterRequest() *exchange.Reply {
	s.way = s.route.Pipeline.Flow(s.x)
	s.flow = &s.way
	s.flow.Reader = s
	v, err := s.flow.Request(s.ctx)
	if err != nil {
		if s.refusal != nil {
			return s.refusal
		}
		return s.filterFailed(err)
	}
	if v.Action != exchange.Continue {
		return s.refuse(v.Reply)
	}
	return nil
}

// call makes the upstream call and turns its answer into a reply.
func (s *serving) call() *exchange.Reply {
	begin := time.Now()
	s.calling = upstream.Call{
		Op: s.x.Op, Dialect: s.x.Dialect, Tenant: s.x.Tenant, Stream: s.x.Stream,
		Source: s, Demand: s, Judge: s, Once: s.request.Background && s.x.Op == llm.OpChat,
	}
	answer, err := s.model.Do(s.ctx, &s.calling)
	s.x.Timings.Upstream = time.Since(begin)
	s.answer = answer
	if err != nil {
		return s.upstreamFailed(err)
	}
	s.x.Response.Status = answer.Status
	s.x.Response.Header = s.backward(answer)
	if answer.Status >= 400 {
		return s.upstreamRefused()
	}
	if answer.Status >= 300 {
		return s.upstreamFailed(errRedirects)
	}
	if encoding := answer.Header.Get("content-encoding"); encoding != "" && encoding != "identity" {
		return s.upstreamFailed(&llm.Error{Code: llm.CodeUpstream, Message: "the upstream's answer is encoded although none was asked for"})
	}
	if v, err := s.flow.ResponseHead(s.ctx); err != nil {
		return s.filterFailed(err)
	} else if v.Action == exchange.Respond {
		return s.refuse(v.Reply)
	}
	framing, ok := s.streams(answer)
	events := s.inEvents(answer)
	switch {
	case credentials(answer.Failure): // in whatever form: nothing of it went to the client
		return s.checked(s.upstreamFailed(answer.Failure))
	case answer.Failure != nil && s.misnamed(answer):
		return s.lacksModel(0)
	case ok && events:
		return s.stream(framing)
	case answer.Failure != nil:
		return s.checked(s.upstreamFailed(answer.Failure))
	case events:
		return s.pieces()
	case ok:
		return s.gathered(framing)
	case s.formless(answer) && s.route.Pipeline.Phases()&exchange.PhaseResponseBody == 0:
		return s.passed()
	}
	return s.unary()
}

// streams reports whether an answer is a stream, and how it is cut into events. Lines are one where they are
// translated only: no client's dialect has them.
func (s *serving) streams(a *upstream.Answer) (dialect.Framing, bool) {
	same := a.Dialect == "" || a.Dialect == s.x.Dialect
	switch {
	case isOf(a.Header, "text/event-stream"):
		return dialect.ServerSent, true
	case !same && isOf(a.Header, "application/x-ndjson"):
		return dialect.JSONLines, true
	}
	object := bytes.HasPrefix(bytes.TrimSpace(a.First), []byte("{")) // and so one whole answer
	return dialect.JSONArray, s.x.Stream && s.endpoint.Framing == dialect.JSONArray && a.Dialect == s.x.Dialect && !object
}

// Request implements upstream.Source: what the client sent, or what says the same in the dialect of the target's provider.
func (s *serving) Request(t *upstream.Target, p *upstream.Plan, r *upstream.Request) (err error) {
	s.lost = nil // of a target that was tried before
	if p.Dialect == s.x.Dialect {
		r.Header, r.Query = s.forward(), s.endpoint.Query
		if s.x.Op == llm.OpResponses {
			r.Method, r.Rest = s.x.Method, below(&s.endpoint)
		} else {
			r.Body, r.Held, err = s.bodyFor(t, p)
		}
	} else {
		err = s.translated(t, p, r)
	}
	if err != nil {
		return err
	}
	if p.Invoked { // it names the call by that in its log
		r.Header.Set("X-Request-Id", s.x.ID)
	}
	s.Telemetry.Inject(s.ctx, &r.Header)
	return nil
}

// bodyFor returns the body for a target: the client's own bytes but for the model's name and what
// the filters changed, and what of it is in a file.
func (s *serving) bodyFor(t *upstream.Target, p *upstream.Plan) ([]byte, egress.Held, error) {
	body := &s.x.Request.Body
	if t.Model != s.x.Model || p.InsteadOfModel != "" {
		own := body.Clone()
		body = &own
		if err := s.rename(body, t, p); err != nil {
			return nil, egress.Held{}, err
		}
	}
	return body.Bytes(), body.Held(), nil
}

// rename puts the target's name of the model, or what its provider wants instead, into a body.
func (s *serving) rename(body *exchange.Body, t *upstream.Target, p *upstream.Plan) error {
	if p.InsteadOfModel != "" {
		return body.Splice(dialect.InsteadOfModel(body.Raw(), &s.request, p.InsteadOfModel))
	}
	span, name := s.codec.SetModel(body.Raw(), &s.request, t.Model)
	if span.Len() == 0 && len(name) == 0 {
		return nil // the path names it
	}
	if err := body.Splice(span, name); err != nil {
		return err
	}
	for _, more := range s.request.MoreModels {
		if err := body.Splice(more, name); err != nil {
			return err
		}
	}
	return nil
}

// unary reads a whole answer, runs it through the filters and returns it.
func (s *serving) unary() *exchange.Reply {
	raw, err := s.rest()
	if err == nil && s.foreign() {
		if raw, err = s.translateAnswer(raw); err != nil {
			return s.checked(s.upstreamFailed(err))
		}
		s.tellLost()
	}
	if err != nil {
		return s.upstreamFailed(err)
	}
	return s.whole(raw)
}

// whole runs a whole answer in the client's dialect through the filters and returns it.
func (s *serving) whole(raw []byte) *exchange.Reply {
	found := &s.found
	if s.formless(s.answer) {
		*found = dialect.Answer{}
	} else if err := s.codec.Answer(s.x.Op, raw, found); err != nil {
		return s.upstreamFailed(conversation.Unreadable())
	}
	filed := s.x.Op == llm.OpFiles || s.x.Op == llm.OpBatches
	if found.Error != nil && !s.describes() { // of which one that failed says so
		return s.checked(s.upstreamFailed(found.Error))
	}
	s.x.Response.Body = exchange.NewBody(raw, dialect.MergeTexts(found.Texts, found.Faults))
	s.x.Finish = found.Finish
	if !filed && !s.untold { // a batch says what it used each time, and is counted once
		s.x.Usage = found.Usage
	}
	s.leave(raw, found.ID, found.Left, found.Unstored)
	if err := s.settled(); err != nil && s.later() && s.request.Background {
		return s.fail(exchange.Internal, errState, err) // its id is all that it says
	}
	v, err := s.flow.Unary(s.ctx)
	if err != nil {
		return s.filterFailed(err)
	}
	if v.Action == exchange.Respond || v.Action == exchange.Close {
		return s.refuse(v.Reply)
	}
	s.x.Timings.First = time.Since(s.x.Start)
	return s.reply(s.x.Response.Status, s.x.Response.Header, s.x.Response.Body.Bytes())
}

// describes reports whether an answer describes what a vendor keeps, of which one that failed says so: that is no error
// of the call.
func (s *serving) describes() bool {
	switch s.x.Op {
	case llm.OpFiles, llm.OpBatches, llm.OpResponses, llm.OpConversations, llm.OpContainers:
		return true
	}
	return false
}

// rest reads what is left of the answer's body.
func (s *serving) rest() ([]byte, error) {
	if s.answer.Ended {
		return s.answer.First, nil
	}
	raw, err := s.answer.Body.All(s.answer.First, s.MaxAnswer)
	if err != nil {
		return nil, upstream.Error(err)
	}
	return raw, nil
}
