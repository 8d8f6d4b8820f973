package pluginhost

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long anything may take here.
const patience = 30 * time.Second

// within fails the test where something does not return.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s does not end", what)
	}
}

// TestAGuardThatReadsNothing keeps nobody from starting a plugin, however much there is to tell it.
func TestAGuardThatReadsNothing(t *testing.T) {
	g := &guard{command: []string{"sleep", "3600"}, log: slog.New(slog.DiscardHandler), groups: make(map[int]string)}
	for pid := range 8000 {
		g.groups[1<<29+pid] = "/sys/fs/cgroup/system.slice/ginnel.service/" + pluginGroup
	}
	within(t, "what there is to tell", func() {
		for pid := range 1500 {
			g.take(1<<30+pid, &group{path: "/sys/fs/cgroup/system.slice/ginnel.service/" + pluginGroup})
		}
	})
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.groups) // no other follows
	if g.now != nil {
		g.now.cmd.Process.Kill()
	}
}

// TestAGroupEndsBeforeItsGuardForgetsIt: a host that is killed between would leave it.
func TestAGroupEndsBeforeItsGuardForgetsIt(t *testing.T) {
	dir := t.TempDir()
	kill, seen := filepath.Join(dir, "cgroup.kill"), filepath.Join(dir, "seen")
	if err := os.WriteFile(kill, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	script := `while read pid rest; do case $pid in -*) cat "$0" >"$1";; esac; done; echo >"$1.all"`
	g := &guard{command: []string{"sh", "-c", script, kill, seen}, log: slog.New(slog.DiscardHandler)}
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := newChild(cmd, "x", nil, &brood{})
	c.pid, c.guard, c.group = cmd.Process.Pid, g, &group{path: dir}
	g.take(c.pid, c.group)
	c.reap()
	within(t, "the guard", func() {
		for _, err := os.Stat(seen + ".all"); err != nil; _, err = os.Stat(seen + ".all") {
			time.Sleep(time.Millisecond)
		}
	})
	if got, err := os.ReadFile(seen); err != nil || string(got) != "1" {
		t.Errorf("when it forgets, the group was told %q, %v", got, err)
	}
}

// TestTheGuardOfAKilledDaemonIsAwaited: it is in the group of the next one until it has ended what there is to end.
func TestTheGuardOfAKilledDaemonIsAwaited(t *testing.T) {
	c := &Cgroup{dir: t.TempDir()}
	left := filepath.Join(c.dir, pluginGroup+"1-1")
	for _, dir := range []string{left, filepath.Join(c.dir, ownGroup)} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	procs := filepath.Join(c.dir, ownGroup, "cgroup.procs")
	if err := unix.Mkfifo(procs, 0o600); err != nil {
		t.Fatal(err)
	}
	alone := filepath.Join(c.dir, "alone")
	if err := os.WriteFile(alone, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { // the first who reads finds the guard, and has not read to the end before it has gone
		f, err := os.OpenFile(procs, os.O_WRONLY, 0)
		if err == nil {
			_, err = fmt.Fprintf(f, "%d\n1\n", os.Getpid())
			err = errors.Join(err, os.Rename(alone, procs), f.Close())
		}
		done <- err
	}()
	within(t, "the sweep", c.sweep)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what was left is still there: %v", err)
	}
}
