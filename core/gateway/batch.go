package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/limit"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/openai"
	"github.com/ginnel/ginnel/sdk/llm"
)

// A batch is a file of calls, one a line: {"custom_id", "method", "url", "body"}. A call in it is held to the same as
// one that a client makes by itself: its model is one that the caller may use, under the name that the gateway gives
// it, and filters see its texts. What it is answered is a file again.

// batched are the operations that a batch may have.
var batched = []llm.Op{llm.OpChat, llm.OpEmbeddings, llm.OpCompletions, llm.OpModerations}

var lineKeys = dialect.NewKeys("custom_id", "method", "url", "body")

const (
	lineID = iota
	lineMethod
	lineURL
	lineBody
)

// readCalls reads the calls in form data, and puts the names of the provider's models in the place of the gateway's.
func (s *serving) readCalls(raw []byte) *exchange.Reply {
	content := raw[s.request.File.Start:s.request.File.End]
	out := append(make([]byte, 0, len(raw)+len(raw)/16), raw[:s.request.File.Start]...)
	c := calls{serving: s, again: len(s.upload.Models) > 0}
	for n, number := 0, 1; n < len(content); number++ {
		line := content[n:]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line = line[:end+1]
		}
		n += len(line)
		var err error
		if out, err = c.line(out, line); err != nil {
			e := publicOf(err, "it cannot be read")
			return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Message: "the file, line " + strconv.Itoa(number) + ": " + e.Message}, err)
		}
	}
	out = append(out, raw[s.request.File.End:]...)
	s.upload.Models, s.upload.Calls = c.models, c.count
	if reply := s.neverBatch(c.count); reply != nil {
		return reply
	}
	s.x.Unseen = c.unseen
	s.x.Request.Body = exchange.NewBody(out, c.texts)
	return nil
}

// calls is what is found in a file of them.
type calls struct {
	*serving
	texts  []dialect.Text
	models []string
	count  int64
	unseen string
	again  bool // a filter wrote it: the names are the provider's
}

// line appends a line.
func (c *calls) line(out, line []byte) ([]byte, error) {
	if len(bytes.TrimSpace(line)) == 0 {
		return append(out, line...), nil
	}
	line = oneLine(line)
	said := bytes.TrimRight(line, "\r\n")
	if bytes.IndexByte(said, '\r') >= 0 {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "a line end stands inside it"}
	}
	r := dialect.NewReader(said)
	if r.Type() != dialect.TypeObject {
		return nil, errors.New("no object")
	}
	var method, url string
	var body dialect.Span
	for o := r.Object(lineKeys); ; {
		key, ok := r.Next(&o)
		if !ok {
			break
		}
		switch {
		case key == lineBody && r.Type() == dialect.TypeObject:
			body = r.Skip()
		case key == lineMethod, key == lineURL, key == lineID:
			at, ok := r.String()
			if !ok {
				return nil, &llm.Error{Code: llm.CodeInvalid, Message: "custom_id, method and url must be strings"}
			}
			if key == lineMethod {
				method = dialect.TextOf(r.Bytes(at), "")
			} else if key == lineURL {
				url = dialect.TextOf(r.Bytes(at), "")
			}
		default:
			r.Skip()
		}
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	if body.Len() == 0 || method != "POST" {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "a call has a `body`, a `url`, and the method POST"}
	}
	c.count++
	out = append(out, line[:body.Start]...)
	call, err := c.call(url, line[body.Start:body.End], len(out))
	if err != nil {
		return nil, err
	}
	return append(append(out, call...), line[body.End:]...), nil
}

// separators end lines for some readers of text, and none for those of JSON, which has them in strings only.
var separators = [][2][]byte{{[]byte("\u2028"), []byte(`\u2028`)}, {[]byte("\u2029"), []byte(`\u2029`)}, {[]byte("\u0085"), []byte(`\u0085`)}}

// oneLine returns a line that is one for every reader.
func oneLine(line []byte) []byte {
	for _, s := range separators {
		if bytes.Contains(line, s[0]) {
			line = bytes.ReplaceAll(line, s[0], s[1])
		}
	}
	return line
}

// call returns a call's body with its provider's model; it will stand at an offset of the whole.
func (c *calls) call(url string, body []byte, at int) ([]byte, error) {
	if !plainPath(url) {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "the url " + quote(url) + " is none that a batch can call"}
	}
	for _, codec := range c.Codecs {
		e, ok := codec.Endpoint("POST", url, "", nil)
		if !ok || !slices.Contains(batched, e.Op) || e.Model != "" {
			continue
		}
		var read dialect.Request
		if err := codec.Request(e.Op, body, &read); err != nil {
			return nil, err
		}
		name, err := c.model(&read)
		if err != nil {
			return nil, err
		}
		if err := c.owns(c.route.Files.Targets[0], append(read.Files, read.Items...)); err != nil {
			return nil, err
		}
		b := exchange.NewBody(body, nil)
		span, with := codec.SetModel(body, &read, name)
		for _, at := range append([]dialect.Span{span}, read.MoreModels...) {
			if err := b.Splice(at, with); err != nil {
				return nil, err
			}
		}
		body = b.Bytes()
		if err := codec.Request(e.Op, body, &read); err != nil { // again, for where things stand now
			return nil, err
		}
		for _, t := range read.Texts {
			t.Span.Start, t.Span.End = t.Span.Start+at, t.Span.End+at
			c.texts = append(c.texts, t)
		}
		if c.unseen == "" {
			c.unseen = read.Unseen
		}
		return body, nil
	}
	return nil, &llm.Error{Code: llm.CodeInvalid, Message: "the url " + quote(url) + " is none that a batch can call"}
}

// plainPath reports whether every reader takes a url for the same path: segments of letters, digits and what is
// plain, and nothing else.
func plainPath(url string) bool {
	if url == "" || url[0] != '/' {
		return false
	}
	for part := range strings.SplitSeq(url[1:], "/") {
		if part == "" || part[0] == '.' || strings.ContainsFunc(part, func(c rune) bool {
			return c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z')
		}) {
			return false
		}
	}
	return true
}

// model returns what the provider of files calls a call's model, if the caller may use it.
func (c *calls) model(read *dialect.Request) (string, error) {
	m := c.find(read.Model)
	if c.again {
		m = c.named(read.Model)
	}
	for _, name := range read.Further {
		if !c.vendors(name) {
			m = nil
		}
	}
	if m == nil {
		return "", &llm.Error{Code: llm.CodeInvalid, Message: "the model " + quote(read.Model) + " does not exist or this key may not use it"}
	}
	for _, t := range m.Targets {
		if t.ProviderName == c.owner.Provider {
			if !slices.Contains(c.models, m.Name) {
				c.models = append(c.models, m.Name)
			}
			return t.Model, nil
		}
	}
	return "", &llm.Error{Code: llm.CodeInvalid, Message: "the model " + quote(read.Model) + " is not at the provider that makes batches"}
}

// named returns the model that the caller may use and the provider of files calls so.
func (c *calls) named(name string) *Model {
	for i := range c.route.Models {
		m := c.find(c.route.Models[i].Name)
		if m != nil && slices.ContainsFunc(m.Targets, func(t *upstream.Target) bool { return t.ProviderName == c.owner.Provider && t.Model == name }) {
			return m
		}
	}
	return nil
}

// readBatch reads what a batch is made of: a file of calls that the caller sent, of models that it may use.
func (s *serving) readBatch(raw []byte) *exchange.Reply {
	var q struct {
		File string `json:"input_file_id"`
	}
	if err := json.Unmarshal(raw, &q); err != nil || q.File == "" {
		return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Message: "the body must be a JSON object with an input_file_id"}, err)
	}
	r := dialect.NewReader(raw) // one reader's input_file_id is every reader's
	var kept []string           // of Azure: storage that the account reads and writes
	for o := r.Object(batchKeys); ; {
		key, ok := r.Next(&o)
		if !ok {
			break
		}
		if key > 0 && r.Type() != dialect.TypeNull {
			kept = append(kept, string(r.Bytes(o.Key)))
		}
		r.Skip()
	}
	if err := r.End(); err != nil {
		return s.fail(exchange.ClientError, publicOf(err, "the body cannot be read"), err)
	}
	if err := s.owns(s.route.Files.Targets[0], kept); err != nil {
		return s.notOwned(err)
	}
	file, found, err := s.Uploads.Get(s.owner, q.File)
	switch {
	case err != nil:
		return s.fail(exchange.Internal, errState, err)
	case !found:
		return s.unknownItem(q.File)
	case file.Purpose != openai.PurposeBatch:
		return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Message: "the file " + quote(q.File) + " was not sent for a batch"}, nil)
	}
	for _, name := range file.Models {
		if s.find(name) == nil {
			return s.unknownModel(name)
		}
	}
	s.upload = uploads.Upload{Models: file.Models}
	return s.charge(file.Calls)
}

// batchRate returns what bounds the calls of the team's batches, and under which name they are counted: a rate of their
// own or, as any call, that of requests.
func (s *serving) batchRate() (*limit.Rate, string) {
	switch {
	case s.team == nil:
		return nil, ""
	case s.team.BatchRate != nil:
		return s.team.BatchRate, "batches/" + s.team.Name
	}
	return s.team.Rate, "team/" + s.team.Name
}

// neverBatch refuses a batch that is larger than its team's limit can ever be.
func (s *serving) neverBatch(calls int64) *exchange.Reply {
	rate, name := s.batchRate()
	if rate == nil {
		return nil
	}
	if most := s.Limiter.Take(*rate, name, 0, time.Now()).Limit; calls > most {
		return s.fail(exchange.Denied, &llm.Error{Code: llm.CodeInvalid, Message: "the file has " + strconv.FormatInt(calls, 10) + " calls, and the team's limit is never more than " + strconv.FormatInt(most, 10)}, nil)
	}
	return nil
}

// charge counts a batch's calls against the team's limit: else a batch was a way around it.
func (s *serving) charge(calls int64) *exchange.Reply {
	s.uncharge() // of what a filter has replaced
	if reply := s.neverBatch(calls); reply != nil {
		return reply
	}
	rate, name := s.batchRate()
	if rate == nil {
		return nil
	}
	d := s.Limiter.Take(*rate, name, calls, time.Now())
	if !d.OK {
		return s.fail(exchange.Denied, &llm.Error{
			Code: llm.CodeRateLimited, Message: "the batch has " + strconv.FormatInt(calls, 10) + " calls, and " + strconv.FormatInt(d.Remaining, 10) + " are left of the team's limit", RetryAfter: d.RetryAfter,
		}, nil)
	}
	s.charged = calls
	return nil
}

// uncharge gives the calls of a batch back that was not made.
func (s *serving) uncharge() {
	if rate, name := s.batchRate(); s.charged > 0 {
		s.Limiter.Give(*rate, name, s.charged)
		s.charged = 0
	}
}

var batchKeys = dialect.NewKeys("input_file_id", "input_blob", "output_folder")

// publicOf returns the error that a client may read of an error of a codec.
func publicOf(err error, or string) *llm.Error {
	var e *llm.Error
	if errors.As(err, &e) {
		return e
	}
	return &llm.Error{Code: llm.CodeInvalid, Message: or}
}
