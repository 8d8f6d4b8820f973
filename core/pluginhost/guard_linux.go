package pluginhost

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// guarding is what the command of a guard says.
const guarding = "guard"

// guard is a process that ends the process groups of plugins which may have children when the host is gone without having
// done so: the kernel ends a plugin with it, and not those. It runs while there are such groups. It is outside of what
// contains plugins, so that they cannot end it.
type guard struct {
	command []string // nil = there is none to start

	mu     sync.Mutex // protects what follows
	cmd    *exec.Cmd
	tell   io.WriteCloser
	groups int
}

// take has the guard end a group.
func (g *guard) take(pid int) error {
	if g == nil || len(g.command) == 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.groups++
	if g.cmd == nil {
		if err := g.start(); err != nil {
			return fmt.Errorf("guard: %w", err)
		}
	}
	_, err := fmt.Fprintf(g.tell, "%d\n", pid)
	return err
}

func (g *guard) start() (err error) {
	cmd := exec.Command(g.command[0], g.command[1:]...)
	cmd.Env, cmd.SysProcAttr = []string{}, &syscall.SysProcAttr{Setpgid: true} // a terminal's signals are not for it
	if g.tell, err = cmd.StdinPipe(); err == nil {
		if err = cmd.Start(); err == nil {
			g.cmd = cmd
		}
	}
	return err
}

// give has it forget a group that is ended. With the last one it ends itself.
func (g *guard) give(pid int) {
	if g == nil || len(g.command) == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.groups--
	if g.cmd == nil {
		return
	}
	fmt.Fprintf(g.tell, "%d\n", -pid) // one that was ended itself has nothing to forget
	if g.groups == 0 {
		g.tell.Close()
		g.cmd.Wait()
		g.cmd = nil
	}
}

// keepWatch is the whole life of a guard.
func keepWatch() {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // meant for the host, which drains first
	groups := make(map[int]bool)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if pid, err := strconv.Atoi(lines.Text()); err == nil {
			groups[max(pid, -pid)] = pid > 0
		}
	}
	for pid, there := range groups {
		if there {
			unix.Kill(-pid, unix.SIGKILL)
		}
	}
	os.Exit(0)
}

// guardOf returns the guard for what a process may start, or nil where it needs none.
func (h *Host) guardOf(c *child) *guard {
	if !c.forks || c.group != nil {
		return nil
	}
	return &h.guard
}

// guardCommand returns the command of a guard, where there is one.
func guardCommand(alone []string) []string {
	if len(alone) == 0 {
		return nil
	}
	return slices.Concat(alone, []string{guarding})
}
