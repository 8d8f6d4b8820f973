// Package ollama reads and writes Ollama's native wire format, as a provider speaks it: requests of /api/chat and
// /api/embed, their answers, and the lines of a stream. No client of the gateway speaks it.
//
// A chat is {model, messages, tools, format, options, think, stream}; a message is {role, content, images, thinking,
// tool_calls}, its content one string and its images base64. An answer is {model, created_at, message, done,
// done_reason, prompt_eval_count, eval_count}; a stream is the same object a line, each with a piece of the message,
// until one that is done. The counts are tokens. An error is {"error": "words"}, as a body or as a line. The older
// /api/generate and /api/embeddings are not here. Sources: the project's API reference and recorded exchanges.
package ollama

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Codec implements dialect.Upstream and conversation.UpstreamCodec. The zero value is ready.
type Codec struct{}

var (
	_ dialect.Upstream           = Codec{}
	_ conversation.UpstreamCodec = Codec{}
)

// Name returns llm.Ollama.
func (Codec) Name() llm.Dialect { return llm.Ollama }

// state is what an answer or a line of a stream says besides its words.
type state struct {
	done   bool
	reason string // why it is done; "stop" where an older server does not say
	usage  *llm.Usage
	spoke  bool // there are words, thoughts or calls
	fault  dialect.Fault
}

// Answer reads an answer, or an error.
func (Codec) Answer(_ llm.Op, body []byte, into *dialect.Answer) error {
	*into = dialect.Answer{Texts: into.Texts[:0]}
	s, err := read(body)
	if err != nil {
		return err
	}
	into.Finish, into.Usage = s.reason, s.usage
	into.Error, into.Faults = s.failure()
	return nil
}

// Event reads a line of a stream. What it says of its texts is read by Decoder: a client gets them in its own
// dialect only.
func (Codec) Event(_ llm.Op, payload []byte, into *dialect.Event) error {
	*into = dialect.Event{Texts: into.Texts[:0], Closed: into.Closed[:0]}
	s, err := read(payload)
	if err != nil {
		return err
	}
	into.Finish, into.Usage, into.First = s.reason, s.usage, s.spoke
	into.Error, into.Faults = s.failure()
	into.End = s.done && into.Error == nil
	return nil
}

// Complete reports whether a stream that ended without an error is whole: a line said that it is done.
func (Codec) Complete(e dialect.Ending) bool { return e.Terminated }

func (s *state) failure() (*llm.Error, []dialect.Text) {
	if !s.fault.Reported() {
		return nil, nil
	}
	return s.fault.Error(), s.fault.Texts()
}

func read(body []byte) (s state, err error) {
	r := conversation.NewReader(body)
	var in, out int64
	counted := false
	r.Each("the answer", func(k string) {
		switch {
		case k == "error":
			s.fault.Read(&r.Reader)
		case k == "done" && (r.Type() == dialect.TypeTrue || r.Type() == dialect.TypeFalse):
			s.done, _ = r.Bool()
		case k == "done_reason":
			s.reason = r.Str(k)
		case k == "prompt_eval_count" && r.Type() == dialect.TypeNumber:
			in, counted = dialect.ClampCount(r.Count(k)), true
		case k == "eval_count" && r.Type() == dialect.TypeNumber:
			out, counted = dialect.ClampCount(r.Count(k)), true
		case k == "message" && r.Type() == dialect.TypeObject:
			r.Each(k, func(k string) {
				empty := r.Type() == dialect.TypeNull
				raw := r.Bytes(r.Skip())
				switch k {
				case "content", "thinking", "tool_calls":
					s.spoke = s.spoke || !empty && len(raw) > len(`""`)
				}
			})
		default:
			r.Skip()
		}
	})
	if counted {
		s.usage = &llm.Usage{InputTotal: in, OutputTotal: out}
	}
	if s.done && s.reason == "" {
		s.reason = reasonStop
	}
	return s, r.End()
}

// The reasons to be done. The last two tell that the model was loaded or unloaded, where nothing was asked of it.
const (
	reasonStop   = "stop"
	reasonLength = "length"
	reasonLoad   = "load"
	reasonUnload = "unload"
)

// finish translates a reason to be done.
func finish(s string) conversation.Finish {
	switch s {
	case "":
		return ""
	case reasonStop, reasonLoad, reasonUnload:
		return conversation.FinishStop
	case reasonLength:
		return conversation.FinishLength
	}
	return conversation.Finish("other:" + s)
}
