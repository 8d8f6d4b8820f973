package codecs

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// TestMembersThatNobodyKnowsAreListed: wherever they stand in a client's request, with the way to them, whatever the
// provider's dialect is.
func TestMembersThatNobodyKnowsAreListed(t *testing.T) {
	for from, c := range map[llm.Dialect]struct{ body, listed string }{
		llm.OpenAI: {`{"model":"m","x_top":1,"messages":[{"role":"system","content":"s","x_system":1},
			{"role":"user","content":[{"type":"text","text":"a","x_part":1},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","x_url":1}}],"x_message":1},
			{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","x_call":1,"function":{"name":"f","arguments":"{}","x_inner":1}}]},
			{"role":"tool","tool_call_id":"c1","content":"r","x_result":{"a":1}}],
			"tools":[{"type":"function","x_tool":1,"function":{"name":"f","x_function":1}}],"tool_choice":{"type":"function","x_choice":1,"function":{"name":"f","x_named":1}},
			"response_format":{"type":"json_schema","x_format":1,"json_schema":{"name":"n","schema":{"type":"object","x_schema":1},"x_named":1}},
			"reasoning":{"effort":"low","x_reasoning":1},"stream_options":{"x_stream":1}}`,
			`x_top messages[0].x_system messages[1].content[0].x_part messages[1].content[1].image_url.x_url messages[1].x_message
			messages[2].tool_calls[0].x_call messages[2].tool_calls[0].function.x_inner messages[3].x_result tools[0].x_tool tools[0].function.x_function tool_choice.x_choice
			tool_choice.function.x_named response_format.x_format response_format.json_schema.x_named reasoning.x_reasoning stream_options.x_stream`},
		llm.Responses: {`{"model":"m","x_top":1,"input":[{"role":"user","content":[{"type":"input_text","text":"a","x_part":1}],"x_item":1},
			{"type":"function_call","call_id":"c1","name":"f","arguments":"{}","x_call":1},{"type":"function_call_output","call_id":"c1","output":[{"type":"input_text","text":"r","x_inner":1}],"x_output":1}],
			"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"x_tool":1}],"tool_choice":{"type":"function","name":"f","x_choice":1},
			"text":{"x_text":1,"format":{"type":"json_schema","name":"n","schema":{},"x_format":1}},"reasoning":{"effort":"low","x_reasoning":1}}`,
			`x_top input[0].content[0].x_part input[0].x_item input[1].x_call input[2].output[0].x_inner input[2].x_output tools[0].x_tool tool_choice.x_choice text.x_text text.format.x_format reasoning.x_reasoning`},
		llm.Anthropic: {`{"model":"m","max_tokens":9,"x_top":1,"system":[{"type":"text","text":"s","x_system":1}],"messages":[
			{"role":"user","x_message":1,"content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD","x_source":1},"x_block":1}]},
			{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":{"x_input":1},"x_call":1}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":[{"type":"text","text":"r","x_inner":1}],"x_result":1}]}],
			"tools":[{"name":"f","input_schema":{"type":"object"},"x_tool":1,"cache_control":{"type":"ephemeral","x_cache":1}}],"tool_choice":{"type":"auto","x_choice":1},
			"thinking":{"type":"disabled","x_thinking":1},"metadata":{"user_id":"u","x_metadata":1},"output_config":{"x_output":1,"format":{"type":"json_schema","schema":{},"x_format":1}}}`,
			`x_top system[0].x_system messages[0].x_message messages[0].content[0].source.x_source messages[0].content[0].x_block messages[1].content[0].x_call
			messages[2].content[0].content[0].x_inner messages[2].content[0].x_result tools[0].x_tool tools[0].cache_control.x_cache tool_choice.x_choice thinking.x_thinking
			metadata.x_metadata output_config.x_output output_config.format.x_format`},
		llm.Gemini: {`{"xTop":1,"systemInstruction":{"role":"user","parts":[{"text":"s","xSystem":1}],"xContent":1},"contents":[{"role":"user","xTurn":1,"parts":[{"text":"a","x_part":1},
			{"inlineData":{"mimeType":"image/png","data":"QUJD","xData":1},"mediaResolution":{"level":"MEDIA_RESOLUTION_LOW"}}]},
			{"role":"model","parts":[{"functionCall":{"name":"f","args":{},"xCall":1}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"a":1},"scheduling":"SILENT"}}]}],
			"tools":[{"functionDeclarations":[{"name":"e"},{"name":"f","behavior":"NON_BLOCKING","response":{"type":"STRING"}}]}],
			"toolConfig":{"retrievalConfig":{"languageCode":"en"},"functionCallingConfig":{"mode":"AUTO","xCalling":1}},"generationConfig":{"thinkingConfig":{"thinkingBudget":0,"xThinking":1}}}`,
			`xTop systemInstruction.parts[0].xSystem systemInstruction.xContent contents[0].xTurn contents[0].parts[0].x_part contents[0].parts[1].inlineData.xData contents[0].parts[1].mediaResolution
			contents[1].parts[0].functionCall.xCall contents[2].parts[0].functionResponse.scheduling tools[0].functionDeclarations[1].behavior tools[0].functionDeclarations[1].response
			toolConfig.retrievalConfig toolConfig.functionCallingConfig.xCalling generationConfig.thinkingConfig.xThinking`},
	} {
		for _, to := range upstreams {
			if to == from {
				continue
			}
			_, lost, err := encoded(t, from, to, c.body)
			if err != nil {
				if !strings.Contains(err.Error(), "tool_choice") { // a tool cannot be named everywhere
					t.Errorf("%s to %s: %v", from, to, err)
				}
				continue
			}
			all := strings.Split(lost, ", ")
			for _, field := range strings.Fields(c.listed) {
				n := 0
				for _, l := range all {
					if l == field {
						n++
					}
				}
				if n != 1 {
					t.Errorf("%s to %s: %s is listed %d times: %s", from, to, field, n, lost)
				}
			}
		}
	}
}

// TestWhatHoldsAnywayIsNotListed: members that say what holds without them, and what an answer had that is said again.
func TestWhatHoldsAnywayIsNotListed(t *testing.T) {
	for from, body := range map[llm.Dialect]string{
		llm.OpenAI: `{"model":"m","store":false,"top_logprobs":0,"stream_options":{"include_obfuscation":false},"messages":[{"role":"user","content":[{"type":"text","text":"a","x":null},
			{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"auto"}}]},{"role":"assistant","content":"b","refusal":null,"annotations":[],"x":{}}, ` + user + `]}`,
		llm.Responses: `{"model":"m","store":false,"top_logprobs":0,"input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:image/png;base64,QUJD","detail":"auto"}]},
			{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"b","annotations":[],"logprobs":[{"token":"b","logprob":-1}]}]},{"role":"user","content":"c"}],
			"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":false,"defer_loading":false}]}`,
		llm.Anthropic: `{"model":"m","max_tokens":9,"messages":[` + user + `,{"role":"assistant","content":[{"type":"text","text":"b","citations":null},{"type":"tool_use","id":"c1","name":"f","input":{},"caller":{"type":"direct"}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"r","is_error":false},{"type":"text","text":"q"}]}],"tools":[{"type":"custom","name":"f","input_schema":{"type":"object"},"defer_loading":false}]}`,
		llm.Gemini: `{"contents":[{"role":"user","parts":[{"text":"a","thought":false}]}],"tools":[{"functionDeclarations":[{"name":"f","behavior":"BLOCKING"}]}]}`,
	} {
		for _, to := range upstreams {
			if _, lost, err := encoded(t, from, to, body); err != nil || lost != "" && !strings.HasSuffix(lost, ".content") { // Mistral's bridge
				t.Errorf("%s to %s: %v, listed: %s", from, to, err, lost)
			}
		}
	}
}

// TestLossesNameTheClientsPlace: messages that become one turn, and instructions that become none, are counted as the
// client has them.
func TestLossesNameTheClientsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		from, to llm.Dialect
		body     string
		listed   string
	}{
		"messages that become one turn": {llm.OpenAI, llm.Gemini, `{"model":"m","messages":[{"role":"system","content":"s"},` + user + `,` + user + `,{"role":"user","content":[{"type":"text","text":"x"},{"type":"text","text":"y","cache_control":{"type":"ephemeral"}}]},
			{"role":"assistant","content":"a"},{"role":"user","name":"bob","content":"z"}]}`, "messages[5].name, messages[3].content[1].cache_control"},
		"a tool's failure": {llm.Anthropic, llm.OpenAI, `{"model":"m","max_tokens":9,"messages":[` + user + `,` + user + `,{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":{}}]},
			{"role":"user","content":[{"type":"text","text":"q"},{"type":"tool_result","tool_use_id":"c1","content":"r","is_error":true,"cache_control":{"type":"ephemeral"}}]}]}`,
			"messages[3].content[1].cache_control, messages[3].content[1].is_error"},
		"thoughts": {llm.OpenAI, llm.Anthropic, `{"model":"m","messages":[` + user + `,` + user + `,{"role":"assistant","reasoning_content":"hm","content":"a"},` + user + `]}`, "messages[2].reasoning_content"},
		"an item":  {llm.Responses, llm.Gemini, `{"model":"m","input":[{"role":"user","content":"a"},{"role":"user","content":"b"},{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"c2VhbGVk"},{"role":"assistant","content":"c"},{"role":"user","content":"d"}]}`, "input[2]"},
		"a function": {llm.Gemini, llm.Ollama, `{"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"user","parts":[{"text":"y"},{"text":"hm","thought":true,"thoughtSignature":"c2ln"}]}],
			"tools":[{"functionDeclarations":[{"name":"e"}]},{"functionDeclarations":[{"name":"f","behavior":"NON_BLOCKING"}]}]}`,
			"contents[1].parts[1], tools[1].functionDeclarations[0].behavior"},
	} {
		if _, lost, err := encoded(t, c.from, c.to, c.body); err != nil || lost != c.listed {
			t.Errorf("%s: %v, listed: %s\n\twant %s", name, err, lost, c.listed)
		}
	}
}

// TestWhatIsSaidAboutMedia goes along where there is a place for it.
func TestWhatIsSaidAboutMedia(t *testing.T) {
	const document = `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"QUJD"},"title":"Q3","context":"of 2024","citations":{"enabled":true}},
		{"type":"text","text":"x"}]}]}`
	const image = `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"low"}}]}]}`
	const item = `{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"x"},{"type":"input_image","image_url":"data:image/png;base64,QUJD","detail":"low"}]}]}`
	const converse = `{"messages":[{"role":"user","content":[{"document":{"format":"pdf","name":"Q3","source":{"bytes":"QUJD"},"context":"of 2024","citations":{"enabled":true}}},{"text":"x"}]}]}`
	const about = "messages[0].content[0].title, messages[0].content[0].context, messages[0].content[0].citations"
	for name, c := range map[string]struct {
		from, to     llm.Dialect
		body         string
		kept, listed string
	}{
		"a document, A to B": {llm.Anthropic, llm.Bedrock, document, `"context":"of 2024","citations":{"enabled":true}`, ""},
		"a document, B to A": {llm.Bedrock, llm.Anthropic, converse, `"title":"Q3","context":"of 2024","citations":{"enabled":true}`, ""},
		"a document, A to G": {llm.Anthropic, llm.Gemini, document, `QUJD`, about},
		"a document, A to C": {llm.Anthropic, llm.OpenAI, document, `"filename":"Q3"`, about[len("messages[0].content[0].title, "):]},
		"a document, A to R": {llm.Anthropic, llm.Responses, document, `"filename":"Q3"`, about[len("messages[0].content[0].title, "):]},
		"a document, A to M": {llm.Anthropic, llm.Mistral, document, `"document_name":"Q3"`, about[len("messages[0].content[0].title, "):]},
		"a text, A to C":     {llm.Anthropic, llm.OpenAI, strings.Replace(document, `"base64","media_type":"application/pdf"`, `"text","media_type":"text/plain"`, 1), `QUJD`, about},
		"a text, A to R":     {llm.Anthropic, llm.Responses, strings.Replace(document, `"base64","media_type":"application/pdf"`, `"text","media_type":"text/plain"`, 1), `QUJD`, about},
		"a text, A to M":     {llm.Anthropic, llm.Mistral, strings.Replace(document, `"base64","media_type":"application/pdf"`, `"text","media_type":"text/plain"`, 1), `QUJD`, about},
		"a text, A to O":     {llm.Anthropic, llm.Ollama, strings.Replace(document, `"base64","media_type":"application/pdf"`, `"text","media_type":"text/plain"`, 1), `QUJD`, about},
		"an image, C to R":   {llm.OpenAI, llm.Responses, image, `"detail":"low"`, ""},
		"an image, R to C":   {llm.Responses, llm.OpenAI, item, `"detail":"low"`, ""},
		"an image, C to Co":  {llm.OpenAI, llm.Cohere, image, `"detail":"low"`, ""},
		"an image, C to M":   {llm.OpenAI, llm.Mistral, image, `"detail":"low"`, ""},
		"an image, C to A":   {llm.OpenAI, llm.Anthropic, image, `QUJD`, "messages[0].content[1].image_url.detail"},
		"an image, C to G":   {llm.OpenAI, llm.Gemini, image, `QUJD`, "messages[0].content[1].image_url.detail"},
		"an image, C to B":   {llm.OpenAI, llm.Bedrock, image, `QUJD`, "messages[0].content[1].image_url.detail"},
		"an image, R to O":   {llm.Responses, llm.Ollama, item, `QUJD`, "input[0].content[1].detail"},
	} {
		if out, lost, err := encoded(t, c.from, c.to, c.body); err != nil || lost != c.listed || !strings.Contains(out, c.kept) {
			t.Errorf("%s: %v, listed: %s\n\twant %s\n\t%s", name, err, lost, c.listed, out)
		}
	}
}

// TestWishesThatNoAnswerShows are passed on between the dialects that have them, and listed elsewhere.
func TestWishesThatNoAnswerShows(t *testing.T) {
	const chat, input = `{"model":"m","messages":[` + user + `],`, `{"model":"m","input":"x",`
	for name, c := range map[string]struct {
		from, to     llm.Dialect
		body         string
		kept, listed string
	}{
		"store, C to R":               {llm.OpenAI, llm.Responses, chat + `"store":true}`, `"store":true`, ""},
		"store, R to C":               {llm.Responses, llm.OpenAI, input + `"store":true}`, `"store":true`, ""},
		"no store, R to C":            {llm.Responses, llm.OpenAI, input + `"store":false}`, "", ""},
		"no word of store, C to R":    {llm.OpenAI, llm.Responses, chat + `"n":1}`, `"store":false`, ""},
		"store, C to A":               {llm.OpenAI, llm.Anthropic, chat + `"store":true}`, "", "store"},
		"store, R to G":               {llm.Responses, llm.Gemini, input + `"store":true}`, "", "store"},
		"store, R to M":               {llm.Responses, llm.Mistral, input + `"store":true}`, "", "store"},
		"store, C to B":               {llm.OpenAI, llm.Bedrock, chat + `"store":true}`, "", "store"},
		"store, C to Co":              {llm.OpenAI, llm.Cohere, chat + `"store":true}`, "", "store"},
		"store, C to O":               {llm.OpenAI, llm.Ollama, chat + `"store":true}`, "", "store"},
		"a summary, R to C":           {llm.Responses, llm.OpenAI, input + `"reasoning":{"effort":"low","summary":"auto"}}`, `"reasoning_effort":"low"`, "reasoning.summary"},
		"a summary, R to A":           {llm.Responses, llm.Anthropic, input + `"reasoning":{"effort":"low","summary":"auto"}}`, `"budget_tokens"`, ""},
		"a detailed summary, R to A":  {llm.Responses, llm.Anthropic, input + `"reasoning":{"effort":"low","summary":"detailed"}}`, `"budget_tokens"`, "reasoning.summary"},
		"a summary of nothing, R->A":  {llm.Responses, llm.Anthropic, input + `"reasoning":{"summary":"auto"}}`, "", "reasoning.summary"},
		"a summary, R to G":           {llm.Responses, llm.Gemini, input + `"reasoning":{"summary":"auto"}}`, `"includeThoughts":true`, ""},
		"a concise summary, R to M":   {llm.Responses, llm.Mistral, `{"model":"mistral-small","input":"x","reasoning":{"effort":"high","summary":"concise"}}`, `"reasoning_effort":"high"`, "reasoning.summary"},
		"alternatives alone, C to R":  {llm.OpenAI, llm.Responses, chat + `"top_logprobs":3}`, `"top_logprobs":3`, ""},
		"alternatives alone, R to C":  {llm.Responses, llm.OpenAI, input + `"top_logprobs":3}`, "", "top_logprobs"},
		"alternatives alone, C to A":  {llm.OpenAI, llm.Anthropic, chat + `"top_logprobs":3}`, "", "top_logprobs"},
		"alternatives alone, C to G":  {llm.OpenAI, llm.Gemini, chat + `"top_logprobs":3}`, "", "top_logprobs"},
		"alternatives alone, C to M":  {llm.OpenAI, llm.Mistral, chat + `"top_logprobs":3}`, "", "top_logprobs"},
		"a system's name":             {llm.OpenAI, llm.Responses, `{"model":"m","messages":[{"role":"developer","name":"boss","content":"s"},` + user + `]}`, "", "messages[0].name"},
		"a schema's description":      {llm.OpenAI, llm.Anthropic, chat + `"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{}}}}`, "", "response_format.description"},
		"a validated call":            {llm.Gemini, llm.OpenAI, `{"contents":[{"parts":[{"text":"x"}]}],"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}}}`, `"auto"`, "toolConfig.functionCallingConfig.mode"},
		"sources of earlier words":    {llm.OpenAI, llm.Anthropic, `{"model":"m","messages":[` + user + `,{"role":"assistant","content":"a","annotations":[{"type":"url_citation","url_citation":{"url":"https://a.example"}}]},` + user + `]}`, "", "messages[1].content.annotations"},
		"sources of earlier words, A": {llm.Anthropic, llm.Responses, `{"model":"m","max_tokens":9,"messages":[` + user + `,{"role":"assistant","content":[{"type":"text","text":"a","citations":[{"type":"char_location","cited_text":"a"}]}]},` + user + `]}`, "", "messages[1].content[0].citations"},
		"an unknown effort, C to B":   {llm.OpenAI, llm.Bedrock, `{"model":"anthropic.claude-x","messages":[` + user + `],"reasoning_effort":"ultra"}`, "", "reasoning_effort"},
		"an unknown effort, C to Co":  {llm.OpenAI, llm.Cohere, `{"model":"command-a-reasoning","messages":[` + user + `],"reasoning_effort":"ultra"}`, "", "reasoning_effort"},
		"an unknown effort, C to O":   {llm.OpenAI, llm.Ollama, chat + `"reasoning_effort":"ultra"}`, "", "reasoning_effort"},
		"an effort, adaptive, A to B": {llm.Anthropic, llm.Bedrock, `{"model":"anthropic.claude-x","max_tokens":4096,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"},"messages":[` + user + `]}`, `"outputConfig":{"effort":"low"}`, ""},
		"two end users":               {llm.OpenAI, llm.Responses, chat + `"user":"a","safety_identifier":"b"}`, `"user":"a"`, "safety_identifier"},
		"arguments that are no object": {llm.OpenAI, llm.Gemini, `{"model":"m","messages":[` + user + `,{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"oops"}}]},{"role":"tool","tool_call_id":"c","content":"r"}]}`,
			`{"arguments":"oops"}`, "messages[1].tool_calls[0].arguments"},
		"a cache's mark in a result, R":  {llm.Anthropic, llm.Responses, cachedResult, "", "messages[2].content[0].content[0].cache_control"},
		"a cache's mark in a result, G":  {llm.Anthropic, llm.Gemini, cachedResult, "", "messages[2].content[0].content[0].cache_control"},
		"a cache's mark in a result, Co": {llm.Anthropic, llm.Cohere, cachedResult, "", "messages[2].content[0].content[0].cache_control"},
		"a cache's mark in a result, B":  {llm.Anthropic, llm.Bedrock, cachedResult, `"content":[{"text":"r"}]}},{"cachePoint":`, ""},
	} {
		if out, lost, err := encoded(t, c.from, c.to, c.body); err != nil || lost != c.listed || !strings.Contains(out, c.kept) {
			t.Errorf("%s: %v, listed: %s\n\twant %s\n\t%s", name, err, lost, c.listed, out)
		}
	}
}

const cachedResult = `{"model":"m","max_tokens":9,"messages":[` + user + `,{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":{}}]},
	{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":[{"type":"text","text":"r","cache_control":{"type":"ephemeral"}}]}]}]}`

// TestWhatOpenAIsDialectsShare is said in both, and listed elsewhere, as the client calls it.
func TestWhatOpenAIsDialectsShare(t *testing.T) {
	const said = `"metadata":{"a": "b"},"prompt_cache_retention":"24h","service_tier":"flex"`
	const chat, response = `{"model":"m","messages":[` + user + `],"verbosity":"low",` + said, `{"model":"m","input":"x","text":{"verbosity":"low"},` + said
	const all, rest = "metadata, prompt_cache_retention, service_tier", "prompt_cache_retention, service_tier"
	for name, c := range map[string]struct {
		from, to   llm.Dialect
		body, lost string
		kept       []string
	}{
		"C to R":                 {llm.OpenAI, llm.Responses, chat + `}`, "", []string{said, `"text":{"verbosity":"low"}`}},
		"C to R, with a form":    {llm.OpenAI, llm.Responses, chat + `,"response_format":{"type":"json_object"}}`, "", []string{`"text":{"format":{"type":"json_object"},"verbosity":"low"}`}},
		"R to C, kept":           {llm.Responses, llm.OpenAI, response + `,"store":true}`, "", []string{said, `"verbosity":"low"`}},
		"R to C, not kept":       {llm.Responses, llm.OpenAI, response + `,"store":false}`, "metadata", []string{`"service_tier":"flex"`, `"verbosity":"low"`}},
		"R to A":                 {llm.Responses, llm.Anthropic, response + `}`, "text.verbosity, " + all, []string{`"max_tokens"`}},
		"C to M":                 {llm.OpenAI, llm.Mistral, chat + `}`, "verbosity, " + rest, []string{`"metadata":{"a": "b"}`}},
		"another's of that name": {llm.Anthropic, llm.OpenAI, `{"model":"m","max_tokens":5,"service_tier":"priority","messages":[` + user + `]}`, "service_tier", []string{`"max_completion_tokens":5}`}},
	} {
		out, lost, err := encoded(t, c.from, c.to, c.body)
		for _, want := range c.kept {
			if err != nil || lost != c.lost || !strings.Contains(out, want) {
				t.Errorf("%s: %v, listed: %s\n\t%s is not in %s", name, err, lost, want, out)
			}
		}
	}
}

// TestNewerModelsOfAnthropics think as they like, as much as a word says, and are told no number of tokens, temperature or
// the like.
func TestNewerModelsOfAnthropics(t *testing.T) {
	ask := func(model, wishes string) string {
		return `{"model":"` + model + `","messages":[` + user + `],"temperature":0.5,"top_p":0.95,"top_k":3,` + wishes + `}`
	}
	const summed = `{"type":"adaptive","display":"summarized"}`
	for name, c := range map[string]struct {
		to         llm.Dialect
		body, lost string
		kept       []string
	}{
		"a word":                   {llm.Anthropic, ask("claude-opus-4-7", `"reasoning_effort":"xhigh"`), "temperature, top_k, top_p", []string{`"thinking":` + summed, `"output_config":{"effort":"xhigh"}`, `"max_tokens":36864`}},
		"the least":                {llm.Anthropic, ask("claude-sonnet-5", `"reasoning_effort":"minimal","max_tokens":500`), "temperature, top_k, top_p", []string{`"thinking":` + summed, `"output_config":{"effort":"low"}`, `"max_tokens":500`}},
		"no thinking":              {llm.Anthropic, ask("claude-opus-4-8@20260101", `"max_tokens":5`), "temperature, top_k, top_p", []string{`"max_tokens":5}`}},
		"the older ones":           {llm.Anthropic, ask("claude-sonnet-4-20250514", `"max_tokens":5`), "", []string{`"temperature":0.5`, `"top_k":3`, `"top_p":0.95`}},
		"one with a date":          {llm.Anthropic, ask("claude-sonnet-4-20250514", `"reasoning_effort":"low","max_tokens":5000`), "temperature, top_k", []string{`"budget_tokens":1024`, `"top_p":0.95`}},
		"one of the third kind":    {llm.Anthropic, ask("claude-3-7-sonnet-20250219", `"reasoning_effort":"low","max_tokens":5000`), "temperature, top_k", []string{`"budget_tokens":1024`}},
		"at Bedrock":               {llm.Bedrock, ask("us.anthropic.claude-opus-4-7-v1:0", `"reasoning_effort":"high","max_tokens":5000`), "top_p, temperature, top_k", []string{`"additionalModelRequestFields":{"thinking":` + summed + `}`, `"outputConfig":{"effort":"high"}`, `"inferenceConfig":{"maxTokens":5000}`}},
		"at Bedrock, an older one": {llm.Bedrock, ask("anthropic.claude-sonnet-4-20250514-v1:0", `"max_tokens":5`), "", []string{`"temperature":0.5`, `"topP":0.95`, `"top_k":3`}},
	} {
		out, lost, err := encoded(t, llm.OpenAI, c.to, c.body)
		for _, want := range c.kept {
			if err != nil || lost != c.lost || !strings.Contains(out, want) || strings.Contains(out, `"enabled"`) && strings.Contains(lost, "top_p") {
				t.Errorf("%s: %v, listed: %s\n\t%s is not in %s", name, err, lost, want, out)
			}
		}
	}
	budget := `{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"thinkingConfig":{"thinkingBudget":9000},"maxOutputTokens":20000}}`
	q, err := UpstreamTranslator(llm.Gemini).DecodeRequest([]byte(budget))
	if err != nil {
		t.Fatal(err)
	}
	q.Model = "claude-opus-4-7"
	if out, _, err := UpstreamTranslator(llm.Anthropic).EncodeRequest(q, conversation.Limits{}); err != nil || !strings.Contains(string(out), `"output_config":{"effort":"high"}`) {
		t.Errorf("a number becomes a word: %v %s", err, out)
	}
}

// TestFieldsAreCalledAsTheClientCallsThem: where they are refused and where they are left out, with the way to them.
func TestFieldsAreCalledAsTheClientCallsThem(t *testing.T) {
	const messages = `{"model":"m","max_tokens":9000,"messages":[` + user + `],`
	const contents = `{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":`
	for name, c := range map[string]struct {
		from, to     llm.Dialect
		body, called string
	}{
		"too many stops, A":         {llm.Anthropic, llm.OpenAI, messages + `"stop_sequences":["a","b","c","d","e"]}`, "more than 4 of `stop_sequences`"},
		"too many stops, C":         {llm.OpenAI, llm.Gemini, `{"model":"m","messages":[` + user + `],"stop":["a","b","c","d","e","f"]}`, "more than 5 of `stop`"},
		"too many stops, G":         {llm.Gemini, llm.Cohere, contents + `{"stopSequences":["a","b","c","d","e","f"]}}`, "more than 5 of `generationConfig.stopSequences`"},
		"stops, A to R":             {llm.Anthropic, llm.Responses, messages + `"stop_sequences":["a"]}`, "`stop_sequences`"},
		"several answers, G":        {llm.Gemini, llm.Anthropic, contents + `{"candidateCount":2}}`, "`generationConfig.candidateCount`"},
		"log probabilities, R":      {llm.Responses, llm.Anthropic, `{"input":"x","include":["message.output_text.logprobs"]}`, "`include`"},
		"a tool that must be, G":    {llm.Gemini, llm.Ollama, `{"contents":[{"parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}}`, "`toolConfig.functionCallingConfig`"},
		"a seed, G":                 {llm.Gemini, llm.Anthropic, contents + `{"seed":1}}`, "generationConfig.seed"},
		"penalties, G to R":         {llm.Gemini, llm.Responses, contents + `{"presencePenalty":1,"topK":3}}`, "generationConfig.presencePenalty, generationConfig.topK"},
		"an end user, A":            {llm.Anthropic, llm.Gemini, messages + `"metadata":{"user_id":"u"}}`, "metadata.user_id"},
		"an end user, A to M":       {llm.Anthropic, llm.Mistral, messages + `"metadata":{"user_id":"u"}}`, "metadata.user_id"},
		"one call at a time, A":     {llm.Anthropic, llm.Gemini, messages + `"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}`, "tool_choice.disable_parallel_tool_use"},
		"a budget, A":               {llm.Anthropic, llm.Cohere, messages + `"thinking":{"type":"enabled","budget_tokens":2000}}`, "thinking"},
		"an effort, A":              {llm.Anthropic, llm.Ollama, messages + `"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}}`, "output_config.effort"},
		"an effort, R":              {llm.Responses, llm.Cohere, `{"input":"x","reasoning":{"effort":"high"}}`, "reasoning.effort"},
		"a schema's description, R": {llm.Responses, llm.Gemini, `{"input":"x","text":{"format":{"type":"json_schema","name":"n","description":"d","schema":{}}}}`, "text.format.description"},
		"JSON, R":                   {llm.Responses, llm.Anthropic, `{"input":"x","text":{"format":{"type":"json_object"}}}`, "text.format"},
		"an image's detail, C":      {llm.OpenAI, llm.Anthropic, `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a.example/b.png","detail":"low"}}]}]}`, "messages[0].content[0].image_url.detail"},
		"an image's detail, R":      {llm.Responses, llm.Anthropic, `{"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://a.example/b.png","detail":"low"}]}]}`, "input[0].content[0].detail"},
	} {
		_, lost, err := encoded(t, c.from, c.to, c.body)
		var e *llm.Error
		if errors.As(err, &e) {
			lost = e.Message
			if e.Param == "" || !strings.Contains(lost, "`"+e.Param+"`") {
				t.Errorf("%s: the error is of %q: %s", name, e.Param, lost)
			}
		}
		if err == nil && lost != c.called || !strings.Contains(lost, c.called) {
			t.Errorf("%s: %v, listed: %s\n\twant %s", name, err, lost, c.called)
		}
	}
}

// TestWhatCannotBeMeantIsRefused: it names the member, and is not taken for something else.
func TestWhatCannotBeMeantIsRefused(t *testing.T) {
	const chat, input = `{"model":"m","messages":[` + user + `],"tools":[{"type":"function","function":{"name":"f"}}],`, `{"model":"m","tools":[{"type":"function","name":"f","parameters":{}}],"input":[{"role":"user","content":"x"}`
	for name, c := range map[string]struct {
		from llm.Dialect
		body string
		says string
	}{
		"a choice without a name":          {llm.OpenAI, chat + `"tool_choice":{"type":"function"}}`, "`tool_choice`"},
		"a choice with an empty function":  {llm.OpenAI, chat + `"tool_choice":{"type":"function","function":{}}}`, "`tool_choice`"},
		"no tools that are allowed":        {llm.OpenAI, chat + `"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}}`, "`tool_choice`"},
		"an allowed tool without a name":   {llm.OpenAI, chat + `"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}},{"type":"mcp"}]}}}`, "tools[1]"},
		"a function_call without a name":   {llm.OpenAI, `{"model":"m","messages":[` + user + `],"functions":[{"name":"f"}],"function_call":{}}`, "`function_call`"},
		"a choice without a name, R":       {llm.Responses, input + `],"tool_choice":{"type":"function"}}`, "`tool_choice`"},
		"an allowed one without a name, R": {llm.Responses, input + `],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function"}]}}`, "`tool_choice.tools[0]`"},
		"a choice without a name, A":       {llm.Anthropic, `{"model":"m","max_tokens":9,"messages":[` + user + `],"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"tool"}}`, "`tool_choice.name`"},
		"an output that is an object":      {llm.Responses, input + `,{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":{"t":20}}]}`, "`input[2].output`"},
		"an output of other things":        {llm.Responses, input + `,{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":[{"t":20}]}]}`, "input[2].output[0].type"},
		"a result that is an object":       {llm.Anthropic, `{"model":"m","max_tokens":9,"messages":[` + user + `,{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":{"t":20}}]}]}`, "`messages[2].content[0].content`"},
		"an image inside a document":       {llm.Anthropic, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"content","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}}]}}]}]}`, "`messages[0].content[0].source.content[0]`"},
	} {
		_, err := UpstreamTranslator(c.from).DecodeRequest([]byte(c.body))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want one that says %s", name, err, c.says)
			continue
		}
		public(t, err)
	}
}

// TestCallIDsFromElsewhere: Anthropic's API and Converse take letters, digits, _ and - only, and the result names its call.
func TestCallIDsFromElsewhere(t *testing.T) {
	plain := regexp.MustCompile(`"(?:id|toolUseId|tool_use_id)":"([a-zA-Z0-9_-]{1,64})"`)
	for _, id := range []string{"functions.w:0", "call_1", strings.Repeat("l", 100), "größe 1", strings.Repeat("l", 99) + "m"} {
		body := `{"model":"m","messages":[` + user + `,{"role":"assistant","content":null,"tool_calls":[{"id":"` + id + `","type":"function","function":{"name":"w","arguments":"{}"}}]},{"role":"tool","tool_call_id":"` + id + `","content":"r"}]}`
		for _, to := range []llm.Dialect{llm.Anthropic, llm.Bedrock} {
			out, lost, err := encoded(t, llm.OpenAI, to, body)
			found := plain.FindAllStringSubmatch(out, -1)
			if err != nil || lost != "" || len(found) != 2 || found[0][1] != found[1][1] || found[0][1] != conversation.PlainID(id) {
				t.Errorf("%s to %s: %v, listed: %s: %s", id, to, err, lost, out)
			}
		}
	}
}

// TestAModeInAnObject is the mode, not the wish for a tool: some editors write it so.
func TestAModeInAnObject(t *testing.T) {
	for from, body := range map[llm.Dialect]string{llm.OpenAI: `{"model":"m","messages":[{"role":"user","content":"x"}],`, llm.Responses: `{"model":"m","input":"x",`} {
		for word, want := range map[string]conversation.ToolMode{"auto": conversation.ToolAuto, "none": conversation.ToolNone, "required": conversation.ToolRequired} {
			q, err := Translator(from).DecodeRequest([]byte(body + `"tool_choice":{"type":"` + word + `"}}`))
			if err != nil {
				t.Errorf("%s, %s: %v", from, word, err)
			} else if q.ToolChoice.Mode != want || len(q.ToolChoice.Names) > 0 {
				t.Errorf("%s, %s: %+v", from, word, q.ToolChoice)
			}
		}
	}
}
