package responses

import (
	"time"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

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
	logprobs conversation.LogprobPieces // of the text
	later    conversation.LogprobPieces // which came without words
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
		return Codec{}.AppendErrorNumbered(dst, d.Err, "", e.sequence)
	case conversation.Open, conversation.More, conversation.Close:
		e.serial.Push(d, func(d *conversation.Delta) { dst = e.write(dst, d) })
	}
	return dst
}

func (e *streamEncoder) write(dst []byte, d *conversation.Delta) []byte {
	switch d.Kind {
	case conversation.Open:
		e.block, e.part, e.text, e.logprobs = d.Block, *d.Part, e.text[:0], conversation.LogprobPieces{}
		if d.Part.Kind == conversation.Media && d.Part.HasForm(llm.Responses) { // words, which come at once
			e.part = conversation.Part{Kind: conversation.Text}
			return e.write(e.open(dst), &conversation.Delta{Kind: conversation.More, Block: d.Block, Text: markdown(d.Part.Media)})
		}
		return e.open(dst)
	case conversation.More:
		e.text = append(e.text, d.Text...)
		e.later.Add(d.Logprobs)
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
	if p.Kind == conversation.Native || !p.HasForm(llm.Responses) {
		return dst
	}
	dst = e.event(dst, "response.output_item.added", func(w *dialect.Writer) {
		e.at(w)
		w.Key("item")
		p.Text, p.Opaque.Value = "", ""
		if p.Kind == conversation.ToolCall {
			p.Opaque = e.part.Opaque
		}
		writeItem(w, &p, e.block, "in_progress", nil)
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
		writeContent(w, &conversation.Part{Kind: p.Kind}, nil)
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
	var words []byte
	if e.part.Kind == conversation.Text {
		all := e.later.Take()
		e.logprobs.Add(all)
		words, _ = conversation.LogprobItems(all)
	}
	return e.event(dst, kind, func(w *dialect.Writer) {
		w.Text("item_id", itemID(&e.part, e.block))
		place(w)
		w.Key("delta")
		w.String(d.Text)
		if e.part.Kind == conversation.Text {
			writeLogprobs(w, words)
		}
	})
}

func (e *streamEncoder) close(dst []byte) []byte {
	p := e.part
	if !p.HasForm(llm.Responses) {
		return dst
	}
	var words []byte
	switch p.Kind {
	case conversation.Native:
		return e.native(dst)
	case conversation.ToolCall:
		call := *p.Call
		call.Arguments = string(e.text)
		if whole := call.Written(); whole != call.Arguments {
			dst, call.Arguments = e.more(dst, &conversation.Delta{Text: conversation.NoArguments}), whole
		}
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
		if p.Kind == conversation.Text {
			e.logprobs.Add(e.later.Take())
		}
		words, _ = conversation.LogprobItems(e.logprobs.Take())
		dst = e.contentDone(dst, &p, words)
	}
	dst = e.event(dst, "response.output_item.done", func(w *dialect.Writer) {
		e.at(w)
		w.Key("item")
		writeItem(w, &p, e.block, "completed", words)
	})
	e.output++
	return dst
}

// native writes an item of the dialect's own, which came at once.
func (e *streamEncoder) native(dst []byte) []byte {
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

func (e *streamEncoder) contentDone(dst []byte, p *conversation.Part, logprobs []byte) []byte {
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
			writeLogprobs(w, logprobs)
		}
	})
	return e.event(dst, "response.content_part.done", func(w *dialect.Writer) {
		w.Text("item_id", id)
		e.contentAt(w)
		w.Key("part")
		writeContent(w, p, logprobs)
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
