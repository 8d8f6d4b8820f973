package bedrock

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/eventstream"
	"github.com/ginnel/ginnel/sdk/llm"
)

// client calls one region.
type client struct {
	origin *egress.Origin
	prefix string // the path of the address
	header llm.Header
	signer *signer // nil where an API key is sent
}

// call makes a call.
func (c *client) call(ctx context.Context, call *llm.Call) (*llm.Response, error) {
	action := "/converse"
	switch {
	case call.Op == llm.OpCountTokens:
		action = "/count-tokens"
	case call.Stream:
		action = "/converse-stream"
	}
	r := &egress.Request{Method: "POST", Path: c.prefix + "/model/" + escape(call.Model) + action, Body: call.Body, Once: call.Once}
	r.Header.Add("Content-Type", "application/json")
	r.Header.Add("User-Agent", "ginnel")
	for _, f := range c.header {
		r.Header.Set(f.Name, f.Value)
	}
	if c.signer != nil {
		c.signer.sign(r, c.origin.Host(), time.Now())
	}
	resp, err := c.origin.Do(ctx, r)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	if resp.Status != 200 {
		defer resp.Body.Close()
		return nil, refused(resp)
	}
	out := &llm.Response{Status: resp.Status}
	for _, name := range []string{"x-amzn-requestid", "x-amzn-bedrock-cache-read-input-token-count"} {
		if v := resp.Header.Get(name); v != "" {
			out.Header.Add(name, v)
		}
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/vnd.amazon.eventstream") {
		out.Header.Add("Content-Type", "application/json")
		out.Recv = whole(ctx, resp.Body)
		return out, nil
	}
	out.Header.Add("Content-Type", "text/event-stream")
	s := &stream{ctx: ctx, body: resp.Body}
	out.Recv = s.recv
	return out, nil
}

// escape returns a model's name as a segment of a path.
func escape(model string) string { return strings.ReplaceAll(url.PathEscape(model), ":", "%3A") }

// whole returns the answer as one piece. The body ends with the call.
func whole(ctx context.Context, body *egress.Body) func(*llm.Chunk) error {
	done := false
	return func(c *llm.Chunk) (err error) {
		if done {
			return io.EOF
		}
		done = true
		switch c.Data, err = body.All(c.Data[:0], maxAnswer); {
		case errors.Is(err, egress.ErrTooLarge):
			return &llm.Error{Code: llm.CodeUpstream, Message: "the upstream's answer is too long"}
		case err != nil:
			return unreachable(ctx, err)
		}
		return nil
	}
}

// stream gives an event stream on, event by event.
type stream struct {
	ctx    context.Context
	body   *egress.Body
	frames eventstream.Reader
	buf    []byte
	err    error // of the body; what came before it is given on first
}

func (s *stream) recv(c *llm.Chunk) error {
	for {
		out, ok, err := s.frames.Next(c.Data[:0])
		switch {
		case err != nil:
			s.body.Close()
			return &llm.Error{Code: llm.CodeCut, Message: "the upstream's stream could not be read: " + err.Error()}
		case ok:
			c.Data = out
			return nil
		case errors.Is(s.err, io.EOF) && s.frames.Open():
			return &llm.Error{Code: llm.CodeCut, Message: "the upstream's answer broke off"}
		case errors.Is(s.err, io.EOF):
			return io.EOF
		case s.err != nil:
			return unreachable(s.ctx, s.err)
		}
		s.buf, s.err = s.body.Next(s.buf[:0])
		s.frames.Feed(s.buf)
	}
}

// unreachable returns the error of a call that got no answer, or not all of it.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var e *egress.Error
	if errors.As(err, &e) {
		return errors.Join(e.Public(), err)
	}
	return err
}

// codes are what the service's errors mean; another is judged by its status.
var codes = map[string]llm.Code{
	"AccessDeniedException":         llm.CodePermission,
	"ExpiredTokenException":         llm.CodeAuth,
	"IncompleteSignature":           llm.CodeAuth,
	"InvalidSignatureException":     llm.CodeAuth,
	"MissingAuthenticationToken":    llm.CodeAuth,
	"UnrecognizedClientException":   llm.CodeAuth,
	"InternalServerException":       llm.CodeUpstream,
	"ModelErrorException":           llm.CodeUpstream,
	"ModelNotReadyException":        llm.CodeOverloaded,
	"ModelTimeoutException":         llm.CodeTimeout,
	"ResourceNotFoundException":     llm.CodeNotFound,
	"ServiceQuotaExceededException": llm.CodeRateLimited, // with status 400
	"ServiceUnavailableException":   llm.CodeOverloaded,
	"ThrottlingException":           llm.CodeRateLimited,
	"ValidationException":           llm.CodeInvalid,
}

// maxError bounds the body of an error.
const maxError = 1 << 20

// refused reads an error.
func refused(resp *egress.Response) error {
	raw, _ := resp.Body.All(nil, maxError)
	var said struct {
		Type    string `json:"__type"`
		Message string
	}
	_ = json.Unmarshal(raw, &said)
	kind, _, _ := strings.Cut(resp.Header.Get("x-amzn-errortype"), ":")
	if kind == "" {
		kind = said.Type[strings.LastIndexByte(said.Type, '#')+1:]
	}
	e := &llm.Error{Code: codes[kind], Message: said.Message, Quoted: true}
	switch {
	case e.Code == "" && resp.Status < 400:
		e.Code = llm.CodeUpstream
	case e.Code == "":
		e.Code = codeOf(resp.Status)
	}
	if e.Message == "" {
		e.Message, e.Quoted = "the upstream answered "+strconv.Itoa(resp.Status), false
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		e.RetryAfter = time.Duration(min(s, 3600)) * time.Second
	}
	return e
}

func codeOf(status int) llm.Code {
	switch status {
	case 401:
		return llm.CodeAuth
	case 403:
		return llm.CodePermission
	case 404:
		return llm.CodeNotFound
	case 408, 504:
		return llm.CodeTimeout
	case 413:
		return llm.CodeTooLarge
	case 429:
		return llm.CodeRateLimited
	case 503:
		return llm.CodeOverloaded
	}
	if status < 500 && status != 424 {
		return llm.CodeInvalid
	}
	return llm.CodeUpstream
}
