package openai

import (
	"net/url"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// A realtime session is a WebSocket on which both sides send JSON objects, one in each message. What is read of the
// client's are the models that a session uses; of the server's, what a response or a transcription has used when it is done
// (https://platform.openai.com/docs/api-reference/realtime).

// What browsers offer as subprotocols, because they cannot set header fields.
const (
	protocolKey          = "openai-insecure-api-key."
	protocolOrganization = "openai-organization."
	protocolProject      = "openai-project."
)

// maxProtocols bounds the subprotocols that are passed on.
const maxProtocols = 16

// Subprotocols splits what a client offers as subprotocols into the API keys in it and what an upstream may see:
// neither a key nor whose account is meant.
func (Codec) Subprotocols(h llm.Header) (keys, offered []string) {
	for _, f := range h {
		if !llm.EqualFold(f.Name, "sec-websocket-protocol") {
			continue
		}
		for p := range strings.SplitSeq(f.Value, ",") {
			p = strings.Trim(p, " \t")
			if key, ok := strings.CutPrefix(p, protocolKey); ok {
				keys = append(keys, key)
				continue
			}
			account := strings.HasPrefix(p, protocolOrganization) || strings.HasPrefix(p, protocolProject)
			if p != "" && !account && len(offered) < maxProtocols {
				offered = append(offered, p)
			}
		}
	}
	return keys, offered
}

// realtimeModel returns the model that a session's query names, or "".
func realtimeModel(query string) string {
	for part := range strings.SplitSeq(query, "&") {
		if value, ok := strings.CutPrefix(part, "model="); ok {
			name, err := url.QueryUnescape(value)
			if err != nil {
				return ""
			}
			return name
		}
	}
	return ""
}

const (
	sessModel = iota
	sessTranscription
	sessAudio
	sessPrompt
)

var (
	realtimeKeys      = dialect.NewKeys("session", "response")
	sessionKeys       = dialect.NewKeys("model", "input_audio_transcription", "audio", "prompt")
	spokenKeys        = dialect.NewKeys("prompt")
	promptKeys        = dialect.NewKeys("variables")
	sessionAudioKeys  = dialect.NewKeys("input")
	audioInputKeys    = dialect.NewKeys("transcription")
	transcriptionKeys = dialect.NewKeys("model")
)

// realtime reads a message of a client: the session's model, the one that writes down what it hears, and the files
// that a stored prompt is filled in with.
func (q *requestReader) realtime() {
	o := q.Object(realtimeKeys)
	for {
		key, ok := q.Next(&o)
		switch {
		case !ok:
			return
		case key == 0:
			q.Members(sessionKeys, q.session)
		case key == 1:
			q.Members(spokenKeys, func(int) { q.storedPrompt() })
		default:
			q.Skip()
		}
	}
}

func (q *requestReader) session(key int) {
	switch key {
	case sessModel:
		q.model()
	case sessTranscription:
		q.Members(transcriptionKeys, q.transcription)
	case sessAudio:
		q.Members(sessionAudioKeys, func(int) { q.Members(audioInputKeys, func(int) { q.Members(transcriptionKeys, q.transcription) }) })
	case sessPrompt:
		q.storedPrompt()
	}
}

// storedPrompt reads what a prompt that the vendor keeps is filled in with: words, and parts of a message.
func (q *requestReader) storedPrompt() {
	q.Members(promptKeys, func(int) {
		if q.Type() != dialect.TypeObject {
			q.Skip()
			return
		}
		for o := q.Object(nil); ; {
			if _, ok := q.Next(&o); !ok {
				return
			}
			if q.Type() == dialect.TypeObject {
				q.part(dialect.KindText)
			} else {
				q.Skip()
			}
		}
	})
}

func (q *requestReader) transcription(int) {
	s, ok := q.String()
	if !ok {
		q.Skip()
		return
	}
	q.into.Further = append(q.into.Further, dialect.TextOf(q.Bytes(s), ""))
}

const (
	doneType = iota
	doneResponse
	doneUsage
)

// What ends a response, and a transcription of what the client said, also in a session that has nothing else.
const (
	typeDone        = "response.done"
	typeTranscribed = "conversation.item.input_audio_transcription.completed"
)

const (
	respStatus = iota
	respUsage
)

var (
	doneKeys     = dialect.NewKeys("type", "response", "usage")
	responseKeys = dialect.NewKeys("status", "usage")
)

// realtimeEvent reads a message of a server. Only one that ends a response or a transcription says what was used; a
// transcription that is counted in seconds has no tokens.
func realtimeEvent(payload []byte, into *dialect.Event) error {
	a := answerReader{Reader: dialect.NewReader(payload)}
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return a.End()
	}
	kind, finish := "", ""
	var response, transcribed *llm.Usage
	for o := a.Object(doneKeys); ; {
		key, ok := a.Next(&o)
		if !ok {
			break
		}
		switch {
		case key == doneType:
			kind = a.word()
		case key == doneResponse && a.Type() == dialect.TypeObject:
			finish = a.response()
			response, a.usage = a.usage, nil
		case key == doneUsage:
			a.readUsage()
			transcribed, a.usage = a.usage, nil
		default:
			a.Skip()
		}
	}
	if err := a.End(); err != nil {
		return err
	}
	switch kind {
	case typeDone:
		into.Usage, into.Finish, into.First = response, finish, true
	case typeTranscribed:
		into.Usage = transcribed
	}
	return nil
}

func (a *answerReader) response() (status string) {
	for o := a.Object(responseKeys); ; {
		key, ok := a.Next(&o)
		switch {
		case !ok:
			return status
		case key == respStatus:
			status = a.word()
		case key == respUsage:
			a.readUsage()
		default:
			a.Skip()
		}
	}
}

// word reads a string; what is none is "".
func (a *answerReader) word() string {
	s, ok := a.String()
	if !ok {
		a.Skip()
		return ""
	}
	return dialect.TextOf(a.Bytes(s), "")
}
