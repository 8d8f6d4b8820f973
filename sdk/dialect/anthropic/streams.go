package anthropic

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Decoder returns the reading half of a stream of events.
func (Codec) Decoder() conversation.StreamDecoder {
	return &streamDecoder{blocks: map[int64]*openBlock{}}
}

type streamDecoder struct {
	began, over bool
	next        int // the number of the next block
	blocks      map[int64]*openBlock
	left        conversation.Left
}

// Left returns what was read over.
func (d *streamDecoder) Left() []conversation.Field { return d.left.Fields }

type openBlock struct {
	number int
	sealed conversation.Opaque
	native *conversation.Part // of a block of the vendor's own, which is told when it is whole
	said   strings.Builder    // what its pieces say
	member string             // where
}

// Event reads an event's payload.
func (d *streamDecoder) Event(payload []byte, dst []conversation.Delta) ([]conversation.Delta, error) {
	var seen dialect.Event
	if err := (Codec{}).Event(llm.OpChat, payload, &seen); err != nil {
		return dst, err
	}
	if seen.Error != nil {
		return append(dst, conversation.Delta{Kind: conversation.Failed, Err: seen.Error}), nil
	}
	r := decoder{d.left.Reader(payload), &conversation.Request{}}
	var e event
	r.Each("the event", func(k string) { e.member(r, k) })
	if err := r.End(); err != nil {
		return dst, err
	}
	at := len(dst)
	dst = d.deltas(&e, dst)
	if seen.Usage != nil {
		dst = append(dst, conversation.Delta{Kind: conversation.Usage, Usage: seen.Usage})
	}
	if e.kind == "message_delta" && e.stop != "" && !d.over {
		dst = d.closeAll(dst)
		d.over = true
		dst = append(dst, conversation.Delta{Kind: conversation.Finished, Finish: finishFrom(e.stop), Sequence: e.sequence})
	}
	return conversation.Begun(&d.began, dst, at, conversation.Delta{}), nil
}

// event is what one event may say.
type event struct {
	kind           string
	index          int64
	id, model      string
	block          *conversation.Part
	delta          string // its type
	text           string
	signature      string
	citation       *conversation.Citation
	stop, sequence string
}

func (e *event) member(r decoder, key string) {
	switch key {
	case "type":
		e.kind = r.Str(key)
	case "index":
		e.index = r.Count(key)
	case "message":
		r.Each(key, func(k string) {
			switch k {
			case "id":
				e.id = r.Str(k)
			case "model":
				e.model = r.Str(k)
			default:
				r.envelope(k)
			}
		})
	case "content_block":
		p := r.block("content_block")
		e.block = &p
	case "delta":
		r.Each(key, func(k string) { e.deltaMember(r, k) })
	default:
		r.envelope(key)
	}
}

func (e *event) deltaMember(r decoder, key string) {
	switch key {
	case "type":
		e.delta = r.Str(key)
	case "text", "thinking", "partial_json", "content":
		e.text = r.Str(key)
	case "signature":
		e.signature = r.Str(key)
	case "citation":
		c := r.citation()
		e.citation = &c
	case "stop_reason":
		e.stop = r.Str(key)
	case "stop_sequence":
		e.sequence = r.Str(key)
	default:
		r.Leave()
	}
}

func (d *streamDecoder) deltas(e *event, dst []conversation.Delta) []conversation.Delta {
	switch e.kind {
	case "message_start":
		if !d.began {
			d.began = true
			dst = append(dst, conversation.Delta{Kind: conversation.Begin, ID: e.id, Model: e.model})
		}
	case "content_block_start":
		if e.block != nil && !d.over {
			dst = d.open(e, dst)
		}
	case "content_block_delta":
		b := d.blocks[e.index]
		switch {
		case b == nil:
		case b.native != nil:
			b.said.WriteString(e.text)
			b.member = map[string]string{"input_json_delta": "input", "text_delta": "text"}[e.delta]
			b.member = cmp.Or(b.member, "content")
		case e.delta == "signature_delta":
			b.sealed = conversation.Unseal(e.signature, conversation.VendorAnthropic)
		case e.citation != nil:
			dst = append(dst, conversation.Delta{Kind: conversation.More, Block: b.number, Citations: []conversation.Citation{*e.citation}})
		case e.text != "":
			dst = append(dst, conversation.Delta{Kind: conversation.More, Block: b.number, Text: e.text})
		}
	case "content_block_stop":
		dst = d.close(e.index, dst)
	}
	return dst
}

// close ends a block.
func (d *streamDecoder) close(index int64, dst []conversation.Delta) []conversation.Delta {
	b := d.blocks[index]
	if b == nil {
		return dst
	}
	delete(d.blocks, index)
	if b.native != nil {
		b.number = d.next
		d.next++
		if b.said.Len() > 0 {
			b.native.Native.Raw = withMember(b.native.Native.Raw, b.member, b.said.String())
		}
		dst = append(dst, conversation.Delta{Kind: conversation.Open, Block: b.number, Part: b.native})
	}
	return append(dst, conversation.Delta{Kind: conversation.Close, Block: b.number, Opaque: b.sealed})
}

// withMember returns an object whose member has another value: a JSON text, or else words.
func withMember(raw []byte, member, value string) []byte {
	if !json.Valid([]byte(value)) || member != "input" {
		value = string(dialect.AppendQuoted([]byte{'"'}, []byte(value))) + `"`
	}
	r := conversation.NewReader(raw)
	w := &dialect.Writer{}
	w.Object()
	r.Each("the block", func(key string) {
		if at := r.Skip(); key != member {
			w.Member(key, r.Bytes(at))
		}
	})
	w.Member(member, []byte(value))
	w.EndObject()
	return w.Buf
}

// open begins a block; what its start says already is its first piece.
func (d *streamDecoder) open(e *event, dst []conversation.Delta) []conversation.Delta {
	p := *e.block
	if p.Kind == conversation.Native {
		p.At = "content[" + strconv.FormatInt(e.index, 10) + "]"
		d.blocks[e.index] = &openBlock{native: &p}
		return dst
	}
	b := &openBlock{number: d.next}
	d.next++
	d.blocks[e.index] = b
	text, cited := p.Text, p.Citations
	p.Text, p.Citations = "", nil
	switch p.Kind {
	case conversation.ToolCall:
		call := *p.Call
		if call.Arguments != "{}" {
			text = call.Arguments
		}
		call.Arguments = ""
		p.Call = &call
	case conversation.Thinking:
		b.sealed, p.Opaque = p.Opaque, conversation.Opaque{}
	}
	dst = append(dst, conversation.Delta{Kind: conversation.Open, Block: b.number, Part: &p})
	if text != "" || len(cited) > 0 {
		dst = append(dst, conversation.Delta{Kind: conversation.More, Block: b.number, Text: text, Citations: cited})
	}
	return dst
}

// End closes what is open.
func (d *streamDecoder) End(dst []conversation.Delta) []conversation.Delta {
	at := len(dst)
	return conversation.Begun(&d.began, d.closeAll(dst), at, conversation.Delta{})
}

// closeAll closes what is open, in the order in which it came.
func (d *streamDecoder) closeAll(dst []conversation.Delta) []conversation.Delta {
	for _, index := range slices.Sorted(maps.Keys(d.blocks)) {
		dst = d.close(index, dst)
	}
	return dst
}

// Encoder returns the writing half of a stream of events.
func (Codec) Encoder(conversation.StreamOptions) conversation.StreamEncoder { return &streamEncoder{} }

// streamEncoder writes one block after the other, as the dialect demands.
type streamEncoder struct {
	serial   conversation.Serial
	usage    llm.Usage
	part     conversation.Part // of the open block
	started  bool              // its start was written
	given    bool              // arguments of its call have come
	index    int64
	finish   conversation.Finish
	sequence string
}

// Append writes events.
func (e *streamEncoder) Append(dst []byte, d *conversation.Delta) []byte {
	switch d.Kind {
	case conversation.Begin:
		return e.event(dst, "message_start", func(w *dialect.Writer) {
			w.Key("message")
			w.Object()
			writeHead(w, d.ID, d.Model)
			w.Key("content")
			w.Raw([]byte("[]"))
			w.Member("stop_reason", []byte("null"))
			w.Member("stop_sequence", []byte("null"))
			w.Key("usage")
			writeUsage(w, &e.usage)
			w.EndObject()
		})
	case conversation.Usage:
		e.usage.Merge(d.Usage)
	case conversation.Failed:
		return Codec{}.AppendErrorEvent(dst, d.Err, "")
	case conversation.Finished:
		if d.Choice == 0 {
			e.finish, e.sequence = d.Finish, d.Sequence
		}
	default:
		if d.Choice == 0 { // who asks for more is refused
			e.serial.Push(d, func(d *conversation.Delta) { dst = e.block(dst, d) })
		}
	}
	return dst
}

func (e *streamEncoder) block(dst []byte, d *conversation.Delta) []byte {
	switch d.Kind {
	case conversation.Open:
		if e.part, e.started, e.given = *d.Part, false, false; !d.Part.Redacted && d.Part.HasForm(llm.Anthropic) {
			return e.start(dst)
		}
	case conversation.More:
		return e.more(dst, d)
	case conversation.Close:
		return e.close(dst, d)
	}
	return dst
}

// start writes the start of the open block.
func (e *streamEncoder) start(dst []byte) []byte {
	e.started = true
	return e.event(dst, "content_block_start", func(w *dialect.Writer) {
		w.Key("index")
		w.Int(e.index)
		w.Key("content_block")
		p := e.part
		if p.Kind == conversation.ToolCall {
			call := *p.Call
			call.Arguments = ""
			p.Call = &call
		}
		writePart(w, &p)
	})
}

func (e *streamEncoder) more(dst []byte, d *conversation.Delta) []byte {
	kind, member := "text_delta", "text"
	switch e.part.Kind {
	case conversation.ToolCall:
		kind, member = "input_json_delta", "partial_json"
		if e.given = e.given || strings.TrimSpace(d.Text) != ""; !e.given {
			return dst // a call without arguments has no pieces: clients parse what there is, and white space alone is no JSON
		}
	case conversation.Thinking:
		kind, member = "thinking_delta", "thinking"
	case conversation.Native:
		return dst
	}
	if d.Text != "" {
		dst = e.delta(dst, kind, func(w *dialect.Writer) { w.Text(member, d.Text) })
	}
	for i := range d.Citations {
		dst = e.delta(dst, "citations_delta", func(w *dialect.Writer) {
			w.Key("citation")
			writeCitation(w, &d.Citations[i])
		})
	}
	return dst
}

func (e *streamEncoder) delta(dst []byte, kind string, rest func(*dialect.Writer)) []byte {
	return e.event(dst, "content_block_delta", func(w *dialect.Writer) {
		w.Key("index")
		w.Int(e.index)
		w.Key("delta")
		w.Object()
		w.Text("type", kind)
		rest(w)
		w.EndObject()
	})
}

// close ends the open block.
func (e *streamEncoder) close(dst []byte, d *conversation.Delta) []byte {
	switch {
	case e.part.Redacted:
		e.part.Opaque = d.Opaque
		dst = e.start(dst)
	case !e.started:
		return dst
	case e.part.Kind == conversation.Thinking && d.Opaque.Value != "":
		dst = e.delta(dst, "signature_delta", func(w *dialect.Writer) { w.Text("signature", d.Opaque.Seal(conversation.VendorAnthropic)) })
	}
	dst = e.event(dst, "content_block_stop", func(w *dialect.Writer) {
		w.Key("index")
		w.Int(e.index)
	})
	e.index++
	return dst
}

func (e *streamEncoder) event(dst []byte, kind string, rest func(*dialect.Writer)) []byte {
	dst = append(append(append(dst, "event: "...), kind...), "\ndata: "...)
	w := &dialect.Writer{Buf: dst}
	w.Object()
	w.Text("type", kind)
	rest(w)
	w.EndObject()
	w.Line(len(dst))
	return append(w.Buf, "\n\n"...)
}

// End writes the stop reason with the usage, and the terminator.
func (e *streamEncoder) End(dst []byte) []byte {
	dst = e.event(dst, "message_delta", func(w *dialect.Writer) {
		w.Key("delta")
		w.Object()
		writeStop(w, e.finish, e.sequence)
		w.EndObject()
		w.Key("usage")
		writeUsage(w, &e.usage)
	})
	return e.event(dst, "message_stop", func(*dialect.Writer) {})
}
