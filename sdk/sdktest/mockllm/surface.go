package mockllm

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	created    = 1700000000
	dimensions = 256
)

// text is what the model always says: 1 KiB, so that a chat answer is about 1.6 KiB.
var text = strings.Repeat("The quick brown fox jumps over the lazy dog. ", 23)[:1024]

// surface is one operation of a vendor: how it answers, whole and as a stream, and how it refuses.
type surface struct {
	name    string
	vendor  vendor
	streams bool // always, as one of Gemini's does
	answer  func(*request) []byte
	events  func(q *request, n int) [][]byte // nil = it does not stream
	kind    string                           // the content type of a stream; "" = server-sent events
}

// vendor is what a vendor's surfaces share.
type vendor struct {
	refuse func(status int, kind, message string) string
	kinds  map[int]string // the vendor's own name for a status
	broken string         // an event whose payload is half a JSON text
	failed string         // an error inside a stream
	id     string         // the header field of the request's id; "" = X-Request-Id
	noise  string         // what may stand before an event and means nothing; "" = the one of server-sent events
	badKey string         // the body of the 400 that answers a wrong key; "" = 401 like any status
}

var openAI = vendor{
	refuse: func(_ int, kind, message string) string {
		return fmt.Sprintf(`{"error":{"message":%s,"type":%q,"param":null,"code":%q}}`, quote(message), kind, kind)
	},
	kinds:  map[int]string{401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"},
	broken: "data: {\"choices\":[{\"delta\":{\"content\":\n\n",
	failed: "data: {\"error\":{\"message\":\"mock mid-stream\",\"type\":\"server_error\",\"code\":null}}\n\n",
}

var (
	chat       = &surface{name: "chat", vendor: openAI, answer: constant(chatAnswer()), events: chatEvents}
	embeddings = &surface{name: "embeddings", vendor: openAI, answer: embeddingAnswer}
	models     = &surface{name: "models", vendor: openAI, answer: constant(modelList())}
)

func constant(s string) func(*request) []byte {
	b := []byte(s)
	return func(*request) []byte { return b }
}

// quote returns a text of a client as JSON.
func quote(s string) string {
	b, _ := json.Marshal(s) // a string always is
	return string(b)
}

func token(i int) string { return fmt.Sprintf("token%03d ", i) }

func chatAnswer() string {
	return fmt.Sprintf(`{"id":"chatcmpl-mock00000000000000000001","object":"chat.completion","created":%d,"model":"gpt-4o-mini",`+
		`"choices":[{"index":0,"message":{"role":"assistant","content":%q,"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],`+
		`"usage":{"prompt_tokens":19,"completion_tokens":230,"total_tokens":249,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},`+
		`"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},`+
		`"service_tier":"default","system_fingerprint":"fp_mock"}`, created, text)
}

func chatEvents(q *request, n int) [][]byte {
	const head = `data: {"id":"chatcmpl-mock00000000000000000001","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini","service_tier":"default","system_fingerprint":"fp_mock",`
	event := func(delta, finish string) []byte {
		return []byte(head + `"choices":[{"index":0,"delta":` + delta + `,"logprobs":null,"finish_reason":` + finish + "}]}\n\n")
	}
	out := [][]byte{event(`{"role":"assistant","content":"","refusal":null}`, "null")}
	for i := range n {
		out = append(out, event(`{"content":"`+token(i)+`"}`, "null"))
	}
	out = append(out, event("{}", `"stop"`))
	if q.StreamOptions.IncludeUsage {
		out = append(out, fmt.Appendf(nil, "%s\"choices\":[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n", head, n, 19+n))
	}
	return append(out, []byte("data: [DONE]\n\n"))
}

func modelList() string {
	var items []string
	for _, id := range []string{"mock", "gpt-4o-mini"} {
		items = append(items, fmt.Sprintf(`{"id":%q,"object":"model","created":%d,"owned_by":"mock"}`, id, created))
	}
	return `{"object":"list","data":[` + strings.Join(items, ",") + `]}`
}

// embeddingAnswer gives each input its own vector, in base64 where the request asks for it, as the
// official libraries do.
func embeddingAnswer(q *request) []byte {
	n := dimensions
	if q.Dimensions > 0 && q.Dimensions <= 4096 {
		n = q.Dimensions
	}
	b := []byte(`{"object":"list","data":[`)
	for i := range q.inputs() {
		if i > 0 {
			b = append(b, ',')
		}
		vector := floats(i, n)
		if q.Encoding == "base64" {
			vector = strconv.Quote(base64.StdEncoding.EncodeToString(packed(i, n)))
		}
		b = fmt.Appendf(b, `{"object":"embedding","index":%d,"embedding":%s}`, i, vector)
	}
	return append(b, `],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}`...)
}

func component(input, i int) float32 { return float32(((i+input)*7919)%2000-1000) / 10000 }

func floats(input, n int) string {
	b := []byte{'['}
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(component(input, i)), 'f', -1, 32)
	}
	return string(append(b, ']'))
}

func packed(input, n int) []byte {
	var b []byte
	for i := range n {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(component(input, i)))
	}
	return b
}
