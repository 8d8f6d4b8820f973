package echo

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// errCut is how an answer that was asked to break off ends.
var errCut = errors.New("asked to break off")

// request is the part of a chat request that an echo needs.
type request struct {
	Stream   bool `json:"stream"`
	Messages []struct {
		Role    string  `json:"role"`
		Content content `json:"content"`
	} `json:"messages"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// content is a message's text, written as a string or in parts.
type content string

func (c *content) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		return json.Unmarshal(raw, (*string)(c))
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		*c += content(p.Text)
	}
	return nil
}

// chat answers with the last message of the user.
func (p *plugin) chat(ctx context.Context, call *llm.Call) (*llm.Response, error) {
	var r request
	if err := json.Unmarshal(call.Body, &r); err != nil {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "the body is not a chat request"}
	}
	a := &answer{ctx: ctx, model: call.Model, usage: r.StreamOptions.IncludeUsage}
	for _, m := range r.Messages {
		a.prompt += tokens(string(m.Content))
		if m.Role == "user" {
			a.text = string(m.Content)
		}
	}
	a.knobs = p.knobs(call.Model, a.text)
	if a.fail != nil {
		return nil, a.fail
	}
	a.text = resize(a.text, a.size)
	id := fnv.New64a()
	id.Write(call.Body)
	a.id = "chatcmpl-echo" + strconv.FormatUint(id.Sum64(), 16)
	if err := wait(ctx, a.latency); err != nil {
		return nil, err
	}
	if call.Stream || r.Stream {
		return a.stream(), nil
	}
	if a.cut {
		return nil, errCut
	}
	if a.stall {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return whole(a.whole()), nil
}

// resize repeats a text, or shortens it, to n bytes; 0 = it stays as it is.
func resize(text string, n int) string {
	if n == 0 || text == "" {
		return text
	}
	for len(text) < n {
		text += " " + text[:min(len(text), n-len(text))]
	}
	return strings.ToValidUTF8(text[:n], "")
}

// answer is one chat's answer.
type answer struct {
	knobs
	ctx    context.Context // of the call, which lasts as long as the answer
	id     string
	model  string
	text   string
	prompt int
	usage  bool // the stream tells its usage

	rest  string // not streamed yet
	stage stage
}

// stage is how far a stream is.
type stage uint8

const (
	stageRole stage = iota
	stageWords
	stageFinish
	stageUsage
	stageDone
	stageEnd
)

// whole returns a unary answer.
func (a *answer) whole() []byte {
	b := a.open(nil, "chat.completion")
	b = append(b, `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	b = quote(b, a.text)
	b = append(b, `,"refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":`...)
	return append(a.appendUsage(b), '}')
}

// stream returns a streamed answer: the role, each word, the end and, where asked for, the usage.
func (a *answer) stream() *llm.Response {
	a.rest = a.text
	return &llm.Response{Status: 200, Header: llm.Header{{Name: "content-type", Value: "text/event-stream"}}, Recv: a.recv}
}

func (a *answer) recv(c *llm.Chunk) error {
	if a.stage == stageEnd {
		return io.EOF
	}
	if a.stage > stageRole && a.stage <= stageFinish {
		if err := wait(a.ctx, a.pace); err != nil {
			return err
		}
	}
	if a.stage == stageWords && len(a.rest) <= len(a.text)/2 {
		if a.stall {
			<-a.ctx.Done()
			return context.Cause(a.ctx)
		}
		if a.cut {
			return errCut
		}
	}
	c.Data = a.event(c.Data)
	return nil
}

// event appends the next event.
func (a *answer) event(b []byte) []byte {
	b = append(b, "data: "...)
	switch a.stage {
	case stageRole:
		b = a.delta(b, `{"role":"assistant","content":"","refusal":null}`, "", "null")
		a.stage = stageWords
		if a.rest == "" && !a.cut && !a.stall {
			a.stage = stageFinish
		}
	case stageWords:
		word := a.word()
		b = a.delta(b, `{"content":`, word, "null")
		if a.rest == "" {
			a.stage = stageFinish
		}
	case stageFinish:
		b = a.delta(b, `{}`, "", `"stop"`)
		if a.stage = stageDone; a.usage {
			a.stage = stageUsage
		}
	case stageUsage:
		b = a.open(b, "chat.completion.chunk")
		b = append(b, `,"choices":[],"usage":`...)
		b = append(a.appendUsage(b), '}')
		a.stage = stageDone
	case stageDone:
		b = append(b, "[DONE]"...)
		a.stage = stageEnd
	}
	return append(b, "\n\n"...)
}

// word takes the next word off the rest, with the white space before it.
func (a *answer) word() string {
	inWord := false
	for i, r := range a.rest {
		if space := r <= ' '; space && inWord {
			word := a.rest[:i]
			a.rest = a.rest[i:]
			return word
		} else if !space {
			inWord = true
		}
	}
	word := a.rest
	a.rest = ""
	return word
}

// delta appends an event's payload. A delta that ends in a colon takes the text.
func (a *answer) delta(b []byte, delta, text, finish string) []byte {
	b = a.open(b, "chat.completion.chunk")
	b = append(b, `,"choices":[{"index":0,"delta":`...)
	b = append(b, delta...)
	if strings.HasSuffix(delta, ":") {
		b = append(quote(b, text), '}')
	}
	b = append(b, `,"logprobs":null,"finish_reason":`...)
	b = append(b, finish...)
	b = append(b, `}]`...)
	if a.usage {
		b = append(b, `,"usage":null`...)
	}
	return append(b, '}')
}

func (a *answer) open(b []byte, object string) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, a.id...)
	b = append(b, `","object":"`...)
	b = append(b, object...)
	b = append(b, `","created":`...)
	b = strconv.AppendInt(b, time.Now().Unix(), 10)
	b = append(b, `,"model":`...)
	b = quote(b, a.model)
	return append(b, `,"system_fingerprint":null`...)
}

func (a *answer) appendUsage(b []byte) []byte {
	out := tokens(a.text)
	b = append(b, `{"prompt_tokens":`...)
	b = strconv.AppendInt(b, int64(a.prompt), 10)
	b = append(b, `,"completion_tokens":`...)
	b = strconv.AppendInt(b, int64(out), 10)
	b = append(b, `,"total_tokens":`...)
	b = strconv.AppendInt(b, int64(a.prompt+out), 10)
	return append(b, '}')
}

func quote(b []byte, text string) []byte {
	return append(dialect.AppendQuoted(append(b, '"'), []byte(text)), '"')
}

// whole returns a unary answer in one piece.
func whole(body []byte) *llm.Response {
	sent := false
	return &llm.Response{Status: 200, Header: llm.Header{{Name: "content-type", Value: "application/json"}}, Recv: func(c *llm.Chunk) error {
		if sent {
			return io.EOF
		}
		sent = true
		c.Data = append(c.Data, body...)
		return nil
	}}
}
