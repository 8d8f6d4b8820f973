package pluginhost_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ginnel/ginnel/core/pluginhost"
)

// strained takes more than its share, as a plugin may.
func strained(how string) error {
	switch how {
	case "swell":
		for range 128 {
			b := make([]byte, 64<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			hoard = append(hoard, b)
		}
	case "threads":
		for range 1 << 14 {
			go func() { runtime.LockOSThread(); select {} }()
		}
	case "bomb":
		return bomb()
	case "stray":
		cmd := exec.Command("/proc/self/exe", "plugin", "mute")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, `{"level":"INFO","msg":"stray","pid":%d}`+"\n", cmd.Process.Pid)
	case "orphan":
		cmd := exec.Command("/bin/sh", "-c", `/bin/sleep 1000 >/dev/null 2>&1 & echo "{\"level\":\"INFO\",\"msg\":\"orphan\",\"pid\":$!}" >&2`)
		cmd.SysProcAttr, cmd.Stderr = &syscall.SysProcAttr{Setsid: true}, os.Stderr
		return cmd.Run()
	case "clone3":
		if _, _, errno := syscall.RawSyscall(unix.SYS_CLONE3, 0, 0, 0); errno != unix.EINVAL {
			return errno
		}
	}
	return nil
}

// bomb has a process start copies of itself, each of which does too, without end. They begin when it has said so.
func bomb() error {
	begin, pause := unix.NsecToTimespec(int64(time.Second)), unix.NsecToTimespec(int64(10*time.Second))
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 { // a copy has one thread and no runtime
		syscall.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&begin)), 0, 0)
	}
	for pid == 0 {
		if _, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0); errno != 0 {
			syscall.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0)
		}
	}
	return nil
}

// bounded returns a host that gives each process a cgroup, and the directory of all of them. It skips the test where
// none is left to this process.
func bounded(t *testing.T, change ...func(*pluginhost.Needs)) (h *pluginhost.Host, log *record, dir string) {
	t.Helper()
	c := pluginhost.OpenCgroup()
	dir, none := c.Dir()
	if none != "" {
		t.Skip("no cgroup: ", none)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if got := groups(t, dir); len(got) > 0 {
			t.Errorf("%v are left", got)
		}
		if got := contents(t, dir, "cgroup.subtree_control"); got != "" {
			t.Errorf("%s are left", got)
		}
	})
	h, log = start(t, func(n *pluginhost.Needs) {
		n.Cgroup = c
		for _, f := range change {
			f(n)
		}
	})
	return h, log, dir
}

// groups returns the groups that are in one.
func groups(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*", "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range all {
		names = append(names, filepath.Base(filepath.Dir(g)))
	}
	return names
}

func contents(t *testing.T, dir, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

// groupOf returns the directory of a process's group.
func groupOf(t *testing.T, dir string, pid int) string {
	t.Helper()
	_, path, _ := strings.Cut(contents(t, "/proc", fmt.Sprintf("%d/cgroup", pid)), "0::")
	return filepath.Join(dir, filepath.Base(path))
}

// unharmed reports when a test ends whether a plugin that had no part in it goes on as it was.
func unharmed(t *testing.T, h *pluginhost.Host) (still func()) {
	t.Helper()
	p := launched(t, h, pluginhost.ProviderSpec{Name: "neighbour", Plugin: "words"})
	pid := p.PID()
	return func() {
		t.Helper()
		if got, err := said(t, p, "m", "hello"); err != nil || got != "hello" || p.PID() != pid || p.State().Restarts != 0 {
			t.Errorf("the neighbour: %q, %v, %+v", got, err, p.State())
		}
	}
}

// TestAHostWithoutACgroup says so, and cannot have one without what leaves plugins no clone3.
func TestAHostWithoutACgroup(t *testing.T) {
	h, _ := start(t, nil)
	if got := launched(t, h, pluginhost.ProviderSpec{Plugin: "words"}).State().Bounded; got != "not bounded by a cgroup: this host looked for none" {
		t.Error(got)
	}
	n := h.Needs
	n.Cgroup, n.Alone = &pluginhost.Cgroup{}, nil
	if _, err := pluginhost.New(n); err == nil {
		t.Error("there is a host with a cgroup and nothing that starts plugins alone")
	}
}

// TestAPluginThatSwells to several GB at once is killed before the machine has none left, and nothing else is.
func TestAPluginThatSwells(t *testing.T) {
	h, log, dir := bounded(t)
	still := unharmed(t, h)
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Limits: pluginhost.Limits{Memory: 64 << 20, Children: true}})
	if got := p.State().Bounded; got != "bounded by a cgroup: 96 MiB of memory, 1024 threads" {
		t.Fatal(got)
	}
	group := groupOf(t, dir, p.PID())
	for name, want := range map[string]string{"memory.max": fmt.Sprint(96 << 20), "memory.oom.group": "1", "pids.max": "1024", "cgroup.procs": fmt.Sprint(p.PID())} {
		if got := contents(t, group, name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got, err := said(t, p, "do", "swell"); err == nil {
		t.Fatalf("it swelled: %s", got)
	}
	await(t, "another process", func() bool { return p.State().Restarts == 1 && p.PID() != 0 })
	if !strings.Contains(log.String(), `"error":"the kernel killed it: its cgroup may have 96 MiB of memory"`) {
		t.Errorf("the log does not say why:\n%s", log)
	}
	if got, err := said(t, p, "m", "again"); err != nil || got != "again" {
		t.Errorf("%q, %v\n%s", got, err, log)
	}
	if _, err := os.Stat(group); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its group is left: %v", err)
	}
	still()
}

// TestAPluginThatIsKilledAtItsStart: whoever started it is told what it lacked, and its group goes with it.
func TestAPluginThatIsKilledAtItsStart(t *testing.T) {
	h, _, dir := bounded(t)
	p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "x", Plugin: "words", Limits: pluginhost.Limits{Memory: 1 << 20}})
	if err == nil {
		p.Close(within(t))
	}
	if err == nil || !strings.Contains(err.Error(), "its cgroup may have 1 MiB") {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "no-program")
	if err := os.WriteFile(path, []byte("x"), 0o700); err != nil {
		t.Fatal(err)
	}
	spec := pluginhost.ProviderSpec{Name: "x", Plugin: path, SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte("x"))), Limits: pluginhost.Limits{Open: true}}
	if p, err := h.Provider(within(t), spec); err == nil {
		p.Close(within(t))
		t.Error("what is no program was started")
	}
	if got := fmt.Sprint(groups(t, dir)); got != "[gateway]" {
		t.Error(got)
	}
}

// TestAPluginThatGrowsInItsCgroup is replaced, as elsewhere, before the kernel ends it.
func TestAPluginThatGrowsInItsCgroup(t *testing.T) {
	h, log, _ := bounded(t, func(n *pluginhost.Needs) { n.HealthEvery = 20 * time.Millisecond })
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Limits: pluginhost.Limits{Memory: 150 << 20}})
	old := p.PID()
	await(t, "another process", func() bool {
		said(t, p, "do", "grow")
		return p.PID() != 0 && p.PID() != old
	})
	if s := p.State(); s.Restarts != 1 || !strings.Contains(s.Error, "may have 150") {
		t.Errorf("%+v\n%s", p.State(), log)
	}
}

// late is await on a machine that has much to do.
func late(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * deadline); !holds() && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	await(t, what, holds)
}

// TestAForkBomb stops at its bound while everybody else is served, and ends with its plugin.
func TestAForkBomb(t *testing.T) {
	h, log, dir := bounded(t)
	still := unharmed(t, h)
	// It answers late where processors are few.
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Limits: pluginhost.Limits{Children: true, HungAfter: time.Hour}})
	group, pid := groupOf(t, dir, p.PID()), p.PID()
	if got, err := said(t, p, "do", "bomb"); err != nil || got != "done" {
		t.Fatalf("%q, %v", got, err)
	}
	most := 0
	late(t, "its bound", func() bool {
		raw, _ := os.ReadFile(filepath.Join(group, "pids.current"))
		n, _ := strconv.Atoi(strings.TrimSpace(string(raw)))
		most = max(most, n)
		return most >= 1024 || p.PID() != pid // it may have ended for want of a thread
	})
	still()
	if most > 1024 || most < 100 {
		t.Errorf("%d threads", most)
	}
	if p.PID() == pid {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	late(t, "the end of all", func() bool {
		raw, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		return err != nil || len(raw) == 0
	})
	late(t, "another process", func() bool { return p.PID() != 0 && p.PID() != pid })
	if !strings.Contains(log.String(), "it had all the 1024 threads and processes") {
		t.Errorf("the log does not say what it lacked:\n%s", log)
	}
	still()
}

// TestThreadsWithoutEnd: a plugin that may have no children has a bound of threads all the same.
func TestThreadsWithoutEnd(t *testing.T) {
	h, log, _ := bounded(t)
	still := unharmed(t, h)
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words"})
	said(t, p, "do", "threads")
	await(t, "another process", func() bool { return p.State().Restarts == 1 && p.PID() != 0 })
	if !strings.Contains(log.String(), "it had all the 1024 threads and processes") {
		t.Errorf("the log does not say what it lacked:\n%s", log)
	}
	still()
}

// TestStraysEndWithTheirPlugin, in whatever session they are.
func TestStraysEndWithTheirPlugin(t *testing.T) {
	h, log, _ := bounded(t)
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Limits: pluginhost.Limits{Open: true}})
	if got, err := said(t, p, "do", "stray"); err != nil || got != "done" {
		t.Fatalf("%q, %v", got, err)
	}
	stray := 0
	await(t, "a stray", func() bool {
		if m := regexp.MustCompile(`"plugin_pid":(\d+)`).FindStringSubmatch(log.String()); m != nil {
			stray, _ = strconv.Atoi(m[1])
		}
		return stray != 0
	})
	if zombie(stray) {
		t.Fatal("it is gone already")
	}
	kill(t, p.PID(), syscall.SIGKILL)
	await(t, "its end", func() bool { return zombie(stray) })
}

// TestStartingIntoACgroup leaves no way to start processes that a filter cannot look at.
func TestStartingIntoACgroup(t *testing.T) {
	h, _, _ := bounded(t)
	for _, children := range []bool{false, true} {
		p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Limits: pluginhost.Limits{Children: children}})
		if got, err := said(t, p, "do", "clone3"); err != nil || got != "no: "+unix.ENOSYS.Error() {
			t.Errorf("%q, %v: %s", got, err, p.State().Contained)
		}
	}
}

// TestWhatAKilledDaemonLeft is no hindrance: its groups, with what runs there, and that this process is in one already.
func TestWhatAKilledDaemonLeft(t *testing.T) {
	_, _, dir := bounded(t)
	if err := os.MkdirAll(filepath.Join(dir, "plugin-1-1", "within"), 0o755); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(filepath.Join(dir, "plugin-1-1", "within"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	stray := exec.Command("/proc/self/exe", "plugin", "mute")
	stray.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(in.Fd())}
	if err := stray.Start(); err != nil {
		t.Fatal(err)
	}
	again := pluginhost.OpenCgroup()
	if got, none := again.Dir(); got != dir || none != "" {
		t.Errorf("%s, %s", got, none)
	}
	if err := stray.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Error(err)
	}
	if got := fmt.Sprint(groups(t, dir)); got != "[gateway]" {
		t.Error(got)
	}
}

// TestACgroupWithOthersIn is not the gateway's alone, and is left as it was.
func TestACgroupWithOthersIn(t *testing.T) {
	_, _, dir := bounded(t)
	pluginhost.OpenCgroup().Close() // this process is where it was
	other := exec.Command("/proc/self/exe", "plugin", "mute")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { other.Process.Kill(); other.Wait() }()
	c := pluginhost.OpenCgroup()
	if _, none := c.Dir(); !strings.Contains(none, fmt.Sprintf("process %d is in", other.Process.Pid)) {
		t.Error(none)
	}
	if got := groups(t, dir); len(got) > 0 {
		t.Errorf("%v are left", got)
	}
	h, _ := start(t, func(n *pluginhost.Needs) { n.Cgroup = c })
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "words"})
	if got := p.State().Bounded; !strings.HasPrefix(got, "not bounded by a cgroup: process ") {
		t.Error(got)
	}
}
