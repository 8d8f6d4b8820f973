//go:build linux

package pluginhost_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/telemetry"
)

func TestInvokedInAnotherProcess(t *testing.T) {
	h, _ := start(t, nil)
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words"})
	if !p.Invoked() || p.Info().Name != "words" {
		t.Errorf("%+v", p.Info())
	}
	if pid := p.PID(); pid == 0 || pid == os.Getpid() {
		t.Errorf("pid %d", pid)
	}
	got, err := said(t, p, "m", "hello")
	if err != nil || got != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	s := p.State()
	if s.Status != pluginhost.Running || s.PID != p.PID() || !strings.Contains(s.Contained, "contained") {
		t.Errorf("%+v", s)
	}
}

// A plugin has nothing of the host's: no environment, and no way to gain privileges.
func TestProcessInheritsNothing(t *testing.T) {
	t.Setenv("GINNEL_TEST_CANARY", "canary")
	h, _ := start(t, nil)
	got, err := said(t, launched(t, h, pluginhost.ProviderSpec{Plugin: "words"}), "env", "")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got, "canary") || !strings.Contains(got, "NoNewPrivs: 1") {
		t.Error(got)
	}
}

// TestKilled is the promise of crash isolation: the calls of the killed plugin fail, the other
// plugin's go on, and it comes back under another pid.
func TestKilled(t *testing.T) {
	h, log := start(t, nil)
	a, b := launched(t, h, pluginhost.ProviderSpec{Name: "a", Plugin: "words"}), launched(t, h, pluginhost.ProviderSpec{Name: "b", Plugin: "words"})
	open := func(p *pluginhost.Provider) *http.Response {
		resp, err := call(p, within(t), "stall", "first")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		return resp
	}
	dying, _ := open(a), open(b)
	pidA, pidB := a.PID(), b.PID()
	begin := time.Now()
	kill(t, pidA, syscall.SIGKILL)
	if _, err := io.ReadAll(dying.Body); err == nil {
		t.Error("the stream of a killed plugin ended as if it were whole")
	}
	t.Logf("its caller knew after %v", time.Since(begin))
	await(t, "a new process", func() bool { return a.PID() != 0 && a.PID() != pidA })
	t.Logf("it was back after %v", time.Since(begin))
	if got, err := said(t, a, "m", "again"); err != nil || got != "again" {
		t.Errorf("%q, %v\n%s", got, err, log)
	}
	if s := a.State(); s.Restarts != 1 || s.Status != pluginhost.Running {
		t.Errorf("%+v", s)
	}
	if got, err := said(t, b, "m", "neighbour"); err != nil || got != "neighbour" || b.PID() != pidB || b.State().Restarts != 0 {
		t.Errorf("the neighbour: %q, %v", got, err)
	}
}

// A process that does not answer is replaced.
func TestHungProcessIsReplaced(t *testing.T) {
	h, _ := start(t, func(n *pluginhost.Needs) { n.HealthEvery = 20 * time.Millisecond })
	p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "p", Plugin: "words", Limits: pluginhost.Limits{HungAfter: 300 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(within(t))
	pid := p.PID()
	kill(t, pid, syscall.SIGSTOP)
	await(t, "another process", func() bool { return p.PID() != 0 && p.PID() != pid })
	if s := p.State(); s.Restarts != 1 {
		t.Errorf("%+v", s)
	}
}

func TestLeaseOutlivesItsPlugin(t *testing.T) {
	h, _ := start(t, nil)
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "leases"})
	before, err := p.Lease()
	if err != nil {
		t.Fatal(err)
	}
	kill(t, p.PID(), syscall.SIGKILL)
	await(t, "the end of the process", func() bool {
		if _, err := p.Lease(); err != nil {
			t.Fatalf("no lease while the plugin is away: %v", err)
		}
		return p.State().Restarts == 1
	})
	await(t, "a lease of the new process", func() bool { l, err := p.Lease(); return err == nil && l.Version == before.Version+1 })
}

func TestLeaseExpires(t *testing.T) {
	h, _ := start(t, nil)
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "leases", Config: []byte(`{"mode":"expires"}`)})
	await(t, "expiry", func() bool {
		_, err := p.Lease()
		var e *llm.Error
		return errors.As(err, &e) && e.Code == llm.CodeUnavailable
	})
}

func TestRefresh(t *testing.T) {
	h, _ := start(t, nil)
	for mode, changes := range map[string]bool{"same": false, "changes": true} {
		p := launched(t, h, pluginhost.ProviderSpec{Plugin: "leases", Config: []byte(`{"mode":"` + mode + `"}`)})
		first, err := p.Lease()
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		versions := make([]uint64, 32)
		for i := range versions {
			wg.Go(func() {
				l, err := p.Refresh(within(t), first.Version)
				if err != nil {
					t.Error(err)
					return
				}
				versions[i] = l.Version
			})
		}
		wg.Wait()
		want := first.Version
		if changes {
			want++
		}
		for _, v := range versions {
			if v != want {
				t.Fatalf("%s: versions %v, want %d: the plugin is asked once", mode, versions, want)
			}
		}
	}
}

// TestOrigins: a lease is for an origin that the plugin's description lists, and for one only.
func TestOrigins(t *testing.T) {
	h, _ := start(t, nil)
	for mode, want := range map[string]string{"same": "https://a.test/v1", "second": "https://b.test/v1"} {
		p := launched(t, h, pluginhost.ProviderSpec{Plugin: "leases", Config: []byte(`{"mode":"` + mode + `"}`)})
		if p.Origin() != want {
			t.Errorf("%s: %s", mode, p.Origin())
		}
	}
	if p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: "leases", Config: []byte(`{"mode":"elsewhere"}`)}); err == nil {
		p.Close(within(t))
		t.Error("a lease for an origin that is not described is taken")
	}
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "leases", Config: []byte(`{"mode":"moves"}`)})
	first, err := p.Lease()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Refresh(within(t), first.Version); err == nil {
		t.Error("a lease for another origin than the first is taken")
	}
	if now, err := p.Lease(); err != nil || now.Version != first.Version || p.Origin() != "https://a.test/v1" {
		t.Errorf("%+v at %s, %v", now, p.Origin(), err)
	}
}

// TestAnExpiredLeaseIsRenewedOnce, by a hundred calls that all find it expired.
func TestAnExpiredLeaseIsRenewedOnce(t *testing.T) {
	h, _ := start(t, func(n *pluginhost.Needs) { n.HealthEvery = time.Hour }) // or it is renewed before anybody asks
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "leases", Config: []byte(`{"mode":"expires once"}`)})
	await(t, "expiry", func() bool { _, err := p.Lease(); return err != nil })
	var calls sync.WaitGroup
	begin := make(chan struct{})
	leases := make([]string, 100)
	for i := range leases {
		calls.Go(func() {
			<-begin
			l, err := p.Valid(within(t))
			if err != nil {
				t.Error(err)
				return
			}
			leases[i] = l.Header.Get("count")
		})
	}
	close(begin)
	calls.Wait()
	for _, count := range leases {
		if count != "2" {
			t.Fatalf("leases %v: the plugin is asked once", leases)
		}
	}
}

// TestWhoAskedFirstMayLeave: the others get their lease all the same.
func TestWhoAskedFirstMayLeave(t *testing.T) {
	h, _ := start(t, func(n *pluginhost.Needs) { n.HealthEvery = time.Hour })
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "leases", Config: []byte(`{"mode":"expires once"}`)})
	await(t, "expiry", func() bool { _, err := p.Lease(); return err != nil })
	gone, leave := context.WithCancel(within(t))
	leave()
	if _, err := p.Valid(gone); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if l, err := p.Valid(within(t)); err != nil || l.Header.Get("count") != "2" {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestSink(t *testing.T) {
	h, _ := start(t, nil)
	s, err := h.Sink(within(t), pluginhost.SinkSpec{Name: "s", Plugin: "memory"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(within(t))
	batch := &telemetry.Batch{ID: "1", Seq: 1, Payloads: []telemetry.Payload{{Signal: telemetry.Logs, OTLP: []byte("x")}, {Signal: telemetry.Traces}}}
	r, err := s.Export(within(t), batch)
	if err != nil || r.Outcomes[0].Status != telemetry.OK || r.Outcomes[1].Status != telemetry.Permanent {
		t.Fatalf("%+v, %v", r, err)
	}
	pid := s.PID()
	kill(t, pid, syscall.SIGKILL)
	failed := 0
	await(t, "an export by the new process", func() bool {
		_, err := s.Export(within(t), batch)
		if err == nil && s.PID() != pid {
			return true
		}
		var e *llm.Error
		if err != nil && (!errors.As(err, &e) || !e.Code.Retryable()) {
			t.Fatalf("not retryable: %v", err)
		}
		failed++
		return false
	})
	t.Logf("%d exports failed or went to the old process", failed)
}

// executable returns a copy of the test binary, which is a plugin of a third party, and its sha256.
func executable(t *testing.T) (path, sum string) {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip(err)
	}
	path = filepath.Join(t.TempDir(), "third-party")
	if err := os.WriteFile(path, raw, 0o700); err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256(raw)
	return path, hex.EncodeToString(s[:])
}

func TestExecutableIsTheOneThatIsNamed(t *testing.T) {
	h, _ := start(t, nil)
	path, sum := executable(t)
	p := launched(t, h, pluginhost.ProviderSpec{Name: "third", Plugin: path, SHA256: sum})
	if got, err := said(t, p, "m", "hello"); err != nil || got != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	for name, other := range map[string]string{"another": strings.Repeat("0", 64), "none": "", "short": sum[:63]} {
		_, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: path, SHA256: other})
		if err == nil || name == "another" && !errors.Is(err, pluginhost.ErrChecksum) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: t.TempDir() + "/", SHA256: sum}); err == nil {
		t.Error("a directory was launched")
	}
}

// An executable that others may write to stays as it was checked, whatever they write.
func TestSharedExecutableStaysTheOneThatWasChecked(t *testing.T) {
	h, _ := start(t, nil)
	path, sum := executable(t)
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	p := launched(t, h, pluginhost.ProviderSpec{Name: "third", Plugin: path, SHA256: sum})
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatalf("what runs is the file, which others may write to before and after: %v", err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 1<<20), 0); err != nil {
		t.Fatal(err)
	}
	if got, err := said(t, p, "m", "hello"); err != nil || got != "hello" {
		t.Errorf("%q, %v", got, err)
	}
}

// Processes of one executable that others may write to share the copy that they run from, which goes with the last.
func TestASharedExecutableIsCopiedOnce(t *testing.T) {
	h, _ := start(t, nil)
	path, sum := executable(t)
	if err := os.Chmod(path, 0o775); err != nil {
		t.Fatal(err)
	}
	var all []*pluginhost.Provider
	var first os.FileInfo
	for range 3 {
		p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "third", Plugin: path, SHA256: sum})
		if err != nil {
			t.Fatal(err)
		}
		exe, err := os.Stat(fmt.Sprintf("/proc/%d/exe", p.PID()))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = exe
		} else if !os.SameFile(exe, first) {
			t.Error("each has a copy of its own")
		}
		if all = append(all, p); len(all) == 2 { // what one had, another has when it is gone
			all[0].Close(within(t))
		}
	}
	if _, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "none", Plugin: path, SHA256: sum, Config: []byte("{")}); err == nil {
		t.Error("it started with half of a configuration")
	}
	for _, p := range all[1:] {
		if got, err := said(t, p, "m", "hello"); err != nil || got != "hello" {
			t.Errorf("%q, %v", got, err)
		}
		p.Close(within(t))
	}
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if to, _ := os.Readlink(f); strings.Contains(to, "memfd:plugin") {
			t.Errorf("%s is left", to)
		}
	}
}

// An executable that was replaced does not start when the old one has crashed.
func TestReplacedExecutableDoesNotStart(t *testing.T) {
	h, _ := start(t, nil)
	path, sum := executable(t)
	p := launched(t, h, pluginhost.ProviderSpec{Name: "third", Plugin: path, SHA256: sum})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	kill(t, p.PID(), syscall.SIGKILL)
	await(t, "refusal", func() bool { return strings.Contains(p.State().Error, "sha256") })
}

func TestLaunchErrors(t *testing.T) {
	h, log := start(t, nil)
	for name, c := range map[string]struct{ plugin, config, want string }{
		"unknown plugin":   {"absent", `{}`, "no built-in plugin"},
		"crash":            {"crashing", `{}`, "plugin crashing"},
		"sink as provider": {"memory", `{}`, "not a provider"},
		"unknown config":   {"words", `{"nonsense":"canary-secret"}`, "nonsense"},
		"refused config":   {"words", `{"say":"wrong canary-secret"}`, "it is wrong"},
		"config no object": {"words", `["canary-secret"]`, "not a JSON object"},
	} {
		_, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: c.plugin, Config: []byte(c.config)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error shows the config: %v", name, err)
		}
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("the log shows the config:\n%s", log)
	}
	if !strings.Contains(log.String(), "on purpose") {
		t.Errorf("what a crashing plugin said is not in the log:\n%s", log)
	}
}

// A plugin that never answers costs the time to start it and no more.
func TestHungPluginIsGivenUp(t *testing.T) {
	h, _ := start(t, func(n *pluginhost.Needs) { n.StartTimeout = time.Second })
	for _, name := range []string{"mute", "hung"} {
		if _, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: name}); err == nil {
			t.Errorf("%s was launched", name)
		}
		if _, err := h.Describe(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: name}); err == nil {
			t.Errorf("%s was described", name)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := h.Provider(ctx, pluginhost.ProviderSpec{Name: "x", Plugin: "words"}); err == nil {
		t.Error("launched although nobody waits")
	}
}

// A host that is killed leaves no plugin behind, nor one that does not look whether its host is there.
func TestPluginEndsWithItsHost(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("plugins run on Linux")
	}
	for _, name := range []string{"words", "first"} {
		t.Run(name, func(t *testing.T) { endsWithItsHost(t, name) })
	}
}

func endsWithItsHost(t *testing.T, plugin string) {
	dir, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("/proc/self/exe", "host", dir, plugin)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	_, err = fmt.Fscan(out, &pid)
	kill(t, cmd.Process.Pid, syscall.SIGKILL)
	cmd.Wait()
	if err != nil || pid == 0 {
		t.Fatalf("pid %d: %v", pid, err)
	}
	await(t, "the plugin's end", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH || zombie(pid) })
}

func TestDescribe(t *testing.T) {
	h, _ := start(t, nil)
	info, err := h.Describe(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: "words"})
	if err != nil || info.Name != "words" || !info.Invokes || info.Config.Attr("say") == nil {
		t.Errorf("%+v, %v", info, err)
	}
	sink, err := h.DescribeSink(within(t), pluginhost.SinkSpec{Name: "x", Plugin: "memory"})
	if err != nil || sink.Name != "memory" {
		t.Errorf("%+v, %v", sink, err)
	}
}

// A process that left children behind, with its pipes, is gone all the same, and so are they.
func TestChildrenGoWithTheirParent(t *testing.T) {
	h, log := start(t, nil)
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "parent", Limits: pluginhost.Limits{Children: true}})
	pid := p.PID()
	kill(t, pid, syscall.SIGKILL)
	await(t, "another process", func() bool { return p.PID() != 0 && p.PID() != pid })
	if !strings.Contains(log.String(), `"text":"child"`) {
		t.Errorf("a line of JSON was not taken apart:\n%s", log)
	}
}

// Closing waits for the open calls and leaves nothing: no process, goroutine, descriptor or file.
func TestNothingIsLeft(t *testing.T) {
	h, _ := start(t, nil)
	round := func() int {
		p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: "words"})
		if err != nil {
			t.Fatal(err)
		}
		pid := p.PID()
		if _, err := said(t, p, "m", "x"); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(within(t)); err != nil {
			t.Fatal(err)
		}
		if p.State().Status != pluginhost.Closed {
			t.Errorf("%+v", p.State())
		}
		return pid
	}
	round()
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	for range 3 {
		if pid := round(); syscall.Kill(pid, 0) != syscall.ESRCH {
			t.Errorf("process %d lives", pid)
		}
	}
	await(t, "goroutines", func() bool { return runtime.NumGoroutine() <= goroutines })
	await(t, "descriptors", func() bool { return descriptors(t) <= files })
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(all)
}
