package responses

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	respOutput = iota
	respOutputText
	respInstructions
	respTools
	respText
	respPrompt
	respUser
	respSafety
	respCacheKey
	respMetadata
	respModel
	respStatus
	respIncomplete
	respUsage
	respError
	respObject
	respDetail
	respMessage
	respCode
	respID
	respStore
)

const (
	useInput = iota
	useOutput
	useInputDetails
	useOutputDetails
)

const (
	useCached = iota
	useWritten
	useReasoning
)

var (
	responseKeys = dialect.NewKeys("output", "output_text", "instructions", "tools", "text", "prompt", "user", "safety_identifier", "prompt_cache_key", "metadata",
		"model", "status", "incomplete_details", "usage", "error", "object", "detail", "message", "code", "id", "store")
	incompleteKeys  = dialect.NewKeys("reason")
	usageKeys       = dialect.NewKeys("input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details")
	usageDetailKeys = dialect.NewKeys("cached_tokens", "cache_write_tokens", "reasoning_tokens")
)

// answerReader reads a response object: a unary answer, or what an event says of the whole response.
type answerReader struct {
	reader
	fault    dialect.Fault
	model    dialect.Span
	usage    *llm.Usage
	status   string
	reason   string       // why it is incomplete
	answer   bool         // it has the form of an answer, so a "message" in it is no error's
	produced bool         // something of the model's stands in it
	own      dialect.Span // of its id
	left     []dialect.Left
	unstored bool
}

// Answer reads the body of a unary answer, also of one that reports an error.
func (Codec) Answer(op llm.Op, body []byte, into *dialect.Answer) error {
	model := into.Model
	*into = dialect.Answer{Texts: into.Texts[:0], Left: into.Left[:0]}
	if op == llm.OpOther {
		return nil
	}
	a := answerReader{reader: reader{Reader: dialect.NewReader(body), texts: into.Texts, vendors: true, compacts: op == llm.OpCompact}, left: into.Left}
	if a.Type() == dialect.TypeObject {
		a.response()
	} else {
		a.strings(dialect.KindText)
	}
	if err := a.End(); err != nil {
		return err
	}
	into.Texts, into.Finish, into.Usage, into.Error = a.texts, a.finish(), a.usage, a.failure(a.answer)
	into.Faults, into.ID, into.Left, into.Unstored = a.fault.Texts(), a.own, a.left, a.unstored
	into.Model = dialect.TextOf(body[a.model.Start:a.model.End], model)
	return nil
}

// failure returns the error that was reported, or nil. A message alone is one unless what it stands in
// is an answer.
func (a *answerReader) failure(answer bool) *llm.Error {
	if a.fault.Reported() || a.fault.Said() && !answer {
		return a.fault.Error()
	}
	return nil
}

// finish returns why the response ended: its status or, of an incomplete one, the reason.
func (a *answerReader) finish() string {
	switch a.status {
	case "in_progress", "queued":
		return ""
	case "incomplete":
		if a.reason != "" {
			return a.reason
		}
	}
	return a.status
}

// response reads the object at hand. What it says of the request is a repetition.
func (a *answerReader) response() {
	o := a.Object(responseKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			return
		}
		begin := len(a.texts)
		switch key {
		case respOutput:
			a.answer = true
			a.output()
			continue
		case respOutputText:
			a.text(dialect.KindText, "")
			a.speak(begin, dialect.RoleAssistant)
		case respInstructions:
			a.instructions()
		case respTools:
			a.tools()
		case respText:
			a.format()
		case respPrompt:
			a.prompt()
		case respUser, respSafety, respCacheKey, respMetadata:
			a.strings(dialect.KindStructured)
		default:
			a.about(key)
		}
		a.repeat(begin)
	}
}

// about reads a member that is no text.
func (a *answerReader) about(key int) {
	switch key {
	case respModel:
		if s, ok := a.String(); ok {
			a.model = s
		} else {
			a.Skip()
		}
	case respStatus:
		a.status = a.known(a.status)
	case respIncomplete:
		a.incomplete()
	case respUsage:
		a.readUsage()
	case respError:
		a.fault.Read(&a.Reader)
	case respObject:
		a.answer = true
		a.Skip()
	case respDetail, respMessage:
		a.fault.Message(&a.Reader)
	case respCode:
		a.fault.Code(&a.Reader)
	case respID:
		if s, ok := a.String(); ok {
			a.own = s
		} else {
			a.Skip()
		}
	case respStore:
		v, ok := a.Bool()
		if a.unstored = ok && !v; !ok {
			a.Skip()
		}
	default:
		a.Skip()
	}
}

// repeat makes the texts from begin on repetitions.
func (a *answerReader) repeat(begin int) {
	for i := begin; i < len(a.texts); i++ {
		a.texts[i].Channel.Repeat, a.texts[i].Whole = true, true
	}
}

// output reads the list of items, whose places are their choices.
func (a *answerReader) output() {
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
		a.produced = true
		begin := len(a.texts)
		a.item()
		a.leaveItem()
		for i := begin; i < len(a.texts); i++ {
			a.texts[i].Channel.Choice, a.texts[i].Whole = index(int64(n-1)), true
		}
	}
}

// leaveItem notes what the item that was read leaves. It is one of the output: what an answer repeats of its request has
// ids that the client chose. The output of a conversation that is said in less repeats it, too: only the compaction is new.
func (a *answerReader) leaveItem() {
	if a.compacts && !a.compaction {
		return
	}
	if a.id.Len() > 0 {
		a.left = append(a.left, dialect.Left{Span: a.id, Repeated: a.named})
	}
	if a.container.Len() > 0 {
		a.left = append(a.left, dialect.Left{Span: a.container, Container: true})
	}
}

func (a *answerReader) incomplete() {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	o := a.Object(incompleteKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			return
		}
		if key == 0 {
			a.reason = a.known("")
		} else {
			a.Skip()
		}
	}
}

// known reads a string that is one of a set of words; those that the specification has cost no
// allocation.
func (a *answerReader) known(otherwise string) string {
	s, ok := a.String()
	if !ok {
		a.Skip()
		return otherwise
	}
	switch raw := a.word(s); string(raw) {
	case "completed":
		return "completed"
	case "in_progress":
		return "in_progress"
	case "queued":
		return "queued"
	case "incomplete":
		return "incomplete"
	case "failed":
		return "failed"
	case "cancelled":
		return "cancelled"
	case "max_output_tokens":
		return "max_output_tokens"
	case "content_filter":
		return "content_filter"
	default:
		return string(raw)
	}
}

// readUsage reads a usage object. Its input includes what was cached and its output the reasoning.
func (a *answerReader) readUsage() {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	var u llm.Usage
	start, found := a.Pos(), false
	o := a.Object(usageKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			break
		}
		switch key {
		case useInput:
			found = a.count(&u.InputTotal) || found
		case useOutput:
			found = a.count(&u.OutputTotal) || found
		case useInputDetails, useOutputDetails:
			a.usageDetails(&u)
		default:
			a.Skip()
		}
	}
	if !found || a.Err() != nil {
		return
	}
	u.CacheRead = min(u.CacheRead, u.InputTotal)
	u.CacheWrite5m = min(u.CacheWrite5m, u.InputTotal-u.CacheRead)
	u.Reasoning = min(u.Reasoning, u.OutputTotal)
	u.Raw = append([]byte(nil), a.Bytes(dialect.Span{Start: start, End: a.Pos()})...)
	a.usage = &u
}

func (a *answerReader) usageDetails(u *llm.Usage) {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	o := a.Object(usageDetailKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			return
		}
		switch key {
		case useCached:
			a.count(&u.CacheRead)
		case useWritten:
			a.count(&u.CacheWrite5m)
		case useReasoning:
			a.count(&u.Reasoning)
		default:
			a.Skip()
		}
	}
}

// count reads a number of tokens, bounded so that sums stay in range.
func (a *answerReader) count(into *int64) bool {
	n, ok := a.Int()
	if !ok {
		a.Skip()
		return false
	}
	*into = dialect.ClampCount(n)
	return true
}
