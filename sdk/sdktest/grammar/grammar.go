// Package grammar holds streams to the grammar of their dialect, as a client that believes its
// vendor's documentation would. It is for tests: it reads a whole stream at once and says where the
// first mistake is. What a gateway needs to read of a stream is package dialect's.
package grammar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Check holds a stream to the grammar of a dialect that clients speak.
func Check(d llm.Dialect, stream []byte) (err error) {
	switch d {
	case llm.OpenAI:
		_, err = OpenAI(stream)
	case llm.Responses:
		_, err = Responses(stream)
	case llm.Anthropic:
		_, err = Anthropic(stream)
	case llm.Gemini:
		framing := dialect.ServerSent
		if bytes.HasPrefix(stream, []byte("[")) {
			framing = dialect.JSONArray
		}
		_, err = Gemini(stream, framing)
	default:
		return fmt.Errorf("no grammar of %s is known", d)
	}
	return err
}

// isObject reports whether the arguments of a call are a JSON object.
func isObject(arguments string) bool {
	return strings.HasPrefix(strings.TrimSpace(arguments), "{") && json.Valid([]byte(arguments))
}
