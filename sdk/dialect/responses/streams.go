package responses

import (
	"strings"
	"time"

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
}

// event is what one event may say.
type event struct {
	kind            string
	output, content int64
	summary         int64
	text            string
	item            *itemRead
	citations       []conversation.Citation
	response        *response
}

type itemRead struct {
	fields
	raw []byte
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
	r := decoder{conversation.NewReader(payload), &conversation.Request{}}
	var e event
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
		begin.ID, begin.Model, begin.Created = a.ID, a.Model, a.Created
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
		raw, f := r.fields(key)
		e.item = &itemRead{f, raw}
	case "annotation":
		if c := citationOf(r.Raw()); c.URL != "" {
			e.citations = append(e.citations, c)
		}
	case "part":
		r.Each(key, func(k string) {
			if k == "annotations" {
				e.citations = r.annotations(key)
			} else {
				r.Skip()
			}
		})
	case "response":
		response := r.response(key)
		e.response = &response
	default:
		r.Skip()
	}
}

func (d *streamDecoder) deltas(e *event, dst []conversation.Delta) []conversation.Delta {
	whole := partKey{e.output, -1}
	switch e.kind {
	case "response.created", "response.in_progress":
		if !d.began && e.response != nil {
			d.began = true
			a := &e.response.answer
			dst = append(dst, conversation.Delta{Kind: conversation.Begin, ID: a.ID, Model: a.Model, Created: a.Created})
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
		b, dst = d.begin(dst, key, conversation.Part{Kind: kind})
		b.part = e.summary
	}
	if e.text == "" {
		return dst
	}
	b.text = true
	if kind == conversation.Text {
		b.words.WriteString(e.text)
	}
	return append(dst, conversation.Delta{Kind: conversation.More, Block: b.number, Text: e.text})
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
	p.Call.Arguments = ""
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
		p = conversation.Part{Kind: conversation.Native, Native: &conversation.Foreign{Dialect: llm.Responses, Type: item.kind, Raw: item.raw}}
		_, dst = d.begin(dst, key, p)
		return d.close(dst, key, conversation.Opaque{})
	}
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
		if !d.seen[key] && p.Text != "" {
			dst = d.more(dst, key, p.Kind, &event{text: p.Text})
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

// Encoder returns the writing half of a stream of events.
func (Codec) Encoder(conversation.StreamOptions) conversation.StreamEncoder { return &streamEncoder{} }

// streamEncoder writes one item after the other, and all of them again at the end.
type streamEncoder struct {
	serial   conversation.Serial
	all      conversation.Collector
	sequence int64
	output   int64 // index of the item at hand
	block    int
	part     conversation.Part
	text     []byte
}

// Append writes events.
func (e *streamEncoder) Append(dst []byte, d *conversation.Delta) []byte {
	if d.Kind == conversation.Begin && d.Created == 0 {
		d.Created = time.Now().Unix()
	}
	if d.Choice > 0 || d.Kind != conversation.Failed && e.all.Add(*d) != nil {
		return dst
	}
	switch d.Kind {
	case conversation.Begin:
		for _, kind := range []string{"response.created", "response.in_progress"} {
			dst = e.event(dst, kind, func(w *dialect.Writer) {
				w.Key("response")
				writeResponse(w, &e.all.Answer, "in_progress")
			})
		}
	case conversation.Failed:
		return Codec{}.AppendErrorEvent(dst, d.Err, "")
	case conversation.Open, conversation.More, conversation.Close:
		e.serial.Push(d, func(d *conversation.Delta) { dst = e.write(dst, d) })
	}
	return dst
}

func (e *streamEncoder) write(dst []byte, d *conversation.Delta) []byte {
	switch d.Kind {
	case conversation.Open:
		e.block, e.part, e.text = d.Block, *d.Part, e.text[:0]
		if d.Part.Kind == conversation.Media { // words, which come at once
			e.part = conversation.Part{Kind: conversation.Text}
			return e.write(e.open(dst), &conversation.Delta{Kind: conversation.More, Block: d.Block, Text: markdown(d.Part.Media)})
		}
		return e.open(dst)
	case conversation.More:
		e.text = append(e.text, d.Text...)
		return e.more(dst, d)
	case conversation.Close:
		e.seal(d)
		return e.close(dst)
	}
	return dst
}

// seal gives the item at hand its vendor's state. An item keeps the id that it began with: where the vendor told another
// one at its end, that is sealed with the state.
func (e *streamEncoder) seal(d *conversation.Delta) {
	whole := &e.all.Answer.Choices[0].Parts[d.Block]
	if e.part.Kind == conversation.ToolCall {
		e.part.Opaque = whole.Opaque
		return
	}
	began := itemID(&e.part, e.block)
	if e.part.Opaque = d.Opaque; e.part.Kind == conversation.Thinking && d.Opaque.Value != "" && itemID(&e.part, e.block) != began {
		e.part.Opaque = conversation.Opaque{Vendor: conversation.VendorOpenAI, ID: began, Value: d.Opaque.Seal("")}
		whole.Opaque = e.part.Opaque
	}
}

// open writes the start of an item, and of its one content part.
func (e *streamEncoder) open(dst []byte) []byte {
	p := e.part
	if p.Kind == conversation.Native {
		return dst
	}
	dst = e.event(dst, "response.output_item.added", func(w *dialect.Writer) {
		e.at(w)
		w.Key("item")
		p.Text, p.Opaque.Value = "", ""
		if p.Kind == conversation.ToolCall {
			p.Opaque = e.part.Opaque
		}
		writeItem(w, &p, e.block, "in_progress")
	})
	switch p.Kind {
	case conversation.ToolCall:
		return dst
	case conversation.Thinking:
		if p.Redacted {
			return dst
		}
		return e.event(dst, "response.reasoning_summary_part.added", func(w *dialect.Writer) {
			w.Text("item_id", itemID(&p, e.block))
			e.summary(w)
			w.Key("part")
			w.Raw([]byte(`{"type":"summary_text","text":""}`))
		})
	}
	return e.event(dst, "response.content_part.added", func(w *dialect.Writer) {
		w.Text("item_id", itemID(&p, e.block))
		e.contentAt(w)
		w.Key("part")
		writeContent(w, &conversation.Part{Kind: p.Kind})
	})
}

func (e *streamEncoder) more(dst []byte, d *conversation.Delta) []byte {
	if d.Text == "" {
		return dst
	}
	kind, place := "response.output_text.delta", e.contentAt
	switch e.part.Kind {
	case conversation.Refusal:
		kind = "response.refusal.delta"
	case conversation.Thinking:
		kind, place = "response.reasoning_summary_text.delta", e.summary
	case conversation.ToolCall:
		kind, place = "response.function_call_arguments.delta", e.at
		if e.part.Call.Custom {
			kind = "response.custom_tool_call_input.delta"
		}
	case conversation.Native:
		return dst
	}
	return e.event(dst, kind, func(w *dialect.Writer) {
		w.Text("item_id", itemID(&e.part, e.block))
		place(w)
		w.Key("delta")
		w.String(d.Text)
		if e.part.Kind == conversation.Text {
			w.Member("logprobs", []byte("[]"))
		}
	})
}

func (e *streamEncoder) close(dst []byte) []byte {
	p := e.part
	if p.Kind == conversation.Native {
		return e.native(dst)
	}
	switch p.Kind {
	case conversation.ToolCall:
		call := *p.Call
		call.Arguments = string(e.text)
		p.Call = &call
		kind, member := "response.function_call_arguments.done", "arguments"
		if call.Custom {
			kind, member = "response.custom_tool_call_input.done", "input"
		}
		dst = e.event(dst, kind, func(w *dialect.Writer) {
			w.Text("item_id", itemID(&p, e.block))
			e.at(w)
			w.Key(member)
			w.String(call.Arguments)
			w.Text("name", call.Name)
		})
	case conversation.Thinking:
		if p.Text = string(e.text); !p.Redacted {
			dst = e.summaryDone(dst, &p)
		}
	default:
		p.Text = string(e.text)
		p.Citations = e.all.Answer.Choices[0].Parts[e.block].Citations
		dst = e.contentDone(dst, &p)
	}
	dst = e.event(dst, "response.output_item.done", func(w *dialect.Writer) {
		e.at(w)
		w.Key("item")
		writeItem(w, &p, e.block, "completed")
	})
	e.output++
	return dst
}

// native writes an item of the dialect's own, which came at once.
func (e *streamEncoder) native(dst []byte) []byte {
	if e.part.Native.Dialect != llm.Responses {
		return dst
	}
	for _, kind := range []string{"response.output_item.added", "response.output_item.done"} {
		dst = e.event(dst, kind, func(w *dialect.Writer) {
			e.at(w)
			w.Key("item")
			w.Raw(e.part.Native.Raw)
		})
	}
	e.output++
	return dst
}

func (e *streamEncoder) summaryDone(dst []byte, p *conversation.Part) []byte {
	id := itemID(p, e.block)
	dst = e.event(dst, "response.reasoning_summary_text.done", func(w *dialect.Writer) {
		w.Text("item_id", id)
		e.summary(w)
		w.Key("text")
		w.String(p.Text)
	})
	return e.event(dst, "response.reasoning_summary_part.done", func(w *dialect.Writer) {
		w.Text("item_id", id)
		e.summary(w)
		w.Key("part")
		w.Object()
		w.Text("type", "summary_text")
		w.Key("text")
		w.String(p.Text)
		w.EndObject()
	})
}

func (e *streamEncoder) contentDone(dst []byte, p *conversation.Part) []byte {
	id := itemID(p, e.block)
	all, ruler := urls(p.Citations), conversation.NewRuler(p.Text)
	for i, c := range all {
		dst = e.event(dst, "response.output_text.annotation.added", func(w *dialect.Writer) {
			w.Text("item_id", id)
			e.contentAt(w)
			w.Key("annotation_index")
			w.Int(int64(i))
			w.Key("annotation")
			writeCitation(w, ruler, &c)
		})
	}
	kind, member := "response.output_text.done", "text"
	if p.Kind == conversation.Refusal {
		kind, member = "response.refusal.done", "refusal"
	}
	dst = e.event(dst, kind, func(w *dialect.Writer) {
		w.Text("item_id", id)
		e.contentAt(w)
		w.Key(member)
		w.String(p.Text)
		if p.Kind == conversation.Text {
			w.Member("logprobs", []byte("[]"))
		}
	})
	return e.event(dst, "response.content_part.done", func(w *dialect.Writer) {
		w.Text("item_id", id)
		e.contentAt(w)
		w.Key("part")
		writeContent(w, p)
	})
}

func (e *streamEncoder) at(w *dialect.Writer) {
	w.Key("output_index")
	w.Int(e.output)
}

func (e *streamEncoder) contentAt(w *dialect.Writer) {
	e.at(w)
	w.Key("content_index")
	w.Int(0)
}

func (e *streamEncoder) summary(w *dialect.Writer) {
	e.at(w)
	w.Key("summary_index")
	w.Int(0)
}

func (e *streamEncoder) event(dst []byte, kind string, rest func(*dialect.Writer)) []byte {
	dst = append(append(append(dst, "event: "...), kind...), "\ndata: "...)
	w := &dialect.Writer{Buf: dst}
	w.Object()
	w.Text("type", kind)
	w.Key("sequence_number")
	w.Int(e.sequence)
	e.sequence++
	rest(w)
	w.EndObject()
	w.Line(len(dst))
	return append(w.Buf, "\n\n"...)
}

// End writes the whole response, which is the terminator.
func (e *streamEncoder) End(dst []byte) []byte {
	kind := "response.completed"
	if len(e.all.Answer.Choices) > 0 {
		if status, _ := finishTo(&e.all.Answer.Choices[0]); status == "incomplete" {
			kind = "response.incomplete"
		}
	}
	return e.event(dst, kind, func(w *dialect.Writer) {
		w.Key("response")
		writeResponse(w, &e.all.Answer, "")
	})
}
