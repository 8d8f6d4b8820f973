package openai

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Decoder returns the reading half of a stream of chunks.
func (Codec) Decoder() conversation.StreamDecoder { return &streamDecoder{} }

// streamDecoder finds the blocks in a stream that does not name them: a text ends where a tool call or
// other text begins, tool calls end with the choice, since their pieces may take turns.
type streamDecoder struct {
	began   bool
	ended   bool
	of      string
	done    bool // [DONE] came
	choices []*choiceState
	left    conversation.Left
	sources []conversation.Citation // of the whole answer, which vendors say with each chunk
	cited   bool                    // a text has them
}

// Left returns what was read over.
func (d *streamDecoder) Left() []conversation.Field {
	if len(d.sources) > 0 && !d.cited {
		d.left.Add("citations")
	}
	return d.left.Fields
}

type choiceState struct {
	of     string // the answer's id, as far as it is known
	index  int
	blocks int                     // that were opened
	text   int                     // the open block of words, or -1
	said   []byte                  // its words, where they are thoughts
	words  []byte                  // of all texts so far
	from   int                     // where in them the open text begins
	cited  []conversation.Citation // whose places count the characters of the words
	kind   conversation.Kind
	calls  []callState
	over   bool
	kinds  []conversation.Part // of what came, without its words

	logprobs conversation.LogprobPieces // which wait for words
}

func (d *streamDecoder) choice(index int) *choiceState {
	for _, c := range d.choices {
		if c.index == index {
			return c
		}
	}
	c := &choiceState{of: d.of, index: index, text: -1}
	d.choices = append(d.choices, c)
	return c
}

// Event reads a chunk.
func (d *streamDecoder) Event(payload []byte, dst []conversation.Delta) ([]conversation.Delta, error) {
	if bytes.Equal(bytes.TrimSpace(payload), done) {
		d.done = true
		return dst, nil
	}
	var seen dialect.Event
	if err := (Codec{}).Event(llm.OpChat, payload, &seen); err != nil {
		return dst, err
	}
	if seen.Error != nil {
		d.ended = true
		if seen.Usage != nil && d.began {
			dst = append(dst, conversation.Delta{Kind: conversation.Usage, Usage: seen.Usage})
		}
		return append(dst, conversation.Delta{Kind: conversation.Failed, Err: seen.Error}), nil
	}
	r := decoder{d.left.Reader(payload), &conversation.Request{}}
	begin := conversation.Delta{Kind: conversation.Begin}
	at := len(dst)
	r.Each("the chunk", func(k string) {
		switch k {
		case "id":
			begin.ID = r.Str(k)
			d.of = begin.ID
		case "model":
			begin.Model = r.Str(k)
		case "created":
			begin.Created = r.Count(k)
		case "choices":
			r.Items(k, func(i int) { dst = d.piece(r, i, dst) })
		case "citations", "search_results":
			r.found(&d.sources)
		default:
			r.envelope(k)
		}
	})
	if err := r.End(); err != nil {
		return dst, err
	}
	if seen.Usage != nil {
		dst = append(dst, conversation.Delta{Kind: conversation.Usage, Usage: seen.Usage})
	}
	if len(dst) == at && begin.ID != "" && !d.began {
		d.began = true
		return append(dst, begin), nil
	}
	return conversation.Begun(&d.began, dst, at, begin), nil
}

// piece reads what a chunk says of one choice.
func (d *streamDecoder) piece(r decoder, place int, dst []conversation.Delta) []conversation.Delta {
	var m said
	var calls []indexedCall
	index, finish := place, conversation.Finish("")
	var logprobs []byte // of the chunk
	r.Each("choices", func(k string) {
		switch k {
		case "index":
			index = r.Choice(k)
		case "delta":
			r.Each(k, func(k string) {
				if k == "tool_calls" {
					r.Items(k, func(i int) { calls = append(calls, r.indexed(i)) })
				} else {
					r.answered("delta", k, &m)
				}
			})
		case "finish_reason":
			finish = finishFrom(r.Str(k))
		case "logprobs":
			logprobs = r.Raw()
		case "message", "text", "seed", "native_finish_reason": // what is said once more; the same in another vendor's word
			r.Skip()
		default:
			r.Leave()
		}
	})
	c := d.choice(index)
	c.logprobs.Add(logprobs)
	c.cited, m.citations = conversation.Bounded(append(c.cited, m.citations...)), nil
	for _, p := range m.all() {
		switch {
		case p.Kind == conversation.Media, p.Kind == conversation.Native:
			dst = c.medium(dst, &p)
		case p.Kind == conversation.ToolCall: // function_call, of which there is one
			calls = append(calls, indexedCall{part: p})
		case p.Text != "" || p.Opaque.Value != "":
			dst = c.say(dst, &p)
		}
	}
	for i := range calls {
		known := false
		if dst, known = c.call(dst, &calls[i]); !known {
			r.Refuse("a piece of a tool call that does not say of which")
		}
	}
	if finish != "" && !c.over {
		c.over = true
		finish = finish.Ended(c.kinds)
		if c.text >= 0 && c.kind == conversation.Text {
			c.cited, d.cited = append(c.cited, d.sources...), len(d.sources) > 0
		}
		if dst = c.close(dst); len(c.cited) > 0 { // of no words
			d.left.Add("choices[" + strconv.Itoa(index) + "].delta.annotations")
		}
		dst = append(dst, conversation.Delta{Kind: conversation.Finished, Choice: index, Finish: finish, Logprobs: c.logprobs.Take()})
	}
	return dst
}

// say adds words to the choice's open block, or opens one.
func (c *choiceState) say(dst []conversation.Delta, p *conversation.Part) []conversation.Delta {
	if c.text >= 0 && c.kind != p.Kind {
		dst = c.closeText(dst, conversation.Opaque{})
	}
	if c.text < 0 {
		c.text, c.kind = c.blocks, p.Kind
		c.kinds = append(c.kinds, conversation.Part{Kind: p.Kind})
		c.blocks++
		c.from = len(c.words)
		dst = append(dst, conversation.Delta{Kind: conversation.Open, Choice: c.index, Block: c.text, Part: &conversation.Part{Kind: p.Kind, Redacted: p.Redacted}})
	}
	if p.Opaque.Value != "" && p.Text == string(c.said) { // an entry of its own for the state repeats the words
		p.Text = ""
	}
	switch p.Kind {
	case conversation.Thinking:
		c.said = append(c.said, p.Text...)
	case conversation.Text:
		c.words = append(c.words, p.Text...)
	}
	if p.Text != "" {
		dst = append(dst, conversation.Delta{Kind: conversation.More, Choice: c.index, Block: c.text, Text: p.Text, Logprobs: c.logprobs.Take()})
	}
	if p.Opaque.Value != "" {
		dst = c.closeText(dst, p.Opaque)
	}
	return dst
}

func (c *choiceState) closeText(dst []conversation.Delta, o conversation.Opaque) []conversation.Delta {
	if c.text < 0 {
		return dst
	}
	if c.kind == conversation.Text {
		dst = c.cite(dst)
	}
	dst = append(dst, conversation.Delta{Kind: conversation.Close, Choice: c.index, Block: c.text, Opaque: o})
	c.text, c.said = -1, c.said[:0]
	return dst
}

// cite gives the open text its citations, which may come with other words than theirs.
func (c *choiceState) cite(dst []conversation.Delta) []conversation.Delta {
	if len(c.cited) == 0 {
		return dst
	}
	var cited []conversation.Citation
	words := conversation.NewRuler(string(c.words))
	for _, one := range c.cited {
		if one.InBytes(words); one.Behind(c.from) {
			cited = append(cited, one)
		}
	}
	if c.cited = nil; len(cited) == 0 {
		return dst
	}
	return append(dst, conversation.Delta{Kind: conversation.More, Choice: c.index, Block: c.text, Citations: cited})
}

// medium adds an image or what has no place, which come at once.
func (c *choiceState) medium(dst []conversation.Delta, p *conversation.Part) []conversation.Delta {
	dst = c.closeText(dst, conversation.Opaque{})
	c.kinds = append(c.kinds, conversation.Part{Kind: p.Kind})
	dst = append(dst,
		conversation.Delta{Kind: conversation.Open, Choice: c.index, Block: c.blocks, Part: &conversation.Part{Kind: p.Kind, Media: p.Media, Native: p.Native, At: p.At}},
		conversation.Delta{Kind: conversation.Close, Choice: c.index, Block: c.blocks})
	c.blocks++
	return dst
}

// close ends every open block.
func (c *choiceState) close(dst []conversation.Delta) []conversation.Delta {
	dst = c.closeText(dst, conversation.Opaque{})
	for _, call := range c.calls {
		dst = append(dst, conversation.Delta{Kind: conversation.Close, Choice: c.index, Block: call.block})
	}
	c.calls = nil
	return dst
}

// End closes what a vendor left open.
func (d *streamDecoder) End(dst []conversation.Delta) []conversation.Delta {
	if d.ended {
		return dst
	}
	at := len(dst)
	for _, c := range d.choices {
		if !c.over && d.done { // by a server that says [DONE] and not why
			c.over = true
			dst = c.close(dst)
			dst = append(dst, conversation.Delta{Kind: conversation.Finished, Choice: c.index, Finish: conversation.FinishStop.Ended(c.kinds), Logprobs: c.logprobs.Take()})
		}
	}
	return conversation.Begun(&d.began, dst, at, conversation.Delta{})
}

// Encoder returns the writing half of a stream of chunks.
func (Codec) Encoder(o conversation.StreamOptions) conversation.StreamEncoder {
	return &streamEncoder{options: o, blocks: map[blockKey]*blockState{}}
}

type blockKey struct{ choice, block int }

type blockState struct {
	part   conversation.Part
	text   []byte // of thoughts, for the entry that carries their sealed state, and of what is cited for
	cited  []conversation.Citation
	before int64 // the characters of the choice's texts before this one
	call   int   // index among the choice's calls
	given  bool  // arguments of the call have come
}

type streamEncoder struct {
	options conversation.StreamOptions
	begin   conversation.Delta
	begun   map[int]bool
	calls   map[int]int
	blocks  map[blockKey]*blockState
	usage   *llm.Usage
	details int64
	chars   map[int]int64 // of the texts of each choice
	images  map[int]int64 // the number of them
}

// Append writes chunks.
func (e *streamEncoder) Append(dst []byte, d *conversation.Delta) []byte {
	switch d.Kind {
	case conversation.Begin:
		e.begin = *d
		if e.begin.Created == 0 {
			e.begin.Created = time.Now().Unix()
		}
		e.begun, e.calls = map[int]bool{}, map[int]int{}
		e.chars, e.images = map[int]int64{}, map[int]int64{}
	case conversation.Open:
		return e.open(e.role(dst, d.Choice), d)
	case conversation.More:
		return e.more(dst, d)
	case conversation.Close:
		return e.close(dst, d)
	case conversation.Finished:
		return e.chunk(e.role(dst, d.Choice), d.Choice, finishTo(d.Finish), d.Logprobs, func(*dialect.Writer) {})
	case conversation.Usage:
		if e.usage == nil {
			e.usage = &llm.Usage{}
		}
		e.usage.Merge(d.Usage)
	case conversation.Failed:
		return Codec{}.AppendErrorEvent(dst, d.Err, "")
	}
	return dst
}

// role writes a choice's first chunk.
func (e *streamEncoder) role(dst []byte, choice int) []byte {
	if e.begun[choice] {
		return dst
	}
	e.begun[choice] = true
	return e.chunk(dst, choice, "", nil, func(w *dialect.Writer) {
		w.Text("role", "assistant")
		w.Key("content")
		w.String("")
	})
}

func (e *streamEncoder) open(dst []byte, d *conversation.Delta) []byte {
	s := &blockState{part: *d.Part, before: e.chars[d.Choice]}
	e.blocks[blockKey{d.Choice, d.Block}] = s
	if d.Part.Kind == conversation.Media && !d.Part.Media.IsImage() {
		return dst
	}
	if d.Part.Kind == conversation.Media {
		first := e.images[d.Choice]
		e.images[d.Choice]++
		return e.chunk(dst, d.Choice, "", nil, func(w *dialect.Writer) { writeImages(w, []*conversation.Medium{d.Part.Media}, first) })
	}
	if d.Part.Kind != conversation.ToolCall {
		return dst
	}
	s.call = e.calls[d.Choice]
	e.calls[d.Choice]++
	return e.chunk(dst, d.Choice, "", nil, func(w *dialect.Writer) {
		w.Key("tool_calls")
		w.Array()
		writeCall(w, &s.part, s.call, "", true)
		w.EndArray()
	})
}

func (e *streamEncoder) more(dst []byte, d *conversation.Delta) []byte {
	s := e.blocks[blockKey{d.Choice, d.Block}]
	if s == nil {
		return dst
	}
	if s.cited = conversation.Bounded(append(s.cited, d.Citations...)); d.Text == "" && d.Logprobs == nil {
		return dst
	}
	return e.chunk(dst, d.Choice, "", d.Logprobs, func(w *dialect.Writer) {
		switch s.part.Kind {
		case conversation.Text:
			s.text = append(s.text, d.Text...)
			e.chars[d.Choice] += int64(utf8.RuneCountInString(d.Text))
			w.Key("content")
			w.String(d.Text)
		case conversation.Refusal:
			w.Text("refusal", d.Text)
		case conversation.Thinking:
			s.text = append(s.text, d.Text...)
			w.Text("reasoning_content", d.Text)
		case conversation.ToolCall:
			s.given = s.given || strings.TrimSpace(d.Text) != ""
			inner := "arguments"
			outer := "function"
			if s.part.Call.Custom {
				inner, outer = "input", "custom"
			}
			w.Key("tool_calls")
			w.Array()
			w.Object()
			w.Key("index")
			w.Int(int64(s.call))
			w.Key(outer)
			w.Object()
			w.Text(inner, d.Text)
			w.EndObject()
			w.EndObject()
			w.EndArray()
		}
	})
}

func (e *streamEncoder) close(dst []byte, d *conversation.Delta) []byte {
	key := blockKey{d.Choice, d.Block}
	s := e.blocks[key]
	if s != nil && s.part.Kind == conversation.ToolCall && !s.part.Call.Custom && !s.given {
		dst = e.more(dst, &conversation.Delta{Choice: d.Choice, Block: d.Block, Text: conversation.NoArguments})
	}
	delete(e.blocks, key)
	if s != nil && s.part.Kind == conversation.Text && slices.ContainsFunc(s.cited, func(c conversation.Citation) bool { return c.URL != "" }) {
		return e.chunk(dst, d.Choice, "", nil, func(w *dialect.Writer) { writeCitations(w, string(s.text), s.before, s.cited) })
	}
	if s == nil || s.part.Kind != conversation.Thinking || d.Opaque.Value == "" {
		return dst
	}
	s.part.Text, s.part.Opaque = string(s.text), d.Opaque
	index := e.details
	e.details++
	return e.chunk(dst, d.Choice, "", nil, func(w *dialect.Writer) {
		w.Key("reasoning_details")
		w.Array()
		writeDetail(w, &s.part, index)
		w.EndArray()
	})
}

// chunk writes one chunk of one choice.
func (e *streamEncoder) chunk(dst []byte, choice int, finish string, logprobs []byte, delta func(*dialect.Writer)) []byte {
	w := e.start(dst)
	w.Key("choices")
	w.Array()
	w.Object()
	w.Key("index")
	w.Int(int64(choice))
	w.Key("delta")
	w.Object()
	delta(w)
	w.EndObject()
	if len(logprobs) > 0 {
		begin := len(w.Buf)
		w.Member("logprobs", logprobs)
		w.Line(begin)
	}
	w.Key("finish_reason")
	if finish == "" {
		w.Null()
	} else {
		w.String(finish)
	}
	w.EndObject()
	w.EndArray()
	return e.finish(w)
}

func (e *streamEncoder) start(dst []byte) *dialect.Writer {
	w := &dialect.Writer{Buf: append(dst, "data: "...)}
	w.Object()
	head(w, e.begin.ID, "chat.completion.chunk", e.begin.Model, e.begin.Created)
	return w
}

func (e *streamEncoder) finish(w *dialect.Writer) []byte {
	w.EndObject()
	return append(w.Buf, "\n\n"...)
}

// End writes the usage, for a client that asked, and the terminator.
func (e *streamEncoder) End(dst []byte) []byte {
	if e.options.IncludeUsage && e.usage != nil {
		w := e.start(dst)
		w.Key("choices")
		w.Array()
		w.EndArray()
		w.Key("usage")
		writeUsage(w, e.usage)
		dst = e.finish(w)
	}
	return append(dst, "data: [DONE]\n\n"...)
}
