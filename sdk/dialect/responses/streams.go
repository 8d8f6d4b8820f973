package responses

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Decoder returns the reading half of a stream of events.
func (Codec) Decoder() conversation.StreamDecoder {
	return &streamDecoder{open: map[partKey]*openPart{}, seen: map[partKey]bool{}}
}

// partKey names a block on the wire: an output item, and a content part of a message.
type partKey struct{ output, content int64 }

type openPart struct {
	number int
	kind   conversation.Kind
	text   bool  // words or arguments have come
	part   int64 // of a summary: the one at hand
	words  strings.Builder
	cited  []conversation.Citation // whose places count the characters of the words
}

type streamDecoder struct {
	began, over, calls, refused bool
	next                        int
	open                        map[partKey]*openPart
	seen                        map[partKey]bool
	left                        conversation.Left
}

// Left returns what was read over.
func (d *streamDecoder) Left() []conversation.Field { return d.left.Fields }

// event is what one event may say.
type event struct {
	kind            string
	output, content int64
	summary         int64
	text            string
	item            *itemRead
	citations       []conversation.Citation
	logprobs        json.RawMessage // of the text
	response        *response
	repeated        bool   // the output of a response was read before
	unstored        bool   // the response says that it is not stored
	id              string // of the item
}

type itemRead struct {
	fields
	raw      []byte
	logprobs json.RawMessage
}

// Event reads an event's payload.
func (d *streamDecoder) Event(payload []byte, dst []conversation.Delta) ([]conversation.Delta, error) {
	if string(payload) == "[DONE]" {
		return dst, nil
	}
	var seen dialect.Event
	if err := (Codec{}).Event(llm.OpChat, payload, &seen); err != nil {
		return dst, err
	}
	if seen.Error != nil {
		return append(dst, conversation.Delta{Kind: conversation.Failed, Err: seen.Error}), nil
	}
	r := decoder{d.left.Reader(payload), &conversation.Request{}, &conversation.LogprobPieces{}}
	e := event{repeated: d.next > 0, unstored: seen.Unstored}
	r.Each("the event", func(k string) { e.member(r, k) })
	if err := r.End(); err != nil {
		return dst, err
	}
	at := len(dst)
	if dst = d.deltas(&e, dst); seen.Usage != nil {
		dst = append(dst, conversation.Delta{Kind: conversation.Usage, Usage: seen.Usage})
	}
	if e.response != nil && !d.over && (e.kind == "response.completed" || e.kind == "response.incomplete") {
		d.over = true
		dst = d.End(dst)
		if d.next == 0 { // a server that says all of it at the end only
			dst = e.response.answer.Choices[0].Deltas(0, dst)
		}
		finish := e.response.answer.Choices[0].Finish
		if finish == conversation.FinishStop && d.calls { // a server that leaves the output out at the end
			finish = conversation.FinishTools
		} else if finish == conversation.FinishStop && d.refused {
			finish = conversation.FinishRefusal
		}
		dst = append(dst, conversation.Delta{Kind: conversation.Finished, Finish: finish})
	}
	var begin conversation.Delta
	if e.response != nil {
		a := &e.response.answer
		begin.ID, begin.Model, begin.Created, begin.Stored = a.ID, a.Model, a.Created, !seen.Unstored
	}
	return conversation.Begun(&d.began, dst, at, begin), nil
}

func (e *event) member(r decoder, key string) {
	switch key {
	case "type":
		e.kind = r.Str(key)
	case "output_index":
		e.output = r.Count(key)
	case "content_index":
		e.content = r.Count(key)
	case "summary_index":
		e.summary = r.Count(key)
	case "delta":
		if r.Type() == dialect.TypeString {
			e.text = r.Str(key)
		} else {
			r.Skip()
		}
	case "item":
		before := r.Listed()
		raw, f := r.fields(key)
		if e.item = (&itemRead{f, raw, r.logprobs.Take()}); e.item.native() {
			r.Unlist(before)
		}
	case "annotation":
		if c := citationOf(r.Raw()); c.URL != "" {
			e.citations = append(e.citations, c)
		} else {
			r.Unsaid("")
		}
	case "logprobs":
		e.logprobs = conversation.LogprobsOf(r.Raw())
	case "part":
		r.Each(key, func(k string) {
			switch k {
			case "annotations":
				e.citations = r.annotations(key)
			case "type", "text", "refusal", "logprobs": // which came in pieces
				r.Skip()
			default:
				r.Leave()
			}
		})
	case "response":
		response := r.response(key, e.repeated)
		e.response = &response
	case "item_id":
		if r.Type() == dialect.TypeString {
			e.id = r.Str(key)
		} else {
			r.Skip()
		}
	case "sequence_number", "annotation_index", "obfuscation", "text", "refusal", "arguments", "input", "name", "code", "partial_image_index", "status":
		r.Skip() // where it stands, or what comes in pieces or with its item
	default:
		r.Leave()
	}
}

// native reports whether an item is of the vendor's own.
func (i *itemRead) native() bool {
	_, _, ok := i.part()
	return !ok && i.kind != "message"
}

func (d *streamDecoder) deltas(e *event, dst []conversation.Delta) []conversation.Delta {
	whole := partKey{e.output, -1}
	switch e.kind {
	case "response.created", "response.in_progress":
		if !d.began && e.response != nil {
			d.began = true
			a := &e.response.answer
			dst = append(dst, conversation.Delta{Kind: conversation.Begin, ID: a.ID, Model: a.Model, Created: a.Created, Stored: !e.unstored})
		}
	case "response.output_text.delta":
		dst = d.more(dst, partKey{e.output, e.content}, conversation.Text, e)
	case "response.refusal.delta":
		d.refused = true
		dst = d.more(dst, partKey{e.output, e.content}, conversation.Refusal, e)
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		if b := d.open[whole]; b != nil && b.text && b.part != e.summary {
			b.part = e.summary
			e.text = "\n\n" + e.text
		}
		dst = d.more(dst, whole, conversation.Thinking, e)
	case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
		if d.open[whole] != nil {
			dst = d.more(dst, whole, conversation.ToolCall, e)
		}
	case "response.output_text.annotation.added":
		if b := d.open[partKey{e.output, e.content}]; b != nil {
			b.cited = conversation.Bounded(append(b.cited, e.citations...))
		} else if len(e.citations) > 0 {
			d.left.Add("annotation")
		}
	case "response.content_part.done":
		if b := d.open[partKey{e.output, e.content}]; b != nil && len(b.cited) == 0 { // a server that lists them here only
			b.cited = e.citations
		}
		dst = d.close(dst, partKey{e.output, e.content}, conversation.Opaque{})
	case "response.output_item.added":
		if e.item != nil && strings.HasSuffix(e.item.kind, "_call") && e.item.name != "" {
			dst = d.call(dst, whole, e.item)
		}
	case "response.output_item.done":
		if e.item != nil {
			dst = d.done(dst, whole, e.item)
		}
	}
	return dst
}

// more adds words to a block, which it opens where it is new.
func (d *streamDecoder) more(dst []conversation.Delta, key partKey, kind conversation.Kind, e *event) []conversation.Delta {
	b := d.open[key]
	if b == nil {
		p := conversation.Part{Kind: kind}
		if key.content <= 0 {
			p.Item = e.id
		}
		b, dst = d.begin(dst, key, p)
		b.part = e.summary
	}
	if e.text == "" {
		return dst
	}
	b.text = true
	if kind == conversation.Text {
		b.words.WriteString(e.text)
	}
	return append(dst, conversation.Delta{Kind: conversation.More, Block: b.number, Text: e.text, Logprobs: e.logprobs})
}

func (d *streamDecoder) begin(dst []conversation.Delta, key partKey, p conversation.Part) (*openPart, []conversation.Delta) {
	b := &openPart{number: d.next, kind: p.Kind}
	d.next++
	d.open[key], d.seen[key] = b, true
	return b, append(dst, conversation.Delta{Kind: conversation.Open, Block: b.number, Part: &p})
}

func (d *streamDecoder) call(dst []conversation.Delta, key partKey, item *itemRead) []conversation.Delta {
	p, _, ok := item.part()
	if !ok || p.Kind != conversation.ToolCall {
		return dst
	}
	d.calls = true
	p.Item, p.Call.Arguments = item.id, ""
	_, dst = d.begin(dst, key, p)
	return dst
}

// done ends an item; what of it did not come in pieces comes now.
func (d *streamDecoder) done(dst []conversation.Delta, key partKey, item *itemRead) []conversation.Delta {
	p, _, ok := item.part()
	if !ok {
		if item.kind == "message" {
			return d.message(dst, key.output, item)
		}
		p = conversation.Part{Kind: conversation.Native, Native: &conversation.Foreign{Dialect: llm.Responses, Type: item.kind, Raw: item.raw}, At: "output[" + strconv.FormatInt(key.output, 10) + "]"}
		_, dst = d.begin(dst, key, p)
		return d.close(dst, key, conversation.Opaque{})
	}
	p.Item = item.id
	text, sealed := p.Text, p.Opaque
	if p.Kind == conversation.ToolCall {
		text, sealed = p.Call.Arguments, conversation.Opaque{}
		d.calls = true
		call := *p.Call
		call.Arguments = ""
		p.Call = &call
	} else {
		p.Text, p.Opaque = "", conversation.Opaque{}
	}
	b := d.open[key]
	if b == nil {
		if p.Kind == conversation.Thinking && text == "" && sealed.Value == "" {
			return dst
		}
		b, dst = d.begin(dst, key, p)
	}
	if !b.text && text != "" {
		dst = append(dst, conversation.Delta{Kind: conversation.More, Block: b.number, Text: text})
	}
	return d.close(dst, key, sealed)
}

// message closes the content parts of a message and gives those that never came.
func (d *streamDecoder) message(dst []conversation.Delta, output int64, item *itemRead) []conversation.Delta {
	for i := range item.parts {
		key, p := partKey{output, int64(i)}, item.parts[i]
		if p.Kind == conversation.Native && !d.seen[key] {
			_, dst = d.begin(dst, key, p)
		}
		if !d.seen[key] && p.Text != "" {
			dst = d.more(dst, key, p.Kind, &event{text: p.Text, logprobs: item.logprobs, id: item.id})
			item.logprobs = nil
		}
		if b := d.open[key]; b != nil && len(b.cited) == 0 && len(p.Citations) > 0 {
			dst = append(dst, conversation.Delta{Kind: conversation.More, Block: b.number, Citations: p.Citations})
		}
		dst = d.close(dst, key, conversation.Opaque{})
	}
	return dst
}

func (d *streamDecoder) close(dst []conversation.Delta, key partKey, o conversation.Opaque) []conversation.Delta {
	b := d.open[key]
	if b == nil {
		return dst
	}
	delete(d.open, key)
	if len(b.cited) > 0 {
		ruler := conversation.NewRuler(b.words.String())
		for i := range b.cited {
			b.cited[i].InBytes(ruler)
		}
		dst = append(dst, conversation.Delta{Kind: conversation.More, Block: b.number, Citations: b.cited})
	}
	return append(dst, conversation.Delta{Kind: conversation.Close, Block: b.number, Opaque: o})
}

// End closes what is open, in the order in which it was opened.
func (d *streamDecoder) End(dst []conversation.Delta) []conversation.Delta {
	for n := range d.next {
		for key, b := range d.open {
			if b.number == n {
				dst = d.close(dst, key, conversation.Opaque{})
			}
		}
	}
	return dst
}
