package gateway

import (
	"errors"
	"io"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/llm"
)

// passed returns an answer that nobody reads, a file's content or sound, as it comes.
func (s *serving) passed() *exchange.Reply {
	s.status = s.answer.Status
	s.replied = exchange.Reply{Status: s.answer.Status, Header: s.stamp(s.x.Response.Header), Stream: &content{s}, Done: s.done}
	return &s.replied
}

// content is an answer's body on its way.
type content struct{ s *serving }

// Next implements exchange.Stream. An upstream that breaks off breaks the connection off: there is no other way to
// say so in the middle of a file.
func (c *content) Next(dst []byte) ([]byte, error) {
	s, before := c.s, len(dst)
	dst, err := upstreamBytes{s.answer}.Next(dst)
	if s.x.Timings.First == 0 {
		s.x.Timings.First = time.Since(s.x.Start)
	}
	s.out += int64(len(dst) - before)
	switch {
	case err == io.EOF:
		err = c.ended()
	case err != nil:
		var e *llm.Error
		if s.end, e = s.stopped(); e == nil {
			s.end, _ = upstreamEnd(upstream.Error(err))
		}
		s.err = err
	}
	return dst, err
}

// ended tells the filters that nothing follows. One that does not let it end so breaks the connection off, too.
func (c *content) ended() error {
	s := c.s
	v, err := s.flow.End(s.ctx)
	switch {
	case err != nil:
		var e *llm.Error
		if s.end, e = s.stopped(); e == nil {
			s.end = exchange.Internal
		}
	case v.Action == exchange.Respond || v.Action == exchange.Close:
		s.end, err = exchange.Denied, errors.New("stopped by filter "+s.flow.By())
		if v.Reply != nil {
			s.class = v.Reply.Class
		}
	default:
		return io.EOF
	}
	s.err = err
	return err
}
