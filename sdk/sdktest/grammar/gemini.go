package grammar

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// Candidate is one of the answers that a stream of Gemini's gives, put together.
type Candidate struct {
	Text     string
	Thoughts string
	Calls    []json.RawMessage // the arguments of function calls
	Finish   string
}

// Generated is what a stream of Gemini's says.
type Generated struct {
	Candidates []Candidate
	Blocked    string // why the prompt was blocked, or ""
	Error      string // the status word of the error that ended it, or ""
}

// chunk is a GenerateContentResponse, or an error in its place.
type chunk struct {
	Candidates []struct {
		Index   int
		Content *struct {
			Role  string
			Parts []map[string]json.RawMessage
		}
		Finish string `json:"finishReason"`
	}
	Feedback struct {
		Blocked string `json:"blockReason"`
	} `json:"promptFeedback"`
	Usage json.RawMessage `json:"usageMetadata"`
	Error *struct {
		Code            int
		Message, Status string
	}
}

// Gemini reads a stream of generateContent: chunks in events or in one JSON array, whose parts are of
// one kind each, until a finish reason. An error may stand in the place of a chunk, and then ends it.
func Gemini(stream []byte, framing dialect.Framing) (*Generated, error) {
	var g Generated
	if framing == dialect.JSONArray {
		var items []json.RawMessage
		if err := json.Unmarshal(stream, &items); err != nil {
			return nil, fmt.Errorf("no JSON array: %w", err)
		}
		for _, item := range items {
			if err := g.chunk(item); err != nil {
				return nil, fmt.Errorf("%w: %s", err, item)
			}
		}
		return g.end()
	}
	if err := events(stream, func(f *dialect.Frame) error { return g.chunk(f.Payload) }); err != nil {
		return nil, err
	}
	return g.end()
}

func (g *Generated) end() (*Generated, error) {
	if g.Error != "" || g.Blocked != "" {
		return g, nil
	}
	for i, c := range g.Candidates {
		if c.Finish == "" {
			return nil, fmt.Errorf("candidate %d ends without a reason", i)
		}
	}
	if len(g.Candidates) == 0 {
		return nil, errors.New("no candidate, no error")
	}
	return g, nil
}

func (g *Generated) chunk(payload []byte) error {
	var c chunk
	if err := json.Unmarshal(payload, &c); err != nil {
		return fmt.Errorf("no chunk: %w", err)
	}
	if g.Error != "" {
		return errors.New("something follows an error")
	}
	if c.Error != nil {
		if c.Error.Code < 400 || c.Error.Code > 599 || c.Error.Message == "" || c.Error.Status == "" || len(c.Candidates) > 0 {
			return errors.New("no error of Google's")
		}
		g.Error = c.Error.Status
		return nil
	}
	if c.Feedback.Blocked != "" {
		g.Blocked = c.Feedback.Blocked
	}
	for _, one := range c.Candidates {
		if one.Index < 0 || one.Index > len(g.Candidates) {
			return fmt.Errorf("candidate %d before %d", one.Index, len(g.Candidates))
		}
		if one.Index == len(g.Candidates) {
			g.Candidates = append(g.Candidates, Candidate{})
		}
		to := &g.Candidates[one.Index]
		if one.Finish != "" {
			to.Finish = one.Finish
		}
		if one.Content == nil {
			continue
		}
		if one.Content.Role != "" && one.Content.Role != "model" {
			return fmt.Errorf("a candidate speaks as %q", one.Content.Role)
		}
		for _, part := range one.Content.Parts {
			if err := to.part(part); err != nil {
				return err
			}
		}
	}
	return nil
}

// kinds are what a part may be; it is one of them at most.
var kinds = []string{"text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult", "toolCall", "toolResponse"}

func (c *Candidate) part(part map[string]json.RawMessage) error {
	kind := ""
	for _, k := range kinds {
		if part[k] == nil {
			continue
		}
		if kind != "" {
			return fmt.Errorf("a part is both %s and %s", kind, k)
		}
		kind = k
	}
	switch kind {
	case "text":
		var text string
		if err := json.Unmarshal(part["text"], &text); err != nil {
			return err
		}
		if string(part["thought"]) == "true" {
			c.Thoughts += text
		} else {
			c.Text += text
		}
	case "functionCall":
		var call struct {
			Name string
			Args json.RawMessage
		}
		if err := json.Unmarshal(part["functionCall"], &call); err != nil || call.Name == "" || len(call.Args) > 0 && call.Args[0] != '{' {
			return errors.New("a call without a name or with arguments that are no object")
		}
		c.Calls = append(c.Calls, call.Args)
	}
	return nil
}
