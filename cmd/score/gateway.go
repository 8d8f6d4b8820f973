package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// The gateway's listeners, by what the sanitize filter behind them does.
const (
	standard = "standard" // what it does without a config
	speech   = "speech"   // denies what is noted in messages by default
	output   = "output"   // denies what is noted in answers by default
)

var listeners = map[string]string{
	standard: "",
	speech:   "prompt = \"deny\"\n    hidden = \"deny\"\n    secrets = \"off\"\n    pii = \"off\"\n",
	output:   "output = \"deny\"\n    secrets = \"off\"\n    pii = \"off\"\n    prompt = \"off\"\n    hidden = \"off\"\n",
}

// gateway is a running daemon.
type gateway struct {
	dir      string
	cmd      *exec.Cmd
	done     chan struct{}
	stderr   bytes.Buffer // read once done is closed
	base     map[string]string
	client   *http.Client
	requests atomic.Int64
}

// start runs the gateway on loopback with a generated configuration and waits until it answers.
func start(ctx context.Context, binary string) (*gateway, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	g := &gateway{base: map[string]string{}, done: make(chan struct{}), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	if g.dir, err = os.MkdirTemp("", "score-"); err != nil {
		return nil, err
	}
	file := filepath.Join(g.dir, "gateway.hcl")
	config, err := g.config()
	if err == nil {
		err = os.WriteFile(file, []byte(config), 0o600)
	}
	if err != nil {
		os.RemoveAll(g.dir)
		return nil, err
	}
	g.cmd = exec.Command(binary, "run", "-c", file)
	g.cmd.Dir, g.cmd.Stderr = g.dir, &g.stderr
	if err := g.cmd.Start(); err != nil {
		os.RemoveAll(g.dir)
		return nil, err
	}
	go func() {
		defer close(g.done)
		g.cmd.Wait()
	}()
	if err := g.ready(ctx); err != nil {
		g.stop()
		return nil, fmt.Errorf("%w\n%s", err, g.stderr.String())
	}
	return g, nil
}

// config writes a listener, a filter and a route for each of listeners. The filters' time is long: what
// is scored is what they see, also on a machine that has other work.
func (g *gateway) config() (string, error) {
	var b strings.Builder
	b.WriteString("gateway {\n  data_dir = \"./data\"\n  log = { level = \"error\" }\n}\nprovider \"echo\" { plugin = \"echo\" }\n")
	b.WriteString("model \"echo\" {\n  target \"echo\" {\n    provider = provider.echo\n    model    = \"echo\"\n  }\n}\n")
	for name, config := range listeners {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		address := l.Addr().String()
		l.Close()
		g.base[name] = "http://" + address
		fmt.Fprintf(&b, "listener %q { address = %q }\n", name, address)
		fmt.Fprintf(&b, "filter %q {\n  wasm   = \"builtin:sanitize\"\n  limits = { time = \"2s\" }\n  config {\n    %s}\n}\n", name, config)
		fmt.Fprintf(&b, "pipeline %q { filters = [filter.%s] }\n", name, name)
		fmt.Fprintf(&b, "route %q {\n  listener = listener.%s\n  match    = { path = \"/v1/*\" }\n  auth     = \"none\"\n  pipeline = pipeline.%s\n  models   = [model.echo]\n}\n", name, name, name)
	}
	return b.String(), nil
}

func (g *gateway) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if v, err := g.send(ctx, standard, message("hello"), ""); err == nil && v.status == 200 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("the gateway does not answer")
		case <-g.done:
			return errors.New("the gateway ended")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends the gateway and removes its directory.
func (g *gateway) stop() {
	g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.done:
	case <-time.After(20 * time.Second):
		g.cmd.Process.Kill()
		<-g.done
	}
	os.RemoveAll(g.dir)
}

// verdict is what a client learns.
type verdict struct {
	status int
	class  string // of a denial
	text   string // the answer of the echo
}

// request is the members of a chat request beside its model.
type request map[string]any

func message(text string) request {
	return request{"messages": []any{map[string]any{"role": "user", "content": text}}}
}

// send sends a chat request to a listener, with a query if there is one.
func (g *gateway) send(ctx context.Context, listener string, r request, query string) (verdict, error) {
	r["model"] = "echo"
	body, err := json.Marshal(r)
	if err != nil {
		return verdict{}, err
	}
	address := g.base[listener] + "/v1/chat/completions"
	if query != "" {
		address += "?q=" + url.QueryEscape(query)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return verdict{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "score/1")
	resp, err := g.client.Do(req)
	if err != nil {
		return verdict{}, err
	}
	defer resp.Body.Close()
	g.requests.Add(1)
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return verdict{}, err
	}
	if r["stream"] == true && resp.StatusCode == 200 {
		return streamed(raw), nil
	}
	return read(resp.StatusCode, raw)
}

// read reads a unary answer.
func read(status int, raw []byte) (verdict, error) {
	var a struct {
		Choices []struct{ Message struct{ Content string } }
		Error   struct{ Code, Message string }
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return verdict{}, fmt.Errorf("status %d: %w: %.200s", status, err, raw)
	}
	v := verdict{status: status}
	if len(a.Choices) > 0 {
		v.text = a.Choices[0].Message.Content
	}
	if said, ok := strings.CutPrefix(a.Error.Message, "denied by sanitize: "); ok && a.Error.Code == "denied" {
		v.class, _, _ = strings.Cut(said, ":")
	} else if status != 200 {
		return v, fmt.Errorf("status %d: %s", status, raw)
	}
	return v, nil
}

// streamed joins the deltas of a streamed answer.
func streamed(raw []byte) verdict {
	v := verdict{status: 200}
	for line := range strings.Lines(string(raw)) {
		var e struct {
			Choices []struct{ Delta struct{ Content string } }
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if ok && json.Unmarshal([]byte(data), &e) == nil && len(e.Choices) > 0 {
			v.text += e.Choices[0].Delta.Content
		}
	}
	return v
}
