package codecs

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/embedding"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// TestRecordedEmbeddings: what vendors were asked and said, in every dialect that has embeddings.
func TestRecordedEmbeddings(t *testing.T) {
	clients := map[llm.Dialect]llm.Op{llm.OpenAI: llm.OpEmbeddings, llm.Gemini: llm.OpBatchEmbeddings}
	read := 0
	for _, x := range recorded.Of(t, "../../..", "*mbed*__unary__*.json") {
		name, op := llm.OpenAI, llm.OpEmbeddings
		switch x.Endpoint {
		case "v2.embed":
			name = llm.Cohere
		case "embedContent":
			name = llm.Gemini
		case "batchEmbedContents":
			name, op = llm.Gemini, llm.OpBatchEmbeddings
		case "embeddings":
		default:
			continue
		}
		if x.Provider == "ollama" { // its older form, by another path
			continue
		}
		from := OfUpstream(name).(embedding.UpstreamCodec)
		a, err := from.DecodeVectors(op, x.Answer())
		if err != nil {
			t.Errorf("%s: %v", x.Name, err)
			continue
		}
		read++
		for i, v := range a.Vectors { // recordings are kept indented
			var b bytes.Buffer
			if err := json.Compact(&b, v); err != nil {
				t.Fatal(err)
			}
			a.Vectors[i] = b.Bytes()
		}
		for to, toOp := range clients {
			q := &embedding.Request{Inputs: make([]string, len(a.Vectors))}
			body, err := Of(to).(embedding.Codec).EncodeVectors(toOp, q, a)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Of(to).(embedding.Codec).DecodeVectors(toOp, body)
			if err != nil || !reflect.DeepEqual(again.Vectors, a.Vectors) {
				t.Errorf("%s to %s: %v", x.Name, to, err)
			}
			if u := a.Usage; u != nil && (again.Usage == nil || again.Usage.InputTotal != u.InputTotal) {
				t.Errorf("%s to %s: usage %+v, not %+v", x.Name, to, again.Usage, u)
			}
		}
		client, ok := from.(embedding.Codec)
		if !ok {
			continue
		}
		q, err := client.DecodeEmbeddings(op, x.Ask())
		if err != nil && bytes.Contains(x.Ask(), []byte("inline")) { // an image is no text
			continue
		}
		if err != nil || len(q.Inputs) != len(a.Vectors) {
			t.Errorf("%s: %v, %+v", x.Name, err, q)
			continue
		}
		for to, toOp := range clients {
			body, _, err := Of(to).(embedding.Codec).EncodeEmbeddings(toOp, q)
			if err != nil {
				t.Errorf("%s to %s: %v", x.Name, to, err)
				continue
			}
			again, err := Of(to).(embedding.Codec).DecodeEmbeddings(toOp, body)
			if err != nil || !reflect.DeepEqual(again.Inputs, q.Inputs) || again.Dimensions != q.Dimensions {
				t.Errorf("%s to %s: %v, %+v", x.Name, to, err, again)
			}
		}
	}
	if read < 12 {
		t.Errorf("%d recordings were read", read)
	}
}

// TestEmbeddingsInEachDialect: what of a request is kept, what is listed, what is refused.
func TestEmbeddingsInEachDialect(t *testing.T) {
	for name, c := range map[string]struct {
		from   llm.Dialect
		op     llm.Op
		body   string
		to     llm.Dialect
		toOp   llm.Op
		want   string // the body, or the error's beginning
		losses string
	}{
		"OpenAI to Gemini":     {llm.OpenAI, llm.OpEmbeddings, `{"model":"m","input":["a","b"],"dimensions":8,"encoding_format":"base64","user":"u"}`, llm.Gemini, llm.OpBatchEmbeddings, `{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"outputDimensionality":8},{"model":"models/m","content":{"parts":[{"text":"b"}]},"outputDimensionality":8}]}`, "user"},
		"to one text":          {llm.OpenAI, llm.OpEmbeddings, `{"model":"m","input":"a","input_type":"query"}`, llm.Gemini, llm.OpEmbeddings, `{"content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY"}`, ""},
		"two to one text":      {llm.OpenAI, llm.OpEmbeddings, `{"model":"m","input":["a","b"]}`, llm.Gemini, llm.OpEmbeddings, "`input`: the provider", ""},
		"OpenAI to Cohere":     {llm.OpenAI, llm.OpEmbeddings, `{"model":"m","input":"a","dimensions":8,"truncate":"END"}`, llm.Cohere, llm.OpEmbeddings, `{"model":"m","texts":["a"],"input_type":"search_document","embedding_types":["float"],"output_dimension":8}`, "truncate"},
		"numbers of tokens":    {llm.OpenAI, llm.OpEmbeddings, `{"model":"m","input":[1,2]}`, llm.Cohere, llm.OpEmbeddings, "`input`: the numbers of tokens", ""},
		"lists of them":        {llm.OpenAI, llm.OpEmbeddings, `{"model":"m","input":[[1,2]]}`, llm.Cohere, llm.OpEmbeddings, "`input`: the numbers of tokens", ""},
		"no input":             {llm.OpenAI, llm.OpEmbeddings, `{"model":"m","input":7}`, llm.Cohere, llm.OpEmbeddings, "`input` must be", ""},
		"another format":       {llm.OpenAI, llm.OpEmbeddings, `{"model":"m","input":"a","encoding_format":"hex"}`, llm.Cohere, llm.OpEmbeddings, "`encoding_format` must be", ""},
		"Gemini to OpenAI":     {llm.Gemini, llm.OpEmbeddings, `{"content":{"parts":[{"text":"a"},{"text":"b"}]},"taskType":"CLUSTERING","outputDimensionality":8}`, llm.OpenAI, llm.OpEmbeddings, `{"model":"","input":["ab"],"encoding_format":"float","dimensions":8}`, "taskType"},
		"a batch to Cohere":    {llm.Gemini, llm.OpBatchEmbeddings, `{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"task_type":"RETRIEVAL_QUERY"},{"model":"models/m","content":{"parts":{"text":"b"}},"taskType":"RETRIEVAL_QUERY"}]}`, llm.Cohere, llm.OpEmbeddings, `{"model":"m","texts":["a","b"],"input_type":"search_query","embedding_types":["float"]}`, ""},
		"a task of Google's":   {llm.Gemini, llm.OpEmbeddings, `{"content":{"parts":[{"text":"a"}]},"taskType":"SEMANTIC_SIMILARITY"}`, llm.Cohere, llm.OpEmbeddings, "`taskType`: ", ""},
		"a batch of two kinds": {llm.Gemini, llm.OpBatchEmbeddings, `{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]},"outputDimensionality":8}]}`, llm.OpenAI, llm.OpEmbeddings, "`requests[1]`: ", ""},
		"an image":             {llm.Gemini, llm.OpEmbeddings, `{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}`, llm.OpenAI, llm.OpEmbeddings, "`content.parts`: ", ""},
		"no requests":          {llm.Gemini, llm.OpBatchEmbeddings, `{}`, llm.OpenAI, llm.OpEmbeddings, "`requests` must", ""},
		"a title":              {llm.Gemini, llm.OpEmbeddings, `{"content":{"parts":[{"text":"a"}]},"title":"t"}`, llm.OpenAI, llm.OpEmbeddings, `{"model":"","input":["a"],"encoding_format":"float"}`, "title"},
	} {
		q, err := Of(c.from).(embedding.Codec).DecodeEmbeddings(c.op, []byte(c.body))
		var body []byte
		var fields []string
		if err == nil {
			b, lost, e := OfUpstream(c.to).(embedding.UpstreamCodec).EncodeEmbeddings(c.toOp, q)
			body, err = b, e
			for _, l := range lost {
				fields = append(fields, l.Field)
			}
		}
		if err != nil {
			var e *llm.Error
			if !errors.As(err, &e) || e.Code != llm.CodeInvalid || !strings.HasPrefix(e.Message, c.want) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if string(body) != c.want || strings.Join(fields, ",") != c.losses {
			t.Errorf("%s: %s, lost %v", name, body, fields)
		}
	}
}

// TestVectorsInBinary: as OpenAI's SDKs ask for them, and back.
func TestVectorsInBinary(t *testing.T) {
	a := &embedding.Answer{Vectors: []json.RawMessage{json.RawMessage(`[0.5,-1.25,3]`)}}
	openAI := Of(llm.OpenAI).(embedding.Codec)
	body, err := openAI.EncodeVectors(llm.OpEmbeddings, &embedding.Request{Binary: true}, a)
	if err != nil || !bytes.Contains(body, []byte(`"embedding":"AAAAPwAAoL8AAEBA"`)) || !bytes.Contains(body, []byte(`"usage":{"prompt_tokens":0,"total_tokens":0}`)) {
		t.Errorf("%s", body)
	}
	again, err := openAI.DecodeVectors(llm.OpEmbeddings, body)
	if err != nil || string(again.Vectors[0]) != `[0.5,-1.25,3]` {
		t.Errorf("%s, %v", again.Vectors, err)
	}
	words := &embedding.Answer{Vectors: []json.RawMessage{json.RawMessage(`["a"]`)}}
	if _, err := openAI.EncodeVectors(llm.OpEmbeddings, &embedding.Request{Binary: true}, words); err == nil {
		t.Error("words are numbers")
	}
	for _, bad := range []string{`{"embeddings":{"float":[null]}}`, `{"embeddings":{"float":["x"]}}`} {
		if _, err := OfUpstream(llm.Cohere).(embedding.UpstreamCodec).DecodeVectors(llm.OpEmbeddings, []byte(bad)); err == nil {
			t.Errorf("%s is an answer of Cohere's", bad)
		}
	}
	for _, bad := range []string{`{}`, `{"data":[]}`, `{"data":[{"index":1,"embedding":[1]}]}`, `{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}`,
		`{"data":[{"index":0,"embedding":"AAA"}]}`, `{"data":[{"index":0,"embedding":null}]}`, `{"data":[{"index":0,"embedding":"AADAfw=="}]}`} {
		if _, err := openAI.DecodeVectors(llm.OpEmbeddings, []byte(bad)); err == nil {
			t.Errorf("%s is an answer", bad)
		}
	}
}
