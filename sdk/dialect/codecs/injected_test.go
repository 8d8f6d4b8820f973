package codecs

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// written are the places of a request whose words are the client's own: schemas, arguments, results.
var written = map[llm.Dialect]*regexp.Regexp{
	llm.OpenAI:    regexp.MustCompile(`\.parameters|\.schema|\.annotations\[`),
	llm.Responses: regexp.MustCompile(`\.parameters|\.schema|\.annotations\[`),
	llm.Anthropic: regexp.MustCompile(`\.input_schema|\.schema|\.input\b|\.citations\[`),
	llm.Gemini:    regexp.MustCompile(`\.parameters|Schema|_schema|\.args|\.response\b`),
}

// TestMembersPutAnywhereAreListed puts a member that nobody knows into each object of every recorded request: it is
// listed with the way to it, or what it stands in is, or the request is refused.
func TestMembersPutAnywhereAreListed(t *testing.T) {
	const name = "x_nobody"
	listed := 0
	for _, r := range conversations(t) {
		own := written[r.Dialect()]
		var whole any
		if own == nil || json.Unmarshal(r.Ask(), &whole) != nil {
			continue
		}
		if _, err := UpstreamTranslator(r.Dialect()).DecodeRequest(r.Ask()); err != nil {
			continue
		}
		each("", whole, func(at string, o map[string]any) {
			if at == "" || own.MatchString(at) {
				return
			}
			o[name] = 1
			body, _ := json.Marshal(whole)
			delete(o, name)
			q, err := UpstreamTranslator(r.Dialect()).DecodeRequest(body)
			if err != nil || native(q) {
				return
			}
			if !slices.ContainsFunc(q.Other, func(f conversation.Field) bool { return within(at+"."+name, f.Name) }) {
				t.Errorf("%s: %s.%s is lost in silence", r.Name, at, name)
			}
			listed++
		})
	}
	if t.Logf("%d are listed", listed); listed < 1000 {
		t.Errorf("only %d are listed", listed)
	}
}

// within reports whether a place of a request is another one or inside of it.
func within(place, of string) bool {
	rest, ok := strings.CutPrefix(place, of)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// native reports whether a request has tools or parts of a vendor's own, which are refused as they are.
func native(q *conversation.Request) bool {
	return slices.ContainsFunc(q.Tools, func(t conversation.Tool) bool { return t.Native != nil }) ||
		slices.ContainsFunc(q.Turns, func(t conversation.Turn) bool {
			return slices.ContainsFunc(t.Parts, func(p conversation.Part) bool { return p.Native != nil })
		})
}

// each calls yield with every object of a value and the way to it.
func each(at string, v any, yield func(at string, o map[string]any)) {
	walk(at, v, func(at string, v any) {
		if o, ok := v.(map[string]any); ok {
			yield(at, o)
		}
	})
}

// walk calls yield with a value, all that is in it, and the way to each.
func walk(at string, v any, yield func(at string, v any)) {
	yield(at, v)
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			to := at + "." + k
			if at == "" {
				to = k
			}
			walk(to, inner, yield)
		}
	case []any:
		for i, inner := range v {
			walk(at+"["+strconv.Itoa(i)+"]", inner, yield)
		}
	}
}
