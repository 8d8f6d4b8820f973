package conversation

import (
	"strconv"
	"strings"
)

// AdaptiveOnly reports whether a model of Anthropic's, by its name, thinks as it likes and refuses to be told a number of
// tokens, and a temperature or its like: those from version 4.7 on, such as claude-opus-4-7 and claude-sonnet-5.
func AdaptiveOnly(model string) bool {
	major, minor := claudeVersion(model)
	return major > 4 || major == 4 && minor >= 7
}

// ClaudeThinks reports whether a model of Anthropic's, by its name, can be told to think: those from version 3.7 on.
func ClaudeThinks(model string) bool { return claudeFrom(model, 3, 7) }

// ClaudeAdapts reports whether a model of Anthropic's, by its name, can be told to think as it likes: those from version 4.6 on.
func ClaudeAdapts(model string) bool { return claudeFrom(model, 4, 6) }

// ClaudeFormats reports whether a model of Anthropic's, by its name, can be told a schema that its answer fits: those from
// version 4.1 on.
func ClaudeFormats(model string) bool { return claudeFrom(model, 4, 1) }

// leastTopP is the least top_p of a model of Anthropic's that thinks.
const leastTopP = 0.95

// NoClaudeTopP returns why a model of Anthropic's, which thinks or does not, is not told the request's top_p, "" where it is.
// Source: https://platform.claude.com/docs/en/build-with-claude/extended-thinking and the migration guide.
func (r *Request) NoClaudeTopP(thinks bool) (why string) {
	p, err := strconv.ParseFloat(string(r.TopP), 64)
	switch {
	case err != nil: // nobody says one
	case AdaptiveOnly(r.Model):
		return "this model of Anthropic's has none"
	case thinks && p < leastTopP:
		return "a model of Anthropic's that thinks takes none below 0.95"
	case !thinks && r.Temperature != "" && claudeFrom(r.Model, 4, 1):
		return "this model of Anthropic's takes it or a temperature"
	}
	return ""
}

// ClaudeOutput returns how many tokens of an answer every model of the generation gives that a model of Anthropic's is of, by
// its name. Later ones have given more. Of one that is not known it is what all have given.
func ClaudeOutput(model string) int64 {
	switch major, minor := claudeVersion(model); {
	case major >= 4:
		return 32000
	case major == 3 && minor >= 5:
		return 8192
	}
	return 4096
}

// claudeFrom reports whether a model of Anthropic's is of a version or a later one. One whose name says none is taken for the
// newest.
func claudeFrom(model string, major, minor int) bool {
	a, b := claudeVersion(model)
	return a == 0 || a > major || a == major && b >= minor
}

// claudeVersion returns the version that stands in the name of a model of Anthropic's, or zeros.
func claudeVersion(model string) (major, minor int) {
	_, name, ok := strings.Cut(model, "claude-")
	if !ok {
		return 0, 0
	}
	read := 0
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("-.:@", r) }) {
		n, err := strconv.Atoi(word)
		switch number := err == nil && len(word) <= 2; { // or it is a word, or a date
		case number && read == 0:
			major, read = n, 1
		case number && read == 1:
			minor, read = n, 2
		case read > 0:
			read = 2
		}
	}
	return major, minor
}

// Adaptive is how a model of Anthropic's is told to think as it likes. The newer ones show nothing of it unasked.
func Adaptive(model string) string {
	if AdaptiveOnly(model) {
		return `{"type":"adaptive","display":"summarized"}`
	}
	return `{"type":"adaptive"}`
}

// ClaudeEffort returns the word that such a model is told for how much it shall think, "" where nobody says.
func (r *Reasoning) ClaudeEffort() string {
	switch {
	case r.Effort == "minimal":
		return "low"
	case r.Effort != "" || r.Budget <= 0:
		return r.Effort
	case r.Budget <= 1024:
		return "low"
	case r.Budget <= 8192:
		return "medium"
	}
	return "high"
}
