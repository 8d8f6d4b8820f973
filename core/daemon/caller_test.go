package daemon

import (
	"os"
	"os/exec"
	"testing"
)

// TestWhoIsAPlugin: what this process has started is, whatever else runs is not.
func TestWhoIsAPlugin(t *testing.T) {
	child := exec.Command("sh", "-c", "sleep 60 & echo $!; wait")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { child.Process.Kill(); child.Wait() }()
	line := make([]byte, 16)
	if _, err := out.Read(line); err != nil {
		t.Fatal(err)
	}
	if !ours(child.Process.Pid, os.Geteuid()) {
		t.Error("a child is not ours")
	}
	for _, pid := range []int{os.Getpid(), os.Getppid(), 1, 0} {
		if ours(pid, os.Geteuid()) {
			t.Errorf("%d is ours", pid)
		}
	}
	if ours(child.Process.Pid, os.Geteuid()+1) {
		t.Error("a process of another user is ours")
	}
}

// TestACallerThatIsGone may have been a plugin's, which has the connection still: a process connects the socket of
// another, and ends.
func TestACallerThatIsGone(t *testing.T) {
	if processStatus(os.Getpid()) == nil {
		t.Skip("there is no /proc")
	}
	child := exec.Command("sleep", "0")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	if !ours(child.Process.Pid, os.Geteuid()) {
		t.Error("it is let in")
	}
	if ours(child.Process.Pid, os.Geteuid()+1) {
		t.Error("a process of another user is not")
	}
}

// TestACallerWithMoreFilters is a plugin's, where the daemon itself can gain no privileges.
func TestACallerWithMoreFilters(t *testing.T) {
	self := map[string]string{"NoNewPrivs": "1", "Seccomp_filters": "1"}
	for _, c := range []struct {
		privs, filters string
		want           bool
	}{{"1", "3", true}, {"1", "1", false}, {"0", "3", false}, {"1", "", false}} {
		if got := less(map[string]string{"NoNewPrivs": c.privs, "Seccomp_filters": c.filters}, self); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}
