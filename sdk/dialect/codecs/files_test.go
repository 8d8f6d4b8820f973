package codecs

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// TestFilesOfRequests: whatever a request names of what a vendor keeps is found, and nothing else is taken for it.
func TestFilesOfRequests(t *testing.T) {
	chat := func(part string) string {
		return `{"model":"m","messages":[{"role":"user","content":[` + part + `]}]}`
	}
	input := func(item string) string { return `{"model":"m","input":[` + item + `]}` }
	gemini := func(part string) string { return `{"contents":[{"role":"user","parts":[` + part + `]}]}` }
	for _, c := range []struct {
		dialect llm.Dialect
		op      llm.Op
		body    string
		want    string
	}{
		{llm.OpenAI, llm.OpChat, chat(`{"type":"file","file":{"file_id":"f-1"}},{"type":"file","file":{"file_id":"f-\u0032"}}`), "f-1 f-2"},
		{llm.OpenAI, llm.OpChat, chat(`{"type":"file","file_id":"f-1"}`), "f-1"},
		{llm.OpenAI, llm.OpChat, chat(`{"type":"file","file":{"file_id":null,"file_data":"data:application/pdf;base64,AA=="}}`), ""},
		{llm.OpenAI, llm.OpChat, chat(`{"type":"file","file":{"file_id":7}}`), "?"},
		{llm.OpenAI, llm.OpChat, chat(`{"type":"file","file":{"file_data":"gs://b/a"}}`), "gs://b/a"},
		{llm.OpenAI, llm.OpChat, chat(`{"type":"image_url","image_url":{"url":"https://example.org/a:b.png"}},{"type":"image_url","image_url":"data:image/png;base64,AA=="}`), ""},
		{llm.OpenAI, llm.OpChat, chat(`{"type":"image_url","image_url":{"url":"S3:\/\/bucket/a.png"}}`), "S3://bucket/a.png"},
		{llm.OpenAI, llm.OpChat, `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"read","arguments":"{\"file_id\":\"x\"}"}}]}],"tools":[{"type":"function","function":{"name":"read","parameters":{"properties":{"file_id":{"type":"string"}}}}}]}`, ""},
		{llm.OpenAI, llm.OpImages, `{"model":"m","prompt":"x","images":[{"file_id":"f-1"},{"image_url":"data:image/png;base64,AA=="}],"mask":{"file_id":"f-2"}}`, "f-1 f-2"},
		{llm.OpenAI, llm.OpImageEdits, `{"model":"m","prompt":"x","images":[{"file_id":"f-1"}]}`, "f-1"},
		{llm.OpenAI, llm.OpRealtime, `{"type":"session.update","session":{"prompt":{"id":"p","variables":{"a":"b","c":{"type":"input_file","file_id":"f-1"}}}}}`, "f-1"},
		{llm.OpenAI, llm.OpRealtime, `{"type":"response.create","response":{"prompt":{"id":"p","variables":{"c":{"type":"input_file","file_id":"f-1"}}}}}`, "f-1"},
		{llm.Responses, llm.OpChat, input(`{"role":"user","content":[{"type":"input_file","file_id":"f-1"},{"type":"input_image","file_id":"f-2"}]}`), "f-1 f-2"},
		{llm.Responses, llm.OpChat, input(`{"type":"computer_call_output","call_id":"c","output":{"type":"computer_screenshot","file_id":"f-1"}},{"type":"function_call_output","call_id":"c","output":[{"type":"input_file","file_id":"f-2"}]}`), "f-1 f-2"},
		{llm.Responses, llm.OpChat, input(`{"role":"assistant","content":[{"type":"output_text","text":"x","annotations":[{"type":"file_citation","file_id":"f-1"}]}]},{"type":"file_search_call","id":"s","queries":[],"results":[{"file_id":"f-2","text":"x"}]}`), ""},
		{llm.Responses, llm.OpChat, `{"model":"m","input":"x","tools":[{"type":"file_search","vector_store_ids":["v-1","v-2"]},{"type":"code_interpreter","container":{"type":"auto","file_ids":["f-1"]}},{"type":"image_generation","input_image_mask":{"file_id":"f-2"}}]}`, "v-1 v-2 f-1 f-2"},
		{llm.Responses, llm.OpChat, `{"model":"m","input":"x","tools":[{"type":"file_search","vector_store_ids":[]},{"type":"shell","environment":{"type":"container_auto","file_ids":["f-1"]}}]}`, "f-1"},
		{llm.Responses, llm.OpChat, `{"model":"m","prompt":{"id":"p","variables":{"a":{"type":"input_file","file_id":"f-1"}}}}`, "f-1"},
		{llm.Responses, llm.OpCountTokens, input(`{"role":"user","content":[{"type":"input_file","file_id":"f-1"}]}`), "f-1"},
		{llm.Anthropic, llm.OpChat, chat(`{"type":"document","source":{"type":"file","file_id":"f-1"}},{"type":"container_upload","file_id":"f-2"},{"type":"image","source":{"type":"url","url":"https://example.org/a"}}`), "f-1 f-2"},
		{llm.Anthropic, llm.OpChat, chat(`{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"file","file_id":"f-1"}}]}`), "f-1"},
		{llm.Anthropic, llm.OpChat, chat(`{"type":"document","source":{"type":"url","url":"s3://b/a"}}`), "s3://b/a"},
		{llm.Anthropic, llm.OpChat, `{"model":"m","messages":[{"role":"assistant","content":[{"type":"code_execution_tool_result","tool_use_id":"t","content":{"type":"code_execution_result","stdout":"","content":[{"file_id":"f-1","type":"code_execution_output"}]}},{"type":"tool_use","id":"t","name":"read","input":{"file_id":"f-2"}}]}]}`, ""},
		{llm.Gemini, llm.OpChat, gemini(`{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/a"}},{"file_data":{"file_uri":"gs://b/a"}},{"fileData":{"fileUri":"files/b"}},{"fileData":{"fileUri":"https://example.org/v"}}`), "https://generativelanguage.googleapis.com/v1beta/files/a gs://b/a files/b"},
		{llm.Gemini, llm.OpChat, gemini(`{"fileData":{"fileUri":"HTTPS://u@GenerativeLanguage.googleapis.com.:443/v1beta/files/a"}}`), "HTTPS://u@GenerativeLanguage.googleapis.com.:443/v1beta/files/a"},
		{llm.Gemini, llm.OpChat, `{"cachedContent":"cachedContents/a","contents":[{"parts":[{"text":"x"}]}]}`, "cachedContents/a"},
	} {
		var read dialect.Request
		if err := Of(c.dialect).Request(c.op, []byte(c.body), &read); err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		got := strings.Join(read.Files, " ")
		if c.want == "?" { // named by what is no id, which is nobody's
			if len(read.Files) != 1 || got != "" {
				t.Errorf("%s names %q", c.body, read.Files)
			}
			continue
		}
		if got != c.want || got != "" && read.Unseen == "" && c.op != llm.OpRealtime {
			t.Errorf("%s names %q, unseen %q; want %q", c.body, got, read.Unseen, c.want)
		}
	}
}
