package daemon

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
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
	runtime.LockOSThread() // no_new_privs is the thread's, and goes with it
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestTheFirstProcess$", "-test.v")
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

// beTheFirst is the first process.
func beTheFirst(t *testing.T) {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		fmt.Println("skip no file system of processes:", err)
		return
	}
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Fatal(err)
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
