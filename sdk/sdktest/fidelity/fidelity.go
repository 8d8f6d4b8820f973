// Package fidelity says what has to survive when a conversation is translated from one dialect to
// another, in a form that two sides can be compared in. It is for tests and for the commands that score.
package fidelity

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Feature is a part of an answer.
type Feature string

// The features.
const (
	Text     Feature = "text"
	Thoughts Feature = "thoughts"
	Calls    Feature = "tool calls"
	Finish   Feature = "finish"
	Usage    Feature = "usage"
)

// Features lists them all.
var Features = []Feature{Text, Thoughts, Calls, Finish, Usage}

// Answer is what of an answer has to survive; a feature that it has not is absent.
type Answer map[Feature]string

// Said returns what of an answer has to survive.
func Said(a *conversation.Answer) Answer {
	out := Answer{}
	for _, c := range a.Choices {
		var refusal string
		for _, p := range c.Parts {
			switch p.Kind {
			case conversation.Text:
				out[Text] += p.Text
			case conversation.Refusal:
				refusal += p.Text
			case conversation.Thinking:
				out[Thoughts] += p.Text
			case conversation.ToolCall:
				out[Calls] += fmt.Sprintf("%s %s %s\n", p.Call.ID, p.Call.Name, Canonical(p.Call.Arguments))
			}
		}
		out[Text] += refusal
		out[Finish] += class(c.Finish) + " "
	}
	out[Thoughts] = space.ReplaceAllString(out[Thoughts], " ")
	if u := a.Usage; u != nil && u.InputTotal+u.OutputTotal > 0 {
		out[Usage] = fmt.Sprintf("%d %d", u.InputTotal, u.OutputTotal)
	}
	for f, v := range out {
		if strings.TrimSpace(v) == "" {
			delete(out, f)
		}
	}
	return out
}

// class returns the kind of finish that every dialect can tell apart.
func class(f conversation.Finish) string {
	switch f {
	case conversation.FinishTools, conversation.FinishError, conversation.FinishFailed:
		return string(f)
	case "", conversation.FinishStop, conversation.FinishSequence:
		return "stop"
	case conversation.FinishFilter, conversation.FinishRefusal:
		return "refused"
	}
	return "length"
}

// Lost returns, for each feature that b has not as a has it, where the two begin to differ.
func (a Answer) Lost(b Answer) map[Feature]string {
	lost := map[Feature]string{}
	for f, v := range a {
		if v != b[f] {
			lost[f] = Difference(v, b[f])
		}
	}
	return lost
}

// Fits reports whether a client of the dialect can have asked for the answer, and can be given it.
func Fits(a *conversation.Answer, client llm.Dialect) bool {
	for _, c := range a.Choices {
		if c.Finish.Usable() != nil {
			return false // which is an error for every client
		}
		for _, p := range c.Parts {
			if p.Kind == conversation.Media && client != llm.Anthropic && client != llm.Gemini {
				return false // an image can be asked for in Gemini's dialect only
			}
		}
	}
	return len(a.Choices) <= 1 || client == llm.OpenAI || client == llm.Gemini
}

var space = regexp.MustCompile(`\s+`)

// Asked says what of a request has to survive: all words in order, media, calls and results, tools, and
// the wishes that every dialect knows. lost is what an encoder says it left out.
func Asked(q *conversation.Request, lost []conversation.Loss) string {
	var b strings.Builder
	for _, p := range q.System {
		b.WriteString(p.Text + "\n")
	}
	for _, t := range q.Turns {
		b.WriteString(turn(&t))
	}
	for _, tool := range q.Tools {
		fmt.Fprintf(&b, "tool %s %s %s\n", tool.Name, tool.Description, Canonical(string(tool.Parameters)))
	}
	schema := q.Format.Schema
	if slices.ContainsFunc(lost, func(l conversation.Loss) bool { return strings.HasSuffix(l.Field, ".additionalProperties") }) { // which is all that may differ
		schema = new(conversation.Lost).ClaudeSchema(&q.Format)
	}
	fmt.Fprintf(&b, "%d %v %v %s", max(q.ToolChoice.Mode, conversation.ToolAuto), q.ToolChoice.Names, q.Stop, Canonical(string(schema)))
	text := b.String()
	if slices.ContainsFunc(lost, func(l conversation.Loss) bool { return l.Field == "response_format" }) { // asked for in words
		text = strings.ReplaceAll(text, "Answer with one JSON object and nothing else.", "")
	}
	return space.ReplaceAllString(text, " ")
}

// turn returns a turn's results of tools, then its words.
func turn(t *conversation.Turn) string {
	var results, words strings.Builder
	media := func(m *conversation.Medium) {
		if m.Text {
			words.WriteString(m.Data + "\n")
			return
		}
		fmt.Fprintf(&words, "media %.60s%.60s%s\n", m.Data, m.URL, m.FileID)
	}
	for _, p := range t.Parts {
		switch p.Kind {
		case conversation.Text, conversation.Refusal:
			words.WriteString(p.Text + "\n")
		case conversation.Media:
			media(p.Media)
		case conversation.ToolCall:
			fmt.Fprintf(&words, "call %s %s\n", p.Call.Name, Canonical(p.Call.Arguments))
		case conversation.ToolResult:
			for _, part := range p.Result.Parts {
				if part.Kind == conversation.Text {
					fmt.Fprintf(&results, "result %s %s\n", p.Result.Name, Canonical(part.Text))
				} else if part.Kind == conversation.Media {
					media(part.Media)
				}
			}
		}
	}
	return results.String() + words.String()
}

// Canonical returns a JSON text in one form; what is none stands for itself, and an object without
// content, or a schema without properties, is "".
func Canonical(s string) string {
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		return strings.TrimSpace(s)
	}
	if m, ok := v.(map[string]any); ok {
		if len(m) == 0 {
			return ""
		}
		if props, ok := m["properties"].(map[string]any); ok && len(props) == 0 || len(m) == 1 && m["type"] == "object" {
			return ""
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return s
	}
	return string(b)
}

// Difference shows where two texts begin to differ.
func Difference(a, b string) string {
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	at = max(at-60, 0)
	return fmt.Sprintf("...%.200s became ...%.200s", a[at:], b[at:])
}
