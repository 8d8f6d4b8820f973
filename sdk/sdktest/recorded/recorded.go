// Package recorded reads recorded exchanges with vendors: one JSON file each, as the project's corpus
// has them (providers/dev). It is for tests and for the commands that score; it knows no dialect's
// content.
package recorded

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ginnel/ginnel/sdk/eventstream"
	"github.com/ginnel/ginnel/sdk/llm"
)

// ErrNone is the error of a folder without recordings.
var ErrNone = errors.New("no recordings: set GINNEL_CORPUS to the corpus")

// Exchange is one recorded exchange.
type Exchange struct {
	Name                      string `json:"-"` // of the file
	Provider, Endpoint, Model string
	Streaming                 bool
	Features                  []string
	Request                   struct {
		Method, Host, Path string
		Body               json.RawMessage
		Raw                string
	}
	Response struct {
		Status  int
		Headers map[string]string
		Kind    string // json, sse, ndjson, text, eventstream, binary
		Body    json.RawMessage
		Raw     string
		RawB64  string `json:"raw_b64"`
	}
}

// Dialect returns the dialect of a conversation, and "" for everything else.
func (x *Exchange) Dialect() llm.Dialect {
	switch x.Endpoint {
	case "chat.completions", "openai-compat":
		if x.Provider == "mistral" {
			return llm.Mistral
		}
		return llm.OpenAI
	case "responses":
		return llm.Responses
	case "messages", "streamRawPredict":
		return llm.Anthropic
	case "generateContent", "streamGenerateContent":
		return llm.Gemini
	case "converse", "converse-stream":
		return llm.Bedrock
	case "v2.chat":
		return llm.Cohere
	case "api.chat":
		return llm.Ollama
	}
	return ""
}

// Ask returns the request's body.
func (x *Exchange) Ask() []byte {
	if x.Request.Raw != "" {
		return []byte(x.Request.Raw)
	}
	return x.Request.Body
}

// Answer returns the answer's body.
func (x *Exchange) Answer() []byte {
	switch {
	case x.Response.RawB64 != "":
		b, _ := base64.StdEncoding.DecodeString(x.Response.RawB64)
		return b
	case x.Response.Raw != "":
		return []byte(x.Response.Raw)
	}
	return x.Response.Body
}

// Events returns the answer's body as the codec of its dialect reads it: the events of a binary stream as
// server-sent ones, any other body as it is.
func (x *Exchange) Events() ([]byte, error) {
	if x.Response.Kind != "eventstream" {
		return x.Answer(), nil
	}
	var f eventstream.Reader
	f.Feed(x.Answer())
	var out []byte
	for {
		next, ok, err := f.Next(out)
		if err != nil {
			return nil, err
		}
		if !ok {
			return out, nil
		}
		out = next
	}
}

// Corpus returns the folder of the corpus: $GINNEL_CORPUS, or the default beside the project, whose root
// is at root.
func Corpus(root string) string {
	if dir := os.Getenv("GINNEL_CORPUS"); dir != "" {
		return dir
	}
	return filepath.Join(root, "..", "shared", "corpus")
}

// All reads the recordings of a corpus whose names fit pattern, in the order of their names.
func All(corpus, pattern string) ([]*Exchange, error) {
	files, err := filepath.Glob(filepath.Join(corpus, "providers", "dev", pattern))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, ErrNone
	}
	all := make([]*Exchange, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		x := &Exchange{Name: filepath.Base(file)}
		if err := json.Unmarshal(text, x); err != nil {
			return nil, fmt.Errorf("%s: %w", x.Name, err)
		}
		all = append(all, x)
	}
	return all, nil
}

// T is what Of needs of a test.
type T interface {
	Helper()
	Skip(args ...any)
	Fatal(args ...any)
}

// Of returns the recordings of the corpus whose names fit one of the patterns, in the order of those. A
// test without a corpus is skipped; a recording that cannot be read fails it.
func Of(t T, root string, patterns ...string) (all []*Exchange) {
	t.Helper()
	for _, pattern := range patterns {
		found, err := All(Corpus(root), pattern)
		switch {
		case errors.Is(err, ErrNone):
			t.Skip(err)
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}
