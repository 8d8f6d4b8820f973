package gemini

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

func TestEndpoints(t *testing.T) {
	google := llm.Header{{Name: "x-goog-api-key", Value: "k"}}
	for _, c := range []struct {
		method, path, query string
		header              llm.Header
		want                dialect.Endpoint
		ok                  bool
	}{
		{"POST", "/v1beta/models/m:generateContent", "", nil, dialect.Endpoint{Op: llm.OpChat, Model: "m"}, true},
		{"POST", "/v1/models/m:generateContent", "key=secret", nil, dialect.Endpoint{Op: llm.OpChat, Model: "m"}, true},
		{"POST", "/v1beta/models/m:streamGenerateContent", "alt=sse&key=secret", nil, dialect.Endpoint{Op: llm.OpChat, Model: "m", Stream: true, Query: "alt=sse"}, true},
		{"POST", "/v1beta/models/m:streamGenerateContent", "%24alt=sse", nil, dialect.Endpoint{Op: llm.OpChat, Model: "m", Stream: true, Query: "%24alt=sse"}, true},
		{"POST", "/v1beta/models/m:streamGenerateContent", "", nil, dialect.Endpoint{Op: llm.OpChat, Model: "m", Stream: true, Framing: dialect.JSONArray}, true},
		{"POST", "/v1beta/models/m:streamGenerateContent", "$alt=json%3Benum-encoding%3Dint", nil,
			dialect.Endpoint{Op: llm.OpChat, Model: "m", Stream: true, Framing: dialect.JSONArray, Query: "$alt=json%3Benum-encoding%3Dint"}, true},
		{"POST", "/v1beta/models/m:streamGenerateContent", "alt=json&alt=sse", nil, dialect.Endpoint{Op: llm.OpChat, Model: "m", Stream: true, Framing: dialect.JSONArray, Query: "alt=json"}, true},
		{"POST", "/v1beta/models/m:countTokens", "key=a&%6bey=b", nil, dialect.Endpoint{Op: llm.OpCountTokens, Model: "m"}, true},
		{"POST", "/v1beta/models/m:embedContent", "", nil, dialect.Endpoint{Op: llm.OpEmbeddings, Model: "m"}, true},
		{"POST", "/v1beta/models/m:batchEmbedContents", "", nil, dialect.Endpoint{Op: llm.OpBatchEmbeddings, Model: "m"}, true},
		{"POST", "/v1beta1/projects/p/locations/l/publishers/google/models/m:generateContent", "", nil, dialect.Endpoint{Op: llm.OpChat, Model: "m"}, true},
		{"POST", "/v1beta/models/vendor/m:7b:generateContent", "", nil, dialect.Endpoint{Op: llm.OpChat, Model: "vendor/m:7b"}, true},
		{"POST", "/v1beta/models/m%2Bfault=500%3AgenerateContent", "", nil, dialect.Endpoint{Op: llm.OpChat, Model: "m+fault=500"}, true},
		{"POST", "/v1beta/models/:generateContent", "", nil, dialect.Endpoint{}, false},
		{"POST", "/v1beta/models/m", "", nil, dialect.Endpoint{}, false},
		{"POST", "/v1beta/models/m:predict", "", nil, dialect.Endpoint{}, false},
		{"POST", "/v1/chat/completions", "", google, dialect.Endpoint{}, false},
		{"PUT", "/v1beta/models/m:generateContent", "", nil, dialect.Endpoint{}, false},
		{"GET", "/v1beta/models", "pageSize=5&pageToken=a&key=secret", nil, dialect.Endpoint{Op: llm.OpModels, Query: "pageSize=5&pageToken=a"}, true},
		{"GET", "/v1beta/models/m", "", nil, dialect.Endpoint{Op: llm.OpModels, Model: "m"}, true},
		{"GET", "/v1beta/models/", "", nil, dialect.Endpoint{}, false},
		{"GET", "/v1/models", "", nil, dialect.Endpoint{}, false},
		{"GET", "/v1/models", "", google, dialect.Endpoint{Op: llm.OpModels}, true},
		{"GET", "/v1/models/m", "", google, dialect.Endpoint{Op: llm.OpModels, Model: "m"}, true},
		{"GET", "/v1beta/files", "", google, dialect.Endpoint{}, false},
	} {
		got, ok := Codec{}.Endpoint(c.method, c.path, c.query, c.header)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%s %s?%s: %+v, %v, want %+v, %v", c.method, c.path, c.query, got, ok, c.want, c.ok)
		}
	}
}

func TestRequestRefusesWhatAnotherReaderReadsInAnotherWay(t *testing.T) {
	for _, c := range []struct{ body, message string }{
		{``, "must be a JSON object"},
		{`[]`, "must be a JSON object"},
		{`{"contents":[],"contents":[]}`, `"contents" stands twice`},
		{`{"systemInstruction":{},"system_instruction":{}}`, `"systemInstruction" stands twice`},
		{`{"system_instruction":{},"system_instruction":{}}`, `"systemInstruction" stands twice`},
		{`{"System_Instruction":{}}`, `"systemInstruction" is written`},
		{`{"systeminstruction":{}}`, `"systemInstruction" is written`},
		{`{"system_Instruction":{}}`, `"systemInstruction" is written`},
		{`{"system__instruction":{}}`, `"systemInstruction" is written`},
		{`{"\u0073ystem_instruction":{}}`, `"systemInstruction" is written`},
		{`{"conten\u0074s":[]}`, `"contents" is written`},
		{`{"contents":[{"parts":[{"text":"a","text":"b"}]}]}`, `"text" stands twice`},
		{`{"contents":[{"parts":[],"Parts":[{"text":"b"}]}]}`, `"parts" is written`},
		{`{"contents":[{"role":"user","rol\u0065":"model"}]}`, `"role" is written`},
		{`{"contents":[{"parts":[{"functionCall":{"args":{}},"function_call":{"args":{"a":"b"}}}]}]}`, `"functionCall" stands twice`},
		{`{"contents":[{"parts":[{"functionCall":{"args":{},"Args":{"a":"b"}}}]}]}`, `"args" is written`},
		{`{"contents":[{"parts":[{"inline_data":{},"inlineData":{}}]}]}`, `"inlineData" stands twice`},
		{`{"contents":[{"parts":[{"file_data":{"fileUri":"a","file_uri":"b"}}]}]}`, `"fileUri" stands twice`},
		{`{"tools":[{"functionDeclarations":[],"function_declarations":[]}]}`, `"functionDeclarations" stands twice`},
		{`{"tools":[{"functionDeclarations":[{"parametersJsonSchema":{},"parameters_json_schema":{}}]}]}`, `"parametersJsonSchema" stands twice`},
		{`{"generationConfig":{},"generation_config":{}}`, `"generationConfig" stands twice`},
		{`{"generation_config":{"maxOutputTokens":1,"max_output_tokens":2}}`, `"maxOutputTokens" stands twice`},
		{`{"generationConfig":{"maxOutputTokens":"many"}}`, `"maxOutputTokens" must be a number`},
		{`{"cachedContent":"a","cached_content":"b"}`, `"cachedContent" stands twice`},
		{`{"model":7}`, `"model" must be a string`},
		{`{"model":"models/a","generateContentRequest":{"model":"models/b"}}`, "more than one model"},
		{`{"requests":[{"model":"models/a"},{"model":"models/b"}]}`, "more than one model"},
		{`{"contents":[]} {}`, "something follows"},
		{`{"contents":[]`, "ends too early"},
		{"{\"contents\":\"a\xff\"}", "UTF-8"},
		{"{\"contents\":\"a\nb\"}", "control character"},
	} {
		var q dialect.Request
		err := Codec{}.Request(llm.OpChat, []byte(c.body), &q)
		var e *llm.Error
		if !errors.As(err, &e) || e.Code != llm.CodeInvalid || !strings.Contains(e.Message, c.message) {
			t.Errorf("%s: %v, want %q", c.body, err, c.message)
		}
	}
}

func TestRequestLeavesUserDefinedObjectsAlone(t *testing.T) {
	body := `{"contents":[{"parts":[{"functionCall":{"args":{"text":"a","Text":"b","text":"c","t\u0065xt":"d"}}},{"functionResponse":{"response":{"parts":"e","Parts":"f","parts":"g"}}}]}],
		"labels":{"model":"h","Model":"i","model":"j"},"tools":[{"functionDeclarations":[{"parameters":{"properties":{"name":{"description":"k","Description":"l"},"Name":{}}}}]}],
		"vendor":{"contents":1,"contents":2}}`
	var q dialect.Request
	if err := (Codec{}).Request(llm.OpChat, []byte(body), &q); err != nil {
		t.Fatal(err)
	}
	same(t, "texts", found([]byte(body), q.Texts), strings.Split("abcdefghijkl", ""))
}

func TestRequestTexts(t *testing.T) {
	const (
		text, args, result, tool, think, form = dialect.KindText, dialect.KindArguments, dialect.KindToolResult, dialect.KindToolDef, dialect.KindReasoning, dialect.KindStructured
		user, model, system, role             = dialect.RoleUser, dialect.RoleAssistant, dialect.RoleSystem, dialect.RoleTool
	)
	type want struct {
		text string
		role dialect.Role
		kind dialect.Kind
	}
	for _, c := range []struct {
		body   string
		texts  []want
		unseen string
	}{
		{`{"contents":[{"parts":[{"text":"late role"}],"role":"model"},{"role":"user","parts":[{"text":"u"}]},{"parts":[{"text":"no role"}]}],"systemInstruction":{"role":"user","parts":[{"text":"s"}]}}`,
			[]want{{"late role", model, text}, {"u", user, text}, {"no role", user, text}, {"s", system, text}}, ""},
		{`{"contents":{"parts":{"text":"one"}},"system_instruction":{"parts":{"text":"two"}},"tools":{"function_declarations":{"name":"f"}}}`,
			[]want{{"one", user, text}, {"two", system, text}, {"f", 0, tool}}, ""},
		{`{"contents":"bare","systemInstruction":"bare too"}`, []want{{"bare", user, text}, {"bare too", system, text}}, ""},
		{`{"contents":[{"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"AAAA"},{"thought":true,"text":"hm2"},{"text":"said","thought":false}]}]}`,
			[]want{{"hm", model, think}, {"hm2", model, think}, {"said", model, text}}, ""},
		{`{"contents":[{"role":"model","parts":[{"functionCall":{"id":"1","name":"f","args":{"a":"x","b":["y",{"c":"z"}],"n":1}}},{"executable_code":{"language":"PYTHON","code":"print(1)"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1"}}]},
			{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"r"},"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA","displayName":"p.png"}}]}}]}]}`,
			[]want{{"f", model, form}, {"x", model, args}, {"y", model, args}, {"z", model, args}, {"print(1)", model, args}, {"1", role, result}, {"f", user, form}, {"r", role, result}, {"p.png", user, form}}, ""},
		{`{"contents":[{"role":"model","parts":[{"toolCall":{"toolType":"GOOGLE_SEARCH_WEB","id":"a","args":{"queries":["q"]}}},{"toolResponse":{"toolType":"GOOGLE_SEARCH_WEB","id":"a","response":{"search_suggestions":"<b>"}}}]}]}`,
			[]want{{"q", model, args}, {"<b>", role, result}}, ""},
		{`{"tools":[{"functionDeclarations":[{"name":"f","description":"d","parameters":{"type":"OBJECT","required":["a"],"properties":{"a":{"type":"STRING","format":"enum","description":"pd","enum":["e"]}}},"response":{"description":"rd"}}]},{"functionDeclarations":[{"name":"g","parametersJsonSchema":{"title":"t"}}]},{"googleSearch":{"excludeDomains":["x.org"]}}],
			"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}}`,
			[]want{{"f", 0, tool}, {"d", 0, tool}, {"pd", 0, tool}, {"e", 0, tool}, {"rd", 0, tool}, {"g", 0, tool}, {"t", 0, tool}, {"x.org", 0, tool}, {"f", 0, form}}, ""},
		{`{"generationConfig":{"responseSchema":{"type":"OBJECT","description":"rs"},"stopSequences":["stop"]}}`, []want{{"rs", 0, tool}}, ""},
		{`{"generation_config":{"response_json_schema":{"description":"rs"}}}`, []want{{"rs", 0, tool}}, ""},
		{`{"generationConfig":{"_responseJsonSchema":{"description":"rs"}}}`, []want{{"rs", 0, tool}}, ""},
		{`{"labels":{"team":"a"},"safetySettings":[{"category":"C","threshold":"T"}]}`, []want{{"a", 0, form}}, ""},
		{`{"contents":[{"parts":[{"inline_data":{"mime_type":"image/png","data":"AAAA"}},{"videoMetadata":{"startOffset":"1s"}},{"mediaResolution":{"level":"L"}},{"partMetadata":{"k":"v"}}]}]}`, []want{{"v", user, form}}, ""},
		{`{"cachedContent":"cachedContents/a"}`, nil, "cachedContent"},
		{`{"cached_content":"cachedContents/a"}`, nil, "cachedContent"},
		{`{"cachedContent":null}`, nil, ""},
		{`{"contents":[{"parts":[{"fileData":{"mimeType":"video/mp4","fileUri":"https://example.com/a","displayName":"n"}}]}]}`, []want{{"n", user, form}}, "fileUri"},
		{`{"contents":[{"parts":[{"file_data":{"file_uri":"gs://b/a"}}]}]}`, nil, "fileUri"},
		{`{"contents":[{"parts":[{"functionResponse":{"parts":[{"fileData":{"fileUri":"gs://b/a"}}]}}]}]}`, nil, "fileUri"},
		{`{"contents":[{"parts":[{"hologram":{"beam":"words"}}]}]}`, []want{{"words", user, text}}, "parts"},
		{`{"contents":[{"parts":[{"hologram":"words"}]}]}`, []want{{"words", user, text}}, "parts"},
		{`{"contents":[{"parts":[{"hologram":true}]}]}`, nil, ""},
		{`{"contents":[{"parts":[{"text":7}]}]}`, nil, "text"},
		{`{"contents":[{"parts":[{"functionCall":"f"}]}]}`, nil, "parts"},
		{`{"tools":[{"fileSearch":{"fileSearchStoreNames":["fileSearchStores/a"]}}]}`, []want{{"fileSearchStores/a", 0, tool}}, "fileSearch"},
		{`{"tools":[{"retrieval":{"vertexRagStore":{}}}]}`, nil, "retrieval"},
		{`{"generationConfig":{"responseLogprobs":true}}`, nil, "responseLogprobs"},
		{`{"generationConfig":{"responseLogprobs":false}}`, nil, ""},
		{`{"generateContentRequest":{"model":"models/m","contents":[{"parts":[{"text":"a"}]}],"systemInstruction":{"parts":[{"text":"s"}]}}}`, []want{{"a", user, text}, {"s", system, text}}, ""},
		{`{"generateContentRequest":{"generateContentRequest":{"contents":"deep"}}}`, nil, "requests"},
		{`{"model":"models/m","content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_DOCUMENT","title":"t"}`, []want{{"a", user, text}, {"t", user, text}}, ""},
		{`{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}},{"model":"models/m","content":{"parts":[{"text":"b"}]},"title":"t"}]}`, []want{{"a", user, text}, {"b", user, text}, {"t", user, text}}, ""},
		{`{"requests":["odd"]}`, nil, "requests"},
	} {
		var q dialect.Request
		if err := (Codec{}).Request(llm.OpChat, []byte(c.body), &q); err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		var got []want
		for _, x := range values(q.Texts) {
			got = append(got, want{string(dialect.AppendUnquoted(nil, []byte(c.body)[x.Span.Start:x.Span.End])), x.Role, x.Channel.Kind})
		}
		if !slices.Equal(got, c.texts) || q.Unseen != c.unseen {
			t.Errorf("%s: %v unseen %q, want %v %q", c.body, got, q.Unseen, c.texts, c.unseen)
		}
	}
}

// TestMediaInBothAlphabets: this dialect takes data in base64 and in base64url, filled up or not; others take the first.
func TestMediaInBothAlphabets(t *testing.T) {
	for data, want := range map[string]string{"+/+=": "+/+=", "-_-=": "+/+=", "-_-": "+/+=", "-_": "+/==", "AAAA": "AAAA", "": ""} {
		q, err := Codec{}.DecodeRequest([]byte(`{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"` + data + `"}}]}]}`))
		if err != nil || q.Turns[0].Parts[0].Media.Data != want {
			t.Errorf("%q: %+v, %v", data, q, err)
		}
	}
}

func TestModelIsSplicedWhereverTheBodyNamesIt(t *testing.T) {
	for _, c := range []struct{ body, model, want string }{
		{`{"contents":[]}`, "", `{"contents":[]}`},
		{`{"model":null}`, "", `{"model":null}`},
		{`{"model":"models/m"}`, "m", `{"model":"models/n\"x"}`},
		{`{"model":"m"}`, "m", `{"model":"n\"x"}`},
		{`{"model":"models\/\u006d"}`, "m", `{"model":"models\/n\"x"}`},
		{`{"model":"publishers/google/models/m"}`, "m", `{"model":"publishers/google/models/n\"x"}`},
		{`{"model":"vendor/m"}`, "vendor/m", `{"model":"n\"x"}`},
		{`{"generateContentRequest":{"model":"models/m"}}`, "m", `{"generateContentRequest":{"model":"models/n\"x"}}`},
		{`{"requests":[{"model":"models/m"},{"content":{"parts":[{"text":"a"}]},"model":"m"},{}]}`, "m", `{"requests":[{"model":"models/n\"x"},{"content":{"parts":[{"text":"a"}]},"model":"n\"x"},{}]}`},
	} {
		var q dialect.Request
		if err := (Codec{}).Request(llm.OpBatchEmbeddings, []byte(c.body), &q); err != nil {
			t.Fatalf("%s: %v", c.body, err)
		}
		if got := setModel([]byte(c.body), &q, `n"x`); string(got) != c.want || q.Model != c.model {
			t.Errorf("%s: model %q, spliced %s", c.body, q.Model, got)
		}
	}
}

// setModel does what a gateway does with SetModel's splice.
func setModel(body []byte, q *dialect.Request, name string) []byte {
	span, with := Codec{}.SetModel(body, q, name)
	var out []byte
	last := 0
	for _, s := range append([]dialect.Span{span}, q.MoreModels...) {
		if s.Start == 0 {
			break
		}
		out = append(append(out, body[last:s.Start]...), with...)
		last = s.End
	}
	return append(out, body[last:]...)
}

func TestMaxTokens(t *testing.T) {
	for value, want := range map[string]int64{`7`: 7, `"7"`: 7, `null`: 0, `7.5`: 8} {
		var q dialect.Request
		if err := (Codec{}).Request(llm.OpChat, []byte(`{"generationConfig":{"maxOutputTokens":`+value+`}}`), &q); err != nil || q.MaxTokens != want {
			t.Errorf("%s: %d, %v", value, q.MaxTokens, err)
		}
	}
}

func TestEvents(t *testing.T) {
	const text, args, result, think, refusal, form = dialect.KindText, dialect.KindArguments, dialect.KindToolResult, dialect.KindReasoning, dialect.KindRefusal, dialect.KindStructured
	type want struct {
		text  string
		at    dialect.Channel
		whole bool
	}
	beside := func(kind dialect.Kind) dialect.Channel { return dialect.Channel{Block: blockBeside, Kind: kind} }
	for _, c := range []struct {
		payload, finish string
		texts           []want
		first           bool
	}{
		{`{"candidates":[{"content":{"parts":[{"text":"a"},{"text":"b"}],"role":"model"},"index":0}]}`, "", []want{{"a", dialect.Channel{Kind: text}, false}, {"b", dialect.Channel{Kind: text}, false}}, true},
		{`{"candidates":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]},"index":1}]}`, "", []want{{"a", dialect.Channel{Kind: text}, false}, {"b", dialect.Channel{Choice: 1, Kind: text}, false}}, true},
		{`{"candidates":[{"content":{"parts":[{"text":"a","thought":true}]}}]}`, "", []want{{"a", dialect.Channel{Kind: think}, false}}, true},
		{`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":"x"}}}]},"finishReason":"STOP"}]}`, "STOP", []want{{"f", dialect.Channel{Kind: form}, true}, {"x", dialect.Channel{Kind: args}, true}}, true},
		{`{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"x","willContinue":true}],"willContinue":true}}]}}]}`, "", []want{{"x", dialect.Channel{Block: blockPartial, Kind: args}, false}}, true},
		{`{"candidates":[{"content":{"parts":[{"functionCall":{}}]}}]}`, "", nil, true},
		{`{"candidates":[{"content":{"parts":[{"executableCode":{"code":"c"}},{"codeExecutionResult":{"output":"o"}}]}}]}`, "", []want{{"c", dialect.Channel{Kind: args}, true}, {"o", dialect.Channel{Kind: result}, true}}, true},
		{`{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}]}`, "", nil, true},
		{`{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"AAAA"}]},"finishReason":"STOP"}]}`, "STOP", nil, false},
		{`{"candidates":[{"finishReason":2}]}`, "MAX_TOKENS", nil, false},
		{`{"candidates":[{"finishReason":99}]}`, "OTHER", nil, false},
		{`{"candidates":[{"finishReason":"FINISH_REASON_UNSPECIFIED"}]}`, "", nil, false},
		{`{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"m"}]}`, "MALFORMED_FUNCTION_CALL", []want{{"m", beside(text), true}}, true},
		{`{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"m"}}`, "SAFETY", []want{{"m", beside(refusal), true}}, true},
		{`{"candidates":[{"finishReason":"STOP"}],"promptFeedback":{"blockReason":"SAFETY"}}`, "STOP", nil, false},
		{`{"candidates":[{"groundingMetadata":{"webSearchQueries":["q"],"searchEntryPoint":{"renderedContent":"<i>","sdkBlob":"AAAA"},"groundingChunks":[{"web":{"uri":"u","title":"t"}}],"groundingSupports":[{"segment":{"text":"s","endIndex":1}}]},"index":1}]}`, "",
			[]want{{"q", dialect.Channel{Choice: 1, Block: blockBeside, Kind: result}, true}, {"<i>", dialect.Channel{Choice: 1, Block: blockBeside, Kind: result}, true}, {"u", dialect.Channel{Choice: 1, Block: blockBeside, Kind: form}, true},
				{"t", dialect.Channel{Choice: 1, Block: blockBeside, Kind: result}, true}, {"s", dialect.Channel{Choice: 1, Block: blockBeside, Kind: text, Repeat: true}, true}}, true},
		{`{"candidates":[{"citationMetadata":{"citationSources":[{"uri":"u","license":"l"}]},"urlContextMetadata":{"urlMetadata":[{"retrievedUrl":"v"}]}}]}`, "", []want{{"u", beside(form), true}, {"l", beside(result), true}, {"v", beside(form), true}}, true},
		{`{"usageMetadata":{"trafficType":"ON_DEMAND"}}`, "", nil, false},
		{`{}`, "", nil, false},
		{`7`, "", nil, false},
	} {
		var e dialect.Event
		if err := (Codec{}).Event(llm.OpChat, []byte(c.payload), &e); err != nil {
			t.Errorf("%s: %v", c.payload, err)
			continue
		}
		var got []want
		for _, x := range values(e.Texts) {
			got = append(got, want{c.payload[x.Span.Start:x.Span.End], x.Channel, x.Whole})
		}
		if !slices.Equal(got, c.texts) || e.Finish != c.finish || e.First != c.first || e.End || e.UsageOnly || len(e.Closed) > 0 {
			t.Errorf("%s: %+v\ntexts %v\nwant  %v", c.payload, e, got, c.texts)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		usage string
		want  llm.Usage
	}{
		{`{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15}`, llm.Usage{InputTotal: 10, OutputTotal: 5}},
		{`{"promptTokenCount":10,"cachedContentTokenCount":8,"candidatesTokenCount":5,"thoughtsTokenCount":7,"toolUsePromptTokenCount":3,"totalTokenCount":25,"promptTokensDetails":[{"modality":"IMAGE","tokenCount":9}]}`,
			llm.Usage{InputTotal: 13, CacheRead: 8, OutputTotal: 12, Reasoning: 7}},
		{`{"prompt_token_count":10,"candidates_token_count":5}`, llm.Usage{InputTotal: 10, OutputTotal: 5}},
		{`{"promptTokenCount":10,"totalTokenCount":15}`, llm.Usage{InputTotal: 10, OutputTotal: 5}},
		{`{"promptTokenCount":10,"cachedContentTokenCount":99}`, llm.Usage{InputTotal: 10, CacheRead: 10}},
		{`{"promptTokenCount":-1,"candidatesTokenCount":1e300}`, llm.Usage{OutputTotal: 1 << 40}},
	} {
		var a dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, []byte(`{"usageMetadata":`+c.usage+`}`), &a); err != nil || a.Usage == nil {
			t.Errorf("%s: %v", c.usage, err)
			continue
		}
		if string(a.Usage.Raw) != c.usage {
			t.Errorf("raw %s", a.Usage.Raw)
		}
		a.Usage.Raw = nil
		if u := *a.Usage; u.InputTotal != c.want.InputTotal || u.CacheRead != c.want.CacheRead || u.OutputTotal != c.want.OutputTotal || u.Reasoning != c.want.Reasoning {
			t.Errorf("%s: %+v, want %+v", c.usage, u, c.want)
		}
	}
}

func TestErrorsThatAnUpstreamReports(t *testing.T) {
	for _, c := range []struct {
		body string
		want llm.Error
	}{
		{`{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}`, llm.Error{Code: llm.CodeInvalid, Status: 400, Message: "m"}},
		{`[{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}]`, llm.Error{Code: llm.CodeNotFound, Status: 404, Message: "m"}},
		{`{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT","details":[{"@type":"t","reason":"API_KEY_INVALID"}]}}`, llm.Error{Code: llm.CodeAuth, Status: 400, Message: "m"}},
		{`{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"34.5s"}]}}`, llm.Error{Code: llm.CodeRateLimited, Status: 429, Message: "m", RetryAfter: 34500 * time.Millisecond}},
		{`{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}`, llm.Error{Code: llm.CodeOverloaded, Status: 503, Message: "m"}},
		{`{"error":{"code":504,"message":"m","status":"DEADLINE_EXCEEDED"}}`, llm.Error{Code: llm.CodeTimeout, Status: 504, Message: "m"}},
		{`{"error":{"code":500,"message":"m","status":"INTERNAL"}}`, llm.Error{Code: llm.CodeUpstream, Status: 500, Message: "m"}},
		{`{"error":{"code":403,"message":"m","status":"PERMISSION_DENIED"}}`, llm.Error{Code: llm.CodePermission, Status: 403, Message: "m"}},
		{`{"error":{"code":401,"message":"m"}}`, llm.Error{Code: llm.CodeAuth, Status: 401, Message: "m"}},
		{`{"error":"m"}`, llm.Error{Code: llm.CodeUpstream, Message: "m"}},
		{`{"error":{}}`, llm.Error{Code: llm.CodeUpstream, Message: "the upstream reported an error"}},
	} {
		c.want.Quoted = c.want.Message == "m"
		var a dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, []byte(c.body), &a); err != nil || a.Error == nil || *a.Error != c.want {
			t.Errorf("%s: %v, %+v", c.body, err, a.Error)
		}
		var e dialect.Event
		if c.body[0] == '[' {
			continue
		}
		if err := (Codec{}).Event(llm.OpChat, []byte(c.body), &e); err != nil || e.Error == nil || *e.Error != c.want {
			t.Errorf("%s as an event: %v, %+v", c.body, err, e.Error)
		}
	}
	for _, body := range []string{`{"error":null,"candidates":[]}`, `{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"error":{"code":400}}}}]}}]}`} {
		var a dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, []byte(body), &a); err != nil || a.Error != nil {
			t.Errorf("%s: %v, %v", body, err, a.Error)
		}
	}
	var a dialect.Answer
	if err := (Codec{}).Answer(llm.OpChat, []byte(`[{"candidates":[]},{"candidates":[]}]`), &a); err == nil {
		t.Error("a stream was read as a unary answer")
	}
}

func TestErrorsHaveGooglesShape(t *testing.T) {
	words := []string{"INVALID_ARGUMENT", "UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "RESOURCE_EXHAUSTED", "CANCELLED", "INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
	reasons := map[string]bool{}
	for _, code := range []llm.Code{llm.CodeInvalid, llm.CodeAuth, llm.CodePermission, llm.CodeNotFound, llm.CodeTooLarge, llm.CodeDenied, llm.CodeRateLimited, llm.CodeOverloaded,
		llm.CodeTimeout, llm.CodeUnavailable, llm.CodeUpstream, llm.CodeCut, llm.CodeDraining, llm.CodeInternal} {
		e := &llm.Error{Code: code, Message: "a \"quoted\"\nmessage", RetryAfter: 1500 * time.Millisecond}
		body := Codec{}.AppendError(nil, e, "req-1")
		var got struct {
			Error struct {
				Code            int
				Message, Status string
				Details         []map[string]any
			}
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		details := map[string]any{}
		for _, d := range got.Error.Details {
			for k, v := range d {
				details[k] = v
			}
		}
		reason, _ := details["reason"].(string)
		if got.Error.Code != e.HTTPStatus() || got.Error.Message != e.Message || !slices.Contains(words, got.Error.Status) || details["requestId"] != "req-1" || details["retryDelay"] != "1.5s" || reason == "" || reasons[reason] {
			t.Errorf("%s: %s", code, body)
		}
		reasons[reason] = true
		var back dialect.Answer
		if err := (Codec{}).Answer(llm.OpChat, body, &back); err != nil || back.Error == nil || back.Error.Status != e.HTTPStatus() || back.Error.RetryAfter != e.RetryAfter {
			t.Errorf("%s: read as %+v, %v", body, back.Error, err)
		}
		event := string(Codec{}.AppendErrorEvent(nil, &llm.Error{Code: code, Message: "m"}, ""))
		if !strings.HasPrefix(event, `data: {"error":{`) || !strings.HasSuffix(event, "}}\r\n\r\n") {
			t.Errorf("%s: event %q", code, event)
		}
	}
}

func TestModels(t *testing.T) {
	body := Codec{}.AppendModels(nil, []dialect.Model{{Name: `a"b`}, {Name: "c"}})
	var got struct {
		Models []struct {
			Name    string
			Methods []string `json:"supportedGenerationMethods"`
		}
	}
	if err := json.Unmarshal(body, &got); err != nil || len(got.Models) != 2 || got.Models[0].Name != `models/a"b` || !slices.Contains(got.Models[1].Methods, "generateContent") {
		t.Errorf("%v: %s", err, body)
	}
	if body := string(Codec{}.AppendModels(nil, nil)); body != `{"models":[]}` {
		t.Errorf("%s", body)
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	body, event := benchRequest(), []byte(benchEvent)
	var q dialect.Request
	var e dialect.Event
	for _, c := range []struct {
		name string
		read func() error
	}{
		{"request", func() error { return Codec{}.Request(llm.OpChat, body, &q) }},
		{"event", func() error { return Codec{}.Event(llm.OpChat, event, &e) }},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if err := c.read(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations, want 0", c.name, n)
		}
	}
}

const benchEvent = `{"candidates":[{"content":{"parts":[{"text":" word"}],"role":"model"},"finishReason":"STOP","index":0}],"modelVersion":"m","responseId":"r"}`

// benchRequest is a conversation of about 2 KiB.
func benchRequest() []byte {
	return []byte(`{"model":"models/m","systemInstruction":{"parts":[{"text":"You are terse."}]},"generationConfig":{"temperature":0.2,"maxOutputTokens":5},"contents":[{"role":"user","parts":[{"text":"` +
		strings.Repeat(`The quick \"brown\" fox jumps over the lazy dog.\n`, 38) + `"}]}]}`)
}

func BenchmarkRequest(b *testing.B) {
	body := benchRequest()
	var q dialect.Request
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := (Codec{}).Request(llm.OpChat, body, &q); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEvent(b *testing.B) {
	var e dialect.Event
	b.SetBytes(int64(len(benchEvent)))
	b.ReportAllocs()
	for b.Loop() {
		if err := (Codec{}).Event(llm.OpChat, []byte(benchEvent), &e); err != nil {
			b.Fatal(err)
		}
	}
}
