package pluginhost_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ginnel/ginnel/core/pluginhost"
)

// meddled changes how another process may run, to what holds for it already, or shares memory with it.
func meddled(verb, object string) error {
	var pid int
	fmt.Sscan(object, &pid)
	var set unix.CPUSet
	errno := unix.Errno(0)
	switch verb {
	case "limit":
		return unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
	case "affinity":
		if err := unix.SchedGetaffinity(pid, &set); err != nil {
			return err
		}
		return unix.SchedSetaffinity(pid, &set)
	case "schedule":
		priority := int32(0)
		_, _, errno = unix.Syscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(pid), unix.SCHED_NORMAL, uintptr(unsafe.Pointer(&priority)))
	case "nice":
		was, err := unix.Getpriority(unix.PRIO_PROCESS, pid)
		if err != nil {
			return err
		}
		return unix.Setpriority(unix.PRIO_PROCESS, pid, 20-was) // the kernel says it so
	case "share":
		var id uintptr
		if id, _, errno = unix.Syscall(unix.SYS_SHMGET, unix.IPC_PRIVATE, 4096, 0o600); errno == 0 {
			_, _, errno = unix.Syscall(unix.SYS_SHMCTL, id, unix.IPC_RMID, 0)
		}
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// TestEveryThreadIsFiltered, also of a plugin that is this program and is not started once more, as of one that is another.
func TestEveryThreadIsFiltered(t *testing.T) {
	h, _ := start(t, nil)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(exe, self, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, spec := range map[string]pluginhost.ProviderSpec{
		"its own":   {Plugin: "words"},
		"another's": {Plugin: exe, SHA256: fmt.Sprintf("%x", sha256.Sum256(self))},
	} {
		p := launched(t, h, spec)
		if !strings.Contains(p.State().Contained, "seccomp") {
			t.Skip("the plugin is ", p.State().Contained)
		}
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.PID()))
		if err != nil || len(threads) < 2 {
			t.Fatalf("%v, %v", threads, err)
		}
		of := make(map[string]int)
		for _, path := range threads {
			raw, _ := os.ReadFile(path)
			for line := range bytes.Lines(raw) {
				if bytes.HasPrefix(line, []byte("Seccomp_filters:")) {
					of[string(bytes.TrimSpace(line[16:]))]++
				}
			}
		}
		if len(of) != 1 || of["0"] > 0 || of["1"] > 0 {
			t.Errorf("%s: filters of its threads: %v", name, of)
		}
		if got, err := said(t, p, "do", "run /usr/bin/true"); err != nil || !strings.HasPrefix(got, "no: ") {
			t.Errorf("%s: it started a process: %q, %v", name, got, err)
		}
	}
}

// TestAPluginHasNoCapabilities, whatever way the host came by its own: as one that systemd gives some to, which cannot
// drop what it does not know of.
func TestAPluginHasNoCapabilities(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give capabilities away")
	}
	const nobody = 65534
	for name, attr := range map[string]*syscall.SysProcAttr{
		"root":    {},
		"ambient": {Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, AmbientCaps: []uintptr{unix.CAP_NET_BIND_SERVICE}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "ph")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			if attr.Credential != nil {
				if err := os.Chown(dir, nobody, nobody); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("/proc/self/exe", "host", dir)
			cmd.SysProcAttr, cmd.Stderr = attr, os.Stderr
			pid := hosted(t, cmd)
			for _, of := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
				has := statusOf(t, pid, of)
				t.Logf("%s: %s, host %s", of, has, statusOf(t, cmd.Process.Pid, of))
				if of != "CapBnd" && strings.Trim(has, "0") != "" {
					t.Errorf("%s: %s", of, has)
				}
			}
		})
	}
}

// hosted starts a host that is a process of its own, until the test ends, and returns the pid of its plugin.
func hosted(t *testing.T, cmd *exec.Cmd) (pid int) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); errors.Is(err, syscall.EPERM) {
		t.Skip("this process may not start one with capabilities: ", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestAPluginInheritsNoFiles that its host was given by who started it.
func TestAPluginInheritsNoFiles(t *testing.T) {
	dir, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	secret, err := os.Create(dir + "/secret")
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	cmd := exec.Command("/proc/self/exe", "host", dir+"/s")
	for range 20 { // or others take their place
		cmd.ExtraFiles = append(cmd.ExtraFiles, secret)
	}
	pid := hosted(t, cmd)
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, f.Name())); strings.HasPrefix(to, secret.Name()) {
			t.Errorf("descriptor %s is %s", f.Name(), to)
		}
	}
}

// TestOrphansAreAdopted: what a plugin has left in a session of its own has the host as parent, so that it is known, and is no
// zombie when it ends.
func TestOrphansAreAdopted(t *testing.T) {
	h, log := start(t, func(n *pluginhost.Needs) { n.HealthEvery = 20 * time.Millisecond })
	launched(t, h, pluginhost.ProviderSpec{Plugin: "words"}) // which starts none, and is there when the other is gone
	p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: "words", Limits: pluginhost.Limits{Open: true}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := said(t, p, "do", "orphan"); err != nil || got != "done" {
		t.Fatalf("%q, %v", got, err)
	}
	orphan := strayOf(t, log)
	defer syscall.Kill(orphan, syscall.SIGKILL)
	await(t, "its adoption", func() bool { return statusOf(t, orphan, "PPid") == fmt.Sprint(os.Getpid()) })
	p.Close(within(t))
	kill(t, orphan, syscall.SIGKILL)
	await(t, "its burial", func() bool { return syscall.Kill(orphan, 0) == syscall.ESRCH })
	other := exec.Command("sleep", "0") // what others have started is theirs to wait for
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "its end", func() bool { return zombie(other.Process.Pid) })
	time.Sleep(200 * time.Millisecond)
	if err := other.Wait(); err != nil {
		t.Error(err)
	}
}

// childrenOf returns the processes that one has started.
func childrenOf(t *testing.T, pid int) (children []int) {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(lists) == 0 {
		t.Skip("the kernel does not tell a process's children")
	}
	for _, path := range lists {
		raw, _ := os.ReadFile(path) // a thread may have ended
		for _, field := range strings.Fields(string(raw)) {
			if child, err := strconv.Atoi(field); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}

// TestStraysAreNotLeftAsZombies where they become their host's children, as those of a container's first process do.
func TestStraysAreNotLeftAsZombies(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	h, log := start(t, nil)
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "parent", Limits: pluginhost.Limits{Children: true}})
	stray := strayOf(t, log)
	kill(t, p.PID(), syscall.SIGKILL)
	await(t, "the child's end", func() bool { return syscall.Kill(stray, 0) == syscall.ESRCH })
}

// statusOf returns a line of a process's status, without its name.
func statusOf(t *testing.T, pid int, name string) string {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(raw), "\n") {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no %s", name)
	return ""
}

// hungUp ends the listening on the socket of the process's calls, or puts another file where it was.
func hungUp(lost bool) error {
	for fd := range 64 {
		name, err := unix.Getsockname(fd)
		u, ok := name.(*unix.SockaddrUnix)
		if on, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || !ok || on == 0 || !strings.HasSuffix(u.Name, ".sock") {
			continue
		}
		if !lost {
			return unix.Shutdown(fd, unix.SHUT_RDWR)
		}
		if _, err := unix.Dup(fd); err != nil { // it goes on listening
			return err
		}
		return unix.Dup3(0, fd, 0)
	}
	return os.ErrNotExist
}
