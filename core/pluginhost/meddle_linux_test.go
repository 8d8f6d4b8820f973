package pluginhost_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
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
		return unix.Setpriority(unix.PRIO_PROCESS, pid, 0)
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
