package dialect_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// TestRecordedModelsThatAreNotThere: what vendors have said of a model that they do not have, and of what else was wrong.
func TestRecordedModelsThatAreNotThere(t *testing.T) {
	vendors := []string{"anthropic", "azure", "bedrock", "gemini", "groq", "openai"}
	var found []string
	for _, x := range recorded.Of(t, "../..", "*err4*.json") {
		answer := strings.ToLower(string(x.Answer()))
		want := strings.Contains(answer, "does not exist") || strings.Contains(answer, "is not found for") || strings.Contains(answer, `"model: `) || strings.Contains(answer, "model identifier is invalid")
		if got := dialect.NoModel(x.Response.Status, x.Answer(), x.Model); got != want {
			t.Errorf("%s, of %s: %v: %.300s", x.Name, x.Model, got, x.Answer())
		} else if got && !slices.Contains(found, x.Provider) {
			found = append(found, x.Provider)
		}
	}
	if slices.Sort(found); !slices.Equal(found, vendors) {
		t.Errorf("found with %v", found)
	}
}

// TestNoModel: by a code, or by how the message begins where it says the target's name of the model.
func TestNoModel(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   bool
	}{
		{404, `{"error":{"message":"m","type":"invalid_request_error","code":"model_not_found"}}`, true},
		{400, `{"error":{"message":"m","param":"model","code":"model_not_found"}}`, true},
		{400, `{"error":{"message":"m","param":"tools[0].model","code":"model_not_found"}}`, false},
		{404, `{"error":{"message":"The model ` + "`Large-1`" + ` does not exist.","type":"NotFoundError","param":"model","code":404}}`, true}, // vLLM
		{404, `{"object":"error","message":"The model ` + "`large-1`" + ` does not exist.","type":"NotFoundError","param":null,"code":404}`, true},
		{404, `{"error":"model 'large-1' not found"}`, true}, // Ollama
		{404, `{"error":"model \"large-1\" not found, try pulling it first"}`, true},
		{404, `{"message":"model 'large-1' not found, make sure the correct model ID was used."}`, true}, // Cohere
		{400, `{"object":"error","message":"Invalid model: large-1","type":"invalid_model","param":null,"code":"1500"}`, true},
		{400, `{"error":{"message":"Model Not Exist","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}`, true}, // DeepSeek
		{404, `{"error":{"message":"No endpoints found for large-1.","code":404}}`, true},                                                 // OpenRouter
		{400, `{"error":{"message":"large-1 is not a valid model ID","code":400}}`, true},
		{404, `{"error":{"message":"No endpoints found that support tool use.","code":404}}`, false},
		{404, `{"error":{"message":"No endpoints found for large-10.","code":404}}`, false},
		{404, `{"error":{"message":"No endpoints found for large-1.5","code":404}}`, false},
		{404, `[{"error":{"code":404,"message":"models/large-1 is not found for API version v1beta","status":"NOT_FOUND"}}]`, true},
		{404, `{"error":{"code":404,"message":"Publisher Model ` + "`projects/p/locations/l/publishers/google/models/large-1`" + ` was not found or your project does not have access to it.","status":"NOT_FOUND"}}`, true},
		{404, `{"error":{"code":404,"message":"CachedContent not found","status":"NOT_FOUND"}}`, false},
		{404, `{"type":"error","error":{"type":"not_found_error","message":"model: large-1"}}`, true},
		{404, `{"type":"error","error":{"type":"not_found_error","message":"File not found: file_1"}}`, false},
		{404, `{"Message":"This model version has reached the end of its life."}`, true},
		{404, `{"error":{"message":"No such File object: file-1","type":"invalid_request_error","param":"id","code":null}}`, false},
		{404, `{"error":{"message":"Previous response with id 'resp_1' not found.","param":"previous_response_id","code":"previous_response_not_found"}}`, false},
		{400, `{"error":{"message":"you said: the model large-1 does not exist","code":null}}`, false},
		{404, `model large-1 not found`, true},
		{404, `<html>the model large-1 does not exist</html>`, false},
		{404, ``, false},
		{404, `[]`, false},
		{500, `{"error":{"message":"m","code":"model_not_found"}}`, false},
		{404, strings.Repeat(" ", 1<<20) + `{"error":{"message":"m","code":"model_not_found"}}`, false},
	} {
		if got := dialect.NoModel(c.status, []byte(c.body), "large-1"); got != c.want {
			t.Errorf("%d %.200s: %v", c.status, c.body, got)
		}
	}
}
