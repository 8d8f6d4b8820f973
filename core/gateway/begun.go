package gateway

import (
	"bytes"

	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Begun implements upstream.Judge. It looks at the events of a stream up to the first with content, before anything of it
// goes to the client: where the upstream says in one that it failed, or breaks off, another may take the call. What opens
// the stream, comments and events that say nothing of the answer, is held back with it.
func (s *serving) Begun(a *upstream.Answer) (upstream.Look, error) {
	if s.describes() {
		return upstream.Seen, nil
	}
	framing, ok := s.streams(a)
	if !ok {
		return s.begunWhole(a)
	}
	o := &s.opening
	if o.of != a {
		*o = opening{of: a, cutter: dialect.NewCutter(framing), arrays: framing == dialect.JSONArray}
	}
	look, failure := s.look(o)
	if look == upstream.Seen {
		*o = opening{}
	}
	return look, failure
}

// opening is what a stream begins with, as far as it has come.
type opening struct {
	of     *upstream.Answer
	cutter dialect.Cutter
	arrays bool // it cuts an array
	fed    int  // bytes that the cutter has
	frame  dialect.Frame
	event  dialect.Event
	ending dialect.Ending
	held   bool // something came that can be held back
}

// look looks at what has come of a stream since it was looked at last.
func (s *serving) look(o *opening) (upstream.Look, error) {
	codec := s.codecOf(o.of.Dialect)
	o.cutter.Feed(o.of.First[o.fed:])
	o.fed = len(o.of.First)
	for {
		ok, err := o.cutter.Next(&o.frame)
		if err != nil {
			return upstream.Seen, errUnreadable
		}
		if !ok && o.of.Ended && !o.arrays {
			ok = o.cutter.Tail(&o.frame)
		}
		if !ok || o.frame.Last {
			break
		}
		o.held = true
		if o.frame.Payload == nil {
			continue
		}
		if err := codec.Event(s.x.Op, o.frame.Payload, &o.event); err != nil {
			return upstream.Seen, errUnreadable
		}
		if o.ending.Add(&o.event); o.event.Error != nil {
			return upstream.Seen, o.event.Error
		}
		if !o.event.Opening || s.request.Background { // which goes on where its stream is cut
			return upstream.Seen, nil
		}
	}
	switch {
	case o.of.Ended && !o.frame.Last && !codec.Complete(o.ending):
		return upstream.Seen, errBroken
	case o.of.Ended || o.frame.Last:
		return upstream.Seen, nil
	case o.held:
		return upstream.Held, nil
	}
	return upstream.Awaited, nil
}

// begunWhole looks at a whole answer: some vendors say an error in one, and in a 200, and what stands before an upstream
// may answer in its place. Nothing of it goes to the client before it is whole, so it is awaited; one that is longer than
// the beginning that is kept is looked at when it is read.
func (s *serving) begunWhole(a *upstream.Answer) (upstream.Look, error) {
	begin := bytes.TrimLeft(a.First, jsonSpace)
	object := len(begin) == 0 || begin[0] == '{'
	switch {
	case !object && answeredByObjects[s.x.Op]:
		return upstream.Seen, conversation.Unreadable()
	case !object:
		return upstream.Seen, nil
	case !a.Ended && !s.formless(a):
		return upstream.Awaited, nil
	case len(begin) > 0 && !bytes.HasSuffix(bytes.TrimRight(begin, jsonSpace), []byte("}")) && answeredByObjects[s.x.Op]:
		return upstream.Seen, conversation.Unreadable()
	case !saysError(begin) || s.formless(a):
		return upstream.Seen, nil
	}
	var found dialect.Answer
	if err := s.codecOf(a.Dialect).Answer(s.x.Op, a.First, &found); err == nil && found.Error != nil {
		return upstream.Seen, found.Error
	}
	return upstream.Seen, nil
}

// answeredByObjects are the operations whose whole answers are JSON objects, whatever the dialect.
var answeredByObjects = map[llm.Op]bool{
	llm.OpChat: true, llm.OpEmbeddings: true, llm.OpBatchEmbeddings: true, llm.OpRerank: true, llm.OpCountTokens: true, llm.OpCompact: true, llm.OpCompletions: true, llm.OpModerations: true,
}

// formless reports whether a whole answer is sound, or a text without a form, of which no codec reads a byte. What has the
// form of an object may be an error, unless it calls itself sound: samples may begin like one.
func (s *serving) formless(a *upstream.Answer) bool {
	switch s.x.Op {
	case llm.OpSpeech, llm.OpTranscriptions, llm.OpTranslations:
	default:
		return false
	}
	kind := a.Header.Get("content-type")
	if len(kind) > len("audio/") && llm.EqualFold(kind[:len("audio/")], "audio/") {
		return true
	}
	begin := bytes.TrimLeft(a.First, jsonSpace)
	return len(begin) > 0 && begin[0] != '{'
}

const jsonSpace = " \t\r\n"

// saysError reports whether a JSON text may say an error: as a member of that name that is not null or false, or as a
// value. Most have neither, and are not parsed for it.
func saysError(text []byte) bool {
	const word = `"error"`
	for {
		at := bytes.Index(text, []byte(word))
		if at < 0 {
			return false
		}
		text = bytes.TrimLeft(text[at+len(word):], jsonSpace)
		value, member := bytes.CutPrefix(text, []byte(":"))
		value = bytes.TrimLeft(value, jsonSpace)
		if !member || !bytes.HasPrefix(value, []byte("null")) && !bytes.HasPrefix(value, []byte("false")) {
			return true
		}
	}
}
