// Package replay has recorded exchanges answer again: a server that stands where the vendors stood, the
// provider blocks that lead to it, and what the recorded answers said. It is for tests and for the commands
// that score; what a gateway makes of an answer is theirs to judge.
package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// provider is a provider block; config are lines of its config block.
type provider struct{ name, plugin, config string }

// providers are they, by the dialect that their recordings are in.
var providers = map[llm.Dialect]provider{
	llm.OpenAI:    {"chat", "openai", `dialects = ["openai"]`},
	llm.Responses: {"responses", "openai", `dialects = ["responses"]`},
	llm.Anthropic: {"anthropic", "anthropic", ""},
	llm.Gemini:    {"gemini", "gemini", ""},
	llm.Bedrock:   {"bedrock", "bedrock", `region = "us-east-1"`},
	llm.Cohere:    {"cohere", "cohere", ""},
	llm.Mistral:   {"mistral", "mistral", ""},
	llm.Ollama:    {"ollama", "ollama", ""},
}

// Conversations returns the recordings that are calls of a model.
func Conversations(all []*recorded.Exchange) (out []*recorded.Exchange) {
	for _, x := range all {
		if Conversation(x) {
			out = append(out, x)
		}
	}
	return out
}

// Conversation reports whether a recording is a call of a model.
func Conversation(x *recorded.Exchange) bool { return x.Dialect() != "" && len(x.Ask()) > 0 }

// Name is what recording i is called by as a model.
func Name(i int) string { return "rec-" + strconv.Itoa(i) }

var named = regexp.MustCompile(`rec-(\d+)`)

// Handler answers as the recording that a request names as its model.
func Handler(all []*recorded.Exchange) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		model := r.URL.Path // Gemini's and Bedrock's stand in the path
		var b struct{ Model string }
		if json.Unmarshal(body, &b) == nil && b.Model != "" {
			model = b.Model
		}
		i := len(all)
		if m := named.FindStringSubmatch(model); m != nil {
			i, _ = strconv.Atoi(m[1])
		}
		if i >= len(all) {
			http.Error(w, "no recording is named", http.StatusTeapot)
			return
		}
		x := all[i]
		kind := map[string]string{"sse": "text/event-stream", "json": "application/json", "eventstream": "application/vnd.amazon.eventstream", "ndjson": "application/x-ndjson"}[x.Response.Kind]
		if kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		answer := x.Answer()
		if r.URL.Query().Get("alt") == "sse" && bytes.HasPrefix(answer, []byte("[")) { // recorded as an array
			w.Header().Set("Content-Type", "text/event-stream")
			answer = asEvents(answer)
		}
		w.WriteHeader(x.Response.Status)
		w.Write(answer)
	})
}

// asEvents returns the items of an array as server-sent events, as Gemini sends them for alt=sse.
func asEvents(array []byte) (out []byte) {
	Events(array, func(item []byte) error {
		var line bytes.Buffer
		if err := json.Compact(&line, item); err != nil {
			return err
		}
		out = append(append(append(out, "data: "...), line.Bytes()...), "\r\n\r\n"...)
		return nil
	})
	return out
}

// Streamed reports whether a recorded answer is a stream.
func Streamed(x *recorded.Exchange) bool {
	switch x.Response.Kind {
	case "sse", "eventstream", "ndjson":
		return true
	}
	return strings.HasPrefix(string(x.Answer()), "[")
}

// Said reads what the vendor said: an answer, or an error that the client must see.
func Said(x *recorded.Exchange) (*conversation.Answer, *llm.Error, error) {
	if x.Response.Status != 200 {
		return nil, &llm.Error{Status: x.Response.Status}, nil
	}
	text, err := x.Events()
	if err != nil {
		return nil, nil, err
	}
	a, err := Read(x.Dialect(), Streamed(x), text)
	var failure *llm.Error
	if errors.As(err, &failure) && failure.Code != llm.CodeInvalid {
		return nil, failure, nil
	}
	return a, nil, err
}

// Read reads an answer of a dialect; an error that it reports is returned as an *llm.Error.
func Read(d llm.Dialect, streamed bool, text []byte) (*conversation.Answer, error) {
	t := codecs.UpstreamTranslator(d)
	if !streamed {
		return t.DecodeAnswer(text)
	}
	var c conversation.Collector
	decoder := t.Decoder()
	err := Events(text, func(payload []byte) error {
		deltas, err := decoder.Event(payload, nil)
		if err != nil {
			return err
		}
		return c.Add(deltas...)
	})
	if err == nil {
		err = c.Add(decoder.End(nil)...)
	}
	switch {
	case err != nil:
		return nil, err
	case c.Failed != nil:
		return nil, c.Failed
	}
	return &c.Answer, c.Whole()
}

// Events calls yield with the payload of each event of a stream, in any framing.
func Events(stream []byte, yield func([]byte) error) error {
	var frame dialect.Frame
	framing := dialect.ServerSent
	switch {
	case bytes.HasPrefix(stream, []byte("[")):
		framing = dialect.JSONArray
	case bytes.HasPrefix(stream, []byte("{")):
		framing = dialect.JSONLines
	}
	cut := dialect.NewCutter(framing)
	cut.Feed(stream)
	for {
		ok, err := cut.Next(&frame)
		if err != nil {
			return err
		}
		if !ok && !cut.Tail(&frame) {
			return nil
		}
		if frame.Payload != nil {
			if err := yield(frame.Payload); err != nil {
				return err
			}
		}
	}
}

// Declare returns the provider and model blocks that lead to a Handler of the recordings at base, and the references
// to the models. A model is called as Name says; apiKey is an expression of the configuration's language.
func Declare(all []*recorded.Exchange, base, apiKey string) (blocks string, models []string) {
	var b strings.Builder
	declared := map[llm.Dialect]bool{}
	for i, x := range all {
		p := providers[x.Dialect()]
		if !declared[x.Dialect()] {
			declared[x.Dialect()] = true
			fmt.Fprintf(&b, "provider %q {\n  plugin = %q\n  base_url = %q\n  config {\n    api_key = %s\n    %s\n  }\n}\n", p.name, p.plugin, base, apiKey, p.config)
		}
		fmt.Fprintf(&b, "model %q {\n  retry = { attempts = 1 }\n  target \"up\" {\n    provider = provider.%s\n    model = %q\n  }\n}\n", Name(i), p.name, Name(i))
		models = append(models, "model."+Name(i))
	}
	return b.String(), models
}
