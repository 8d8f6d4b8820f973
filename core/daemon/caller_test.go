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
	if !ours(child.Process.Pid) {
		t.Error("a child is not ours")
	}
	for _, pid := range []int{os.Getpid(), os.Getppid(), 1, 1 << 30} {
		if ours(pid) {
			t.Errorf("%d is ours", pid)
		}
	}
}
