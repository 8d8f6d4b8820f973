package pluginhost

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// guarding is what the command of a guard says.
const guarding = "guard"

// guardPatience is how long a guard has to take a line, for which its pipe has room unless it reads none, and how long one
// that ended early is not followed by another.
const guardPatience = time.Second

// guard is a process that ends plugins and what they have started when the host is gone without having done so: the kernel
// ends a plugin with it, and neither its children nor one that has become another program on a thread of its own. It runs
// while there are plugins. It is outside of what contains them; where one has ended it all the same, the next takes its place.
type guard struct {
	command []string // nil = there is none to start
	log     *slog.Logger

	mu     sync.Mutex     // protects what follows
	groups map[int]string // what it ends: the cgroup of each process group, by the pid of its leader; "" = it has none
	now    *watcher       // the process; nil = there is none
}

// watcher is the process of a guard.
type watcher struct {
	cmd  *exec.Cmd
	tell *os.File
}

// take has the guard end a process group, and all that is in its cgroup.
func (g *guard) take(pid int, in *group) {
	if len(g.command) == 0 {
		return
	}
	cgroup := ""
	if in != nil {
		cgroup = in.path
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.groups == nil {
		g.groups = make(map[int]string)
	}
	g.groups[pid] = cgroup
	if g.now == nil {
		g.start()
	} else {
		g.now.say(pid, cgroup)
	}
}

// give has it forget a group that is ended. With the last one it ends itself.
func (g *guard) give(pid int) {
	if len(g.command) == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.groups, pid)
	if g.now == nil {
		return
	}
	g.now.say(-pid, "")
	if len(g.groups) == 0 {
		g.now.tell.Close()
		g.now = nil
	}
}

// start starts its process, which knows all there is to end. The mutex is held.
func (g *guard) start() {
	w, err := watch(g.command, g.groups)
	if err != nil {
		g.log.Warn("plugins and what they start may outlive the gateway", "error", err)
		return
	}
	g.now = w
	go g.follow(w, time.Now())
}

// follow waits for the end of a guard's process, and starts another where there is still something to guard.
func (g *guard) follow(w *watcher, begun time.Time) {
	err := w.cmd.Wait()
	if !g.miss(w) {
		return
	}
	g.log.Warn("what ends plugins with the gateway has ended itself, and is started again", "error", err)
	time.Sleep(time.Until(begun.Add(guardPatience)))
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.now == nil && len(g.groups) > 0 {
		g.start()
	}
}

// miss reports whether a process that has ended is still wanted, and is no more.
func (g *guard) miss(w *watcher) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.now != w {
		return false
	}
	w.tell.Close()
	g.now = nil
	return true
}

// watch starts the process of a guard, which has all that it is told first from its first moment on: in a file, since a pipe
// has room for some thousands of groups only.
func watch(command []string, groups map[int]string) (*watcher, error) {
	known, err := inMemory(groups)
	if err != nil {
		return nil, err
	}
	defer known.Close()
	in, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	w := &watcher{cmd: exec.Command(command[0], command[1:]...), tell: tell}
	w.cmd.Stdin, w.cmd.Env, w.cmd.SysProcAttr = in, []string{}, &syscall.SysProcAttr{Setpgid: true} // a terminal's signals are not for it
	w.cmd.ExtraFiles = []*os.File{known}
	if err := w.cmd.Start(); err != nil {
		tell.Close()
		return nil, err
	}
	return w, nil
}

// inMemory returns a file with the lines that tell of groups, to be read from its beginning.
func inMemory(groups map[int]string) (*os.File, error) {
	fd, err := unix.MemfdCreate("groups", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "groups")
	var text []byte
	for pid, cgroup := range groups {
		text = fmt.Appendf(text, "%d %s\n", pid, cgroup)
	}
	if _, err := f.WriteAt(text, 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// say tells it of a group, or with its negative of one that it need not end any more. One that does not read is of no use.
func (w *watcher) say(pid int, cgroup string) {
	w.tell.SetWriteDeadline(time.Now().Add(guardPatience))
	if _, err := fmt.Fprintf(w.tell, "%d %s\n", pid, cgroup); errors.Is(err, os.ErrDeadlineExceeded) {
		w.cmd.Process.Kill()
	}
}

// keepWatch is the whole life of a guard.
func keepWatch() {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // meant for the host, which drains first
	groups := make(map[int]string)
	known := os.NewFile(firstExtra, "groups")
	for lines := bufio.NewScanner(io.MultiReader(known, os.Stdin)); lines.Scan(); {
		number, cgroup, _ := strings.Cut(lines.Text(), " ")
		switch pid, err := strconv.Atoi(number); {
		case err != nil:
		case pid > 0:
			groups[pid] = cgroup
		default:
			delete(groups, -pid)
		}
	}
	for pid, cgroup := range groups {
		if cgroup != "" {
			write(cgroup, "cgroup.kill", "1")
		}
		unix.Kill(-pid, unix.SIGKILL)
	}
	os.Exit(0)
}

// guardCommand returns the command of a guard, where there is one.
func guardCommand(alone []string) []string {
	if len(alone) == 0 {
		return nil
	}
	return slices.Concat(alone, []string{guarding})
}
