package responses

import (
	"bytes"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	eventType = iota
	eventResponse
	eventItem
	eventPart
	eventDelta
	eventText
	eventRefusal
	eventArguments
	eventInput
	eventCode
	eventCommand
	eventOutput
	eventAnnotation
	eventName
	eventOutputIndex
	eventContentIndex
	eventSummaryIndex
	eventCommandIndex
	eventError
	eventMessage
	eventDetail
	eventSequence
)

var (
	eventKeys = dialect.NewKeys("type", "response", "item", "part", "delta", "text", "refusal", "arguments", "input", "code", "command", "output",
		"annotation", "name", "output_index", "content_index", "summary_index", "command_index", "error", "message", "detail", "sequence_number")
	done = []byte("[DONE]")
)

// place says which index of an event is the block of its texts.
type place uint8

const (
	inItem    place = iota // none: the item has one block
	inContent              // content_index
	inSummary              // summary_index
	inCommand              // command_index
	inOutput               // twice command_index, and one more for what went to stderr
	inSpeech               // blockTranscript
	inUnknown              // blockUnknown
)

// stage says what an event does to its block.
type stage uint8

const (
	stageAdds   stage = iota // its texts continue the block's
	stageCloses              // its texts repeat the block's, which ends
	stageNotes               // its texts are whole and end nothing
	stageMedia               // what looks like a text in it is base64
	stageFault               // it reports an error
	stageEnd                 // it ends the stream
)

// meaning is what an event's type says of its texts.
type meaning struct {
	kind   dialect.Kind
	place  place
	stage  stage
	nested bool // they are JSON texts themselves
}

// meaningOf returns the meaning of a type of event. A type that is not known and has a delta is read
// as a text apart from all others.
func meaningOf(name []byte) meaning {
	const text, args, think, refusal, result = dialect.KindText, dialect.KindArguments, dialect.KindReasoning, dialect.KindRefusal, dialect.KindToolResult
	switch string(bytes.TrimPrefix(name, []byte("response."))) {
	case "output_text.delta":
		return meaning{text, inContent, stageAdds, false}
	case "output_text.done":
		return meaning{text, inContent, stageCloses, false}
	case "refusal.delta":
		return meaning{refusal, inContent, stageAdds, false}
	case "refusal.done":
		return meaning{refusal, inContent, stageCloses, false}
	case "reasoning_text.delta":
		return meaning{think, inContent, stageAdds, false}
	case "reasoning_text.done":
		return meaning{think, inContent, stageCloses, false}
	case "reasoning_summary_text.delta":
		return meaning{think, inSummary, stageAdds, false}
	case "reasoning_summary_text.done":
		return meaning{think, inSummary, stageCloses, false}
	case "function_call_arguments.delta", "mcp_call_arguments.delta":
		return meaning{args, inItem, stageAdds, true}
	case "function_call_arguments.done", "mcp_call_arguments.done":
		return meaning{args, inItem, stageCloses, true}
	case "custom_tool_call_input.delta", "code_interpreter_call_code.delta":
		return meaning{args, inItem, stageAdds, false}
	case "custom_tool_call_input.done", "code_interpreter_call_code.done":
		return meaning{args, inItem, stageCloses, false}
	case "shell_call_command.added", "shell_call_command.delta":
		return meaning{args, inCommand, stageAdds, false}
	case "shell_call_command.done":
		return meaning{args, inCommand, stageCloses, false}
	case "shell_call_output_content.delta":
		return meaning{result, inOutput, stageAdds, false}
	case "shell_call_output_content.done":
		return meaning{result, inOutput, stageCloses, false}
	case "content_part.added":
		return meaning{text, inContent, stageAdds, false}
	case "content_part.done":
		return meaning{text, inContent, stageCloses, false}
	case "reasoning_summary_part.added":
		return meaning{think, inSummary, stageAdds, false}
	case "reasoning_summary_part.done":
		return meaning{think, inSummary, stageCloses, false}
	case "audio.transcript.delta":
		return meaning{text, inSpeech, stageAdds, false}
	case "audio.transcript.done":
		return meaning{text, inSpeech, stageCloses, false}
	case "audio.delta":
		return meaning{stage: stageMedia}
	case "output_item.added":
		return meaning{stage: stageAdds}
	case "output_item.done":
		return meaning{stage: stageCloses}
	case "output_text.annotation.added":
		return meaning{dialect.KindStructured, inContent, stageNotes, false}
	case "created", "in_progress", "queued":
		return meaning{stage: stageNotes}
	case "completed", "incomplete", "failed", "cancelled":
		return meaning{stage: stageEnd}
	case "error":
		return meaning{stage: stageFault}
	}
	return meaning{text, inUnknown, stageAdds, false}
}

// opens reports whether events of a type stand before what the model says: of the response, or of an item or a part that
// is still empty.
func opens(name []byte) bool {
	switch string(bytes.TrimPrefix(name, []byte("response."))) {
	case "created", "queued", "in_progress", "output_item.added", "content_part.added", "reasoning_summary_part.added":
		return true
	}
	return false
}

// eventReader reads the payload of one event. Its type and its indices may stand after its texts.
type eventReader struct {
	answerReader
	name                           dialect.Span // of the type
	label                          dialect.Span // a code, of an interpreter or of an error
	whole                          bool         // it carries an item
	next                           int64        // one more than its own number
	choice, inner, summed, ordered int16
}

// Event reads the payload of one event of a streamed answer.
func (Codec) Event(op llm.Op, payload []byte, into *dialect.Event) error {
	*into = dialect.Event{Texts: into.Texts[:0], Closed: into.Closed[:0], Left: into.Left[:0]}
	if bytes.Equal(bytes.TrimSpace(payload), done) {
		into.End = true
		return nil
	}
	if op == llm.OpOther {
		return nil
	}
	e := eventReader{answerReader: answerReader{reader: reader{Reader: dialect.NewReader(payload), texts: into.Texts, closed: into.Closed, event: true, vendors: true, compacts: op == llm.OpCompact}, left: into.Left}}
	if e.Type() != dialect.TypeObject {
		e.strings(dialect.KindText)
		into.Texts = e.texts
		return e.End()
	}
	e.read()
	if err := e.End(); err != nil {
		return err
	}
	e.settle(into)
	return nil
}

func (e *eventReader) read() {
	o := e.Object(eventKeys)
	for {
		key, ok := e.Next(&o)
		if !ok {
			return
		}
		switch key {
		case eventType:
			if s, ok := e.String(); ok {
				e.name = s
			} else {
				e.Skip()
			}
		case eventResponse:
			if e.Type() == dialect.TypeObject {
				e.response()
			} else {
				e.Skip()
			}
		case eventItem:
			if e.whole = e.Type() == dialect.TypeObject; e.whole {
				e.item()
				e.leaveItem()
			} else {
				e.Skip()
			}
		case eventPart:
			e.content(dialect.KindText, "")
		case eventDelta, eventText, eventRefusal, eventArguments, eventInput, eventCommand, eventOutput:
			e.words(key)
		case eventCode:
			e.code()
		case eventAnnotation:
			e.object(shapeAnnotation)
		case eventName:
			e.text(dialect.KindStructured, "")
		case eventOutputIndex:
			e.number(&e.choice)
		case eventContentIndex:
			e.number(&e.inner)
		case eventSummaryIndex:
			e.number(&e.summed)
		case eventCommandIndex:
			e.number(&e.ordered)
		case eventError:
			e.fault.Read(&e.Reader)
		case eventMessage, eventDetail:
			e.fault.Message(&e.Reader)
		case eventSequence:
			if n, ok := e.Int(); ok {
				e.next = n + 1
			} else {
				e.Skip()
			}
		default:
			e.Skip()
		}
	}
}

// words reads a delta or what repeats all of them; in the output of a shell it is an object.
func (e *eventReader) words(key int) {
	if e.Type() == dialect.TypeObject && key == eventArguments {
		e.strings(dialect.KindArguments)
		return
	}
	e.content(dialect.KindText, "")
}

// code reads the interpreter's code or an error's.
func (e *eventReader) code() {
	if e.Type() != dialect.TypeString {
		e.fault.Code(&e.Reader)
		return
	}
	begin := len(e.texts)
	e.textIn(dialect.KindText, 0, false, "")
	if len(e.texts) > begin {
		e.label = e.texts[begin].Span
	}
}

func (e *eventReader) number(into *int16) {
	if n, ok := e.Int(); ok {
		*into = index(n)
	} else {
		e.Skip()
	}
}

// settle gives the texts what the type and the indices say of them.
func (e *eventReader) settle(into *dialect.Event) {
	name := e.word(e.name)
	m := meaningOf(name)
	switch {
	case e.name.Len() == 0 && e.failure(false) != nil:
		m = meaning{stage: stageFault} // of another dialect
	case m.stage == stageMedia:
		e.texts = e.texts[:0]
	}
	if m.stage == stageFault {
		e.unlabel()
	}
	if m.stage == stageAdds || m.stage == stageCloses {
		e.place(m)
	}
	if m.stage != stageAdds {
		for i := range e.texts {
			e.texts[i].Channel.Repeat, e.texts[i].Whole = true, true
		}
	}
	into.Texts, into.Usage, into.Error = e.texts, e.usage, e.failure(m.stage != stageFault)
	if into.Error == nil && string(name) == "response.failed" {
		into.Error = &llm.Error{Code: llm.CodeUpstream, Message: "the upstream reported that the response failed"}
	}
	if m.stage != stageCloses {
		e.closed = e.closed[:0]
	}
	into.Closed = e.closed
	into.First = m.stage != stageNotes && len(e.texts) > 0 || e.whole && e.called
	into.Opening = !into.First && into.Error == nil && opens(name)
	into.End = m.stage == stageEnd
	if into.End {
		into.First = e.produced
		into.Finish = e.finish()
	}
	into.More = into.End
	into.Faults, into.ID, into.Left, into.Unstored, into.Next = e.fault.Texts(), e.own, e.left, e.unstored, e.next
}

// unlabel makes the code of an error what it is.
func (e *eventReader) unlabel() {
	if e.label.Len() == 0 {
		return
	}
	code := dialect.NewReader(e.Bytes(dialect.Span{Start: e.label.Start - 1, End: e.label.End + 1}))
	e.fault.Code(&code)
	for i, t := range e.texts {
		if t.Span == e.label {
			e.texts = append(e.texts[:i], e.texts[i+1:]...)
			return
		}
	}
}

// place puts the texts of an event, and the blocks that it ends, where its indices say.
func (e *eventReader) place(m meaning) {
	if e.whole {
		for i := range e.texts {
			e.texts[i].Channel.Choice = e.choice
		}
		for i := range e.closed {
			e.closed[i].Choice = e.choice
		}
		return
	}
	block := int16(0)
	switch m.place {
	case inContent:
		block = e.inner
	case inSummary:
		block = -1 - e.summed
	case inCommand:
		block = e.ordered
	case inOutput:
		block = 2 * e.ordered
	case inSpeech:
		block = blockTranscript
	case inUnknown:
		block = blockUnknown
	}
	for i := range e.texts {
		t := &e.texts[i]
		t.Role = dialect.RoleAssistant
		if m.kind == dialect.KindToolResult {
			t.Role = dialect.RoleTool
		}
		t.Channel.Choice = e.choice
		if !t.Whole {
			t.Channel.Block += block
		}
		if t.Channel.Kind == dialect.KindText {
			t.Channel.Kind = m.kind
		}
		t.Nested = m.nested && t.Channel.Kind == dialect.KindArguments
	}
	if m.stage != stageCloses {
		return
	}
	e.closed = append(e.closed[:0], dialect.Block{Choice: e.choice, Block: block})
	if m.place == inOutput {
		e.closed = append(e.closed, dialect.Block{Choice: e.choice, Block: block + 1})
	}
}
