package codecs

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
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
		{llm.OpenAI, llm.OpChat, `{"model":"m","messages":[{"role":"assistant","audio":{"id":"audio\u005f1","transcript":"x","expires_at":1}},{"role":"assistant","audio":{"id":"audio_2"}},{"role":"assistant","audio":null}]}`, "audio_1 audio_2"},
		{llm.OpenAI, llm.OpChat, `{"model":"m","messages":[{"role":"assistant","audio":{"id":7}}]}`, "?"},
		{llm.OpenAI, llm.OpChat, `{"model":"m","messages":[{"role":"assistant","audio":"audio_1"}]}`, "audio_1"},
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
		{llm.OpenAI, llm.OpChat, chat(`{"type":"file","file":"f-1"}`), "f-1"},
		{llm.OpenAI, llm.OpChat, chat(`{"type":"image_url","image_url":{"url":"https://eu-generativelanguage.googleapis.com/v1beta/files/a"}},{"type":"image_url","image_url":{"url":"https://storage.googleapis.com/b/generativelanguage.png"}}`), "https://eu-generativelanguage.googleapis.com/v1beta/files/a"},
		{llm.OpenAI, llm.OpChat, chat(`{"type":"image_url","image_url":{"url":"https://example.org/100%.png?a b=%zz"}},{"type":"image_url","image_url":{"url":"https://example.org?generativelanguage.googleapis.com"}}`), ""},
		{llm.OpenAI, llm.OpChat, chat(`{"type":"image_url","image_url":{"url":"https:////generativelanguage.googleapis.com/a"}},{"type":"image_url","image_url":{"url":"https://example.org\\@generativelanguage.googleapis.com/a"}}`), `https:////generativelanguage.googleapis.com/a https://example.org\@generativelanguage.googleapis.com/a`},
		{llm.OpenAI, llm.OpChat, `{"model":"m","messages":[],"data_sources":[{"type":"azure_search","parameters":{"index_name":"i","authentication":{"type":"system_assigned_managed_identity"}}}]}`, "data_sources"},
		{llm.OpenAI, llm.OpChat, `{"model":"m","messages":[],"data_sources":[],"extra_body":{"google":{"thinking_config":{"include_thoughts":true}}}}`, ""},
		{llm.OpenAI, llm.OpChat, `{"model":"m","messages":[],"extra_body":{"google":{"cached_content":"cachedContents/a"}}}`, "cachedContents/a"},
		{llm.OpenAI, llm.OpChat, `{"model":"m","messages":[],"google":{"cachedContent":"cachedContents/a"}}`, "cachedContents/a"},
		{llm.OpenAI, llm.OpImageEdits, `{"model":"m","prompt":"x","image":{"file_id":"f-1"}}`, "f-1"},
		{llm.Responses, llm.OpChat, `{"model":"m","input":"x","tools":[{"type":"shell","environment":{"type":"container_auto","skills":[{"type":"skill_reference","skill_id":"skill_1"},{"type":"skill_reference","skill_id":"openai-spreadsheets"},{"type":"skill_reference","skill_id":["openai-a","skill_2"]}]}}]}`, "skill_1 openai-a skill_2"},
		{llm.Anthropic, llm.OpChat, chat(`{"type":"tool_result","tool_use_id":"t","content":[{"type":"code_execution_output","file_id":"f-1","source":{"type":"file","file_id":"f-2"},"content":[{"type":"document","source":{"type":"file","file_id":"f-3"}}]}]}`), "f-2 f-3"},
		{llm.Anthropic, llm.OpChat, `{"model":"m","messages":[],"container":{"id":null,"skills":[{"type":"custom","skill_id":"s-1","version":"latest"},{"type":"anthropic","skill_id":"pptx"},{"skill_id":"s-2"}]}}`, "s-1 s-2"},
		{llm.Gemini, llm.OpChat, gemini(`{"functionResponse":{"name":"f","response":{"fileUri":"x"},"parts":[{"fileData":{"fileUri":"files/a"}}]}}`), "files/a"},
		{llm.Gemini, llm.OpChat, `{"systemInstruction":{"parts":{"fileData":{"fileUri":"files/a"}}},"contents":[]}`, "files/a"},
		{llm.Gemini, llm.OpCountTokens, `{"generateContentRequest":{"cachedContent":"cachedContents/a","contents":[{"parts":[{"fileData":{"fileUri":"files/b"}}]}]}}`, "cachedContents/a files/b"},
		{llm.Gemini, llm.OpBatchEmbeddings, `{"requests":[{"content":{"parts":[{"fileData":{"fileUri":"gs://b/a"}}]}}]}`, "gs://b/a"},
		{llm.Gemini, llm.OpChat, `{"contents":[],"tools":[{"fileSearch":{"fileSearchStoreNames":["fileSearchStores/a","fileSearchStores/b"],"metadataFilter":"author=x","topK":3}},{"googleSearch":{}},{"functionDeclarations":[{"name":"fileSearch"}]}]}`, "fileSearchStores/a fileSearchStores/b"},
		{llm.Gemini, llm.OpChat, `{"contents":[],"tools":{"file_search":{"file_search_store_names":"fileSearchStores/a"}}}`, "fileSearchStores/a"},
		{llm.Gemini, llm.OpChat, `{"contents":[],"tools":[{"retrieval":{"vertexRagStore":{"ragResources":[{"ragCorpus":"projects/p/locations/l/ragCorpora/1"}]}}}]}`, "projects/p/locations/l/ragCorpora/1"},
		{llm.Gemini, llm.OpChat, `{"cachedContent":"cachedContents/a","contents":[{"parts":[{"text":"x"}]}]}`, "cachedContents/a"},
		{llm.Responses, llm.OpChat, `{"model":"m","input":"x","previous_response_id":"resp\u005f1","conversation":"conv_1","prompt":{"id":"p"}}`, "resp_1 conv_1"},
		{llm.Responses, llm.OpCountTokens, `{"model":"m","previous_response_id":"resp_1","conversation":{"id":"conv_1"}}`, "resp_1 conv_1"},
		{llm.Responses, llm.OpChat, `{"model":"m","input":"x","previous_response_id":null,"conversation":null}`, ""},
		{llm.Responses, llm.OpChat, `{"model":"m","input":"x","conversation":{}}`, "?"},
		{llm.Responses, llm.OpChat, `{"model":"m","input":"x","conversation":{"id":null}}`, "?"},
		{llm.Responses, llm.OpChat, `{"model":"m","input":"x","previous_response_id":7}`, "?"},
		{llm.Responses, llm.OpChat, input(`{"type":"item_reference","id":"msg_1"},{"id":"rs_1"},{"id":"rs_2","type":null},{"type":"item\u005freference","id":"rs_3"}`), "msg_1 rs_1 rs_2 rs_3"},
		{llm.Responses, llm.OpChat, input(`{"id":"msg_1","role":"assistant"},{"id":"msg_2","role":"user","content":null},{"id":"msg_3","role":"user","content":"x"}`), "msg_1 msg_2"},
		{llm.Responses, llm.OpChat, input(`{"type":"item_reference","id":["msg_1"]},{"type":"item_reference","id":null},{"type":"item_reference"}`), "msg_1"},
		{llm.Responses, llm.OpChat, `{"model":"m","instructions":[{"type":"item_reference","id":"msg_1"}]}`, "msg_1"},
		{llm.Responses, llm.OpChat, `{"model":"m","input":"x","tools":[{"type":"code_interpreter","container":"cntr_1"},{"type":"shell","environment":{"type":"container_reference","container_id":"cntr_2"}}]}`, "cntr_1 cntr_2"},
		{llm.Responses, llm.OpChat, input(`{"type":"shell_call","call_id":"c","action":{"commands":["ls"]},"environment":{"type":"container_reference","container_id":"cntr_1"}},{"type":"code_interpreter_call","id":"ci_1","code":"x","container_id":"cntr_2"}`), "cntr_1"},
		{llm.Responses, llm.OpContainers, `{"name":"x","file_ids":["f-1","f-2"],"skills":[{"type":"skill_reference","skill_id":"skill_1"},{"type":"skill_reference","skill_id":"openai-spreadsheets"}]}`, "f-1 f-2 skill_1"},
		{llm.Responses, llm.OpContainers, `{"file_id":"f-1"}`, "f-1"},
		{llm.OpenAI, llm.OpChat, `{"model":"m","messages":[],"previous_response_id":"resp_1","conversation":"conv_1"}`, "resp_1 conv_1"},
		{llm.Anthropic, llm.OpChat, `{"model":"m","messages":[],"container":"container_1"}`, "container_1"},
		{llm.Anthropic, llm.OpChat, `{"model":"m","messages":[],"thread":{"type":"continue","previous_message_id":"msg_1"}}`, "msg_1"},
		{llm.Anthropic, llm.OpChat, `{"model":"m","messages":[],"container":{"id":"container_1","skills":[{"type":"anthropic","skill_id":"pptx"}]}}`, "container_1"},
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

// named returns what a body that a provider is sent names of what its vendor keeps.
func named(to llm.Dialect, body []byte) []string {
	if to == llm.Bedrock && bytes.Contains(body, []byte(`"s3Location"`)) {
		return []string{"s3Location"}
	}
	codec := Of(to)
	if to == llm.Mistral {
		codec = Of(llm.OpenAI)
	}
	var read dialect.Request
	if codec == nil || codec.Request(llm.OpChat, body, &read) != nil {
		return nil
	}
	return read.Files
}

// TestFilesAcross: no translation makes a file's name of what a client's dialect has for an address of the web.
func TestFilesAcross(t *testing.T) {
	for _, address := range []string{
		"files/a", "v1beta/files/a", "//generativelanguage.googleapis.com/v1beta/files/a", "generativelanguage.googleapis.com/v1beta/files/a", "file-1", "cachedContents/a",
		`gs:\/\/b/a`, "GS://b/a", " gs://b/a", "s3://b/a.png", "S3://b/a.png", "https://generativelanguage.googleapis.com/v1beta/files/a", `https:\u002f/generativelanguage.googleapis.com/v1beta/files/a`,
		"https://example.org/a.png", "data:image/png;base64,AA==", "data:,files/a", "data:image/png,gs://b/a", strings.Repeat(" ", 40) + "gs://b/a", "AA==",
	} {
		for source, bodies := range map[llm.Dialect][]string{
			llm.OpenAI: {
				`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"%s"}}]}]}`, `{"model":"m","messages":[{"role":"user","content":[{"type":"video_url","video_url":"%s"}]}]}`,
				`{"model":"m","messages":[{"role":"user","content":[{"type":"document_url","document_url":"%s"}]}]}`, `{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"%s","filename":"a.pdf"}}]}]}`,
				`{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"%s","format":"mp3"}}]}]}`, `{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"%s"}}]}]}`,
			},
			llm.Responses: {
				`{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"%s"}]}]}`, `{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_url":"%s","filename":"a.pdf"}]}]}`,
				`{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_data":"%s","filename":"a.pdf"}]}]}`, `{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":"%s"}]}]}`,
			},
			llm.Anthropic: {
				`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"%s"}}]}]}`, `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"%s"}}]}]}`,
				`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"%s"}}]}]}`,
			},
			llm.Gemini: {
				`{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"image/png","fileUri":"%s"}}]}]}`, `{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"%s"}}]}]}`,
			},
		} {
			for _, format := range bodies {
				body := fmt.Appendf(nil, format, address)
				var read dialect.Request
				if err := Of(source).Request(llm.OpChat, body, &read); err != nil {
					t.Fatalf("%s: %v", body, err)
				}
				q, err := Translator(source).DecodeRequest(body)
				if err != nil || len(read.Files) > 0 {
					continue
				}
				for _, target := range upstreams {
					copied := *q
					copied.Model = "m"
					if out, _, err := UpstreamTranslator(target).EncodeRequest(&copied, conversation.Limits{}); err == nil && len(named(target, out)) > 0 {
						t.Errorf("%s to %s: %s becomes %s", source, target, body, out)
					}
				}
			}
		}
	}
}
