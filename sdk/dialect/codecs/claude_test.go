package codecs

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// claudes are how a model of Anthropic's is called by each provider that has it.
func claudes(name string) map[string]llm.Dialect {
	return map[string]llm.Dialect{name: llm.Anthropic, name + "@20250101": llm.Anthropic, "eu.anthropic." + name + "-v1:0": llm.Bedrock}
}

// TestWhatAClaudeIsTold depends on its generation: what it refuses with 400 is left out and listed. One that is not known is
// taken for the newest.
func TestWhatAClaudeIsTold(t *testing.T) {
	const both, enabled = `"temperature":0.5,"top_p":0.97`, `"type":"enabled"`
	for name, c := range map[string]struct {
		model, wishes, lost string
		kept, none          string // what of them a body has, and has not
	}{
		"a temperature and top_p":         {"claude-sonnet-4-5", both, "top_p", `"temperature":0.5`, `0.97`},
		"of the first to refuse both":     {"claude-opus-4-1", both, "top_p", `"temperature":0.5`, `0.97`},
		"of those before":                 {"claude-sonnet-4", both, "", `0.97`, "top_k"},
		"of an old one":                   {"claude-3-5-haiku", both, "", `0.97`, "top_k"},
		"of one that is not known":        {"claude-next", both, "top_p", `"temperature":0.5`, `0.97`},
		"top_p alone":                     {"claude-sonnet-4-5", `"top_p":0.3`, "", `0.3`, "temperature"},
		"top_p of one that thinks":        {"claude-sonnet-4-5", `"top_p":0.9,"reasoning_effort":"low"`, "top_p", enabled, `0.9`},
		"the least top_p":                 {"claude-sonnet-4-5", `"top_p":0.95,"reasoning_effort":"low"`, "", `0.95`, "temperature"},
		"beside what is left out":         {"claude-sonnet-4-5", both + `,"reasoning_effort":"low"`, "temperature", `0.97`, `"temperature"`},
		"thinking":                        {"claude-3-7-sonnet", `"reasoning_effort":"low"`, "", enabled, "adaptive"},
		"thinking of one that does not":   {"claude-3-5-haiku", both + `,"reasoning_effort":"low"`, "reasoning_effort", `0.97`, "thinking"},
		"no thinking":                     {"claude-3-7-sonnet", `"reasoning_effort":"none"`, "", `"type":"disabled"`, enabled},
		"no thinking where there is none": {"claude-3-5-haiku", `"reasoning_effort":"none"`, "", "5000", "thinking"},
	} {
		for model, to := range claudes(c.model) {
			out, lost, err := encoded(t, llm.OpenAI, to, `{"model":"`+model+`","messages":[`+user+`],"max_tokens":5000,`+c.wishes+`}`)
			if err != nil || lost != c.lost || !strings.Contains(out, c.kept) || strings.Contains(out, c.none) {
				t.Errorf("%s: %v, listed: %s\n\t%s", name, err, lost, out)
			}
		}
	}
	out, lost, err := encoded(t, llm.OpenAI, llm.Bedrock, `{"model":"amazon.nova-pro-v1:0","messages":[`+user+`],`+both+`}`)
	if err != nil || lost != "" || !strings.Contains(out, `"topP":0.97`) {
		t.Errorf("another maker's: %v, listed: %s\n\t%s", err, lost, out)
	}
}

// TestAClaudeThinksAsItLikes where it can be told so, those from 4.6 on, and else within a number of tokens.
func TestAClaudeThinksAsItLikes(t *testing.T) {
	for name, c := range map[string]struct{ model, effort, kept string }{
		"the first":         {"claude-opus-4-6", "", `{"type":"adaptive"}`},
		"not known":         {"claude-next", "", `{"type":"adaptive"}`},
		"older":             {"claude-sonnet-4-5", "", `{"type":"enabled","budget_tokens":4096}`},
		"older with a word": {"claude-sonnet-4-5", "high", `{"type":"enabled","budget_tokens":16384}`},
	} {
		for model, to := range claudes(c.model) {
			q := &conversation.Request{Model: model, MaxTokens: 30000, Turns: []conversation.Turn{{Parts: []conversation.Part{{Text: "x"}}}}, Reasoning: conversation.Reasoning{Budget: -1, Effort: c.effort}}
			out, lost, err := UpstreamTranslator(to).EncodeRequest(q, conversation.Limits{})
			if err != nil || len(lost) > 0 || !strings.Contains(string(out), `"thinking":`+c.kept) {
				t.Errorf("%s: %v, listed: %v\n\t%s", name, err, lost, out)
			}
		}
	}
}

// TestAClaudeThatTakesNoSchema is not asked for an answer that fits one: it would answer in any form. Who asks is told the name
// of the member.
func TestAClaudeThatTakesNoSchema(t *testing.T) {
	const form = `"type":"json_schema","name":"n","schema":{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`
	for name, takes := range map[string]bool{"claude-3-5-haiku": false, "claude-3-7-sonnet": false, "claude-sonnet-4": false, "claude-opus-4-1": true, "claude-sonnet-4-5": true, "claude-next": true} {
		for model, to := range claudes(name) {
			out, _, err := encoded(t, llm.Responses, to, `{"model":"`+model+`","input":"x","text":{"format":{`+form+`}}}`)
			var e *llm.Error
			if takes != (err == nil) || !takes && (!errors.As(err, &e) || e.Param != "text.format") || takes && !strings.Contains(out, "additionalProperties") {
				t.Errorf("%s: %v\n\t%s", model, err, out)
			}
		}
	}
	out, _, err := encoded(t, llm.Responses, llm.Bedrock, `{"model":"amazon.nova-pro-v1:0","input":"x","text":{"format":{`+form+`}}}`)
	if err != nil || !strings.Contains(out, "textFormat") {
		t.Errorf("another maker's: %v\n\t%s", err, out)
	}
}

// TestSchemasForAClaudeAreClosed: its vendor refuses one whose objects may have more members than are named. What fits the
// closed one fits the other, and it is listed; where that would not be so the schema stays as it is.
func TestSchemasForAClaudeAreClosed(t *testing.T) {
	for name, c := range map[string]struct{ schema, closed string }{
		"open":                  {`{"type":"object","properties":{"a":{"type":"string"}}}`, `{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`},
		"said to be open":       {`{"additionalProperties":true,"properties":{}}`, `{"properties":{},"additionalProperties":false}`},
		"within":                {`{"type":"array","items":{"anyOf":[{"type":"null"},{"properties":{"properties":{"type":"string"}}}]}}`, `{"type":"array","items":{"anyOf":[{"type":"null"},{"properties":{"properties":{"type":"string"}},"additionalProperties":false}]}}`},
		"by a name":             {`{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"properties":{}}]}}}`, `{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"properties":{},"additionalProperties":false}]}}}`},
		"closed":                {`{"properties": {"a":{}},"additionalProperties":false}`, ""},
		"any members":           {`{"properties":{"a":{"type":"object"}},"additionalProperties": false}`, ""},
		"others of a kind":      {`{"properties":{},"additionalProperties":{"type":"string"}}`, ""},
		"all of several":        {`{"allOf":[{"properties":{"a":{}}},{"properties":{"b":{}}}]}`, ""},
		"several beside":        {`{"properties":{"a":{}},"anyOf":[{"properties":{"b":{}}}]}`, ""},
		"one of several":        {`{"oneOf":[{"properties":{"a":{}}}],"$defs":{"b":{"properties":{}}}}`, ""},
		"what it must not be":   {`{"properties":{},"not":{"properties":{"a":{}}}}`, ""},
		"values, not a schema":  {`{"enum":[{"properties":{}}],"default":{"properties":{}}}`, ""},
		"a name, not a keyword": {`{"properties":{"oneOf":{"type":"string"}}}`, `{"properties":{"oneOf":{"type":"string"}},"additionalProperties":false}`},
		"no object":             {`true`, ""},
	} {
		for model, to := range claudes("claude-sonnet-4-5") {
			out, lost, err := encoded(t, llm.Responses, to, `{"model":"`+model+`","input":"x","text":{"format":{"type":"json_schema","name":"n","schema":`+c.schema+`}}}`)
			want, listed := c.schema, ""
			if c.closed != "" {
				want, listed = c.closed, "text.format.schema.additionalProperties"
			}
			if to == llm.Bedrock {
				quoted, _ := json.Marshal(want)
				want = string(quoted)
			}
			if err != nil || lost != listed || !strings.Contains(out, `"schema":`+want) {
				t.Errorf("%s: %v, listed: %s\n\t%s", name, err, lost, out)
			}
		}
	}
	const open = `{"type":"object","properties":{}}`
	for from, c := range map[llm.Dialect]struct{ body, listed string }{
		llm.OpenAI:    {`{"messages":[` + user + `],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":` + open + `}}}`, "response_format.json_schema.schema.additionalProperties"},
		llm.Anthropic: {`{"max_tokens":9,"messages":[` + user + `],"output_config":{"format":{"type":"json_schema","schema":` + open + `}}}`, "output_config.format.schema.additionalProperties"},
		llm.Gemini:    {`{"contents":[{"parts":[{"text":"x"}]}],"generation_config":{"response_mime_type":"application/json","response_schema":` + open + `}}`, "generation_config.response_schema.additionalProperties"},
	} {
		if out, lost, err := encoded(t, from, llm.Anthropic, c.body); err != nil || lost != c.listed {
			t.Errorf("%s: %v, listed: %s\n\t%s", from, err, lost, out)
		}
		if out, lost, err := encoded(t, from, llm.Bedrock, c.body); err != nil || strings.Contains(out, "additionalProperties") || strings.Contains(lost, "additionalProperties") {
			t.Errorf("%s, another maker's: %v, listed: %s\n\t%s", from, err, lost, out)
		}
	}
}
