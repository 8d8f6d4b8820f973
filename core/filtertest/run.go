package filtertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/gateway"
	"github.com/ginnel/ginnel/core/limit"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/core/wasmhost"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// patience is how much more time than in service a callback has here: a test judges what a filter
// does, not the machine that it is tested on.
const patience = 50

// Needs is what a Runner works with.
type Needs struct {
	Host    *wasmhost.Host
	Codecs  []dialect.Codec // as in gateway.Needs
	Module  *wasmhost.Module
	Builtin bool // the module ships with the daemon
}

// Runner runs one module against transcripts. It is used by one goroutine at a time.
type Runner struct {
	Needs
	stage  *stage
	origin *egress.Origin
}

// New returns a runner. The caller closes it, before the module.
func New(n Needs) (*Runner, error) {
	r := &Runner{Needs: n, stage: newStage()}
	var err error
	if r.origin, err = r.stage.transport.Origin(egress.Config{Name: "provider", URL: "http://" + providerHost}); err != nil {
		r.stage.close()
		return nil, err
	}
	return r, nil
}

// Close ends the play.
func (r *Runner) Close() {
	r.origin.Close()
	r.stage.close()
}

// way is how an exchange is run.
type way int

const (
	unary way = iota
	streamed
)

func (w way) String() string { return [...]string{"unary", "streamed"}[w] }

// streamMember is put into a request to make it ask for a stream.
const streamMember = `{"stream":true,`

// outcome is what came of one run, by the name of the expectation.
type outcome struct {
	way    way
	shown  map[string]string
	failed bool   // the filter itself failed
	logs   string // what it logged
}

// ways returns how a case is run: once, or both ways where the answer is words.
func (c *Case) ways() []way {
	if _, ok := c.section(secResponse); ok {
		return []way{unary}
	}
	if _, ok := c.section(secStream); ok {
		return []way{streamed}
	}
	return []way{unary, streamed}
}

// runs plays a case.
func (r *Runner) runs(ctx context.Context, c *Case) ([]*outcome, error) {
	var all []*outcome
	for _, w := range c.ways() {
		o, err := r.run(ctx, c, w)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// scene is a run that is ready to begin.
type scene struct {
	request  *request
	play     *play
	client   client
	codec    dialect.Codec // nil where the request is of no dialect
	endpoint dialect.Endpoint
	model    string
}

func (r *Runner) scene(c *Case, w way) (*scene, error) {
	req, err := c.request()
	if err != nil {
		return nil, err
	}
	who, err := c.client()
	if err != nil {
		return nil, err
	}
	s := &scene{request: req, client: who, play: &play{}}
	if s.play.calls, err = c.script(); err != nil {
		return nil, err
	}
	s.find(r.Codecs)
	if raw, ok := c.section(secResponse); ok {
		s.play.answer, err = c.reply(raw, "application/json")
		return s, err
	}
	if raw, ok := c.section(secStream); ok {
		kind, end := "text/event-stream", "\n\n"
		if s.endpoint.Framing == dialect.JSONArray {
			kind, end = "application/json", "\n"
		}
		if s.play.answer, err = c.reply(raw, kind); err == nil {
			s.play.answer.body = append(s.play.answer.body, end...)
		}
		return s, err
	}
	words, err := c.deltas()
	if err != nil {
		return nil, err
	}
	at, _ := c.section(secRequest)
	if s.codec == nil || s.endpoint.Op != llm.OpChat {
		return nil, c.errorf(at.line+1, "the words of an answer are written for chats only: say what the provider answers in a section response or stream")
	}
	speaks, ok := speakers[s.codec.Name()]
	if !ok {
		return nil, c.errorf(at.line+1, "the words of an answer are not written in the dialect %s: use a section response or stream", s.codec.Name())
	}
	s.play.answer = speaks.reply(w, s.model, words)
	if w == streamed {
		s.askForStream()
	}
	return s, nil
}

// find finds out what is asked for, of which model.
func (s *scene) find(codecs []dialect.Codec) {
	for _, codec := range codecs {
		if endpoint, ok := codec.Endpoint(s.request.method, s.request.path, s.request.query, s.request.header); ok {
			s.codec, s.endpoint = codec, endpoint
			break
		}
	}
	var body struct{ Model string }
	json.Unmarshal(s.request.body, &body) // what is no JSON the gateway refuses itself
	if s.model = s.endpoint.Model; s.model == "" {
		s.model = body.Model
	}
}

// askForStream makes a request that does not ask for a stream ask for one, in its dialect's way.
func (s *scene) askForStream() {
	req := s.request
	if s.codec.Name() == llm.Gemini {
		if path, ok := strings.CutSuffix(req.path, ":generateContent"); ok {
			req.path, req.query = path+":streamGenerateContent", "alt=sse"
		}
		return
	}
	if rest, ok := bytes.CutPrefix(bytes.TrimSpace(req.body), []byte("{")); ok {
		req.body = append([]byte(streamMember), rest...)
	}
}

// run plays a case one way, with instances of the filter's that nothing was done with before.
func (r *Runner) run(ctx context.Context, c *Case, w way) (*outcome, error) {
	s, err := r.scene(c, w)
	if err != nil {
		return nil, err
	}
	rec := &record{}
	filter, done, err := r.filter(ctx, c, rec)
	if err != nil {
		return nil, err
	}
	defer done()
	g := r.gateway(s, rec, filter)
	x, got := r.exchange(ctx, g, s)
	o := &outcome{way: w, shown: map[string]string{}}
	s.play.mu.Lock()
	defer s.play.mu.Unlock()
	o.shown[expRequest] = showRequest(s.play.got, w)
	o.shown[expCall] = strings.Join(s.play.made, "\n\n")
	o.shown[expRecord] = rec.show(x)
	o.failed, o.logs = len(rec.failed) > 0, rec.logs.String()
	o.shown[expResponse] = showReply(got.status, got.header, got.body)
	o.shown[expAnswer] = r.words(x, s, got)
	if w == streamed {
		o.shown[expStream] = o.shown[expResponse]
		delete(o.shown, expResponse)
	}
	return o, nil
}

// gateway returns a gateway with one open route through the filter to the play.
func (r *Runner) gateway(s *scene, rec *record, filter exchange.Filter) *gateway.Gateway {
	g := gateway.New(gateway.Needs{
		Limiter: limit.New(limit.Config{Keys: 1024}), Codecs: r.Codecs, Logger: slog.New(slog.DiscardHandler),
		Telemetry: telemetry.New(telemetry.Config{Logger: slog.New(rec)}),
	})
	target := &upstream.Target{Name: "play", ProviderName: "play", Provider: &provider{r.origin, s.request.path}, Model: s.model, SharedFiles: true}
	model := gateway.Model{Model: &upstream.Model{Name: "model", Targets: []*upstream.Target{target}, Attempts: 1}, Aliases: []string{s.model}}
	g.Swap(gateway.NewGeneration([]*gateway.Route{{
		Name: "test", Listener: "test", Path: "/*", Open: true,
		Pipeline: exchange.NewPipeline("test", filter), Models: []gateway.Model{model},
	}}, nil))
	return g
}

// exchange plays one exchange to its end.
func (r *Runner) exchange(ctx context.Context, g *gateway.Gateway, s *scene) (*exchange.Exchange, *reply) {
	r.stage.begin(s.play)
	x := exchange.New(ctx)
	defer x.Cancel(nil)
	x.ID, x.Listener, x.Host = "req_test", "test", "gateway.test"
	x.Method, x.Path, x.Query = s.request.method, s.request.path, s.request.query
	x.Tenant, x.KeyID = s.client.tenant, s.client.key
	if a, err := netip.ParseAddr(s.client.remote); err == nil {
		x.Remote = netip.AddrPortFrom(a, 1024)
	}
	x.Request.Header = s.request.header.Clone()
	x.Request.Body = exchange.NewBody(bytes.Clone(s.request.body), nil)
	answer := g.Serve(x.Context(), x)
	got := &reply{answer.Status, answer.Header, answer.Body}
	for err := error(nil); answer.Stream != nil && err == nil; {
		got.body, err = answer.Stream.Next(got.body)
	}
	answer.Done(exchange.Completed)
	return x, got
}

// words reads what the client got as its SDK would.
func (r *Runner) words(x *exchange.Exchange, s *scene, got *reply) string {
	if s.codec == nil || x.Dialect == "" {
		return showReply(got.status, got.header, got.body)
	}
	var w words
	kind, _, _ := strings.Cut(got.header.Get("content-type"), ";")
	array := x.Stream && s.endpoint.Framing == dialect.JSONArray && got.status == 200
	if !llm.EqualFold(kind, "text/event-stream") && !array {
		var found dialect.Answer
		if err := s.codec.Answer(x.Op, got.body, &found); err != nil {
			return showReply(got.status, got.header, got.body)
		}
		w.add(got.body, found.Texts)
		w.failed = found.Error
		return w.show(got.status)
	}
	framing := dialect.ServerSent
	if array {
		framing = dialect.JSONArray
	}
	if err := events(dialect.NewCutter(framing), s.codec, x.Op, got.body, &w); err != nil {
		return fmt.Sprintf("unreadable: %v", err)
	}
	return w.show(got.status)
}

// events reads a stream's words. What repeats a text as a whole must say what its deltas said.
func events(cut dialect.Cutter, codec dialect.Codec, op llm.Op, body []byte, w *words) error {
	var frame dialect.Frame
	cut.Feed(body)
	read := func() error {
		if frame.Payload == nil {
			return nil
		}
		var e dialect.Event
		if err := codec.Event(op, frame.Payload, &e); err != nil {
			return err
		}
		w.add(frame.Payload, e.Texts)
		if e.Error != nil {
			w.failed = e.Error
		}
		return nil
	}
	for {
		ok, err := cut.Next(&frame)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := read(); err != nil {
			return err
		}
	}
	if cut.Tail(&frame) {
		return errors.Join(read(), io.ErrUnexpectedEOF)
	}
	return nil
}
