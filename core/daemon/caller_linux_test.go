package daemon

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// envFirst has the test binary be the first process of a namespace.
const envFirst = "GINNEL_TEST_FIRST"

// TestTheFirstProcess: a daemon that is one and can gain no privileges, as in a container, knows what it has started, and
// what that has left behind, from who came in from outside.
func TestTheFirstProcess(t *testing.T) {
	if os.Getenv(envFirst) != "" {
		beTheFirst(t)
		return
	}
	inNamespace(t, exec.Command("/proc/self/exe", "-test.run=^TestTheFirstProcess$", "-test.v"))
}

// inNamespace runs a test in a process of a namespace that cmd is the first one of, and that can gain no privileges.
func inNamespace(t *testing.T, cmd *exec.Cmd) {
	runtime.LockOSThread() // no_new_privs is the thread's, and goes with it
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), envFirst+"=yes")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip("there are no namespaces for this: ", err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "ready") {
		if why, ok := strings.CutPrefix(lines.Text(), "skip "); ok {
			t.Skip(why)
		}
	}
	in.Close()
	rest := ""
	for lines.Scan() {
		rest += lines.Text() + "\n"
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(rest, "PASS") {
		t.Errorf("%v\n%s", err, rest)
	}
}

// TestTheControlSocketIsForOneUser, whatever the mode of its path says: root is let in, and others than the daemon's are not.
func TestTheControlSocketIsForOneUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	l, err := net.Listen("unix", fmt.Sprintf("@ginnel-test-%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	o := &operators{log: slog.New(slog.DiscardHandler), Handler: http.NotFoundHandler()}
	s := http.Server{Handler: o, ConnContext: withIncoming}
	go s.Serve(callers{l})
	defer s.Close()
	for uid, want := range map[int]int{0: http.StatusNotFound, 65534: http.StatusBadRequest} {
		c, err := dialAs(uid, l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "GET /status HTTP/1.1\r\nHost: daemon\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != want || (want != http.StatusNotFound) != strings.Contains(string(body), errUser.Error()) {
			t.Errorf("user %d: %d, %s", uid, resp.StatusCode, body)
		}
	}
}

// dialAs connects as another user, which a thread can be for itself.
func dialAs(uid int, to net.Addr) (net.Conn, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := threadAs(uid); err != nil {
		return nil, err
	}
	c, err := net.Dial(to.Network(), to.String())
	return c, errors.Join(err, threadAs(0))
}

func threadAs(uid int) error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETREUID, ^uintptr(0), uintptr(uid), 0); errno != 0 {
		return errno
	}
	return nil
}

// begun makes a process of a namespace ready for what it tests, and reports whether it can be.
func begun(t *testing.T) bool {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		fmt.Println("skip no file system of processes:", err)
		return false
	}
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Fatal(err)
	}
	return true
}

// beTheFirst is the first process.
func beTheFirst(t *testing.T) {
	if !begun(t) {
		return
	}
	if self := processStatus(os.Getpid()); os.Getpid() != 1 || self["NoNewPrivs"] != "1" {
		t.Fatalf("it is process %d, no_new_privs %s", os.Getpid(), self["NoNewPrivs"])
	}
	child := exec.Command("sh", "-c", "sh -c 'sleep 60 >/dev/null 2>&1 & echo $!'; exec sleep 60")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	orphan := 0
	if _, err := fmt.Fscan(out, &orphan); err != nil {
		t.Fatal(err)
	}
	for what, pid := range map[string]int{"a child": child.Process.Pid, "what it has left": orphan} {
		if !ours(pid, os.Geteuid()) {
			t.Errorf("%s is let in", what)
		}
	}
	if ours(os.Getpid(), os.Geteuid()) {
		t.Error("itself is not")
	}
}

// envCall has the test binary be who calls a socket: it connects, and outside of a namespace it makes two requests.
const envCall = "GINNEL_TEST_CALL"

// TestACallerWhosePidIsAnothers: who connects may end, and leave the connection to another and its pid to a process that may
// call.
func TestACallerWhosePidIsAnothers(t *testing.T) {
	if os.Getenv(envFirst) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		inNamespace(t, exec.Command("sh", "-c", `"$0" "$@"; exit $?`, self, "-test.run=^TestACallerWhosePidIsAnothers$", "-test.v"))
		return
	}
	if !begun(t) {
		return
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	gone := exec.Command("/proc/self/exe", "-test.run=^TestACall$")
	gone.Env = append(os.Environ(), envCall+"="+path)
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pid := gone.Process.Pid
	beAn(t, pid)
	if ours(pid, os.Geteuid()) {
		t.Fatal("the other process is not let in, whatever it has connected")
	}
	if got := caller(c); got == nil || got.pid != pid {
		t.Errorf("it comes from %v, and the plugin was %d", got, pid)
	}
}

// beAn has a process with this pid that is nobody's here: the child of one that has ended.
func beAn(t *testing.T, pid int) {
	t.Helper()
	for range 100 {
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(pid-2)), 0); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!").Output()
		if err != nil {
			t.Fatal(err)
		}
		got, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil {
			t.Fatal(err)
		}
		if got == pid {
			return
		}
		unix.Kill(got, unix.SIGKILL)
	}
	t.Fatalf("no process becomes %d", pid)
}

// TestACall is the other end of the tests that are called.
func TestACall(t *testing.T) {
	path := os.Getenv(envCall)
	if path == "" {
		return
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv(envFirst) != "" {
		return
	}
	for range 2 {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			break
		}
	}
	c.(*net.UnixConn).CloseWrite()
	io.Copy(os.Stdout, c)
}

// TestRefusedCallers are sent away with each call, and do not fill the log. Nobody is looked at before the connection has
// whoever serves it.
func TestRefusedCallers(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	served := 0
	o := &operators{log: slog.New(slog.NewTextHandler(&log, nil)), Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ })}
	s := http.Server{Handler: o, ConnContext: func(ctx context.Context, c net.Conn) context.Context {
		if c.(*incoming).stranger != nil {
			t.Error("who accepts looks who it is")
		}
		return withIncoming(ctx, c)
	}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(callers{l})
	}()
	defer func() { s.Close(); <-done }()
	for range 5 {
		call := exec.Command("/proc/self/exe", "-test.run=^TestACall$")
		call.Env = []string{envCall + "=" + l.Addr().String()}
		out, err := call.Output()
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(out), "HTTP/1.1 400"); n != 1 || !strings.Contains(string(out), "Connection: close") || !strings.Contains(string(out), "not for plugins") {
			t.Errorf("%d answers: %s", n, out)
		}
	}
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
	if out, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(out), "HTTP/1.0 200") || served != 1 {
		t.Errorf("an operator: %q, %v", out, err)
	}
	if n := strings.Count(log.String(), "was refused"); n != 1 {
		t.Errorf("%d lines: %s", n, log.String())
	}
	if n := o.refuse(o.told.Add(refusedEvery)); n != 5 {
		t.Errorf("%d calls in the next line", n)
	}
}
