package codecs

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// TestTheLimitThatNobodySays: what the model is known to give, and where nothing is known, what each of its generation does;
// thinking has its room beside the answer, or in the limit that is known.
func TestTheLimitThatNobodySays(t *testing.T) {
	for name, c := range map[string]struct {
		to      llm.Dialect
		model   string
		longest int64
		effort  string
		want    string // "" = no limit
	}{
		"nobody's":                    {llm.Anthropic, "some-model", 0, "", `"max_tokens":4096,`},
		"an old one's":                {llm.Anthropic, "claude-3-opus-20240229", 0, "", `"max_tokens":4096`},
		"3.5's":                       {llm.Anthropic, "claude-3-5-haiku-20241022", 0, "", `"max_tokens":8192`},
		"4's":                         {llm.Anthropic, "claude-sonnet-4-20250514", 0, "", `"max_tokens":32000`},
		"a later one's":               {llm.Anthropic, "claude-opus-5", 0, "", `"max_tokens":32000`},
		"declared":                    {llm.Anthropic, "claude-sonnet-4-5", 64000, "", `"max_tokens":64000`},
		"declared, and small":         {llm.Anthropic, "claude-sonnet-4-5", 100, "", `"max_tokens":100`},
		"with thinking":               {llm.Anthropic, "claude-sonnet-4-5", 0, "high", `"max_tokens":32000,"thinking":{"type":"enabled","budget_tokens":16384}`},
		"with more of it":             {llm.Anthropic, "claude-sonnet-4-5", 0, "xhigh", `"max_tokens":36864,"thinking":{"type":"enabled","budget_tokens":32768}`},
		"of an older one":             {llm.Anthropic, "claude-3-7-sonnet-20250219", 0, "high", `"max_tokens":20480,"thinking":{"type":"enabled","budget_tokens":16384}`},
		"in what is declared":         {llm.Anthropic, "claude-opus-4-1", 32000, "xhigh", `"max_tokens":32000,"thinking":{"type":"enabled","budget_tokens":16000}`},
		"as it likes":                 {llm.Anthropic, "claude-opus-4-7", 0, "medium", `"max_tokens":32000`},
		"Bedrock's":                   {llm.Bedrock, "anthropic.claude-sonnet-4-5-v1:0", 64000, "", ""},
		"Bedrock's with thinking":     {llm.Bedrock, "anthropic.claude-sonnet-4-5-v1:0", 0, "high", `"maxTokens":20480`},
		"Bedrock's, and it is known":  {llm.Bedrock, "anthropic.claude-sonnet-4-5-v1:0", 64000, "high", `"maxTokens":64000`},
		"Chat's, which wants no such": {llm.OpenAI, "gpt-x", 64000, "", ""},
	} {
		q, err := Translator(llm.OpenAI).DecodeRequest([]byte(`{"model":"m","messages":[{"role":"user","content":"x"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		q.Model, q.Reasoning.Effort = c.model, c.effort
		body, _, err := UpstreamTranslator(c.to).EncodeRequest(q, conversation.Limits{MaxTokens: c.longest})
		has := strings.Contains(strings.TrimSuffix(string(body), "}")+",", c.want)
		if c.want == "" {
			has = !strings.Contains(string(body), "axTokens") && !strings.Contains(string(body), "max_")
		}
		if err != nil || !has {
			t.Errorf("%s: %s, %v, want %s", name, body, err, c.want)
		}
	}
}
