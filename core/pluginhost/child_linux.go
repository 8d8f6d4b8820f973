package pluginhost

import (
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// startConfined starts a command in a process group of its own, which keeps a terminal's signals
// from it, and without a way to gain privileges.
func startConfined(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	started := make(chan error, 1)
	go func() {
		// no_new_privs belongs to a thread, passes to its children and cannot be taken back: the
		// thread ends with this goroutine because it stays locked.
		runtime.LockOSThread()
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			started <- err
			return
		}
		started <- cmd.Start()
	}()
	return <-started
}

// reap waits for the process and kills what is left of its group before the pid can be another's.
func (c *child) reap() {
	for unix.Waitid(unix.P_PID, c.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	killGroup(c.pid)
	c.live = false
	c.err = c.cmd.Wait()
}

func killGroup(pid int) error {
	if err := unix.Kill(-pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
		return err
	}
	return nil
}
