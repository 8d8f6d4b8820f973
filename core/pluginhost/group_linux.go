package pluginhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxThreads is how many threads and processes a plugin may have, all together: a Go runtime that looks up names by the C
// library's way starts up to 500, and a machine has some tens of thousands.
const maxThreads = 1024

// groupGrace is how long the end of what is left in a group is waited for.
const groupGrace = 2 * time.Second

// group is the control group of a plugin's process, with all that it starts. nil = it has none.
type group struct {
	of     *Cgroup
	path   string
	memory int64    // bytes that it may have; 0 = any
	dir    *os.File // of path
}

// hold has a command start in the group, and its rules allow for it.
func (g *group) hold(cmd *exec.Cmd, rules *ruleset) {
	if g == nil {
		return
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(g.dir.Fd())
	if rules != nil {
		rules.into = true
	}
}

// kill kills all that is in the group, wherever it went (as of Linux 5.14).
func (g *group) kill() {
	if g != nil {
		write(g.path, "cgroup.kill", "1")
	}
}

// remove kills what is left in the group and removes it when that has ended, later where it takes long.
func (g *group) remove() {
	if g == nil {
		return
	}
	g.kill()
	if g.dir != nil {
		g.dir.Close()
	}
	for end := time.Now().Add(groupGrace); removeAll(g.path) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			g.of.mu.Lock()
			defer g.of.mu.Unlock()
			g.of.late = append(g.of.late, g.path)
			return
		}
	}
}

// removeAll removes a group, with those that were made in it.
func removeAll(dir string) error {
	within, _ := filepath.Glob(filepath.Join(dir, "*/cgroup.procs"))
	for _, d := range within {
		if err := removeAll(filepath.Dir(d)); err != nil {
			return err
		}
	}
	if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// why returns what the group knows of why a process ended with an error, or nil.
func (g *group) why(err error) error {
	switch {
	case g == nil || err == nil:
		return nil
	case g.count("memory.events", "oom_kill") > 0 && g.count("memory.events", "oom") > 0:
		return fmt.Errorf("the kernel killed it: its cgroup may have %d MiB of memory", g.memory>>20)
	case g.count("memory.events", "oom_kill") > 0:
		return errors.New("the kernel killed it for want of memory")
	case g.count("pids.events", "max") > 0:
		return fmt.Errorf("%w; it had all the %d threads and processes that its cgroup may have", err, maxThreads)
	}
	return nil
}

// count returns how often something has happened in the group.
func (g *group) count(file, event string) (n int) {
	raw, _ := os.ReadFile(filepath.Join(g.path, file))
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(line, event+" "); ok {
			n, _ = strconv.Atoi(strings.TrimSpace(v))
		}
	}
	return n
}
