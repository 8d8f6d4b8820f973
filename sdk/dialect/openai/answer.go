package openai

import (
	"bytes"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	topChoices = iota
	topUsage
	topModel
	topError
	topDetail
	topMessage
	topCode
	topObject
	topData
	topGroq
	topCitations
	topSearch
	topType
	topResults
)

const (
	choiceIndex = iota
	choiceMessage
	choiceDelta
	choiceFinish
	choiceText
)

const (
	saidContent = iota
	saidRefusal
	saidReasoningContent
	saidReasoning
	saidDetails
	saidToolCalls
	saidFunctionCall
	saidAudio
	saidTools
	saidAnnotations
	saidRole
)

var (
	topKeys    = dialect.NewKeys("choices", "usage", "model", "error", "detail", "message", "code", "object", "data", "x_groq", "citations", "search_results", "type", "results")
	choiceKeys = dialect.NewKeys("index", "message", "delta", "finish_reason", "text")
	saidKeys   = dialect.NewKeys("content", "refusal", "reasoning_content", "reasoning", "reasoning_details",
		"tool_calls", "function_call", "audio", "executed_tools", "annotations", "role")
	saidPartKeys = dialect.NewKeys("text", "thinking", "refusal")
	audioKeys    = dialect.NewKeys("transcript", "id")
	groqKeys     = dialect.NewKeys("usage")
	done         = []byte("[DONE]")
)

// answerReader reads a unary answer or the payload of one event.
type answerReader struct {
	dialect.Reader
	texts   []dialect.Text
	finish  string
	usage   *llm.Usage
	err     *llm.Error
	fault   dialect.Fault
	model   dialect.Span
	choices int
	called  bool // a tool call stands in it
	told    bool // or something of the model's that has no text here
	begun   dialect.Choices
	over    dialect.Choices
	op      llm.Op
	kind    string // the type of an event
	answer  bool   // it has the form of an answer, so a "message" in it is no error's
	left    []dialect.Left
}

// Answer reads the body of a unary answer, also of one that reports an error.
func (Codec) Answer(op llm.Op, body []byte, into *dialect.Answer) error {
	model := into.Model
	*into = dialect.Answer{Texts: into.Texts[:0], Left: into.Left[:0]}
	bare := op == llm.OpSpeech || op == llm.OpTranscriptions || op == llm.OpTranslations // sound, or a text without a form
	if op == llm.OpOther || bare && !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return nil // which may be an error, where it is an object
	}
	a := answerReader{Reader: dialect.NewReader(body), texts: into.Texts, left: into.Left, op: op}
	if err := a.read(); err != nil {
		return err
	}
	into.Texts, into.Finish, into.Usage, into.Error = a.texts, a.finish, a.usage, a.err
	into.Faults, into.Left = a.fault.Texts(), a.left
	into.Model = dialect.TextOf(body[a.model.Start:a.model.End], model)
	return nil
}

// Event reads the payload of one event of a streamed answer.
func (Codec) Event(op llm.Op, payload []byte, into *dialect.Event) error {
	*into = dialect.Event{Texts: into.Texts[:0], Left: into.Left[:0]}
	if bytes.Equal(bytes.TrimSpace(payload), done) {
		into.End = true
		return nil
	}
	if op == llm.OpOther {
		return nil
	}
	if op == llm.OpRealtime {
		return realtimeEvent(payload, into)
	}
	a := answerReader{Reader: dialect.NewReader(payload), texts: into.Texts, left: into.Left, op: op}
	if err := a.read(); err != nil {
		return err
	}
	into.Texts, into.Finish, into.Usage, into.Error = a.texts, a.finish, a.usage, a.err
	into.Faults, into.Left = a.fault.Texts(), a.left
	if into.Error == nil {
		into.Error = finishFrom(a.finish).Usable() // a server that says in this way only that it failed
	}
	into.Begun, into.Over = a.begun, a.over
	into.First = len(a.texts) > 0 || a.called
	into.Opening = a.answer && !into.First && !a.told && a.finish == "" && (a.usage == nil || a.choices > 0) && a.err == nil && (op == llm.OpChat || op == llm.OpCompletions)
	into.UsageOnly = a.usage != nil && a.choices == 0 && a.err == nil
	if op == llm.OpImages || op == llm.OpSpeech || uploads(op) {
		into.First, into.UsageOnly = a.err == nil, false
		into.End = ends(op, a.kind)
	}
	return nil
}

func (a *answerReader) read() error {
	if a.Type() != dialect.TypeObject {
		a.texts = a.AppendStrings(a.texts, dialect.Text{Role: dialect.RoleAssistant, Whole: true}) // no answer, but the client gets it
		return a.End()
	}
	o := a.Object(topKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			break
		}
		switch key {
		case topChoices:
			a.answer = true
			a.readChoices()
		case topUsage:
			a.readUsage()
		case topModel:
			if s, ok := a.String(); ok {
				a.model = s
			} else {
				a.Skip()
			}
		case topError:
			a.fault.Read(&a.Reader)
		case topDetail, topMessage:
			a.fault.Message(&a.Reader)
		case topCode:
			a.fault.Code(&a.Reader)
		case topData:
			a.answer = true
			if a.op == llm.OpImages || a.op == llm.OpImageEdits || a.op == llm.OpImageVariations {
				a.images()
			} else {
				a.Skip()
			}
		case topObject:
			s, ok := a.String()
			if !ok {
				a.Skip()
			}
			a.answer = a.answer || string(a.Bytes(s)) != "error" // as Mistral and vLLM call one
		case topResults:
			if a.answer = true; a.op == llm.OpRerank {
				a.found()
			} else {
				a.Skip()
			}
		case topType:
			if s, ok := a.String(); ok {
				a.kind = string(a.Bytes(s))
			} else {
				a.Skip()
			}
		case topGroq:
			a.groq()
		case topCitations, topSearch: // of Perplexity and others
			a.found()
		default:
			a.Skip()
		}
	}
	if a.fault.Reported() || a.fault.Said() && !a.answer {
		a.fault.Type(a.kind)
		a.err = a.fault.Error()
	}
	return a.End()
}

func (a *answerReader) readChoices() {
	if a.Type() != dialect.TypeArray {
		a.Skip()
		return
	}
	a.Array()
	for n := 0; a.Item(&n); {
		if a.Type() != dialect.TypeObject {
			a.Skip()
			continue
		}
		a.choices++
		a.choice(n - 1)
	}
}

// choice reads one choice, whose index may stand after its texts.
func (a *answerReader) choice(position int) {
	begin, index := len(a.texts), int64(position)
	delta, over := false, false
	o := a.Object(choiceKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			break
		}
		switch key {
		case choiceIndex:
			if n, ok := a.Int(); ok {
				index = n
			} else {
				a.Skip()
			}
		case choiceMessage:
			a.said(blockMessage)
		case choiceDelta:
			before := len(a.texts)
			a.said(0)
			delta = delta || len(a.texts) > before
		case choiceText:
			a.text(blockText, dialect.KindText)
		case choiceFinish:
			if s, ok := a.String(); ok {
				a.finish, over = finishOf(a.Bytes(s)), s.Len() > 0
			} else {
				a.Skip()
			}
		default:
			a.Skip()
		}
	}
	if a.begun.Add(index); over {
		a.over.Add(index)
	}
	for i := begin; i < len(a.texts); i++ {
		t := &a.texts[i]
		t.Channel.Choice = dialect.ClampIndex(index)
		t.Role = dialect.RoleAssistant
		if !delta && t.Channel.Block == blockMessage {
			t.Channel.Block = 0
		}
	}
}

// said reads a message or a delta; block is where its words go.
func (a *answerReader) said(block int16) {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	o := a.Object(saidKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			return
		}
		switch key {
		case saidContent:
			a.content(block, dialect.KindText)
		case saidRefusal:
			a.text(block, dialect.KindRefusal)
		case saidReasoningContent:
			a.strings(block, dialect.KindReasoning)
		case saidReasoning:
			a.strings(blockReasoning, dialect.KindReasoning)
		case saidDetails:
			a.details()
		case saidToolCalls:
			a.toolCalls()
		case saidFunctionCall:
			a.called = a.called || a.Type() != dialect.TypeNull
			a.call(0)
		case saidAudio:
			a.audio()
		case saidTools:
			a.strings(blockTools, dialect.KindToolResult)
		case saidAnnotations:
			a.found()
		case saidRole:
			a.Skip()
		default:
			switch string(a.Bytes(a.Skip())) {
			case "null", "false", `""`, "[]", "{}":
			default:
				a.told = true
			}
		}
	}
}

// content reads a string or, from Mistral, a list of parts, in which thinking nests another list.
func (a *answerReader) content(block int16, kind dialect.Kind) {
	if a.Type() != dialect.TypeArray {
		a.text(block, kind)
		return
	}
	a.Array()
	for n := 0; a.Item(&n); {
		if a.Type() != dialect.TypeObject {
			a.text(block, kind)
			continue
		}
		o := a.Object(saidPartKeys)
		for {
			key, ok := a.Next(&o)
			if !ok {
				break
			}
			switch key {
			case 0:
				a.text(block, kind)
			case 1:
				a.content(block, dialect.KindReasoning)
			case 2:
				a.text(block, dialect.KindRefusal)
			default:
				a.Skip()
			}
		}
	}
}

func (a *answerReader) details() {
	if a.Type() != dialect.TypeArray {
		a.Skip()
		return
	}
	a.Array()
	for n := 0; a.Item(&n); {
		a.told = true
		if a.Type() != dialect.TypeObject {
			a.Skip()
			continue
		}
		o := a.Object(detailKeys)
		for {
			key, ok := a.Next(&o)
			if !ok {
				break
			}
			if key == 0 || key == 1 {
				a.text(blockDetails, dialect.KindReasoning)
			} else {
				a.Skip()
			}
		}
	}
}

func (a *answerReader) toolCalls() {
	if a.Type() != dialect.TypeArray {
		a.Skip()
		return
	}
	a.Array()
	for n := 0; a.Item(&n); {
		a.called = true
		a.call(dialect.ClampIndex(int64(n - 1)))
	}
}

// call reads a tool call or the function in it. A call without an index, as Mistral sends it, has
// its place in the list as its block.
func (a *answerReader) call(block int16) {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	begin := len(a.texts)
	o := a.Object(callKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			break
		}
		switch key {
		case callFunction, callCustom:
			a.call(block)
		case callName:
			if s, ok := a.String(); ok && s.Len() > 0 {
				a.texts = append(a.texts, dialect.Text{Span: s, Channel: dialect.Channel{Kind: dialect.KindStructured}, Whole: true})
			} else if !ok {
				a.Skip()
			}
		case callArguments, callInput:
			n := len(a.texts)
			a.strings(block, dialect.KindArguments)
			nest(a.texts[n:], key)
		case callIndex:
			if n, ok := a.Int(); ok {
				block = dialect.ClampIndex(n)
			} else {
				a.Skip()
			}
		default:
			a.Skip()
		}
	}
	for i := begin; i < len(a.texts); i++ {
		a.texts[i].Channel.Block = block
	}
}

// nest marks arguments that are a JSON text in a string.
func nest(texts []dialect.Text, key int) {
	for i := range texts {
		texts[i].Nested = key == callArguments && !texts[i].Whole
	}
}

func (a *answerReader) audio() {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	a.called = true
	o := a.Object(audioKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			return
		}
		switch key {
		case 0:
			a.text(blockAudio, dialect.KindText)
		case 1: // by which a later message names the sound
			if s, ok := a.String(); !ok {
				a.Skip()
			} else if s.Len() > 0 {
				a.left = append(a.left, dialect.Left{Span: s})
			}
		default:
			a.Skip()
		}
	}
}

func (a *answerReader) groq() {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	o := a.Object(groqKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			return
		}
		if key == 0 {
			a.readUsage()
		} else {
			a.Skip()
		}
	}
}

func (a *answerReader) text(block int16, kind dialect.Kind) {
	s, ok := a.String()
	if !ok {
		a.Skip()
		return
	}
	if s.Len() > 0 {
		a.texts = append(a.texts, dialect.Text{Span: s, Channel: dialect.Channel{Block: block, Kind: kind}})
	}
}

// strings reads every string of the value at hand: of arguments or reasoning that came as an object, which
// are whole then.
func (a *answerReader) strings(block int16, kind dialect.Kind) {
	whole := a.Type() != dialect.TypeString
	a.texts = a.AppendStrings(a.texts, dialect.Text{Channel: dialect.Channel{Block: block, Kind: kind}, Whole: whole})
}

// found reads what a search found: titles, addresses, words.
func (a *answerReader) found() {
	a.texts = a.AppendStrings(a.texts, dialect.Text{Role: dialect.RoleAssistant, Channel: dialect.Channel{Block: blockTools, Kind: dialect.KindToolResult, Repeat: true}, Whole: true})
}

// finishOf returns the finish reason that raw is; the known ones cost no allocation.
func finishOf(raw []byte) string {
	switch string(raw) {
	case "stop":
		return "stop"
	case "length":
		return "length"
	case "tool_calls":
		return "tool_calls"
	case "content_filter":
		return "content_filter"
	case "function_call":
		return "function_call"
	case "error":
		return "error"
	}
	return dialect.TextOf(raw, "")
}
