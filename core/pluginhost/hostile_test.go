//go:build linux

package pluginhost_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/plugin"
	"github.com/ginnel/ginnel/sdk/proto/pluginv1"
	"github.com/ginnel/ginnel/sdk/provider"
)

// hostile is a plugin that means no good.
func hostile(name string) {
	switch name {
	case "endless": // says all the time, before it shakes hands
		for line := strings.Repeat("x", 1<<16); ; {
			os.Stdout.WriteString(line)
		}
	case "older": // speaks another release of go-plugin's own protocol
		os.Stdout.WriteString("2|1|unix|/nowhere|grpc\n")
		time.Sleep(time.Hour)
	case "garbled":
		os.Stdout.WriteString(strings.Repeat("1|\x1b[2J", 1<<12) + "\n")
		time.Sleep(time.Hour)
	case "defector": // leaves its process group for its host's, and does not end
		if group, err := syscall.Getpgid(syscall.Getppid()); err == nil {
			syscall.Setpgid(0, group)
		}
		serveWith()
		time.Sleep(time.Hour)
	case "boastful":
		provider.Serve(&boastful{})
	case "heavy":
		provider.Serve(&heavy{})
	case "wordy":
		provider.Serve(&wordy{})
	case "broker": // opens connections that nobody asked for
		offer := func(srv any, s grpc.ServerStream, i *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			for id := uint32(1); i.FullMethod == "/plugin.GRPCBroker/StartStream"; id++ {
				if err := s.SendMsg(wrapperspb.UInt32(id)); err != nil {
					return err
				}
			}
			return next(srv, s)
		}
		serveWith(grpc.StreamInterceptor(offer))
	case "ailing": // tells its configuration and more when it is asked how it is
		ill := "ill"
		tell := func(ctx context.Context, m any, i *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			switch m := m.(type) {
			case *pluginv1.ConfigureRequest:
				ill += "\x1b[2J" + string(m.GetConfig()) + strings.Repeat("ill ", 1<<10)
			case *grpc_health_v1.HealthCheckRequest:
				return nil, grpcstatus.Error(codes.Unavailable, ill)
			}
			return next(ctx, m)
		}
		serveWith(grpc.UnaryInterceptor(tell))
	case "nurse": // has a child that is larger than itself
		cmd := exec.Command("/proc/self/exe", "plugin", "large")
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		provider.Serve(&words{})
	case "large":
		b := make([]byte, 512<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		time.Sleep(time.Hour)
	case "squatter":
		squat()
		provider.Serve(&words{})
	case "litterer":
		if err := os.WriteFile(filepath.Join(os.Getenv(goplugin.EnvUnixSocketDir), "left"), nil, 0o600); err != nil {
			panic(err)
		}
		provider.Serve(&words{})
	case "decoy":
		path := filepath.Join(os.Getenv(goplugin.EnvUnixSocketDir), "decoy")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			panic(err)
		}
		os.Stdout.WriteString("1|3|unix|" + path + "|grpc|\n")
		time.Sleep(time.Hour)
	case "lingering": // is told to end, and stays
		provider.Serve(&words{})
		os.NewFile(2, "stderr").WriteString("I stay\n") // go-plugin's own has ended
		time.Sleep(time.Hour)
	case "impostor":
		pose(os.Getenv(envVictim), os.Getenv(envVersion), os.Getenv(envLinked) != "")
	case "away": // leaves its parent's process group, and its session
		syscall.Setsid()
		syscall.Setpgid(0, 0)
		time.Sleep(time.Hour)
	}
}

// wordy has much to say about a config.
type wordy struct{ leases }

// serveWith serves leases as provider.Serve does, with more to the server.
func serveWith(more ...grpc.ServerOption) {
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  plugin.Handshake(),
		VersionedPlugins: plugin.Sets(goplugin.PluginSet{plugin.KindProvider: &provider.Plugin{Provider: &leases{}}}),
		Logger:           hclog.NewNullLogger(),
		GRPCServer: func(o []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(o, more...)...)
		},
	})
}

func (*wordy) Configure(context.Context, []byte) error {
	return &llm.Error{Code: llm.CodeInvalid, Message: "no\x1b[2J" + strings.Repeat("no ", 1<<20)}
}

// boastful says that it can do everything, in every dialect.
type boastful struct{ words }

func (b *boastful) Describe(ctx context.Context) (*provider.Info, error) {
	info, err := b.words.Describe(ctx)
	for i := range 200 {
		info.Ops = append(info.Ops, llm.Op(strconv.Itoa(i)))
		info.Dialects = append(info.Dialects, llm.Dialect(strconv.Itoa(i)))
	}
	return info, err
}

// heavy has a header that no upstream would take.
type heavy struct{ leases }

func (h *heavy) Relay(ctx context.Context) (*provider.Relay, error) {
	r, err := h.leases.Relay(ctx)
	r.Header.Add("weight", strings.Repeat("x", 1<<20))
	return r, err
}

// TestWhatAPluginOffersIsBounded: the host keeps all of it, and makes a table of it.
func TestWhatAPluginOffersIsBounded(t *testing.T) {
	h, _ := start(t, nil)
	for _, name := range []string{"boastful", "heavy"} {
		p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: name})
		if err == nil {
			p.Close(within(t))
			t.Errorf("%s was launched", name)
		}
	}
}

// TestWhatAPluginSaysIsBounded: its errors are shown to people and kept in the state.
func TestWhatAPluginSaysIsBounded(t *testing.T) {
	h, _ := start(t, nil)
	for _, name := range []string{"endless", "garbled", "wordy"} {
		_, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: name})
		if err == nil {
			t.Fatalf("%s was launched", name)
		}
		if text := err.Error(); len(text) > 4<<10 || strings.ContainsRune(text, '\x1b') {
			t.Errorf("%s: an error of %d bytes: %.80q", name, len(text), text)
		}
	}
}

// TestAnotherHandshake is not taken for another version of the gateway's protocol.
func TestAnotherHandshake(t *testing.T) {
	h, _ := start(t, nil)
	if _, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: "older"}); err == nil || strings.Contains(err.Error(), "of the plugin protocol") || !strings.Contains(err.Error(), "core API") {
		t.Error(err)
	}
}

// TestALoudPlugin is not kept waiting for somebody who listens, and what it says is logged.
func TestALoudPlugin(t *testing.T) {
	h, log := start(t, nil)
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words"})
	if got, err := said(t, p, "do", "shout"); err != nil || got != "done" {
		t.Errorf("%q, %v", got, err)
	}
	await(t, "its line", func() bool { return strings.Contains(log.String(), `"text":"to be heard"`) })
}

// TestNobodyBrokersConnections: go-plugin keeps each that a plugin offers, with a goroutine.
func TestNobodyBrokersConnections(t *testing.T) {
	h, _ := start(t, nil)
	before := runtime.NumGoroutine()
	launched(t, h, pluginhost.ProviderSpec{Plugin: "broker"})
	time.Sleep(time.Second)
	if n := runtime.NumGoroutine() - before; n > 100 {
		t.Errorf("%d goroutines for one plugin", n)
	}
}

// TestADefectorIsEnded although it is in another process group than it was started in.
func TestADefectorIsEnded(t *testing.T) {
	h, _ := start(t, nil)
	for name, limits := range map[string]pluginhost.Limits{"contained": {}, "open": {Open: true}} {
		p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: name, Plugin: "defector", Limits: limits})
		if err != nil {
			t.Fatal(err)
		}
		pid, closed := p.PID(), make(chan struct{})
		go func() {
			defer close(closed)
			p.Close(within(t))
		}()
		select {
		case <-closed:
		case <-time.After(deadline):
			t.Fatalf("%s: it is waited for", name)
		}
		if syscall.Kill(pid, 0) != syscall.ESRCH {
			t.Errorf("%s: process %d lives", name, pid)
		}
	}
}

// TestStraysEndWithTheirParent: what a contained plugin has started goes with it, wherever it went.
func TestStraysEndWithTheirParent(t *testing.T) {
	h, log := start(t, nil)
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "strays", Limits: pluginhost.Limits{Children: true}})
	pid := strayOf(t, log)
	time.Sleep(200 * time.Millisecond)
	kill(t, p.PID(), syscall.SIGKILL)
	await(t, "the child's end", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH || zombie(pid) })
}

// strayOf returns the pid of the child that a plugin has started, when it has said so.
func strayOf(t *testing.T, log *record) (pid int) {
	t.Helper()
	await(t, "its child", func() bool {
		if m := regexp.MustCompile(`"plugin_pid":(\d+)`).FindStringSubmatch(log.String()); m != nil {
			pid, _ = strconv.Atoi(m[1])
		}
		return pid != 0
	})
	return pid
}

// TestChildrenCount among the memory of the process that has started them.
func TestChildrenCount(t *testing.T) {
	h, _ := start(t, func(n *pluginhost.Needs) { n.HealthEvery = 20 * time.Millisecond })
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "nurse", Limits: pluginhost.Limits{Children: true, Memory: 300 << 20}})
	old := p.PID()
	await(t, "another process", func() bool { return p.PID() != 0 && p.PID() != old })
	if got := p.State().Error; !strings.Contains(got, "may have 300") {
		t.Error(got)
	}
}

// TestAPluginThatHangsUpItsSocket is started again: one of the SDK that cannot accept calls ends by itself, another is
// found out.
func TestAPluginThatHangsUpItsSocket(t *testing.T) {
	for name, every := range map[string]time.Duration{"words": time.Hour, "first": 50 * time.Millisecond} {
		h, _ := start(t, func(n *pluginhost.Needs) { n.HealthEvery = every })
		p := launched(t, h, pluginhost.ProviderSpec{Plugin: name, Limits: pluginhost.Limits{HungAfter: time.Hour}})
		old := p.PID()
		what := "hang up"
		if name == "words" {
			what = "lose"
		}
		if got, err := said(t, p, "do", what); err != nil || got != "done" {
			t.Fatalf("%q, %v", got, err)
		}
		if c, err := net.Dial("unix", p.Socket()); err == nil {
			defer c.Close()
		}
		await(t, "another process", func() bool { return p.PID() != 0 && p.PID() != old })
		if got, err := said(t, p, "m", "again"); err != nil || got != "again" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// TestAnExecutableThatIsNone: what is read before it is known to be the right one may never end.
func TestAnExecutableThatIsNone(t *testing.T) {
	h, _ := start(t, func(n *pluginhost.Needs) { n.StartTimeout = time.Second })
	dir, sum := t.TempDir(), strings.Repeat("0", 64)
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<43); err != nil {
		t.Skip("no file may be so large here: ", err)
	}
	for _, path := range []string{pipe, large} {
		done := make(chan error, 1)
		go func() {
			_, err := h.Provider(context.Background(), pluginhost.ProviderSpec{Name: "x", Plugin: path, SHA256: sum})
			done <- err
		}()
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("%s was launched", path)
			}
		case <-time.After(deadline):
			t.Errorf("%s: not given up", path)
		}
	}
}

// TestNobodyWaitsForAMuteOne whose start was given up before it began.
func TestNobodyWaitsForAMuteOne(t *testing.T) {
	h, _ := start(t, func(n *pluginhost.Needs) { n.StartTimeout = time.Hour })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Provider(ctx, pluginhost.ProviderSpec{Name: "x", Plugin: "mute"})
	}()
	select {
	case <-done:
	case <-time.After(deadline):
		t.Error("not given up")
	}
}

// TestAPluginThatTurns comes back as another: one whose calls the gateway makes as one that makes them itself.
func TestAPluginThatTurns(t *testing.T) {
	var turned atomic.Bool
	h, _ := start(t, func(n *pluginhost.Needs) {
		command := n.Command
		n.Command = func(string) *exec.Cmd {
			if turned.Load() {
				return command("words")
			}
			return command("leases")
		}
	})
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "turncoat"})
	turned.Store(true)
	kill(t, p.PID(), syscall.SIGKILL)
	await(t, "its refusal", func() bool {
		s := p.State()
		if s.Restarts > 0 && s.Status == pluginhost.Running {
			t.Fatal("it is used")
		}
		return strings.Contains(s.Error, "than its first process")
	})
	turned.Store(false)
	await(t, "one as the first", func() bool { return p.State().Status == pluginhost.Running })
}

// TestAPluginThatCannotTakeItsPlace is ended, which takes a while, and its state can be asked for meanwhile.
func TestAPluginThatCannotTakeItsPlace(t *testing.T) {
	h, log := start(t, nil)
	before := childrenOf(t, os.Getpid())
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "lingering"})
	first := p.PID()
	if err := os.Remove(p.Socket()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(p.Socket(), 0o700); err != nil {
		t.Fatal(err)
	}
	kill(t, first, syscall.SIGKILL)
	for said := range 5 { // a machine that stalls may see its end first
		await(t, "one that is told to end", func() bool { return strings.Count(log.String(), "I stay") > said })
		p.State()
		if slices.ContainsFunc(childrenOf(t, os.Getpid()), func(pid int) bool { return !slices.Contains(before, pid) && !zombie(pid) }) {
			return
		}
	}
	t.Error("nobody is told its state before it has ended")
}
