package gateway

import (
	"cmp"
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
	sdkprovider "github.com/ginnel/ginnel/sdk/provider"
)

const contentJSON = "application/json"

// HeaderRoute says, in an answer, where the call went last: the model (a fallback, where another than
// the one asked for), its target, and the number of attempts in all.
const HeaderRoute = "X-Ginnel-Route"

// reply returns a whole answer.
func (s *serving) reply(status int, header llm.Header, body []byte) *exchange.Reply {
	s.status, s.out = status, int64(len(body))
	s.replied = exchange.Reply{Status: status, Header: s.stamp(header), Body: body, Done: s.done}
	return &s.replied
}

// stamp adds the gateway's own fields to an answer's header.
func (s *serving) stamp(h llm.Header) llm.Header {
	s.x.Timings.Total = time.Since(s.x.Start)
	h.Add("Cache-Control", "private, no-store")
	if field := s.codec.RequestID(); field != "x-request-id" { // which the server sets
		h.Set(field, s.x.ID)
	}
	if a := s.answer; a != nil && a.Target != nil {
		h.Set(HeaderRoute, headerSafe(a.Model.Name)+"/"+headerSafe(a.Target.Name)+"/"+strconv.Itoa(a.Attempts))
	}
	var timing [256]byte
	h.Add("Server-Timing", string(telemetry.AppendServerTiming(timing[:0], &s.x.Timings)))
	return h
}

// fail ends the exchange with an error in the client's dialect. The cause is for the log.
func (s *serving) fail(end exchange.Terminal, e *llm.Error, cause error) *exchange.Reply {
	s.end, s.err = end, cause
	if cause == nil {
		s.err = e
	}
	header := llm.Header{{Name: "Content-Type", Value: contentJSON}}
	if e.RetryAfter > 0 {
		header.Add("Retry-After", seconds(e.RetryAfter))
	}
	return s.reply(e.HTTPStatus(), header, s.appendError(nil, e))
}

// appendError appends an error as the body of an answer: of a stream that is an array, as its one item.
func (s *serving) appendError(dst []byte, e *llm.Error) []byte {
	if s.endpoint.Framing != dialect.JSONArray {
		return s.codec.AppendError(dst, e, s.x.ID)
	}
	return append(s.codec.AppendError(append(dst, '['), e, s.x.ID), ']')
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64(math.Ceil(d.Seconds())), 10)
}

// refuse ends the exchange with a filter's own reply.
func (s *serving) refuse(a *exchange.Answer) *exchange.Reply {
	s.end = exchange.Denied
	s.err = errors.New("refused by filter " + s.flow.By())
	if a == nil {
		a = &exchange.Answer{Error: &llm.Error{Code: llm.CodeDenied, Message: "the request was refused"}}
	}
	s.class = a.Class
	if a.Error == nil {
		if a.Status < 400 {
			s.end = exchange.Completed // a filter that answers by itself
		}
		return s.reply(a.Status, a.Header.Clone(), a.Body)
	}
	reply := s.fail(exchange.Denied, a.Error, s.err)
	for _, f := range a.Header {
		reply.Header.Set(f.Name, f.Value)
	}
	return reply
}

// filterFailed ends the exchange where a filter broke and its policy is to let nothing pass.
func (s *serving) filterFailed(err error) *exchange.Reply {
	if end, e := s.stopped(); e != nil {
		return s.fail(end, e, err)
	}
	what := "request"
	if s.answer != nil {
		what = "answer"
	}
	return s.fail(exchange.Internal, &llm.Error{Code: llm.CodeInternal, Message: "the " + what + " could not be checked"}, err)
}

// stopped says why the exchange's context ended, or returns nil.
func (s *serving) stopped() (exchange.Terminal, *llm.Error) {
	if s.ctx.Err() == nil {
		return "", nil
	}
	cause := context.Cause(s.ctx)
	switch {
	case errors.Is(cause, exchange.ErrClientGone):
		return exchange.ClientCancelled, &llm.Error{Code: llm.CodeInternal, Status: 499, Message: "the client left"}
	case errors.Is(cause, exchange.ErrDraining):
		return exchange.Drained, &llm.Error{Code: llm.CodeDraining, Message: "the gateway is going down", RetryAfter: time.Second}
	case errors.Is(cause, context.DeadlineExceeded):
		return exchange.TimedOut, &llm.Error{Code: llm.CodeTimeout, Message: "the request took too long"}
	}
	return exchange.ClientCancelled, &llm.Error{Code: llm.CodeInternal, Status: 499, Message: "the request was cancelled"}
}

// upstreamFailed ends the exchange where there is no answer to give on.
func (s *serving) upstreamFailed(err error) *exchange.Reply {
	if end, e := s.stopped(); e != nil {
		return s.fail(end, e, err)
	}
	end, e := upstreamEnd(err)
	return s.fail(end, e, err)
}

var errRedirects = &llm.Error{Code: llm.CodeUpstream, Message: "the upstream redirects, and no redirect is followed"}

// upstreamEnd returns the terminal state and the public error of a failed call.
func upstreamEnd(err error) (exchange.Terminal, *llm.Error) {
	var e *llm.Error
	if !errors.As(err, &e) {
		return exchange.Internal, &llm.Error{Code: llm.CodeInternal, Message: "internal error"}
	}
	if credentials(e) {
		return exchange.UpstreamError, errCredentials
	}
	switch e.Code {
	case llm.CodeInvalid, llm.CodeTooLong, llm.CodeFiltered: // it cannot be said to this provider
		return exchange.ClientError, e
	case llm.CodeTimeout:
		return exchange.TimedOut, e
	case llm.CodeCut:
		return exchange.UpstreamCut, e
	case llm.CodeInternal:
		return exchange.Internal, e
	}
	return exchange.UpstreamError, e
}

// upstreamRefused gives the upstream's own error on where it is one in the client's dialect, and
// says it in that dialect where it is not: a page of HTML is nobody's error. What the client itself
// asked for wrongly is its own error, not the upstream's.
func (s *serving) upstreamRefused() *exchange.Reply {
	a := s.answer
	s.end = exchange.UpstreamError
	if s.misnamed(a) {
		return s.lacksModel(a.Status)
	}
	code := s.refusedAs(a)
	if !a.Refused && clientsOwn(a.Status, code) && !s.noModel(a) {
		s.end = exchange.ClientError
	}
	s.err = errors.New("upstream answered " + strconv.Itoa(a.Status))
	refused := a.Refused || a.Status == 401 || a.Status == 403 && code != llm.CodeFiltered
	message := "the upstream refused the request"
	var found dialect.Answer
	if err := s.codecOf(a.Dialect).Answer(s.x.Op, a.First, &found); err == nil && found.Error != nil {
		s.err, message = found.Error, found.Error.Message
		if !refused && !s.foreign() && a.Status != 426 { // whose keys are wrong is not the client's business
			return s.checked(s.reply(a.Status, s.x.Response.Header, a.First))
		}
	}
	e := &llm.Error{Code: code, Status: a.Status, Message: message, RetryAfter: cmp.Or(upstream.RetryAfter(a.Header), s.Wait(a))}
	if s.describes() && e.Code == llm.CodeNotFound {
		e.Code = llm.CodeInvalid // it is not the model that is missing
	}
	switch {
	case refused:
		e = errCredentials
	case a.Status == 426: // for the client it is about its own connection
		e.Status, e.Code = 502, llm.CodeUpstream
	}
	reply := s.fail(s.end, e, s.err)
	if !refused && found.Error != nil && openaisErrors(a.Dialect) && openaisErrors(s.x.Dialect) {
		reply.Body = a.First
	}
	if s.foreign() {
		reply.Header = allowancesOf(a.Header, time.Now()).tell(reply.Header, s.x.Dialect, time.Now())
	}
	return s.checked(reply)
}

// misnamed reports whether a failed answer says that there is no model of a name that the client does not know.
func (s *serving) misnamed(a *upstream.Answer) bool {
	return s.noModel(a) && a.Target.Model != s.x.Model
}

// lacksModel ends the exchange where the upstream has no such model, by the client's name of it. The vendor's words are for
// the log.
func (s *serving) lacksModel(status int) *exchange.Reply {
	e := &llm.Error{Code: llm.CodeNotFound, Status: status, Message: "the model " + quote(s.x.Model) + " is not there at the upstream"}
	var cause error = errNoModel
	if said := s.said(s.answer); said != nil {
		cause = said
	}
	return s.fail(exchange.UpstreamError, e, cause)
}

var errNoModel = errors.New("the upstream has no such model")

// errCredentials is what a client hears of whose keys are wrong.
var errCredentials = &llm.Error{Code: llm.CodeUpstream, Status: 502, Message: "the upstream did not accept the gateway's credentials"}

// credentials reports whether a failure is about the gateway's keys, of which the vendor's words may quote one.
func credentials(err error) bool {
	if err == nil { // as nearly always, and for nothing
		return false
	}
	var e *llm.Error
	return errors.As(err, &e) && (e.Code == llm.CodeAuth || e.Code == llm.CodePermission)
}

// refusedAs returns what a refusal of the upstream's is: what its status says, and what is more exact of its words.
func (s *serving) refusedAs(a *upstream.Answer) llm.Code {
	code := dialect.CodeOfStatus(a.Status)
	if a.Status >= 500 {
		return code
	}
	if e := s.said(a); e != nil {
		switch e.Code {
		case llm.CodeTooLong, llm.CodeFiltered, llm.CodeQuota, llm.CodeNotFound, llm.CodeTooLarge:
			code = e.Code
		}
	}
	switch {
	case s.Overlong(a):
		code = llm.CodeTooLong
	case s.noModel(a):
		code = llm.CodeNotFound
	}
	return code
}

// openaisErrors reports whether a dialect's errors have OpenAI's form: between two of them the vendor's own words stay,
// with its code and the member that it names.
func openaisErrors(d llm.Dialect) bool { return d == llm.OpenAI || d == llm.Responses }

// clientsOwn reports whether an upstream's status, or what it says, blames the request. It does not where the matter is
// the gateway's account (401 to 403, or a quota), the model's name, which is the operator's (404), its proxy (407),
// time (408, 425), the protocol that it speaks (426) or a limit (429).
func clientsOwn(status int, code llm.Code) bool {
	switch code {
	case llm.CodeFiltered:
		return true
	case llm.CodeQuota:
		return false
	}
	switch status {
	case 401, 402, 403, 404, 407, 408, 425, 426, 429:
		return false
	}
	return status >= 400 && status < 500
}

// checked runs an error that quotes the upstream through the filters: vendors say in theirs what the model
// said and they could not parse.
func (s *serving) checked(reply *exchange.Reply) *exchange.Reply {
	var found dialect.Answer
	if err := s.codec.Answer(s.x.Op, reply.Body, &found); err != nil {
		return s.filterFailed(err)
	}
	s.x.Response.Status = reply.Status
	s.x.Response.Body = exchange.NewBody(reply.Body, dialect.MergeTexts(found.Texts, found.Faults))
	end, cause := s.end, s.err
	v, err := s.flow.Refused(s.ctx)
	switch {
	case err != nil:
		return s.filterFailed(err)
	case v.Action == exchange.Respond || v.Action == exchange.Close:
		return s.refuse(v.Reply)
	}
	s.end, s.err = end, cause
	reply.Body = s.x.Response.Body.Bytes()
	s.out = int64(len(reply.Body))
	return reply
}

// forward returns the client's header fields that the upstream may see: no credentials of this
// gateway, nothing about the connection.
func (s *serving) forward() llm.Header {
	out := make(llm.Header, 0, len(s.x.Request.Header)+8) // there is room for the provider's own
	for _, f := range s.x.Request.Header {
		if !has(private, f.Name) {
			out = append(out, f)
		}
	}
	out.Set("Accept-Encoding", "identity")
	return out
}

// has reports whether a set of names, in lower case, has a field's.
func has(set map[string]bool, name string) bool {
	var lower [longestField]byte
	if len(name) > len(lower) {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		lower[i] = c
	}
	return set[string(lower[:len(name)])]
}

// longestField is more than the names in the sets have.
const longestField = 40

// private are the fields of a request that stay at the gateway.
var private = map[string]bool{
	"authorization": true, "x-api-key": true, "x-goog-api-key": true, "api-key": true, "cookie": true,
	"proxy-authorization": true, "host": true, "content-length": true, "connection": true,
	"transfer-encoding": true, "te": true, "trailer": true, "upgrade": true, "keep-alive": true,
	"expect": true, "accept-encoding": true, "forwarded": true, "traceparent": true, "tracestate": true,
	"openai-organization": true, "openai-project": true, "x-goog-user-project": true, "x-forwarded-for": true, "x-forwarded-host": true,
	"x-forwarded-proto": true, "x-real-ip": true, "via": true, "x-request-id": true, sdkprovider.OnceHeader: true,
}

// backward returns the upstream's header fields that the client may see, and the limit that it is told.
// Where the answer is translated it keeps none of the vendor's but what is left of its limits.
func (s *serving) backward(a *upstream.Answer) llm.Header {
	h := llm.Header(nil)
	if s.foreign() {
		h = allowancesOf(a.Header, time.Now()).tell(s.translatedHeader(a), s.x.Dialect, time.Now())
	} else {
		h = visible(a.Header)
		if _, ok := s.streams(a); a.Status < 300 && ok != s.inEvents(a) {
			h.Set("Content-Type", s.contentType(!ok))
		}
	}
	if l := s.x.Limit(); l.Of != 0 {
		h.Set("RateLimit-Limit", strconv.FormatInt(l.Of, 10))
		h.Set("RateLimit-Remaining", strconv.FormatInt(l.Remaining, 10))
		h.Set("RateLimit-Reset", seconds(l.Reset))
	}
	return h
}

func visible(h llm.Header) llm.Header {
	out := make(llm.Header, 0, len(h)+8) // there is room for the gateway's own
	for _, f := range h {
		if !has(hidden, f.Name) {
			out = append(out, f)
		}
	}
	return out
}

// hidden are the fields of an answer that say something about the upstream's connection or about the
// gateway's account there, or that the gateway writes itself.
var hidden = map[string]bool{
	"content-length": true, "transfer-encoding": true, "connection": true, "keep-alive": true,
	"trailer": true, "upgrade": true, "proxy-authenticate": true, "set-cookie": true, "server": true,
	"date": true, "alt-svc": true, "strict-transport-security": true, "via": true, "x-request-id": true,
	"cache-control": true, "server-timing": true, "content-encoding": true, "location": true, "cf-ray": true,
	"cf-cache-status": true, "nel": true, "report-to": true, "access-control-expose-headers": true,
	"access-control-allow-origin": true, "vary": true, "anthropic-organization-id": true, "openai-organization": true,
	"openai-project": true, "x-goog-user-project": true,
}

// isOf reports whether an answer's body is of a media type.
func isOf(h llm.Header, media string) bool {
	kind, _, _ := strings.Cut(h.Get("content-type"), ";")
	return llm.EqualFold(strings.TrimSpace(kind), media)
}
