package gateway

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect/openai"
	"github.com/ginnel/ginnel/sdk/llm"
)

// stored is a file, batch, conversation or container as a vendor describes it, as far as the gateway looks.
type stored struct {
	ID      string `json:"id"`
	Name    string `json:"name"` // of a container
	Purpose string `json:"purpose"`
	Expires int64  `json:"expires_at"` // seconds since the epoch
	Status  string `json:"status"`
	Output  string `json:"output_file_id"`
	Errors  string `json:"error_file_id"`
	Deleted bool   `json:"deleted"`
	Usage   *struct {
		Input   int64 `json:"input_tokens"`
		Output  int64 `json:"output_tokens"`
		Details struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"input_tokens_details"`
		OutputDetails struct {
			Reasoning int64 `json:"reasoning_tokens"`
		} `json:"output_tokens_details"`
	} `json:"usage"`
}

// files serves a request for what the route's provider keeps: to the tenant whose it is, and to nobody else.
func (s *serving) files() *exchange.Reply {
	x, e := s.x, &s.endpoint
	if s.route.Files == nil {
		return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Status: 404, Message: "there are no files, batches, conversations and containers here: the route names no provider that keeps them"}, nil)
	}
	s.owner = uploads.Owner{Tenant: x.Tenant, Provider: s.route.Files.Targets[0].ProviderName}
	if e.Item != "" {
		var found bool
		var err error
		if s.upload, found, err = s.Uploads.Get(s.owner, e.Item); err == nil && !found && x.Op == llm.OpContainers {
			found, err = s.ranThere(e.Item)
		}
		if err != nil {
			return s.fail(exchange.Internal, errState, err)
		} else if !found {
			return s.unknownItem(e.Item)
		}
	}
	reply := s.readUpload()
	if reply == nil {
		reply = s.filterRequest()
	}
	if reply == nil {
		reply = s.file()
	}
	if s.status >= 300 {
		s.uncharge()
	}
	return reply
}

// file asks the provider.
func (s *serving) file() *exchange.Reply {
	x, e := s.x, &s.endpoint
	switch {
	case e.Item == "" && x.Method == "GET":
		return s.list()
	case s.bare():
		return s.content()
	}
	if reply := s.conversed(); reply != nil {
		return reply
	}
	if reply := s.ask("", x.Method, e.Query); reply != nil {
		if x.Method == "GET" && e.Act == "" && s.answer.Status == 404 && s.upload.Kind == s.kind() {
			return s.missed(e.Item, reply)
		}
		return reply
	}
	raw, err := s.rest()
	if err != nil {
		return s.upstreamFailed(err)
	}
	if !s.talks() || e.Act == "" { // items of a conversation are nobody's by themselves, nor are files in a container
		if reply := s.kept(raw); reply != nil {
			return reply
		}
	}
	return s.whole(raw)
}

var errState = &llm.Error{Code: llm.CodeInternal, Message: "the gateway's state cannot be read or written"}

func (s *serving) unknownItem(id string) *exchange.Reply {
	return s.fail(exchange.ClientError, unknownItem(id), nil)
}

// unknownItem is the error of what is not there, or is another's. The code of what is not found is a model's.
func unknownItem(id string) *llm.Error {
	return &llm.Error{Code: llm.CodeInvalid, Status: 404, Message: "there is no " + quote(id) + ", or it is not yours"}
}

// readUpload reads a request that sends something: form data with a file, or what a batch is made of.
func (s *serving) readUpload() *exchange.Reply {
	x := s.x
	if s.talks() {
		return s.readTalk()
	}
	if x.Method != "POST" || s.endpoint.Item != "" {
		return nil
	}
	if reply := s.receive(x.Op == llm.OpBatches); reply != nil {
		return reply
	}
	raw := x.Request.Body.Bytes()
	if x.Op == llm.OpBatches {
		return s.readBatch(raw)
	}
	s.request.Boundary = s.endpoint.Boundary
	if err := s.codec.Request(x.Op, raw, &s.request); err != nil {
		return s.fail(exchange.ClientError, publicOf(err, "the form data cannot be read"), err)
	}
	if s.request.File.Len() == 0 {
		return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Message: "the form data has no field `file`, or an empty one"}, nil)
	}
	x.Unseen, s.upload.Purpose = s.request.Unseen, s.request.Purpose
	if s.request.Purpose != openai.PurposeBatch {
		return nil
	}
	if x.Request.Body.Held().Len() > 0 { // its lines are looked at
		if reply := s.load(); reply != nil {
			return reply
		}
		return s.readUpload()
	}
	return s.readCalls(raw)
}

// ask makes a call of the route's provider; a reply says why there is no answer to go on with.
func (s *serving) ask(rest, method, query string) *exchange.Reply {
	if err := s.demand(rest, method, query); err != nil {
		return s.upstreamFailed(err)
	}
	return s.heard()
}

// demand makes a call of the route's provider.
func (s *serving) demand(rest, method, query string) error {
	return s.demandOf(s.route.Files, rest, method, query)
}

// demandOf makes a call that is about what a vendor keeps, which the client itself did not need to ask for.
func (s *serving) demandOf(m *upstream.Model, rest, method, query string) error {
	x, e := s.x, &s.endpoint
	answer, err := m.Do(s.ctx, &upstream.Call{Op: x.Op, Dialect: x.Dialect, Tenant: x.Tenant, Empty: s.bare(), Source: upstream.SourceFunc(func(_ *upstream.Target, _ *upstream.Plan, r *upstream.Request) error {
		*r = upstream.Request{Header: s.forward(), Method: method, Rest: below(e) + rest, Query: query}
		if method == "POST" {
			r.Body, r.Held = x.Request.Body.Bytes(), x.Request.Body.Held()
		}
		s.Telemetry.Inject(s.ctx, &r.Header)
		return nil
	})})
	s.letGo()
	s.answer = answer
	return err
}

// letGo closes an answer that another one follows.
func (s *serving) letGo() {
	if s.answer != nil && s.answer.Body != nil {
		s.answer.Body.Close()
	}
}

// heard looks at the head of an answer; a reply says why it is none to go on with.
func (s *serving) heard() *exchange.Reply {
	x, answer := s.x, s.answer
	x.Response.Status, x.Response.Header = answer.Status, s.backward(answer)
	switch {
	case answer.Status >= 400:
		return s.upstreamRefused()
	case answer.Status >= 300:
		return s.upstreamFailed(errRedirects)
	}
	s.charged = 0 // whatever becomes of the answer, a batch is made
	if v, err := s.flow.ResponseHead(s.ctx); err != nil {
		return s.filterFailed(err)
	} else if v.Action == exchange.Respond {
		return s.refuse(v.Reply)
	}
	return nil
}

// kept remembers whose that is which an answer describes, before the client learns its id, and what a batch used.
func (s *serving) kept(raw []byte) *exchange.Reply {
	var v stored
	if err := json.Unmarshal(raw, &v); err != nil || v.ID == "" {
		return s.upstreamFailed(&llm.Error{Code: llm.CodeUpstream, Message: "the upstream's answer could not be read"})
	}
	if err := s.remember(&v); err != nil {
		return s.fail(exchange.Internal, errState, err)
	}
	return nil
}

func (s *serving) remember(v *stored) error {
	if s.x.Method == "DELETE" {
		if !v.Deleted {
			return nil
		}
		if err := s.Uploads.Forget(s.owner, s.endpoint.Item); err != nil { // where an answer left it
			return err
		}
		return s.Uploads.Remove(s.owner, s.endpoint.Item)
	}
	if s.endpoint.Item == "" {
		s.charged, s.upload.Kind, s.upload.Expires = 0, s.kind(), s.expires(v) // it is made
		if err := s.Uploads.Add(s.owner, v.ID, s.upload); err != nil {
			return err
		}
	}
	return s.seen(v)
}

// used counts what a batch used, when its end is first seen.
func (s *serving) used(v *stored) error {
	if v.Usage == nil || s.x.Op != llm.OpBatches || v.Status != "completed" && v.Status != "expired" && v.Status != "cancelled" {
		return nil
	}
	first, err := s.Uploads.Count(s.owner, v.ID)
	if first && s.x.Usage == nil {
		s.x.Usage = new(llm.Usage)
	}
	if first {
		s.x.Usage.Add(&llm.Usage{InputTotal: v.Usage.Input, CacheRead: v.Usage.Details.Cached, OutputTotal: v.Usage.Output, Reasoning: v.Usage.OutputDetails.Reasoning})
	}
	return err
}

// kind is what the operation's objects are remembered as.
func (s *serving) kind() string { return string(s.x.Op) }

// expires returns when the vendor deletes a file. A batch's time is that in which its calls are made.
func (s *serving) expires(v *stored) time.Time {
	if v.Expires <= 0 || s.x.Op != llm.OpFiles {
		return time.Time{}
	}
	return time.Unix(v.Expires, 0).UTC()
}

// seen notes what the vendor says of what it keeps, in a list too.
func (s *serving) seen(v *stored) error {
	purpose := v.Purpose
	if purpose == openai.PurposeBatch {
		purpose = "" // of such a file the gateway has looked at the calls: what it sent itself, it knows
	}
	if err := s.Uploads.Seen(s.owner, v.ID, purpose, s.expires(v)); err != nil {
		return err
	}
	if err := s.outputs(v); err != nil {
		return err
	}
	return s.used(v)
}

// missed notes that the vendor has none of what it kept, where it says just that.
func (s *serving) missed(id string, reply *exchange.Reply) *exchange.Reply {
	if !saysGone(s.answer.First, id) {
		return reply
	}
	if err := s.Uploads.Missed(s.owner, id); err != nil {
		return s.fail(exchange.Internal, errState, err)
	}
	return reply
}

// saysGone reports whether an answer is a vendor's word that it has no such object: its own error, about the id or with
// it. A path that is wrong, which such an error may name too, says nothing of what is kept.
func saysGone(answer []byte, id string) bool {
	var v struct {
		Error *struct {
			Message string `json:"message"`
			Param   string `json:"param"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer, &v); err != nil || v.Error == nil {
		return false
	}
	at := strings.Index(v.Error.Message, id)
	return v.Error.Param == "id" || at == 0 || at > 0 && v.Error.Message[at-1] != '/'
}

// outputs gives what a batch has written to the batch's owner.
func (s *serving) outputs(v *stored) error {
	for _, id := range []string{v.Output, v.Errors} {
		if id == "" || s.x.Op != llm.OpBatches {
			continue
		}
		if err := s.Uploads.Add(s.owner, id, uploads.Upload{Kind: string(llm.OpFiles)}); err != nil {
			return err
		}
	}
	return nil
}

// content passes a file's content on as it comes.
func (s *serving) content() *exchange.Reply {
	if s.flow.SeesAnswers() {
		return s.fail(exchange.Denied, &llm.Error{Code: llm.CodeDenied, Message: "the content of files is not served here: a filter of this route looks at what models say, and cannot see it in there"}, nil)
	}
	if reply := s.ask("", "GET", ""); reply != nil {
		return reply
	}
	return s.passed()
}
