package gateway

import (
	"encoding/json"
	"testing"

	"github.com/ginnel/ginnel/sdk/llm"
)

// TestErrorsInEachForm: what a vendor says went wrong, a client of any dialect reads in its own words: the status, and the
// code that its SDK knows for the case.
func TestErrorsInEachForm(t *testing.T) {
	type form struct{ openai, anthropic, kind, gemini string }
	limited := form{"rate_limit_exceeded", "rate_limit_error", "rate_limit_exceeded", "RATE_LIMIT_EXCEEDED"}
	long := form{"context_length_exceeded", "invalid_request_error", "context_length_exceeded", "CONTEXT_LENGTH_EXCEEDED"}
	unpaid := form{"insufficient_quota", "billing_error", "insufficient_quota", "INSUFFICIENT_QUOTA"}
	filtered := form{"content_filter", "invalid_request_error", "content_filter", "CONTENT_FILTER"}
	keys := form{"upstream_error", "api_error", "upstream_error", "UPSTREAM_ERROR"} // which are not the client's
	missing := form{"model_not_found", "not_found_error", "model_not_found", "MODEL_NOT_FOUND"}
	busy := form{"overloaded", "overloaded_error", "overloaded", "OVERLOADED"}
	late := form{"timeout", "timeout_error", "timeout", "TIMEOUT"}
	large := form{"request_too_large", "request_too_large", "request_too_large", "REQUEST_TOO_LARGE"}
	wrong := form{"invalid_request", "invalid_request_error", "invalid_request", "INVALID_REQUEST"}
	broken := form{"upstream_error", "api_error", "upstream_error", "UPSTREAM_ERROR"}
	for _, c := range []struct {
		from   llm.Dialect
		status int
		body   string
		as     int
		want   form
	}{
		{llm.OpenAI, 429, `{"error":{"message":"m","type":"requests","param":null,"code":"rate_limit_exceeded"}}`, 429, limited},
		{llm.OpenAI, 429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`, 429, unpaid},
		{llm.OpenAI, 402, `{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}`, 402, unpaid}, // DeepSeek
		{llm.OpenAI, 400, `{"error":{"message":"m","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`, 400, long},
		{llm.OpenAI, 400, `{"error":{"message":"This model's maximum context length is 1048565 tokens.","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}`, 400, long}, // DeepSeek
		{llm.OpenAI, 400, `{"error":{"message":"The total length of all messages is too long.","type":"too_many_prompt_tokens","code":400}}`, 400, long},                                          // Perplexity
		{llm.OpenAI, 400, `{"error":{"message":"m","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`, 400, filtered},      // Azure
		{llm.OpenAI, 400, `{"error":{"message":"m","type":"image_generation_user_error","param":null,"code":"moderation_blocked"}}`, 400, filtered},
		{llm.OpenAI, 400, `{"error":{"message":"m","type":"data_inspection_failed","param":null,"code":"data_inspection_failed"}}`, 400, filtered}, // Alibaba
		{llm.OpenAI, 403, `{"error":{"message":"m","code":403,"metadata":{"flagged_input":"x"}}}`, 403, filtered},                                  // OpenRouter
		{llm.OpenAI, 401, `{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`, 502, keys},
		{llm.OpenAI, 403, `{"error":{"message":"m","type":"request_forbidden","param":null,"code":"unsupported_country_region_territory"}}`, 502, keys},
		{llm.OpenAI, 404, `{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"model_not_found"}}`, 404, missing},
		{llm.OpenAI, 404, `{"error":{"type":"invalid_request_error","code":"DeploymentNotFound","message":"m"}}`, 404, missing}, // Azure
		{llm.Responses, 400, `{"error":{"code":"model_not_found","message":"m","param":"model","type":"invalid_request_error"}}`, 400, missing},
		{llm.OpenAI, 503, `{"error":{"message":"m","type":"server_error","param":null,"code":"service_unavailable"}}`, 503, busy},
		{llm.OpenAI, 500, `{"error":{"message":"m","type":"server_error","param":null,"code":null}}`, 500, broken},
		{llm.OpenAI, 408, `{"error":{"message":"m","code":408}}`, 408, late},
		{llm.OpenAI, 413, `{"error":{"message":"m","type":"invalid_request_error","param":null,"code":null}}`, 413, large},
		{llm.OpenAI, 400, `{"error":{"message":"m","type":"invalid_request_error","param":"temperature","code":null}}`, 400, wrong},

		{llm.Anthropic, 429, `{"type":"error","error":{"type":"rate_limit_error","message":"m"}}`, 429, limited},
		{llm.Anthropic, 400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 3333404 tokens > 200000 maximum"}}`, 400, long},
		{llm.Anthropic, 400, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}`, 400, unpaid},
		{llm.Anthropic, 402, `{"type":"error","error":{"type":"billing_error","message":"m"}}`, 402, unpaid},
		{llm.Anthropic, 401, `{"type":"error","error":{"type":"authentication_error","message":"m"}}`, 502, keys},
		{llm.Anthropic, 403, `{"type":"error","error":{"type":"permission_error","message":"m"}}`, 502, keys},
		{llm.Anthropic, 404, `{"type":"error","error":{"type":"not_found_error","message":"m"}}`, 404, missing},
		{llm.Anthropic, 413, `{"type":"error","error":{"type":"request_too_large","message":"m"}}`, 413, large},
		{llm.Anthropic, 529, `{"type":"error","error":{"type":"overloaded_error","message":"m"}}`, 529, busy},
		{llm.Anthropic, 504, `{"type":"error","error":{"type":"timeout_error","message":"m"}}`, 504, late},
		{llm.Anthropic, 500, `{"type":"error","error":{"type":"api_error","message":"m"}}`, 500, broken},
		{llm.Anthropic, 400, `{"type":"error","error":{"type":"invalid_request_error","message":"m"}}`, 400, wrong},

		{llm.Gemini, 429, `{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}`, 429, limited},
		{llm.Gemini, 400, `{"error":{"code":400,"message":"The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}`, 400, long},
		{llm.Gemini, 403, `{"error":{"code":403,"message":"m","status":"PERMISSION_DENIED"}}`, 502, keys},
		{llm.Gemini, 404, `{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}`, 404, missing},
		{llm.Gemini, 503, `{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}`, 503, busy},
		{llm.Gemini, 504, `{"error":{"code":504,"message":"m","status":"DEADLINE_EXCEEDED"}}`, 504, late},
		{llm.Gemini, 500, `{"error":{"code":500,"message":"m","status":"INTERNAL"}}`, 500, broken},
		{llm.Gemini, 400, `{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}`, 400, wrong},

		{llm.Bedrock, 429, `{"message":"Too many requests, please wait before trying again."}`, 429, limited},
		{llm.Bedrock, 400, `{"message":"Input is too long for requested model."}`, 400, long},
		{llm.Bedrock, 403, `{"message":"The security token included in the request is expired"}`, 502, keys},
		{llm.Bedrock, 400, `{"message":"The provided model identifier is invalid."}`, 400, missing},
		{llm.Cohere, 400, `{"error_type":"TOO_MANY_TOKENS","message":"too many tokens: size limit exceeded by 25836 tokens."}`, 400, long},
		{llm.Cohere, 429, `{"message":"m"}`, 429, limited},
		{llm.Mistral, 429, `{"object":"error","message":"Service tier capacity exceeded for this model.","type":"invalid_request_error","param":null,"code":null}`, 429, limited},
		{llm.Mistral, 400, `{"object":"error","message":"Invalid model: x","type":"invalid_model","param":null,"code":"1500"}`, 400, missing},
		{llm.Mistral, 400, `{"object":"error","message":"Prompt contains 50000 tokens, too large for model with 32768 maximum context length","type":"invalid_request_error","code":"3051"}`, 400, long},
		{llm.Ollama, 404, `{"error":"model 'x' not found"}`, 404, missing},
		{llm.Ollama, 500, `{"error":"m"}`, 500, broken},
	} {
		for _, client := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini} {
			if client == c.from && c.as == c.status || openaisErrors(client) && openaisErrors(c.from) {
				continue // the vendor's own words
			}
			path, ask := streamedBy(client)
			reply, got, _ := through(t, path, ask, canned{c.from, c.status, plainJSON, c.body})
			var said struct {
				Error struct {
					Type    string
					Code    any
					Details json.RawMessage
				}
			}
			if err := json.Unmarshal([]byte(got), &said); err != nil {
				t.Fatalf("%s: %v", got, err)
			}
			ok := reply.Status == c.as
			switch client {
			case llm.Anthropic:
				ok = ok && said.Error.Type == c.want.anthropic && string(said.Error.Details) == `{"error_code":"`+c.want.kind+`"}`
			case llm.Gemini:
				var details []struct{ Reason string }
				err := json.Unmarshal(said.Error.Details, &details)
				ok = ok && err == nil && len(details) > 0 && details[0].Reason == c.want.gemini
			default:
				ok = ok && said.Error.Code == c.want.openai
			}
			if !ok {
				t.Errorf("%s %d for %s: %d %s\n\tof %s", c.from, c.status, client, reply.Status, got, c.body)
			}
		}
	}
}
