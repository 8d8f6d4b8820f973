package gemini

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	answerCandidates = iota
	answerFeedback
	answerUsage
	answerModel
	answerError
)

const (
	candidateIndex = iota
	candidateContent
	candidateFinish
	candidateMessage
	candidateGrounding
	candidateCitations
	candidateURLs
	candidateAttributions
)

var (
	answerKeys    = dialect.NewSnakeKeys("candidates", "promptFeedback", "usageMetadata", "modelVersion", "error")
	candidateKeys = dialect.NewSnakeKeys("index", "content", "finishReason", "finishMessage", "groundingMetadata", "citationMetadata",
		"urlContextMetadata", "groundingAttributions")
	feedbackKeys = dialect.NewSnakeKeys("blockReason", "blockReasonMessage")
)

// answerReader reads a unary answer or the payload of one event.
type answerReader struct {
	reader
	finish  string
	blocked string // why there is no candidate
	usage   *llm.Usage
	begun   dialect.Choices
	over    dialect.Choices
	err     *llm.Error
	faults  []dialect.Text // the words of it
	model   dialect.Span
}

// Answer reads the body of a unary answer, also of one that reports an error. A stream that is an array
// fails as an array with one error in it.
func (Codec) Answer(op llm.Op, body []byte, into *dialect.Answer) error {
	model := into.Model
	*into = dialect.Answer{Texts: into.Texts[:0]}
	if op == llm.OpOther {
		return nil
	}
	a := answerReader{reader: reader{Reader: dialect.NewReader(body), texts: into.Texts}}
	a.array()
	if err := a.End(); err != nil {
		return err
	}
	into.Texts, into.Finish, into.Usage, into.Error = a.texts, a.ended(), a.usage, a.err
	into.Faults = a.faults
	into.Model = dialect.TextOf(body[a.model.Start:a.model.End], model)
	return nil
}

// Event reads the payload of one event of a streamed answer: of a server-sent event or an array's item.
// Which chunk is the last one it does not say: older models give a finish reason in every chunk, so no
// block is closed by it.
func (Codec) Event(op llm.Op, payload []byte, into *dialect.Event) error {
	*into = dialect.Event{Texts: into.Texts[:0], Closed: into.Closed[:0]}
	if op == llm.OpOther {
		return nil
	}
	a := answerReader{reader: reader{Reader: dialect.NewReader(payload), texts: into.Texts}}
	a.answer()
	if err := a.End(); err != nil {
		return err
	}
	into.Texts, into.Finish, into.Usage, into.Error = a.texts, a.ended(), a.usage, a.err
	into.Faults = a.faults
	if into.Begun, into.Over = a.begun, a.over; a.blocked != "" {
		into.Over.AddAll() // also where it is found amid what they say
	}
	into.First = len(a.texts) > 0 || a.called
	return nil
}

// ended returns the finish reason, or why the prompt was blocked.
func (a *answerReader) ended() string {
	if a.finish != "" {
		return a.finish
	}
	return a.blocked
}

// array reads an answer, or an array of one: more of them are a stream, which is no unary answer.
func (a *answerReader) array() {
	if a.Type() != dialect.TypeArray {
		a.answer()
		return
	}
	a.Array()
	for n := 0; a.Item(&n); {
		if n > 1 {
			a.Refuse("the answer is a stream")
			return
		}
		a.answer()
	}
}

func (a *answerReader) answer() {
	if a.Type() != dialect.TypeObject {
		a.strings(dialect.RoleNone, dialect.KindText)
		return
	}
	o := a.Object(answerKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			return
		}
		switch key {
		case answerCandidates:
			a.candidates()
		case answerFeedback:
			a.feedback()
		case answerUsage:
			a.readUsage()
		case answerModel:
			if s, ok := a.String(); ok {
				a.model = s
			} else {
				a.Skip()
			}
		case answerError:
			a.faults = a.PeekFault(a.faults)
			a.err = readError(&a.Reader)
		default:
			a.Skip()
		}
	}
}

func (a *answerReader) candidates() {
	switch a.Type() {
	case dialect.TypeArray:
		a.Array()
		for n := 0; a.Item(&n); {
			a.candidates()
		}
	case dialect.TypeObject:
		a.candidate()
	default:
		a.Skip()
	}
}

// candidate reads one candidate, whose index may stand after its texts; without one it is the first.
func (a *answerReader) candidate() {
	begin, index, over := len(a.texts), int64(0), false
	o := a.Object(candidateKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			break
		}
		switch key {
		case candidateIndex:
			if n, ok := a.Int(); ok {
				index = n
			} else {
				a.Skip()
			}
		case candidateContent:
			a.content(dialect.RoleAssistant)
		case candidateFinish:
			if f := a.reason(finishReasons); f != "" {
				a.finish, over = f, true
			}
		case candidateMessage:
			a.beside(dialect.KindText)
		case candidateGrounding, candidateCitations, candidateURLs, candidateAttributions:
			a.grounding(dialect.Text{Role: dialect.RoleTool, Channel: dialect.Channel{Block: blockBeside, Kind: dialect.KindToolResult}, Whole: true})
		default:
			a.Skip()
		}
	}
	if a.begun.Add(index); over {
		a.over.Add(index)
	}
	for i := begin; i < len(a.texts); i++ {
		a.texts[i].Channel.Choice = dialect.ClampIndex(index)
	}
}

// finishReasons are the reasons that have the same number in both of Google's APIs, which a client may
// ask for instead of the words.
var finishReasons = [...]string{"", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER"}

// reason reads a word of an enumeration, or its number. The known ones cost no allocation.
func (a *answerReader) reason(numbers [6]string) string {
	if n, ok := a.Int(); ok {
		if n >= 0 && n < int64(len(numbers)) {
			return numbers[n]
		}
		return "OTHER"
	}
	s, ok := a.String()
	if !ok {
		a.Skip()
		return ""
	}
	raw := a.Bytes(s)
	for _, word := range numbers {
		if string(raw) == word {
			return word
		}
	}
	switch string(raw) {
	case "FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED":
		return ""
	}
	return dialect.TextOf(raw, "")
}

// blockReasons are those that have the same number in both of Google's APIs.
var blockReasons = [...]string{"", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"}

func (a *answerReader) feedback() {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	o := a.Object(feedbackKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			return
		}
		switch key {
		case 0:
			a.blocked = a.reason(blockReasons)
		case 1:
			a.beside(dialect.KindRefusal)
		default:
			a.Skip()
		}
	}
}

// beside reads a text about the answer, which may quote what the model said.
func (a *answerReader) beside(kind dialect.Kind) {
	if s, ok := a.String(); ok {
		a.add(s, dialect.Text{Role: dialect.RoleAssistant, Channel: dialect.Channel{Block: blockBeside, Kind: kind}, Whole: true})
		return
	}
	a.Skip()
}

// grounding reads what a candidate is grounded on: what the model searched for, what was found, the
// widget of suggestions that must be shown, and the parts of the answer that a source supports, which
// repeat its words. Keys are Google's and many; every string but the opaque ones is a text.
func (a *answerReader) grounding(t dialect.Text) {
	switch a.Type() {
	case dialect.TypeObject:
		o := a.Object(nil)
		for {
			if _, ok := a.Next(&o); !ok {
				return
			}
			inner := t
			switch string(a.Bytes(o.Key)) {
			case "sdkBlob", "sdk_blob", "googleMapsWidgetContextToken", "google_maps_widget_context_token":
				a.Skip()
				continue
			case "segment":
				inner.Role, inner.Channel.Kind, inner.Channel.Repeat = dialect.RoleAssistant, dialect.KindText, true
			case "uri", "domain", "retrievedUrl", "retrieved_url", "urlRetrievalStatus", "url_retrieval_status", "placeId", "place_id":
				inner.Channel.Kind = dialect.KindStructured
			}
			a.grounding(inner)
		}
	case dialect.TypeArray:
		a.Array()
		for n := 0; a.Item(&n); {
			a.grounding(t)
		}
	case dialect.TypeString:
		if s, ok := a.String(); ok {
			a.add(s, t)
		}
	default:
		a.Skip()
	}
}
