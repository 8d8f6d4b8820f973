//go:build linux

package pluginhost_test

import (
	"os"
	"os/exec"
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

// TestAGuardIsThereWhileItIsNeeded, and the next plugin with children has one again.
func TestAGuardIsThereWhileItIsNeeded(t *testing.T) {
	h, _ := start(t, nil)
	before := childrenOf(t, os.Getpid())
	started := func() int {
		return len(slices.DeleteFunc(childrenOf(t, os.Getpid()), func(pid int) bool { return slices.Contains(before, pid) }))
	}
	for range 2 {
		var open []*pluginhost.Provider
		for range 2 {
			p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: "words", Limits: pluginhost.Limits{Children: true}})
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
	dir, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cmd := exec.Command("/proc/self/exe", "host", dir, "parent")
	plugin = hosted(t, cmd)
	children := childrenOf(t, plugin)
	if len(children) != 1 {
		t.Fatalf("children of the plugin: %v", children)
	}
	return cmd.Process.Pid, plugin, children[0]
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
