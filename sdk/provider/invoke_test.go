package provider_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/plugin"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/sdktest"
)

// invoker is a provider made of one function.
type invoker func(context.Context, *llm.Call) (*llm.Response, error)

func (invoker) Describe(context.Context) (*provider.Info, error) {
	return &provider.Info{Name: "test", Version: "1", Ops: []llm.Op{llm.OpChat}, Dialects: []llm.Dialect{llm.OpenAI}}, nil
}

func (invoker) Configure(context.Context, []byte) error { return nil }

func (f invoker) Invoke(ctx context.Context, c *llm.Call) (*llm.Response, error) { return f(ctx, c) }

// pieces answers with some pieces and then an error.
func pieces(end error, all ...string) *llm.Response {
	return &llm.Response{Status: 200, Header: llm.Header{{Name: "x-one", Value: "1"}, {Name: "x-one", Value: "2"}}, Recv: func(c *llm.Chunk) error {
		if len(all) == 0 {
			return end
		}
		c.Data = append(c.Data, all[0]...)
		all = all[1:]
		return nil
	}}
}

func chat(stream bool) *llm.Call {
	return &llm.Call{ID: "req-1", Op: llm.OpChat, Dialect: llm.OpenAI, Model: "a/b c%../é", Stream: stream, Body: []byte("{}")}
}

func TestInvoke(t *testing.T) {
	limited := &llm.Error{Code: llm.CodeRateLimited, RetryAfter: 1500e6, Message: "slower"}
	secret := errors.New("dial 10.0.0.1: secret detail")
	for _, c := range []struct {
		name   string
		stream bool
		answer func() (*llm.Response, error)
		status int
		body   string // a part of it
		cut    bool
	}{
		{"unary", false, func() (*llm.Response, error) { return pieces(io.EOF, "one"), nil }, 200, "one", false},
		{"unary in pieces", false, func() (*llm.Response, error) { return pieces(io.EOF, "one", "", "two"), nil }, 200, "onetwo", false},
		{"unary of nothing", false, func() (*llm.Response, error) { return pieces(io.EOF), nil }, 200, "", false},
		{"unary cut", false, func() (*llm.Response, error) { return pieces(secret, "one"), nil }, 502, "could not answer", false},
		{"stream", true, func() (*llm.Response, error) { return pieces(io.EOF, "one", "", "two"), nil }, 200, "onetwo", false},
		{"large pieces", true, func() (*llm.Response, error) { return pieces(io.EOF, strings.Repeat("x", 1<<20), "end"), nil }, 200, "xend", false},
		{"stream of nothing", true, func() (*llm.Response, error) { return pieces(io.EOF), nil }, 200, "", false},
		{"stream cut", true, func() (*llm.Response, error) { return pieces(secret, "one"), nil }, 200, "one", true},
		{"stream cut with a code", true, func() (*llm.Response, error) { return pieces(limited, "one"), nil }, 200, "one", true},
		{"error before the first byte", true, func() (*llm.Response, error) { return pieces(limited), nil }, 429, "slower", false},
		{"error", false, func() (*llm.Response, error) { return nil, limited }, 429, "slower", false},
		{"error without a code", false, func() (*llm.Response, error) { return nil, secret }, 502, "could not answer", false},
		{"no answer", false, func() (*llm.Response, error) { return nil, nil }, 502, "could not answer", false},
		{"panic", false, func() (*llm.Response, error) { panic("on purpose") }, 502, "could not answer", false},
		{"panic of recv", true, func() (*llm.Response, error) {
			return &llm.Response{Status: 200, Recv: func(*llm.Chunk) error { panic("on purpose") }}, nil
		}, 502, "could not answer", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := sdktest.StartProvider(t, invoker(func(_ context.Context, call *llm.Call) (*llm.Response, error) {
				if want := chat(c.stream); call.Model != want.Model || call.ID != want.ID || call.Stream != want.Stream || string(call.Body) != "{}" {
					t.Errorf("call %+v", call)
				}
				return c.answer()
			}))
			a, err := h.Invoke(context.Background(), chat(c.stream))
			if err != nil {
				t.Fatal(err)
			}
			if a.Status != c.status || !strings.Contains(string(a.Body), c.body) || (a.Err != nil) != c.cut {
				t.Errorf("%d %.100q %v", a.Status, a.Body, a.Err)
			}
			if strings.Contains(string(a.Body), "secret") {
				t.Errorf("the answer tells a private error: %s", a.Body)
			}
			if a.Status == 200 && strings.Join(a.Header["X-One"], ",") != "1,2" {
				t.Errorf("%v", a.Header)
			}
			if a.Status == 429 && (a.Header.Get("retry-after") != "2" || a.Header.Get("retry-after-ms") != "1500") {
				t.Errorf("%v", a.Header)
			}
		})
	}
}

// TestHangUp holds that a call's context ends when its caller leaves, before and after the first
// byte.
func TestHangUp(t *testing.T) {
	for _, spoken := range []bool{false, true} {
		began, ended := make(chan struct{}), make(chan struct{})
		h := sdktest.StartProvider(t, invoker(func(ctx context.Context, _ *llm.Call) (*llm.Response, error) {
			first := spoken
			return &llm.Response{Status: 200, Recv: func(c *llm.Chunk) error {
				if first {
					first = false
					c.Data = append(c.Data, "x"...)
					return nil
				}
				close(began)
				<-ctx.Done()
				close(ended)
				return ctx.Err()
			}}, nil
		}))
		ctx, hangUp := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.Invoke(ctx, chat(true))
		}()
		<-began
		hangUp()
		<-ended
		<-done
	}
}

// TestOnlyTheHostIsAnswered connects as a process that is not the host.
func TestOnlyTheHostIsAnswered(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("peers are known on Linux only")
	}
	dir, err := os.MkdirTemp("", "sdk")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f, err := plugin.Bind(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if c, err := net.Dial("unix", f.Name()); err == nil {
		c.Close()
		t.Error("connected although nobody listens yet")
	}
	l, err := plugin.Listen(f)
	if err != nil {
		t.Fatal(err)
	}
	s, err := provider.NewServer(invoker(func(context.Context, *llm.Call) (*llm.Response, error) {
		t.Error("a stranger was answered")
		return nil, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(l, os.Getpid()+1)
	}()
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		c, err := net.Dial("unix", f.Name())
		if err == nil {
			if pid, err := plugin.PeerPID(c); err != nil || pid != os.Getpid() {
				t.Errorf("the listener is process %d, %v", pid, err)
			}
		}
		return c, err
	}}}
	if resp, err := client.Post("http://plugin/openai/chat/m", "", strings.NewReader("{}")); err == nil {
		resp.Body.Close()
		t.Errorf("answered with %d", resp.StatusCode)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	<-done
}

// TestACallSaysWhetherItIsSentOnce, and no field of its header does.
func TestACallSaysWhetherItIsSentOnce(t *testing.T) {
	var got *llm.Call
	h := sdktest.StartProvider(t, invoker(func(_ context.Context, call *llm.Call) (*llm.Response, error) {
		got = call
		return pieces(io.EOF, "one"), nil
	}))
	for _, once := range []bool{false, true} {
		call := chat(false)
		call.Once = once
		if _, err := h.Invoke(t.Context(), call); err != nil || got.Once != once || got.Header.Count(provider.OnceHeader) > 0 {
			t.Errorf("%t: %+v, %v", once, got, err)
		}
	}
}

func TestNotACall(t *testing.T) {
	h := sdktest.StartProvider(t, invoker(func(context.Context, *llm.Call) (*llm.Response, error) {
		t.Error("invoked")
		return nil, nil
	}))
	for _, path := range []string{"/", "/openai", "/openai/chat"} {
		resp, err := h.HTTP.Post("http://plugin"+path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 404 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		tmpl   provider.Template
		model  string
		stream bool
		want   string
	}{
		{provider.Template{Path: "/chat/completions"}, "gpt", true, "/chat/completions"},
		{provider.Template{Path: "/models/{model}:generate", StreamPath: "/models/{model}:stream?alt=sse"}, "a/b", false, "/models/a%2Fb:generate"},
		{provider.Template{Path: "/models/{model}:generate", StreamPath: "/models/{model}:stream?alt=sse"}, "a b?", true, "/models/a%20b%3F:stream?alt=sse"},
	} {
		if got := string(c.tmpl.AppendPath(nil, c.model, c.stream)); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	lease := &provider.Relay{RefreshOn: []provider.Match{{Status: 401}, {Status: 400, Contains: "API_KEY_INVALID"}}}
	if !lease.Stale(401, nil) || lease.Stale(400, []byte("bad")) || !lease.Stale(400, []byte("x API_KEY_INVALID x")) || lease.Stale(200, nil) {
		t.Error("wrong answers are stale")
	}
}

func TestPathAllocatesNothing(t *testing.T) {
	tmpl := provider.Template{Path: "/openai/chat/{model}", StreamPath: "/openai/chat/{model}?stream=1"}
	dst := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { dst = tmpl.AppendPath(dst[:0], "meta/llama", true) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// crowded is a listener of a process that has too many files open for a while.
type crowded struct {
	net.Listener
	refused int
}

func (c *crowded) Accept() (net.Conn, error) {
	if c.refused++; c.refused <= 3 {
		return nil, &net.OpError{Op: "accept", Net: "unix", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return c.Listener.Accept()
}

// TestTooManyFiles keep calls waiting, and none from being taken afterwards.
func TestTooManyFiles(t *testing.T) {
	s, err := provider.NewServer(invoker(func(context.Context, *llm.Call) (*llm.Response, error) { return pieces(io.EOF, "one"), nil }))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(&crowded{Listener: l}, 0) }()
	resp, err := http.Post("http://"+l.Addr().String()+"/openai/chat/m", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "one" {
		t.Errorf("%q, %v", body, err)
	}
	select {
	case err := <-ended:
		t.Errorf("it serves no more: %v", err)
	default:
	}
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
