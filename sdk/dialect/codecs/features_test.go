package codecs

import (
	"slices"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

func TestFeatures(t *testing.T) {
	const schema = `{"type":"object","properties":{"a":{"type":"string"}}}`
	for name, c := range map[string]struct {
		dialect llm.Dialect
		body    string
		want    []llm.Feature
	}{
		"Chat: words":        {llm.OpenAI, `{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[]}`, nil},
		"Chat: an image":     {llm.OpenAI, `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a"}}]}]}`, []llm.Feature{llm.FeatureImages}},
		"Chat: sound":        {llm.OpenAI, `{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]}`, []llm.Feature{llm.FeatureAudio}},
		"Chat: a file":       {llm.OpenAI, `{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}}]}]}`, []llm.Feature{llm.FeatureFiles}},
		"Chat: a tool":       {llm.OpenAI, `{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":` + schema + `}}]}`, []llm.Feature{llm.FeatureTools}},
		"Chat: a schema":     {llm.OpenAI, `{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":` + schema + `}}}`, []llm.Feature{llm.FeatureSchema}},
		"Chat: any object":   {llm.OpenAI, `{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_object"}}`, nil},
		"Responses":          {llm.Responses, `{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}],"text":{"format":{"type":"json_schema","name":"s","schema":` + schema + `}}}`, []llm.Feature{llm.FeatureSchema, llm.FeatureImages}},
		"Messages":           {llm.Anthropic, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}}]}],"tools":[{"name":"f","input_schema":` + schema + `}]}`, []llm.Feature{llm.FeatureTools, llm.FeatureFiles}},
		"Messages: a result": {llm.Anthropic, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]}]}`, []llm.Feature{llm.FeatureImages}},
		"Gemini":             {llm.Gemini, `{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"video/mp4","data":"AAAA"}},{"inlineData":{"mimeType":"audio/wav","data":"AAAA"}}]}]}`, []llm.Feature{llm.FeatureVideo, llm.FeatureAudio}},
	} {
		q, err := Of(c.dialect).(conversation.Codec).DecodeRequest([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := q.Features(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, not %v", name, got, c.want)
		}
	}
}
