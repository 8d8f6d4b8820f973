//go:build linux

package pluginhost_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/ginnel/ginnel/core/pluginhost"
)

// TestChildrenEndWithTheHost however that ends: a guard sees to it, which goes then, too.
func TestChildrenEndWithTheHost(t *testing.T) {
	host, plugin, child := parent(t)
	guard := guardOf(t, host, plugin)
	if guard == 0 {
		t.Fatal("there is no guard")
	}
	kill(t, host, syscall.SIGKILL)
	for _, p := range []int{plugin, child, guard} {
		await(t, "the end of all", func() bool { return syscall.Kill(p, 0) == syscall.ESRCH || zombie(p) })
	}
}

// TestALeaverEndsWithTheHost: the kernel ends a plugin with its host no more once it has become another program on a thread
// of its own.
func TestALeaverEndsWithTheHost(t *testing.T) {
	cmd := hostOf(t, "leaver")
	plugin := hosted(t, cmd)
	if guardOf(t, cmd.Process.Pid, plugin) == 0 {
		t.Fatal("there is no guard")
	}
	kill(t, cmd.Process.Pid, syscall.SIGKILL)
	await(t, "the plugin's end", func() bool { return syscall.Kill(plugin, 0) == syscall.ESRCH || zombie(plugin) })
}

// TestAnExecutableEndsWithTheHost without a guard, too, whatever thread the program in front of it became it on.
func TestAnExecutableEndsWithTheHost(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(t.TempDir(), "deaf")
	if err := os.WriteFile(exe, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := hostOf(t, exe)
	plugin := hosted(t, cmd)
	guard := guardOf(t, cmd.Process.Pid, plugin)
	if guard == 0 {
		t.Fatal("there is no guard")
	}
	kill(t, guard, syscall.SIGSTOP)
	defer syscall.Kill(guard, syscall.SIGCONT) // it ends what is left
	kill(t, cmd.Process.Pid, syscall.SIGKILL)
	await(t, "the plugin's end", func() bool { return syscall.Kill(plugin, 0) == syscall.ESRCH || zombie(plugin) })
}

// TestAGuardIsThereWhileItIsNeeded, and the next plugin has one again, may it have children or not.
func TestAGuardIsThereWhileItIsNeeded(t *testing.T) {
	h, _ := start(t, nil)
	before := childrenOf(t, os.Getpid())
	started := func() int {
		return len(slices.DeleteFunc(childrenOf(t, os.Getpid()), func(pid int) bool { return slices.Contains(before, pid) }))
	}
	for _, children := range []bool{true, false} {
		var open []*pluginhost.Provider
		for range 2 {
			p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: "words", Limits: pluginhost.Limits{Children: children}})
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, p)
		}
		if n := started(); n != 3 {
			t.Errorf("%d processes, and there are two plugins", n)
		}
		for _, p := range open {
			p.Close(within(t))
		}
		await(t, "the end of all", func() bool { return started() == 0 })
	}
}

// TestAGuardThatEndsIsReplaced, and the next one knows what the first did.
func TestAGuardThatEndsIsReplaced(t *testing.T) {
	host, plugin, child := parent(t)
	guard := guardOf(t, host, plugin)
	kill(t, guard, syscall.SIGKILL)
	await(t, "the next", func() bool { next := guardOf(t, host, plugin); return next != 0 && next != guard })
	kill(t, host, syscall.SIGKILL)
	await(t, "the child's end", func() bool { return syscall.Kill(child, 0) == syscall.ESRCH || zombie(child) })
}

// TestAGuardThatHangs keeps nobody from ending a plugin.
func TestAGuardThatHangs(t *testing.T) {
	h, _ := start(t, nil)
	before := childrenOf(t, os.Getpid())
	p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: "words", Limits: pluginhost.Limits{Children: true}})
	if err != nil {
		t.Fatal(err)
	}
	plugin, guard := p.PID(), 0
	for _, pid := range childrenOf(t, os.Getpid()) {
		if !slices.Contains(before, pid) && pid != plugin {
			guard = pid
		}
	}
	if guard == 0 {
		t.Fatal("there is no guard")
	}
	kill(t, guard, syscall.SIGSTOP)
	p.Close(within(t))
	await(t, "the plugin's end", func() bool { return syscall.Kill(plugin, 0) == syscall.ESRCH })
	kill(t, guard, syscall.SIGCONT)
	await(t, "the guard's end", func() bool { return syscall.Kill(guard, 0) == syscall.ESRCH })
}

// parent returns the pids of a host, of its plugin, and of a child of that.
func parent(t *testing.T) (host, plugin, child int) {
	t.Helper()
	cmd := hostOf(t, "parent")
	plugin = hosted(t, cmd)
	children := childrenOf(t, plugin)
	if len(children) != 1 {
		t.Fatalf("children of the plugin: %v", children)
	}
	return cmd.Process.Pid, plugin, children[0]
}

// hostOf returns the command of a host with one plugin.
func hostOf(t *testing.T, plugin string) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return exec.Command("/proc/self/exe", "host", dir, plugin)
}

// guardOf returns the pid of the other child that a host with one plugin has; 0 = there is none now.
func guardOf(t *testing.T, host, plugin int) int {
	t.Helper()
	for _, pid := range childrenOf(t, host) {
		if pid != plugin && !zombie(pid) {
			return pid
		}
	}
	return 0
}
