package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// name is what recording i is called by as a model.
func name(i int) string { return "rec-" + strconv.Itoa(i) }

var named = regexp.MustCompile(`rec-(\d+)`)

// newUpstream returns a server that answers as the recording that a request names as its model.
func newUpstream(all []*recorded.Exchange) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		model := r.URL.Path // Gemini's stands in the path
		var b struct{ Model string }
		if json.Unmarshal(body, &b) == nil && b.Model != "" {
			model = b.Model
		}
		m := named.FindStringSubmatch(model)
		if m == nil {
			http.Error(w, "no recording is named", http.StatusTeapot)
			return
		}
		i, _ := strconv.Atoi(m[1])
		x := all[i]
		kind := map[string]string{"sse": "text/event-stream", "json": "application/json", "eventstream": "application/vnd.amazon.eventstream", "ndjson": "application/x-ndjson"}[x.Response.Kind]
		if kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		answer := x.Answer()
		if r.URL.Query().Get("alt") == "sse" && bytes.HasPrefix(answer, []byte("[")) { // recorded as an array
			w.Header().Set("Content-Type", "text/event-stream")
			answer = asEvents(answer)
		}
		w.WriteHeader(x.Response.Status)
		w.Write(answer)
	}))
}

// asEvents returns the items of an array as server-sent events, as Gemini sends them for alt=sse.
func asEvents(array []byte) (out []byte) {
	events(array, func(item []byte) error {
		var line bytes.Buffer
		if err := json.Compact(&line, item); err != nil {
			return err
		}
		out = append(append(append(out, "data: "...), line.Bytes()...), "\r\n\r\n"...)
		return nil
	})
	return out
}

// process is a daemon under test.
type process struct {
	cmd  *exec.Cmd
	url  string
	http http.Client
}

// providers are the provider blocks, by the dialect that their recordings are in.
var providers = map[llm.Dialect]string{
	llm.OpenAI: "chat", llm.Responses: "responses", llm.Anthropic: "anthropic", llm.Gemini: "gemini", llm.Bedrock: "bedrock", llm.Cohere: "cohere", llm.Ollama: "ollama", llm.Mistral: "mistral",
}

// further are the models that recorded requests name besides their own: as an advisor, as a fallback.
var further = []string{"claude-opus-4-8", "x-ai/grok-4"}

func configuration(addr, upstream string, all []*recorded.Exchange) string {
	var s strings.Builder
	fmt.Fprintf(&s, "gateway {\n  data_dir = \"./data\"\n  log = { level = \"warn\", format = \"json\" }\n}\nlistener \"public\" {\n  address = %q\n}\n", addr)
	for _, p := range []struct{ label, plugin, config string }{
		{"chat", "openai", `dialects = ["openai"]`}, {"responses", "openai", `dialects = ["responses"]`},
		{"anthropic", "anthropic", ""}, {"gemini", "gemini", ""},
		{"cohere", "cohere", ""}, {"ollama", "ollama", ""}, {"mistral", "mistral", ""},
		{"bedrock", "bedrock", "region = \"us-east-1\"\n    api_key = \"none\""},
	} {
		fmt.Fprintf(&s, "provider %q {\n  plugin = %q\n  base_url = %q\n  config {\n    %s\n  }\n}\n", p.label, p.plugin, upstream, p.config)
	}
	var models []string
	for i, x := range all {
		fmt.Fprintf(&s, "model %q {\n  retry = { attempts = 1 }\n  target \"up\" {\n    provider = provider.%s\n    model = %q\n  }\n}\n", name(i), providers[x.Dialect()], name(i))
		models = append(models, "model."+name(i))
	}
	for i, named := range further {
		fmt.Fprintf(&s, "model \"further%d\" {\n  aliases = [%q]\n  target \"up\" {\n    provider = provider.chat\n    model = %q\n  }\n}\n", i, named, named)
		models = append(models, fmt.Sprintf("model.further%d", i))
	}
	fmt.Fprintf(&s, "pipeline \"empty\" {\n  filters = []\n}\nroute \"all\" {\n  listener = listener.public\n  match = { path = \"/*\" }\n  auth = \"none\"\n  pipeline = pipeline.empty\n  models = [%s]\n}\n", strings.Join(models, ", "))
	return s.String()
}

// startGateway runs a daemon and waits until it answers.
func startGateway(ctx context.Context, binary, dir, upstream string, all []*recorded.Exchange) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	l.Close()
	path := filepath.Join(dir, "gateway.hcl")
	if err := os.WriteFile(path, []byte(configuration(addr, upstream, all)), 0o600); err != nil {
		return nil, err
	}
	g := &process{cmd: exec.CommandContext(ctx, binary, "run", "-c", path), url: "http://" + addr}
	g.cmd.Dir = dir
	var errs bytes.Buffer
	g.cmd.Stderr = &errs
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return g, nil
		}
	}
	g.stop()
	return nil, errors.New("the gateway does not answer: " + errs.String())
}

func (g *process) stop() {
	g.cmd.Process.Signal(syscall.SIGTERM)
	g.cmd.Wait()
}

// post sends a request in a dialect and returns the answer.
func (g *process) post(ctx context.Context, model string, client llm.Dialect, stream bool, body []byte) (*http.Response, []byte, error) {
	path := map[llm.Dialect]string{llm.OpenAI: "/v1/chat/completions", llm.Responses: "/v1/responses", llm.Anthropic: "/v1/messages"}[client]
	if client == llm.Gemini {
		if path = "/v1beta/models/" + model + ":generateContent"; stream {
			path = "/v1beta/models/" + model + ":streamGenerateContent?alt=sse"
		}
	}
	r, err := http.NewRequestWithContext(ctx, "POST", g.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if client == llm.Anthropic {
		r.Header.Set("anthropic-version", "2023-06-01")
	}
	resp, err := g.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(bufio.NewReader(resp.Body))
	return resp, text, err
}
