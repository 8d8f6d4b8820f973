package anthropic

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	topType = iota
	topContent
	topModel
	topStop
	topStopDetails
	topUsage
	topError
	topMessage
	topDetail
	topIndex
	topBlock
	topDelta
	topContainer
	topID
)

const (
	deltaText = iota
	deltaThinking
	deltaJSON
	deltaContent
	deltaCitation
	deltaStop
	deltaStopDetails
	deltaContainer
)

var (
	topKeys = dialect.NewKeys("type", "content", "model", "stop_reason", "stop_details", "usage", "error", "message", "detail",
		"index", "content_block", "delta", "container", "id")
	deltaKeys     = dialect.NewKeys("text", "thinking", "partial_json", "content", "citation", "stop_reason", "stop_details", "container")
	containerKeys = dialect.NewKeys("id")
	stopKeys      = dialect.NewKeys("explanation")
)

// kind is the type of an answer or of an event, as far as it matters.
type kind uint8

const (
	kindOther kind = iota
	kindAnswer
	kindStart
	kindPing
	kindBlockStart
	kindBlockStop
	kindStop
	kindError
)

// answerReader reads a unary answer or the payload of one event.
type answerReader struct {
	reader
	event  bool
	kind   kind
	index  int64
	class  class // of a block that starts
	finish string
	counts *llm.Usage
	fault  dialect.Fault
	model  dialect.Span
	own    dialect.Span // of the message's id
	left   []dialect.Left
}

// Answer reads the body of a unary answer, also of one that reports an error. A count of tokens is
// nothing that was used.
func (Codec) Answer(op llm.Op, body []byte, into *dialect.Answer) error {
	model := into.Model
	*into = dialect.Answer{Texts: into.Texts[:0], Left: into.Left[:0]}
	if op == llm.OpOther {
		return nil
	}
	a := answerReader{reader: reader{Reader: dialect.NewReader(body), texts: into.Texts}, left: into.Left}
	if err := a.read(); err != nil {
		return err
	}
	into.Texts, into.Finish, into.Usage, into.Error = a.texts, a.finish, a.counts, a.error()
	into.Faults, into.ID, into.Left = a.fault.Texts(), a.own, a.left
	into.Model = dialect.TextOf(body[a.model.Start:a.model.End], model)
	return nil
}

// Event reads the payload of one event of a streamed answer.
func (Codec) Event(op llm.Op, payload []byte, into *dialect.Event) error {
	*into = dialect.Event{Texts: into.Texts[:0], Closed: into.Closed[:0], Left: into.Left[:0]}
	if op == llm.OpOther {
		return nil
	}
	a := answerReader{reader: reader{Reader: dialect.NewReader(payload), texts: into.Texts}, event: true, left: into.Left}
	if err := a.read(); err != nil {
		return err
	}
	into.Texts, into.Finish, into.Usage, into.Error = a.texts, a.finish, a.counts, a.error()
	into.Faults, into.ID, into.Left = a.fault.Texts(), a.own, a.left
	into.First = len(a.texts) > 0 || a.kind == kindBlockStart && a.class != classWords && a.class != classSummary
	into.Opening = !into.First && (a.kind == kindStart || a.kind == kindPing || a.kind == kindBlockStart)
	into.End = a.kind == kindStop
	if a.kind == kindBlockStop {
		into.Closed = append(into.Closed, dialect.Block{Block: dialect.ClampIndex(a.index)})
	}
	return nil
}

func (a *answerReader) read() error {
	if a.Type() != dialect.TypeObject {
		a.strings(dialect.KindText)
		return a.End()
	}
	a.top(false)
	a.speak(0, dialect.RoleAssistant)
	for i := range a.texts {
		if c := &a.texts[i].Channel; c.Block == own {
			c.Block = dialect.ClampIndex(a.index)
		}
	}
	return a.End()
}

// error returns what the upstream reports as an error: a message alone is one only where nothing says
// that this is an answer or an event.
func (a *answerReader) error() *llm.Error {
	if a.kind == kindError || a.fault.Reported() || a.fault.Said() && a.kind == kindOther && !a.event {
		return a.fault.Error()
	}
	return nil
}

// own marks, as a block, texts of the block that an event is about; its index may stand after them.
const own = -1

// top reads an answer, an event, or (inside) the message that the first event of a stream has.
func (a *answerReader) top(inside bool) {
	for o := a.Object(topKeys); ; {
		key, ok := a.Next(&o)
		if !ok {
			return
		}
		switch key {
		case topType:
			a.readKind(inside)
		case topContent:
			a.blocks()
		case topModel:
			if s, ok := a.String(); ok {
				a.model = s
			} else {
				a.Skip()
			}
		case topStop:
			a.stop()
		case topStopDetails:
			a.stopDetails()
		case topUsage:
			if u := a.usage(a.event && !inside); u != nil {
				a.counts = u
			}
		case topError:
			a.fault.Read(&a.Reader)
		case topMessage:
			if a.Type() == dialect.TypeObject && !inside {
				a.top(true)
			} else {
				a.fault.Message(&a.Reader)
			}
		case topDetail:
			a.fault.Message(&a.Reader)
		case topIndex:
			if n, ok := a.Int(); ok {
				a.index = n
			} else {
				a.Skip()
			}
		case topBlock:
			a.start()
		case topDelta:
			a.delta()
		case topContainer:
			a.container()
		case topID:
			if s, ok := a.String(); ok {
				a.own = s
			} else {
				a.Skip()
			}
		default:
			a.Skip()
		}
	}
}

func (a *answerReader) readKind(inside bool) {
	s, ok := a.String()
	if !ok {
		a.Skip()
		return
	}
	if inside {
		return
	}
	raw := a.Bytes(s)
	if dialect.Escaped(raw) {
		raw = dialect.AppendUnquoted(nil, raw)
	}
	switch string(raw) {
	case "message":
		a.kind = kindAnswer
	case "message_start":
		a.kind = kindStart
	case "ping":
		a.kind = kindPing
	case "content_block_start":
		a.kind = kindBlockStart
	case "content_block_stop":
		a.kind = kindBlockStop
	case "message_stop":
		a.kind = kindStop
	case "error":
		a.kind = kindError
	}
}

// blocks reads the content of a message, each block of which is complete.
func (a *answerReader) blocks() {
	if a.Type() != dialect.TypeArray {
		a.content("content")
		return
	}
	a.Array()
	for n := 0; a.Item(&n); {
		begin := len(a.texts)
		a.content("content")
		for i := begin; i < len(a.texts); i++ {
			a.texts[i].Channel.Block = dialect.ClampIndex(int64(n - 1))
			a.texts[i].Whole = true
		}
	}
}

// start reads the block that an event begins with. Later events add to its words; what else stands in
// it, a call's input or a tool's result, is complete.
func (a *answerReader) start() {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	begin := len(a.texts)
	a.class = a.block()
	grows := a.class == classWords || a.class == classSummary
	for i := begin; i < len(a.texts); i++ {
		t := &a.texts[i]
		t.Channel.Block = own
		words := t.Channel.Kind == dialect.KindText || t.Channel.Kind == dialect.KindReasoning
		t.Whole = !grows || !words || t.Channel.Repeat
	}
}

// delta reads what an event adds to a block, or to the message at its end.
func (a *answerReader) delta() {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	begin := len(a.texts)
	for o := a.Object(deltaKeys); ; {
		key, ok := a.Next(&o)
		if !ok {
			break
		}
		switch key {
		case deltaText, deltaContent:
			a.text(dialect.KindText, "delta")
		case deltaThinking:
			a.text(dialect.KindReasoning, "delta")
		case deltaJSON:
			n := len(a.texts)
			a.text(dialect.KindArguments, "delta")
			for i := n; i < len(a.texts); i++ {
				a.texts[i].Nested = true
			}
		case deltaCitation:
			a.citations()
		case deltaStop:
			a.stop()
		case deltaStopDetails:
			a.stopDetails()
		case deltaContainer:
			a.container()
		default:
			a.Skip()
		}
	}
	for i := begin; i < len(a.texts); i++ {
		t := &a.texts[i]
		t.Channel.Block = own
		t.Whole = t.Channel.Repeat || t.Channel.Kind == dialect.KindRefusal
	}
}

// container reads where the vendor ran what the model wrote.
func (a *answerReader) container() {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	for o := a.Object(containerKeys); ; {
		key, ok := a.Next(&o)
		if !ok {
			return
		}
		if key < 0 || a.Type() != dialect.TypeString {
			a.Skip()
		} else if s, _ := a.String(); s.Len() > 0 {
			a.left = append(a.left, dialect.Left{Span: s, Container: true})
		}
	}
}

func (a *answerReader) stop() {
	if s, ok := a.String(); ok {
		a.finish = finishOf(a.Bytes(s))
	} else {
		a.Skip()
	}
}

// stopDetails reads why the model refused.
func (a *answerReader) stopDetails() {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	for o := a.Object(stopKeys); ; {
		key, ok := a.Next(&o)
		if !ok {
			return
		}
		if key == 0 {
			a.text(dialect.KindRefusal, "stop_details")
		} else {
			a.Skip()
		}
	}
}

// finishOf returns the reason that raw is; the known ones cost no allocation.
func finishOf(raw []byte) string {
	for _, known := range [...]string{"end_turn", "tool_use", "max_tokens", "stop_sequence", "pause_turn", "refusal", "compaction", "model_context_window_exceeded"} {
		if string(raw) == known {
			return known
		}
	}
	return dialect.TextOf(raw, "")
}
