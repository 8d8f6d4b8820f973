//go:build linux

package pluginhost_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/pluginhost"
)

// TestContainment: a plugin sees the system's files, its own and those it was given, and no others.
func TestContainment(t *testing.T) {
	h, _ := start(t, nil)
	dir := t.TempDir()
	for _, name := range []string{"secret", "given", "out/there"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	abstract, err := net.Listen("unix", fmt.Sprintf("@ginnel-test-%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { other.Process.Kill(); other.Wait() }()

	limits := pluginhost.Limits{Read: []string{filepath.Join(dir, "given")}, Write: []string{filepath.Join(dir, "out")}}
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Limits: limits})
	if !strings.HasPrefix(p.State().Contained, "contained by Landlock") {
		t.Skip("the plugin is ", p.State().Contained)
	}
	open := launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Limits: pluginhost.Limits{Open: true}})
	if got := open.State().Contained; got != "not contained, as configured" {
		t.Error(got)
	}
	for _, c := range []struct {
		what string
		may  bool
	}{
		{"read " + dir + "/given", true},
		{"read " + dir + "/secret", false},
		{"list " + dir, false},
		{"write " + dir + "/given", false},
		{"write " + dir + "/secret", false},
		{"write " + dir + "/out/new", true},
		{"read " + dir + "/out/there", true},
		{"read /proc/self/root" + dir + "/secret", false},
		{"read /etc/hosts", true},
		{"list /etc/ssl", true},
		{"list /root", false},
		{"list /", false},
		{"run /usr/bin/true", false},
		{"connect " + l.Addr().String(), true},
		{"connect " + abstract.Addr().String(), false},
		{fmt.Sprint("signal ", other.Process.Pid), false},
		{fmt.Sprint("signal ", os.Getpid()), false},
		{fmt.Sprintf("read /proc/%d/environ", os.Getpid()), false},
		{"remove " + dir + "/secret", false},
		{"unshare", false},
		{fmt.Sprint("limit ", os.Getpid()), false}, // of processor time: it would end
		{fmt.Sprint("affinity ", os.Getpid()), false},
		{fmt.Sprint("schedule ", os.Getpid()), false},
		{fmt.Sprint("nice ", os.Getpid()), false},
		{"limit 0", true},
		{"affinity 0", true},
		{"schedule 0", true},
		{"nice 0", true},
		{"share", false},
	} {
		got, err := said(t, p, "do", c.what)
		if err != nil || (got == "done") != c.may {
			t.Errorf("%s: %q, %v", c.what, got, err)
		}
		// What is refused is refused by containment alone.
		if got, err := said(t, open, "do", c.what); !c.may && (err != nil || got != "done") {
			t.Errorf("%s, not contained: %q, %v", c.what, got, err)
		}
	}
}

// TestAPluginWithChildren: one that may starts processes, which are contained as it is and inherit nothing of its host's.
func TestAPluginWithChildren(t *testing.T) {
	h, _ := start(t, nil)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Limits: pluginhost.Limits{Children: true}})
	if got := p.State().Contained; !strings.HasPrefix(got, "contained by Landlock") || strings.Contains(got, "processes") {
		t.Skip("the plugin is ", got)
	}
	for what, want := range map[string]string{"run /usr/bin/true": "done", "run /usr/bin/test ! -e /proc/self/fd/4": "done", "run /usr/bin/cat " + secret: "no: "} {
		if got, err := said(t, p, "do", what); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}

// TestContainmentNeedsWhatItAllows: a path that is not there is the operator's mistake, and is named.
func TestContainmentNeedsWhatItAllows(t *testing.T) {
	h, _ := start(t, nil)
	missing := filepath.Join(t.TempDir(), "missing")
	if got := launched(t, h, pluginhost.ProviderSpec{Plugin: "words"}).State().Contained; !strings.HasPrefix(got, "contained") {
		t.Skip("the plugin is ", got)
	}
	p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "p", Plugin: "words", Limits: pluginhost.Limits{Read: []string{missing}}})
	if err == nil {
		p.Close(within(t))
	}
	if err == nil || !strings.Contains(err.Error(), missing) {
		t.Error(err)
	}
}

// TestAProcessThatGrowsIsReplaced: by another one, while its open calls go on.
func TestAProcessThatGrowsIsReplaced(t *testing.T) {
	h, log := start(t, func(n *pluginhost.Needs) { n.HealthEvery = 20 * time.Millisecond })
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Limits: pluginhost.Limits{Memory: 150 << 20}})
	await(t, "its size", func() bool { return p.State().Memory > 1<<20 })
	old := p.PID()
	open, err := call(p, within(t), "stall", "first")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Body.Close()
	if _, err := io.ReadFull(open.Body, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	grow(t, p, "another process", func() bool { return p.PID() != 0 && p.PID() != old })
	if got, err := said(t, p, "m", "again"); err != nil || got != "again" {
		t.Errorf("%q, %v\n%s", got, err, log)
	}
	if s := p.State(); s.Restarts != 1 || s.Status != pluginhost.Running || s.Draining != 1 || !strings.Contains(s.Error, "may have 150") {
		t.Errorf("%+v", s)
	}
	// It is below one and a half times its limit, so what it has begun is let go on.
	if zombie(old) || !alive(old) {
		t.Error("the call that was open has lost its process")
	}
	open.Body.Close()
	await(t, "the end of the old process", func() bool { return !alive(old) && p.State().Draining == 0 })
}

// TestACallThatIsOnItsWayToAReplacedProcess is answered by it: it had its connection before.
func TestACallThatIsOnItsWayToAReplacedProcess(t *testing.T) {
	h, _ := start(t, func(n *pluginhost.Needs) { n.HealthEvery = 20 * time.Millisecond })
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Limits: pluginhost.Limits{Memory: 150 << 20}})
	old := p.PID()
	c, err := net.Dial("unix", p.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	grow(t, p, "another process", func() bool { return p.PID() != 0 && p.PID() != old })
	fmt.Fprint(c, "POST /openai/chat/m HTTP/1.1\r\nhost: p\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello")
	if got, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(got), "hello") {
		t.Errorf("%q, %v", got, err)
	}
}

// TestAProcessThatCannotBeReplacedGoesOn: with the calls that it has, and new ones.
func TestAProcessThatCannotBeReplacedGoesOn(t *testing.T) {
	h, log := start(t, func(n *pluginhost.Needs) { n.HealthEvery = 20 * time.Millisecond })
	exe := filepath.Join(t.TempDir(), "plugin")
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, self, 0o755); err != nil {
		t.Fatal(err)
	}
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: exe, SHA256: fmt.Sprintf("%x", sha256.Sum256(self)), Limits: pluginhost.Limits{Memory: 150 << 20}})
	old := p.PID()
	if err := os.Remove(exe); err != nil {
		t.Fatal(err)
	}
	grow(t, p, "an attempt", func() bool { return strings.Contains(log.String(), "was not replaced") })
	if got, err := said(t, p, "m", "still here"); err != nil || got != "still here" || p.PID() != old || p.State().Status != pluginhost.Running || p.State().Error == "" {
		t.Errorf("%q, %v, %+v", got, err, p.State())
	}
}

// TestAReplacedProcessIsNotWaitedForForever: a call that does not end is cut when the time to drain is over.
func TestAReplacedProcessIsNotWaitedForForever(t *testing.T) {
	h, log := start(t, func(n *pluginhost.Needs) { n.HealthEvery, n.DrainWithin = 20*time.Millisecond, 500*time.Millisecond })
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Limits: pluginhost.Limits{Memory: 150 << 20}})
	old := p.PID()
	open, err := call(p, within(t), "stall", "first")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Body.Close()
	if _, err := io.ReadFull(open.Body, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	grow(t, p, "another process", func() bool { return p.PID() != 0 && p.PID() != old })
	if rest, err := io.ReadAll(open.Body); err == nil {
		t.Errorf("the call that was cut ended in good order: %q", rest)
	}
	await(t, "the end of the old process", func() bool { return !alive(old) })
	if got, err := said(t, p, "m", "again"); err != nil || got != "again" || !strings.Contains(log.String(), "did not drain") {
		t.Errorf("%q, %v\n%s", got, err, log)
	}
}

// grow has a plugin's process grow a little at a time until something has come of it. How much memory that takes
// depends on how the plugin was built.
func grow(t *testing.T, p *pluginhost.Provider, what string, done func() bool) {
	t.Helper()
	time.Sleep(200 * time.Millisecond) // it is no longer young
	await(t, what, func() bool {
		if done() {
			return true
		}
		if got, err := said(t, p, "do", "grow"); err != nil && !done() || err == nil && got != "done" {
			t.Fatalf("%q, %v", got, err)
		}
		time.Sleep(50 * time.Millisecond)
		return done()
	})
}

// TestAProcessThatIsTooLargeFromTheStart: counts as one that crashes, and is not started again and again.
func TestAProcessThatIsTooLargeFromTheStart(t *testing.T) {
	h, _ := start(t, func(n *pluginhost.Needs) { n.HealthEvery = 20 * time.Millisecond })
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Limits: pluginhost.Limits{Memory: 1 << 20}})
	await(t, "its end", func() bool { return p.State().Restarts > 1 })
	time.Sleep(time.Second)
	if n := p.State().Restarts; n > 6 {
		t.Errorf("%d processes", n)
	}
}

// alive reports whether a process is there.
func alive(pid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	return err == nil
}
