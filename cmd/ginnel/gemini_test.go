package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/sdktest/grammar"
	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

var geminiAPI = surface{plugin: "gemini", base: "/v1beta"}

// geminiPath is the path of a recording, of Vertex AI's as the Gemini API has it.
func geminiPath(r *recording) string {
	return geminiAPI.base + r.Request.Path[strings.LastIndex(r.Request.Path, "/models/"):]
}

func geminiModel(r *recording) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(geminiPath(r), geminiAPI.base+"/models/"), ":")
	return name
}

// geminiForms are the three ways in which an answer comes.
var geminiForms = []struct {
	name, verb string
	stream     bool
	framing    dialect.Framing
}{
	{"unary", ":generateContent", false, dialect.ServerSent},
	{"events", ":streamGenerateContent?alt=sse", true, dialect.ServerSent},
	{"array", ":streamGenerateContent", true, dialect.JSONArray},
}

const geminiHello = `{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}`

// generate makes a call in Gemini's dialect.
func (r *running) generate(model, verb, body string, header ...string) (*http.Response, string) {
	r.t.Helper()
	return r.do(r.requestTo(context.Background(), "POST", "/v1beta/models/"+model+verb, body, header...))
}

// geminiError holds an error to Google's shape; in a stream that is an array it is the only item.
func geminiError(t *testing.T, text string, array bool, reason, id string) {
	t.Helper()
	if array {
		text = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "["), "]")
	}
	var e struct {
		Error struct {
			Code            int
			Message, Status string
			Details         []struct{ Reason, RequestID string }
		}
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Error.Message == "" || e.Error.Status == "" || e.Error.Code < 400 {
		t.Errorf("no error of Google's: %v: %s", err, text)
		return
	}
	said := fmt.Sprint(e.Error.Details)
	if reason != "" && (!strings.Contains(said, reason) || !strings.Contains(said, id)) {
		t.Errorf("details %s, not %s and %s", said, reason, id)
	}
}

// geminiFaults is what an upstream may do wrong, and what the client is told.
var geminiFaults = []struct {
	fault    string
	stream   bool
	status   int    // of the answer
	reason   string // of the error; "" = the upstream's own words
	terminal string
}{
	{"500", false, 500, "", "upstream_error"},
	{"503", false, 503, "", "upstream_error"},
	{"400", false, 400, "", "client_error"},
	{"401", false, 502, "UPSTREAM_ERROR", "upstream_error"},
	{"429", false, 429, "", "upstream_error"},
	{"html500", false, 500, "UPSTREAM_ERROR", "upstream_error"},
	{"badjson", false, 502, "UPSTREAM_ERROR", "upstream_error"},
	{"empty", false, 502, "UPSTREAM_ERROR", "upstream_error"},
	{"reset", false, 503, "UNAVAILABLE", "upstream_error"},
	{"hang", false, 504, "TIMEOUT", "timeout"},
	{"500", true, 500, "", "upstream_error"},
	{"401", true, 502, "UPSTREAM_ERROR", "upstream_error"},
	{"429", true, 429, "", "upstream_error"},
	{"reset", true, 503, "UNAVAILABLE", "upstream_error"},
	{"sse-cut", true, 200, "UPSTREAM_CUT", "upstream_cut"},
	{"sse-reset", true, 200, "UPSTREAM_CUT", "upstream_cut"},
	{"sse-stall", true, 200, "TIMEOUT", "timeout"},
	{"sse-error", true, 200, "", "upstream_error"},
	{"sse-bad", true, 200, "UPSTREAM_CUT", "upstream_cut"},
}

// TestGeminiFaults: each ends in an error of the client's dialect, before the first byte with a status,
// after it as a chunk, and never as a clean end; what is begun stays whole by the stream's grammar.
func TestGeminiFaults(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	seen := map[string]bool{}
	models := []string{"mock+fault=sse-noise", "mock+fault=sse-split"}
	for _, f := range geminiFaults {
		if name := "mock+fault=" + f.fault; !seen[name] {
			seen[name] = true
			models = append(models, name)
		}
	}
	for name, pipeline := range map[string]string{"no filters": emptyPipeline, "every filter": fullPipeline} {
		hcl := strings.Replace(geminiAPI.relay(up.URL, pipeline, models...), "  plugin   = \"gemini\"\n", "  plugin   = \"gemini\"\n  timeouts = { first_token = \"400ms\", idle = \"400ms\" }\n", 1)
		gw := start(t, hcl)
		for _, form := range geminiForms {
			for _, f := range geminiFaults {
				if f.stream != form.stream {
					continue
				}
				t.Run(name+", "+form.name+", "+f.fault, func(t *testing.T) {
					array := form.framing == dialect.JSONArray
					resp, body := gw.generate("mock+fault="+f.fault, form.verb, geminiHello)
					id := resp.Header.Get("X-Request-Id")
					if resp.StatusCode != f.status {
						t.Errorf("status %d: %.300s", resp.StatusCode, body)
					}
					if e := gw.event(id); e.Terminal != f.terminal {
						t.Errorf("terminal %s: %s", e.Terminal, e.Error)
					}
					if f.status != 200 {
						geminiError(t, body, array, f.reason, id)
						return
					}
					g, err := grammar.Gemini([]byte(body), form.framing)
					if err != nil || g.Error == "" || len(g.Candidates) != 1 || !strings.HasPrefix(g.Candidates[0].Text, "token000 token001 ") || g.Candidates[0].Finish != "" {
						t.Errorf("%v: %+v: %s", err, g, body)
					}
					if f.reason != "" && (!strings.Contains(body, f.reason) || !strings.Contains(body, id)) {
						t.Errorf("no %s and %s in %s", f.reason, id, body)
					}
				})
			}
			if !form.stream {
				continue
			}
			for _, model := range models[:2] {
				resp, body := gw.generate(model, form.verb, geminiHello)
				g, err := grammar.Gemini([]byte(body), form.framing)
				if e := gw.event(resp.Header.Get("X-Request-Id")); e.Terminal != "completed" || err != nil || g.Error != "" {
					t.Errorf("%s, %s: %+v, %v: %s", form.name, model, e, err, body)
				}
			}
		}
	}
}

// TestGeminiRefusals: each is answered in Google's shape with the request's id, and no upstream hears
// of it.
func TestGeminiRefusals(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, geminiAPI.relay(up.URL, sanitizing(`secrets = "redact"`), "mock"))
	for _, c := range []struct {
		name, method, verb, body string
		status                   int
	}{
		{"a duplicate key", "POST", ":generateContent", `{"contents":[],"contents":[]}`, 400},
		{"both spellings", "POST", ":generateContent", `{"systemInstruction":{"parts":[{"text":"a"}]},"system_instruction":{"parts":[{"text":"b"}]}}`, 400},
		{"another case", "POST", ":generateContent", `{"Contents":[]}`, 400},
		{"an escaped key", "POST", ":generateContent", `{"contents":[{"parts":[{"te\u0078t":"a"}]}]}`, 400},
		{"a nested duplicate", "POST", ":streamGenerateContent", `{"contents":[{"parts":[{"text":"a","text":"b"}]}]}`, 400},
		{"another model in the body", "POST", ":generateContent", `{"model":"models/other","contents":[]}`, 400},
		{"two models in a batch", "POST", ":batchEmbedContents", `{"requests":[{"model":"models/mock"},{"model":"models/other"}]}`, 400},
		{"a model of another type", "POST", ":countTokens", `{"model":7}`, 400},
		{"an array", "POST", ":generateContent", `[]`, 400},
		{"nothing", "POST", ":streamGenerateContent?alt=sse", ``, 400},
		{"a file's address", "POST", ":generateContent", `{"contents":[{"parts":[{"fileData":{"fileUri":"https://example.com/a.mp4"}}]}]}`, 403},
		{"cached content", "POST", ":streamGenerateContent", `{"cachedContent":"cachedContents/a"}`, 403},
		{"log probabilities", "POST", ":generateContent", `{"generationConfig":{"responseLogprobs":true}}`, 403},
		{"an unknown part", "POST", ":generateContent", `{"contents":[{"parts":[{"hologram":{"a":"b"}}]}]}`, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := gw.do(gw.requestTo(context.Background(), c.method, "/v1beta/models/mock"+c.verb, c.body))
			id := resp.Header.Get("X-Request-Id")
			if resp.StatusCode != c.status {
				t.Errorf("status %d: %s", resp.StatusCode, body)
			}
			geminiError(t, body, c.verb == ":streamGenerateContent", map[int]string{400: "INVALID_REQUEST", 403: "DENIED"}[c.status], id)
		})
	}
	resp, body := gw.generate("none", ":generateContent", geminiHello)
	geminiError(t, body, false, "MODEL_NOT_FOUND", resp.Header.Get("X-Request-Id"))
	if resp.StatusCode != 404 {
		t.Errorf("status %d: %s", resp.StatusCode, body)
	}
	if n := up.Stats().Requests; n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
}

// TestGeminiOperations: what reaches the upstream of each operation, under another name of the model.
func TestGeminiOperations(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{Record: true})
	gw := start(t, geminiAPI.relay(up.URL, fullPipeline, "mock/a:b"))
	for _, c := range []struct{ verb, body, at, sent, want string }{
		{":generateContent", geminiHello, ":generateContent", geminiHello, `"finishReason":"STOP"`},
		{":generateContent?key=secret&$alt=json%3Benum-encoding%3Dint", geminiHello, ":generateContent?$alt=json%3Benum-encoding%3Dint", geminiHello, `"usageMetadata"`},
		{":streamGenerateContent?key=secret&alt=sse", geminiHello, ":streamGenerateContent?alt=sse", geminiHello, "data: {"},
		{":streamGenerateContent", geminiHello, ":streamGenerateContent", geminiHello, "[{"},
		{":countTokens", `{"generateContentRequest":{"model":"models/m0","contents":[]}}`, ":countTokens", `{"generateContentRequest":{"model":"models/mock/a:b","contents":[]}}`, `"totalTokens":19`},
		{":embedContent", `{"model":"models/m0","content":{"parts":[{"text":"a"}]}}`, ":embedContent", `{"model":"models/mock/a:b","content":{"parts":[{"text":"a"}]}}`, `"embedding"`},
		{":batchEmbedContents", `{"requests":[{"model":"models/m0","content":{"parts":[{"text":"a"}]}},{"model":"models/m0","content":{"parts":[{"text":"b"}]}}]}`, ":batchEmbedContents",
			`{"requests":[{"model":"models/mock/a:b","content":{"parts":[{"text":"a"}]}},{"model":"models/mock/a:b","content":{"parts":[{"text":"b"}]}}]}`, `"embeddings"`},
	} {
		resp, body := gw.generate("m0", c.verb, c.body, "x-goog-api-key", "the client's", "x-goog-user-project", "p", "x-goog-api-client", "test/1")
		if resp.StatusCode != 200 && !strings.Contains(body, "nope") || !strings.Contains(body, c.want) {
			t.Errorf("%s: status %d: %.300s", c.verb, resp.StatusCode, body)
		}
		last := up.Last()
		if last.Path != "/v1beta/models/mock%2Fa%3Ab"+c.at || last.Body != c.sent {
			t.Errorf("%s: the upstream got %s %s", c.verb, last.Path, last.Body)
		}
		if h := last.Header; h.Get("x-goog-api-key") == "" || h.Get("x-goog-api-key") == "the client's" || h.Get("x-goog-user-project") != "" || h.Get("x-goog-api-client") != "test/1" {
			t.Errorf("%s: the upstream got %v", c.verb, h)
		}
		if e := gw.event(resp.Header.Get("X-Request-Id")); e.Terminal != "completed" {
			t.Errorf("%s: %+v", c.verb, e)
		}
	}
	for path, want := range map[string]string{"/v1beta/models": `{"models":[{"name":"models/m0"`, "/v1beta/models?pageSize=1&key=x": `{"models":[`, "/v1beta/models/m0": `{"name":"models/m0"`, "/v1beta/models/none": `"NOT_FOUND"`} {
		if resp, body := gw.do(gw.requestTo(context.Background(), "GET", path, "")); !strings.HasPrefix(body, want) && (resp.StatusCode != 404 || !strings.Contains(body, want)) {
			t.Errorf("%s: status %d: %s", path, resp.StatusCode, body)
		}
	}
}

// TestGeminiKeys: the gateway's own key is wrong at Google, whose 400 is not given on; the client's key
// comes in its dialect's places.
func TestGeminiKeys(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{RequireKey: "another"})
	gw := start(t, geminiAPI.relay(up.URL, fullPipeline, "mock"))
	for _, form := range geminiForms {
		resp, body := gw.generate("mock", form.verb, geminiHello)
		if resp.StatusCode != 502 || strings.Contains(body, "API key") {
			t.Errorf("%s: status %d: %s", form.name, resp.StatusCode, body)
		}
		geminiError(t, body, form.framing == dialect.JSONArray, "UPSTREAM_ERROR", resp.Header.Get("X-Request-Id"))
	}
	gw = start(t, strings.Replace(geminiAPI.relay(up.URL, fullPipeline, "mock"), `auth     = "none"`, `auth     = "key"`, 1))
	resp, body := gw.generate("mock", ":generateContent", geminiHello, "x-goog-api-key", "wrong")
	if resp.StatusCode != 401 {
		t.Errorf("status %d: %s", resp.StatusCode, body)
	}
	geminiError(t, body, false, "API_KEY_INVALID", resp.Header.Get("X-Request-Id"))
}

// escapedPieces cuts text in pieces of n bytes and writes every second byte as an escape.
func escapedPieces(text string, n int) (pieces []string) {
	for rest := text; rest != ""; rest = rest[min(n, len(rest)):] {
		pieces = append(pieces, escape(rest[:min(n, len(rest))]))
	}
	return pieces
}

// TestGeminiRedaction: a secret that comes in pieces, escaped in any way, reaches the client in no form
// of an answer, and everything else does, whole by the grammar.
func TestGeminiRedaction(t *testing.T) {
	var answer atomic.Pointer[[]string] // chunks of a stream, or the one answer
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		chunks := *answer.Load()
		before, after, end := "", "", ""
		switch {
		case strings.HasSuffix(r.URL.RequestURI(), "alt=sse"):
			w.Header().Set("Content-Type", "text/event-stream")
			before, after = "data: ", "\r\n\r\n"
		case strings.Contains(r.URL.Path, "stream"):
			w.Header().Set("Content-Type", "application/json; charset=UTF-8")
			before, end = "[", "\n]\n"
		default:
			w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		}
		for _, c := range chunks {
			io.WriteString(w, before+c+after)
			w.(http.Flusher).Flush()
			if end != "" {
				before = "\n,\r\n"
			}
		}
		io.WriteString(w, end)
	}))
	t.Cleanup(up.Close)
	gw := start(t, geminiAPI.relay(up.URL, sanitizing(`secrets = "redact"`), "mock"))
	const part, thought = `{"text":"%"}`, `{"text":"%","thought":true}`
	const last = `{"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2,"totalTokenCount":3}}`
	chunk := func(part string) string {
		return `{"candidates":[{"content":{"role":"model","parts":[` + part + `]},"index":0}],"modelVersion":"m"}`
	}
	for _, form := range geminiForms {
		for name, shape := range map[string]string{"text": part, "thought": thought} {
			for _, size := range []int{1, 3, 13, 20, 1000} {
				token := madeUpToken()
				text := "here it is: " + token + " and that was it"
				var chunks []string
				if form.stream {
					for _, piece := range escapedPieces(text, size) {
						chunks = append(chunks, chunk(strings.Replace(shape, "%", piece, 1)))
					}
					chunks = append(chunks, last)
				} else {
					chunks = []string{strings.Replace(last, `{"text":""}`, strings.Replace(shape, "%", escapedPieces(text, 1000)[0], 1), 1)}
				}
				answer.Store(&chunks)
				resp, body := gw.generate("mock", form.verb, geminiHello)
				t.Run(fmt.Sprint(form.name, " ", name, " in pieces of ", size), func(t *testing.T) {
					checkRedacted(t, resp, body, form.stream, form.framing, token)
				})
			}
		}
		t.Run(form.name+", what comes whole", func(t *testing.T) {
			token := madeUpToken()
			escaped := escapedPieces(token, 1000)[0]
			whole := strings.ReplaceAll(`{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":["%",{"b":"x %"}]}}},{"executableCode":{"language":"PYTHON","code":"print('%')"}},`+
				`{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"%"}}]},"finishReason":"STOP","finishMessage":"said %","index":0,`+
				`"groundingMetadata":{"webSearchQueries":["%"],"searchEntryPoint":{"renderedContent":"<div>%</div>"},"groundingSupports":[{"segment":{"text":"here is %"}}],"groundingChunks":[{"web":{"uri":"https://example.com/?q=%","title":"%"}}]}}]}`, "%", escaped)
			chunks := []string{whole}
			answer.Store(&chunks)
			resp, body := gw.generate("mock", form.verb, geminiHello)
			plain := unescaped(body)
			if resp.StatusCode != 200 || strings.Contains(plain, token[4:]) || !strings.Contains(plain, "<div>") || !strings.Contains(plain, "print('") {
				t.Errorf("status %d: %s", resp.StatusCode, strings.ReplaceAll(plain, token[4:], "THE TOKEN"))
			}
			if form.stream {
				if g, err := grammar.Gemini([]byte(body), form.framing); err != nil || len(g.Candidates) != 1 || len(g.Candidates[0].Calls) != 1 {
					t.Errorf("%v: %+v", err, g)
				}
			}
		})
	}
}

// checkRedacted holds an answer to having all of the text but the token.
func checkRedacted(t *testing.T, resp *http.Response, body string, stream bool, framing dialect.Framing, token string) {
	t.Helper()
	one := body
	if !stream {
		one = "data: " + body + "\n\n"
	}
	g, err := grammar.Gemini([]byte(one), framing)
	if err != nil || resp.StatusCode != 200 || len(g.Candidates) != 1 {
		t.Fatalf("status %d: %v: %s", resp.StatusCode, err, strings.ReplaceAll(body, token[4:], "THE TOKEN"))
	}
	got := g.Candidates[0].Text + g.Candidates[0].Thoughts
	if strings.Contains(unescaped(body)+got, token[4:]) || !strings.HasPrefix(got, "here it is: ") || !strings.HasSuffix(got, " and that was it") || g.Candidates[0].Finish != "STOP" {
		t.Errorf("%q", strings.ReplaceAll(got, token, "THE TOKEN"))
	}
	if !strings.Contains(body, `"totalTokenCount":3`) {
		t.Errorf("no usage: %s", body)
	}
}

var escaped = regexp.MustCompile(`\\u00[0-9a-f]{2}`)

// unescaped returns a body without the escapes that the tests write.
func unescaped(body string) string {
	return escaped.ReplaceAllStringFunc(body, func(e string) string {
		var c byte
		fmt.Sscanf(e[4:], "%x", &c)
		return string(rune(c))
	})
}

// TestGeminiHangUp: the client leaves, and the upstream's call is cancelled.
func TestGeminiHangUp(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, geminiAPI.relay(up.URL, fullPipeline, "mock+delay=60s", "mock+fault=sse-stall"))
	for _, form := range geminiForms {
		for _, first := range []bool{false, true} {
			if first && !form.stream {
				continue
			}
			t.Run(fmt.Sprintf("%s, first %t", form.name, first), func(t *testing.T) {
				cancelled, ended := up.Stats().Cancelled, len(gw.events())
				model := "mock+delay=60s"
				if first {
					model = "mock+fault=sse-stall"
				}
				conn := gw.dial(false)
				fmt.Fprintf(conn, "POST /v1beta/models/%s%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", model, form.verb, len(geminiHello), geminiHello)
				if first {
					for br, line := bufio.NewReader(conn), ""; !strings.Contains(line, "token"); {
						var err error
						if line, err = br.ReadString('}'); err != nil {
							t.Fatal(err)
						}
					}
				} else {
					gw.wait("the upstream's request", func() bool { return up.Stats().InFlight > 0 })
					time.Sleep(20 * time.Millisecond) // what the upstream says first is on its way
				}
				conn.Close()
				gw.wait("the cancellation", func() bool { return up.Stats().Cancelled == cancelled+1 })
				gw.wait("the event", func() bool { return len(gw.events()) > ended })
				if e := gw.events()[ended]; e.Terminal != "client_cancelled" {
					t.Errorf("the event says %+v", e)
				}
			})
		}
	}
}
