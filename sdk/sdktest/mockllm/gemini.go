package mockllm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// A wrong key is 400 at Google.
const geminiBadKey = `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT",` +
	`"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}`

const geminiFailed = `{"error":{"code":500,"message":"mock mid-stream","status":"INTERNAL"}}`

var gemini = vendor{
	refuse: func(status int, kind, message string) string {
		return fmt.Sprintf(`{"error":{"code":%d,"message":%s,"status":%q}}`, status, quote(message), strings.ToUpper(kind))
	},
	kinds:  map[int]string{400: "invalid_argument", 404: "not_found", 429: "resource_exhausted", 500: "internal", 503: "unavailable"},
	broken: "data: {\"candidates\":[{\"content\":\r\n\r\n",
	failed: "data: " + geminiFailed + "\r\n\r\n",
	badKey: geminiBadKey,
}

// geminiArray is the same for a stream that is one JSON array: its errors are an array, too.
var geminiArray = vendor{
	refuse: func(status int, kind, message string) string {
		return "[" + gemini.refuse(status, kind, message) + "\n]\n"
	},
	kinds:  gemini.kinds,
	broken: ",\r\n{\"candidates\":[{\"content\":}\r\n",
	failed: ",\r\n" + geminiFailed + "\r\n]\r\n",
	noise:  " \r\n\t",
	badKey: "[" + geminiBadKey + "\n]\n",
}

var (
	generate       = &surface{name: "generate", vendor: gemini, answer: constant(generateAnswer())}
	generateStream = &surface{name: "generate", vendor: gemini, streams: true, events: generateEvents}
	generateArray  = &surface{name: "generate_array", vendor: geminiArray, streams: true, events: generateItems, kind: "application/json; charset=UTF-8"}
	geminiTokens   = &surface{name: "gemini_tokens", vendor: gemini, answer: constant(`{"totalTokens":19,"promptTokensDetails":[{"modality":"TEXT","tokenCount":19}]}`)}
	geminiEmbed    = &surface{name: "gemini_embed", vendor: gemini, answer: constant(`{"embedding":{"values":` + floats(0, dimensions) + `}}`)}
	geminiBatch    = &surface{name: "gemini_batch", vendor: gemini, answer: batchAnswer}
	geminiModels   = &surface{name: "gemini_models", vendor: gemini, answer: constant(`{"models":[{"name":"models/mock","displayName":"mock","supportedGenerationMethods":["generateContent"]}]}`)}
)

// gemini tells Gemini's operations apart: they stand behind a colon in the path, and the query says how
// a stream is written.
func (m *Mock) gemini(w http.ResponseWriter, r *http.Request) {
	call := r.PathValue("call")
	call = call[strings.LastIndexByte(call, ':')+1:]
	s, ok := map[string]*surface{"generateContent": generate, "streamGenerateContent": generateArray, "countTokens": geminiTokens,
		"embedContent": geminiEmbed, "batchEmbedContents": geminiBatch}[call]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if s == generateArray && r.URL.Query().Get("alt") == "sse" {
		s = generateStream
	}
	m.serve(s).ServeHTTP(w, r)
}

func generateAnswer() string {
	return fmt.Sprintf(`{"candidates":[{"content":{"parts":[{"text":%q}],"role":"model"},"finishReason":"STOP","index":0}],`+
		`"usageMetadata":{"promptTokenCount":19,"candidatesTokenCount":230,"totalTokenCount":249},"modelVersion":"gemini-mock"}`, text)
}

// generateChunks are the payloads of a stream.
func generateChunks(n int) (out []string) {
	for i := range n {
		finish, usage := "", ""
		if i == n-1 {
			finish = `"finishReason":"STOP",`
			usage = fmt.Sprintf(`"usageMetadata":{"promptTokenCount":19,"candidatesTokenCount":%d,"totalTokenCount":%d},`, n, 19+n)
		}
		out = append(out, fmt.Sprintf(`{"candidates":[{"content":{"parts":[{"text":%q}],"role":"model"},%s"index":0}],%s"modelVersion":"gemini-mock"}`, token(i), finish, usage))
	}
	return out
}

func generateEvents(_ *request, n int) (out [][]byte) {
	for _, c := range generateChunks(n) {
		out = append(out, []byte("data: "+c+"\r\n\r\n"))
	}
	return out
}

// generateItems are the items of an array, each behind its separator, and the array's end.
func generateItems(_ *request, n int) [][]byte {
	var out [][]byte
	separator := "["
	for _, c := range generateChunks(n) {
		out = append(out, []byte(separator+c))
		separator = "\n,\r\n"
	}
	return append(out, []byte("\n]\n"))
}

// batchAnswer gives each request its own vector.
func batchAnswer(q *request) []byte {
	var list []json.RawMessage
	json.Unmarshal(q.Requests, &list) // what is no list has no vectors
	b := []byte(`{"embeddings":[`)
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"values":%s}`, floats(i, dimensions))
	}
	return append(b, "]}"...)
}
