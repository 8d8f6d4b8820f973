//go:build linux

package pluginhost_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	goplugin "github.com/hashicorp/go-plugin"

	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/plugin"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
	"github.com/ginnel/ginnel/sdk/telemetry"
)

// deadline is how long anything may take.
const deadline = 30 * time.Second

// The test binary is its own plugin: "plugin NAME" as the arguments, or a third party's when it runs
// without arguments under a host.
func TestMain(m *testing.M) {
	args := os.Args[1:]
	if len(args) > 1 && args[0] == "aside" {
		aside(func() { _, err := pluginhost.Alone(args[1:]); fmt.Fprintln(os.Stderr, err) })
		os.Exit(1)
	}
	if len(args) > 1 && args[0] == "alone" {
		var err error
		if args, err = pluginhost.Alone(args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if len(args) == 2 && args[0] == "plugin" {
		serve(args[1])
		return
	}
	if len(os.Args) == 3 && os.Args[1] == "host" {
		host(os.Args[2], "words")
		return
	}
	if len(os.Args) == 4 && os.Args[1] == "host" {
		host(os.Args[2], os.Args[3])
		return
	}
	if len(os.Args) == 1 && os.Getenv(plugin.Handshake().MagicCookieKey) != "" {
		if filepath.Base(os.Args[0]) == "deaf" {
			serve("deaf")
			return
		}
		serve("words")
		return
	}
	os.Exit(m.Run())
}

func serve(name string) {
	switch name {
	case "words":
		provider.Serve(&words{})
	case "leases":
		provider.Serve(&leases{})
	case "memory":
		telemetry.Serve(&memory{})
	case "placed":
		provider.Serve(&placed{})
	case "first": // built when there was but one version of the protocol
		speaking(plugin.Version1, nil)
	case "second": // when a plugin could be told where, and not how
		speaking(plugin.Version2, second{})
	case "future":
		speaking(9, nil)
	case "hung":
		provider.Serve(hung{&leases{}})
	case "crashing":
		fmt.Fprintln(os.Stderr, "panic: on purpose")
		os.Exit(3)
	case "mute":
		time.Sleep(time.Hour)
	case "deaf": // to the end of its host
		os.Unsetenv(plugin.EnvLifeline)
		provider.Serve(&words{})
	case "leaver": // becomes another program on another thread than its first
		aside(func() { panic(syscall.Exec("/proc/self/exe", []string{"words", "plugin", "deaf"}, os.Environ())) })
	case "parent":
		fork(false)
		provider.Serve(&words{})
	case "strays":
		fork(true)
		provider.Serve(&words{})
	default:
		hostile(name)
	}
}

// aside calls f on another thread than the process's first.
func aside(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if syscall.Gettid() == os.Getpid() {
			aside(f)
			return
		}
		f()
	}()
	<-done
}

// host launches a plugin, says its pid and waits to be killed. One that is named by its path is started aside.
func host(dir, plugin string) {
	alone, sum := "alone", ""
	if strings.Contains(plugin, "/") {
		raw, err := os.ReadFile(plugin)
		if err != nil {
			panic(err)
		}
		alone, sum = "aside", fmt.Sprintf("%x", sha256.Sum256(raw))
	}
	h, err := pluginhost.New(pluginhost.Needs{
		Logger:  slog.New(slog.DiscardHandler),
		Dir:     dir,
		Command: func(name string) *exec.Cmd { return exec.Command("/proc/self/exe", "plugin", name) },
		Alone:   []string{"/proc/self/exe", alone},
	})
	if err != nil {
		panic(err)
	}
	p, err := h.Provider(context.Background(), pluginhost.ProviderSpec{Name: "x", Plugin: plugin, SHA256: sum, Limits: pluginhost.Limits{Children: plugin == "parent"}})
	if err != nil {
		panic(err)
	}
	fmt.Println(p.PID())
	time.Sleep(time.Hour)
}

// zombie reports whether a process has ended and was not waited for by whoever inherited it.
func zombie(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(raw, []byte(") Z "))
}

// fork leaves a child behind that holds the plugin's pipes open, in a session of its own where it may.
func fork(away bool) {
	cmd := exec.Command("/proc/self/exe", "plugin", "mute")
	if away {
		cmd = exec.Command("/proc/self/exe", "plugin", "away")
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	os.Stderr.WriteString(fmt.Sprintf(`{"level":"INFO","msg":"child","pid":%d}`+"\n", cmd.Process.Pid))
}

// words is invoked. It answers with the body, or by the model's name: "stall" says one word and no
// more, "env" tells its environment.
type words struct{ config string }

func (w *words) Describe(context.Context) (*provider.Info, error) {
	return &provider.Info{
		Name: "words", Version: "1", Ops: []llm.Op{llm.OpChat}, Dialects: []llm.Dialect{llm.OpenAI},
		Config: &schema.Block{Attrs: []schema.Attr{{Name: "say", Kind: schema.String, Optional: true, Sensitive: true}}},
	}, nil
}

func (w *words) Configure(_ context.Context, config []byte) error {
	w.config = string(config)
	if strings.Contains(w.config, "tell") {
		fmt.Fprintln(os.Stderr, "I was told", w.config)
		slog.New(slog.NewJSONHandler(os.Stderr, nil)).Info("told: "+w.config, "config", w.config)
	}
	if strings.Contains(w.config, "tell wrong") {
		return &llm.Error{Code: llm.CodeInvalid, Message: "say: it is wrong: " + w.config}
	}
	if strings.Contains(w.config, "wrong") {
		return &llm.Error{Code: llm.CodeInvalid, Message: "say: it is wrong"}
	}
	return nil
}

func (w *words) Invoke(ctx context.Context, call *llm.Call) (*llm.Response, error) {
	text := string(call.Body)
	if call.Model == "env" {
		raw, err := json.Marshal(append(os.Environ(), status("NoNewPrivs")))
		if err != nil {
			return nil, err
		}
		text = string(raw)
	}
	if call.Model == "do" {
		text = attempted(text)
	}
	n := 0
	return &llm.Response{Status: 200, Recv: func(c *llm.Chunk) error {
		switch n++; {
		case n == 1:
			c.Data = append(c.Data, text...)
			return nil
		case call.Model == "stall":
			<-ctx.Done()
			return ctx.Err()
		}
		return io.EOF
	}}, nil
}

// hoard is memory that a test has a plugin keep.
var hoard [][]byte

// attempted does what a hostile plugin may try, and says how it went.
func attempted(what string) string {
	verb, object, _ := strings.Cut(what, " ")
	var err error
	switch verb {
	case "read":
		_, err = os.ReadFile(object)
	case "list":
		_, err = os.ReadDir(object)
	case "write":
		err = os.WriteFile(object, []byte("x"), 0o600)
	case "remove":
		err = os.Remove(object)
	case "run":
		args := strings.Fields(object)
		err = exec.Command(args[0], args[1:]...).Run()
	case "connect":
		var c net.Conn
		network := "tcp"
		if !strings.Contains(object, ":") {
			network = "unix"
		}
		if c, err = net.Dial(network, object); err == nil {
			c.Close()
		}
	case "describe":
		err = tellsWhat(object)
	case "make":
		if object == "where its socket was" {
			object = os.Getenv(goplugin.EnvUnixSocketDir)
		}
		err = made(object)
	case "signal":
		var pid int
		fmt.Sscan(object, &pid)
		err = syscall.Kill(pid, 0)
	case "shout": // where it shook hands
		_, err = os.NewFile(1, "stdout").WriteString(strings.Repeat("a", 1<<20) + "\nto be heard\n")
	case "hang", "lose":
		err = hungUp(verb == "lose")
	case "swell", "threads", "bomb", "stray", "orphan", "clone3":
		err = strained(verb)
	case "unshare": // nothing, which anyone may
		err = syscall.Unshare(0)
	case "alter":
		err = altered(object)
	case "limit", "affinity", "schedule", "nice", "share":
		err = meddled(verb, object)
	case "grow":
		if object != "" {
			err = grown()
			break
		}
		for range 5 {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			hoard = append(hoard, b)
		}
	}
	if err != nil {
		return "no: " + err.Error()
	}
	return "done"
}

// status returns a line of the process's own status.
func status(name string) string {
	raw, _ := os.ReadFile("/proc/self/status")
	for line := range strings.SplitSeq(string(raw), "\n") {
		if strings.HasPrefix(line, name+":") {
			return strings.Join(strings.Fields(line), " ")
		}
	}
	return ""
}

// leases hands out leases with a credential that changes when it is configured to, that expire soon where
// it is, or that are for another origin.
type leases struct {
	mode  string
	count atomic.Int64
}

func (l *leases) Describe(context.Context) (*provider.Info, error) {
	return &provider.Info{
		Name: "leases", Version: "1", Ops: []llm.Op{llm.OpChat}, Dialects: []llm.Dialect{llm.OpenAI},
		Origins: []string{"https://a.test/v1", "https://b.test/v1"},
		Config:  &schema.Block{Attrs: []schema.Attr{{Name: "mode", Kind: schema.String, Optional: true}}},
	}, nil
}

func (l *leases) Configure(_ context.Context, config []byte) error {
	var c struct{ Mode string }
	err := json.Unmarshal(config, &c)
	l.mode = c.Mode
	return err
}

func (l *leases) Relay(context.Context) (*provider.Relay, error) {
	n := l.count.Add(1)
	r := &provider.Relay{
		Ops:    []provider.Template{{Op: llm.OpChat, Dialect: llm.OpenAI, Method: "POST", Path: "/chat"}},
		Header: llm.Header{{Name: "pid", Value: fmt.Sprint(os.Getpid())}},
	}
	switch l.mode {
	case "changes":
		r.Header.Add("count", fmt.Sprint(n))
	case "expires":
		r.Expires = time.Now().Add(time.Millisecond)
	case "expires once":
		if n == 1 {
			r.Expires = time.Now().Add(time.Millisecond)
		}
		r.Header.Add("count", fmt.Sprint(n))
	case "second":
		r.Origin = "https://b.test/v1"
	case "elsewhere":
		r.Origin = "https://elsewhere.test/v1"
	case "moves":
		r.Origin = fmt.Sprintf("https://%c.test/v1", 'a'+byte(n-1))
		r.Header.Add("count", fmt.Sprint(n))
	}
	return r, nil
}

// hung never says what it is.
type hung struct{ *leases }

func (hung) Describe(ctx context.Context) (*provider.Info, error) {
	time.Sleep(time.Hour)
	return nil, nil
}

// memory is a sink that keeps nothing, and tells its configuration where it is asked to.
type memory struct{ config string }

func (*memory) Describe(context.Context) (*telemetry.Info, error) {
	return &telemetry.Info{Name: "memory", Version: "1", Config: &schema.Block{Attrs: []schema.Attr{{Name: "say", Kind: schema.String, Optional: true}}}}, nil
}

func (m *memory) Configure(_ context.Context, config []byte) error {
	m.config = string(config)
	return nil
}

func (m *memory) Export(_ context.Context, b *telemetry.Batch) (*telemetry.Result, error) {
	r := &telemetry.Result{}
	for _, p := range b.Payloads {
		o := telemetry.Outcome{}
		if len(p.OTLP) == 0 {
			o = telemetry.Outcome{Status: telemetry.Permanent, Message: "empty"}
		}
		if string(p.OTLP) == "tell" {
			o = telemetry.Outcome{Status: telemetry.Permanent, Message: m.config}
		}
		r.Outcomes = append(r.Outcomes, o)
	}
	return r, nil
}

// record collects what is logged.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// start returns a host in a directory of its own.
func start(t testing.TB, change func(*pluginhost.Needs)) (*pluginhost.Host, *record) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("plugins run on Linux")
	}
	dir, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, _ := os.ReadDir(dir)
		for _, f := range left {
			t.Errorf("%s is left in the runtime directory", f.Name())
		}
		os.RemoveAll(dir)
	})
	log := &record{}
	n := pluginhost.Needs{
		Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Dir:    dir,
		Command: func(name string) *exec.Cmd {
			if name == "absent" {
				return nil
			}
			return exec.Command("/proc/self/exe", "plugin", name)
		},
		Alone: []string{"/proc/self/exe", "alone"},
	}
	if change != nil {
		change(&n)
	}
	h, err := pluginhost.New(n)
	if err != nil {
		t.Fatal(err)
	}
	return h, log
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	return ctx
}

// launched returns a provider that is closed when the test ends.
func launched(t testing.TB, h *pluginhost.Host, spec pluginhost.ProviderSpec) *pluginhost.Provider {
	t.Helper()
	if spec.Name == "" {
		spec.Name = spec.Plugin
	}
	p, err := h.Provider(within(t), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(within(t)); err != nil {
			t.Error(err)
		}
	})
	return p
}

// await waits until what holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, deadline)
		}
	}
}

// call makes a call to a plugin's socket as the core does: it checks who answers.
func call(p *pluginhost.Provider, ctx context.Context, model, body string) (*http.Response, error) {
	lease, err := p.Lease()
	if err != nil {
		return nil, err
	}
	tmpl := lease.Find(llm.OpChat, llm.OpenAI)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "unix", p.Socket())
		if err != nil {
			return nil, err
		}
		if pid, err := plugin.PeerPID(c); err != nil || pid != p.PID() {
			c.Close()
			return nil, fmt.Errorf("process %d answers for the plugin, want %d: %v", pid, p.PID(), err)
		}
		return c, nil
	}}}
	req, err := http.NewRequestWithContext(ctx, tmpl.Method, "http://plugin"+string(tmpl.AppendPath(nil, model, true)), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	return client.Do(req)
}

// said makes a call and reads its answer.
func said(t testing.TB, p *pluginhost.Provider, model, body string) (string, error) {
	t.Helper()
	resp, err := call(p, within(t), model, body)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return string(raw), err
}

func kill(t testing.TB, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
}
