package daemon

import (
	"os"
	"os/exec"
	"strconv"
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

// TestDescendants of a daemon that is the first process, or is not, while processes come and go.
func TestDescendants(t *testing.T) {
	for name, c := range map[string]struct {
		parents map[int][]string // of a process, each time that it is asked for; the last stays; "" = it is gone
		from    int
		want    bool
	}{
		"a child of the first process":                {map[int][]string{9: {"1"}, 1: {"0"}}, 1, true},
		"a grandchild of the first process":           {map[int][]string{9: {"8"}, 8: {"1"}, 1: {"0"}}, 1, true},
		"started in the container from outside":       {map[int][]string{9: {"0"}, 1: {"0"}}, 1, false},
		"a child of what was started so":              {map[int][]string{9: {"8"}, 8: {"0"}, 1: {"0"}}, 1, false},
		"a child of a daemon that is not the first":   {map[int][]string{9: {"5"}, 5: {"1"}, 1: {"0"}}, 5, true},
		"a neighbour of one":                          {map[int][]string{9: {"8"}, 8: {"1"}, 5: {"1"}, 1: {"0"}}, 5, false},
		"its parent ends meanwhile and it is adopted": {map[int][]string{9: {"8", "5"}, 8: {""}, 5: {"1"}, 1: {"0"}}, 5, true},
		"it has ended":                                {map[int][]string{9: {""}}, 5, true},
		"its parent is another user's, and hidden":    {map[int][]string{9: {"8"}, 8: {""}, 5: {"1"}}, 5, false},
		"it never holds still":                        {map[int][]string{9: {"8", "7", "8", "7", "8", "7", "8", "7", "8", "7", "8", "7", "8", "7", "8", "7", "8", "7", "8", "7", "8", "7", "8", "7", "8", "7", "8", "7", "8", "7", "8", "7", "8", "7"}, 8: {""}, 7: {""}}, 5, true},
	} {
		status := func(pid int) map[string]string {
			said := c.parents[pid]
			if len(said) > 1 {
				c.parents[pid] = said[1:]
			}
			if len(said) == 0 || said[0] == "" {
				return nil
			}
			return map[string]string{"PPid": said[0]}
		}
		if got := descends(9, c.from, status); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	deep := func(pid int) map[string]string { return map[string]string{"PPid": strconv.Itoa(pid - 1)} }
	if !descends(1<<20, 5, deep) {
		t.Error("one whose ancestors are more than anybody has is not taken for one")
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
