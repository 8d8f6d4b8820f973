package gateway

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

// TestWhatIsLeftOfAVendorsLimits is told to clients of other dialects in their own fields, with answers and with errors.
func TestWhatIsLeftOfAVendorsLimits(t *testing.T) {
	const chat, response = "/v1/chat/completions", "/v1/responses"
	asks := map[string]string{
		chat: chatBody, response: `{"model":"m","input":"x","store":false}`, "/v1/messages": `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]}`,
		"/v1beta/models/m:generateContent": `{"contents":[{"parts":[{"text":"x"}]}]}`,
	}
	const openaiGood = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"good"},"finish_reason":"stop"}]}`
	const claudeGood = `{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"good"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`
	openai := map[string]string{"Content-Type": "application/json", "x-ratelimit-limit-requests": "50", "x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": "1m12s", "x-ratelimit-remaining-tokens": "many", "x-ratelimit-limit-images": "3"}
	claude := map[string]string{
		"Content-Type": "application/json", "anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-reset": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		"anthropic-ratelimit-input-tokens-remaining": "9", "anthropic-ratelimit-tokens-remaining": "11",
	}
	mistral := map[string]string{"Content-Type": "application/json", "x-ratelimit-limit-req-minute": "360", "x-ratelimit-remaining-tokens-minute": "12", "x-ratelimit-tokens-query-cost": "85"}
	cohere := map[string]string{"Content-Type": "application/json", "x-trial-endpoint-call-limit": "40", "x-trial-endpoint-call-remaining": "39"}
	for name, c := range map[string]struct {
		path string
		from canned
		want string
	}{
		"OpenAI's to Responses":        {response, canned{llm.OpenAI, 200, openai, openaiGood}, "x-ratelimit-limit-requests=50 x-ratelimit-remaining-requests=7 x-ratelimit-reset-requests=1m12s"},
		"OpenAI's to Messages":         {"/v1/messages", canned{llm.OpenAI, 200, openai, openaiGood}, "anthropic-ratelimit-requests-limit=50 anthropic-ratelimit-requests-remaining=7 anthropic-ratelimit-requests-reset=soon"},
		"OpenAI's to Gemini":           {"/v1beta/models/m:generateContent", canned{llm.OpenAI, 200, openai, openaiGood}, ""},
		"OpenAI's to itself":           {chat, canned{llm.OpenAI, 200, openai, openaiGood}, "x-ratelimit-limit-images=3 x-ratelimit-limit-requests=50 x-ratelimit-remaining-requests=7 x-ratelimit-remaining-tokens=many x-ratelimit-reset-requests=1m12s"},
		"of an error":                  {"/v1/messages", canned{llm.OpenAI, 429, openai, `{"error":{"message":"slow","type":"requests","param":null,"code":"c"}}`}, "anthropic-ratelimit-requests-limit=50 anthropic-ratelimit-requests-remaining=7 anthropic-ratelimit-requests-reset=soon"},
		"Anthropic's to Chat":          {chat, canned{llm.Anthropic, 200, claude, claudeGood}, "x-ratelimit-limit-requests=50 x-ratelimit-remaining-tokens=11 x-ratelimit-reset-requests=soon"},
		"Mistral's to Chat":            {chat, canned{llm.Mistral, 200, mistral, openaiGood}, "x-ratelimit-limit-requests=360 x-ratelimit-remaining-tokens=12"},
		"Cohere's to Messages, failed": {"/v1/messages", canned{llm.Cohere, 429, cohere, `{"message":"trial"}`}, "anthropic-ratelimit-requests-limit=40 anthropic-ratelimit-requests-remaining=39"},
	} {
		r, _, _ := through(t, c.path, asks[c.path], c.from)
		if got := told(r.Header); r.Status != c.from.status || got != c.want {
			t.Errorf("%s: status %d, %s\n\twant %s", name, r.Status, got, c.want)
		}
	}
}

// told returns the fields of a header that tell of limits; a time or a duration near an hour or 72 seconds is soon.
func told(h llm.Header) string {
	var all []string
	for _, f := range h {
		name := strings.ToLower(f.Name)
		if !strings.Contains(name, "ratelimit-") || strings.HasPrefix(name, "ratelimit-") {
			continue
		}
		value := f.Value
		if d, ok := untilReset(value, time.Now()); ok && strings.Contains(name, "reset") && value != "1m12s" && d > time.Minute && d <= time.Hour {
			value = "soon"
		}
		all = append(all, name+"="+value)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}
