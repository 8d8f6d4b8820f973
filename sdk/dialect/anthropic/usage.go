package anthropic

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	useInput = iota
	useOutput
	useRead
	useWritten
	useCreation
	useDetails
	useIterations
	useType
)

var (
	usageKeys = dialect.NewKeys("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
		"cache_creation", "output_tokens_details", "iterations", "type")
	creationKeys = dialect.NewKeys("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
	detailKeys   = dialect.NewKeys("thinking_tokens")
)

// counts are the numbers of one usage object.
type counts struct {
	input, output, read, written int64
	short, long                  int64 // of written: for five minutes, for an hour
	split                        bool  // short and long were said
	thinking                     int64
	more                         int64 // input of iterations that the object's own numbers leave out
	moreOut                      int64 // output of them
	any                          bool
	apart                        bool // of an iteration: the message's numbers leave it out
}

// usage reads a usage object. The report at the end of a stream (late) does not tell how long the
// written tokens are kept: that was said at its beginning.
func (r *reader) usage(late bool) *llm.Usage {
	if r.Type() != dialect.TypeObject {
		r.Skip()
		return nil
	}
	start := r.Pos()
	c := r.counts()
	if !c.any || r.Err() != nil {
		return nil
	}
	u := &llm.Usage{
		InputTotal:  c.input + c.read + c.written + c.more,
		CacheRead:   c.read,
		OutputTotal: c.output + c.moreOut,
		Reasoning:   min(c.thinking, c.output+c.moreOut),
		Raw:         append([]byte(nil), r.Bytes(dialect.Span{Start: start, End: r.Pos()})...),
	}
	switch {
	case c.split:
		u.CacheWrite1h = min(c.long, c.written)
		u.CacheWrite5m = c.written - u.CacheWrite1h
	case !late:
		u.CacheWrite5m = c.written
	}
	return u
}

func (r *reader) counts() (c counts) {
	for o := r.Object(usageKeys); ; {
		key, ok := r.Next(&o)
		if !ok {
			break
		}
		switch key {
		case useCreation:
			r.creation(&c)
		case useDetails:
			c.thinking = r.member(detailKeys)
		case useIterations:
			r.iterations(&c)
		case useType:
			c.apart = r.isApart()
		case useInput:
			c.input = r.count(&c)
		case useOutput:
			c.output = r.count(&c)
		case useRead:
			c.read = r.count(&c)
		case useWritten:
			c.written = r.count(&c)
		default:
			r.Skip()
		}
	}
	c.written = max(c.written, c.short+c.long)
	return c
}

func (r *reader) count(c *counts) int64 {
	n, ok := r.Int()
	if !ok {
		r.Skip()
		return 0
	}
	c.any = true
	return dialect.ClampCount(n)
}

func (r *reader) creation(c *counts) {
	if r.Type() != dialect.TypeObject {
		r.Skip()
		return
	}
	for o := r.Object(creationKeys); ; {
		key, ok := r.Next(&o)
		if !ok {
			return
		}
		switch key {
		case 0:
			c.split, c.short = true, r.count(c)
		case 1:
			c.split, c.long = true, r.count(c)
		default:
			r.Skip()
		}
	}
}

// member reads the number of the one key of an object.
func (r *reader) member(keys *dialect.Keys) (n int64) {
	if r.Type() != dialect.TypeObject {
		r.Skip()
		return 0
	}
	for o := r.Object(keys); ; {
		key, ok := r.Next(&o)
		if !ok {
			return n
		}
		if v, ok := r.Int(); !ok {
			r.Skip()
		} else if key == 0 {
			n = dialect.ClampCount(v)
		}
	}
}

// iterations reads the parts of a call and adds those that its own numbers leave out: summing up the
// conversation, asking an advisor.
func (r *reader) iterations(c *counts) {
	if r.Type() != dialect.TypeArray {
		r.Skip()
		return
	}
	r.Array()
	for n := 0; r.Item(&n); {
		if r.Type() != dialect.TypeObject {
			r.Skip()
			continue
		}
		if part := r.counts(); part.apart {
			c.more = dialect.ClampCount(c.more + part.input + part.read + part.written)
			c.moreOut = dialect.ClampCount(c.moreOut + part.output)
		}
	}
}

// isApart reads the type of an iteration.
func (r *reader) isApart() bool {
	s, ok := r.String()
	if !ok {
		r.Skip()
		return false
	}
	switch string(r.Bytes(s)) {
	case "message", "fallback_message":
		return false
	}
	return true
}
