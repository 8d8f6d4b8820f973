package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
	"github.com/ginnel/ginnel/sdk/sdktest/replay"
)

// process is a daemon under test.
type process struct {
	cmd  *exec.Cmd
	url  string
	http http.Client
}

// further are the models that recorded requests name besides their own: as an advisor, as a fallback.
var further = []string{"claude-opus-4-8", "x-ai/grok-4"}

func configuration(addr, upstream string, all []*recorded.Exchange) string {
	var s strings.Builder
	fmt.Fprintf(&s, "gateway {\n  data_dir = \"./data\"\n  log = { level = \"warn\", format = \"json\" }\n}\nlistener \"public\" {\n  address = %q\n}\n", addr)
	blocks, models := replay.Declare(all, upstream, `"none"`)
	s.WriteString(blocks)
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
