package pluginhost

import (
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// startConfined starts a command in a process group of its own, which keeps a terminal's signals
// from it, without a way to gain privileges, and with rules in force where there are any.
func startConfined(cmd *exec.Cmd, rules *ruleset) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	started := make(chan error, 1)
	onLastThread(func() {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			started <- err
			return
		}
		if rules != nil {
			if err := rules.restrict(); err != nil {
				started <- err
				return
			}
		}
		started <- cmd.Start()
	})
	return <-started
}

// onLastThread calls f on a thread that ends with it: what belongs to a thread, passes to its children and
// cannot be taken back is done there. It is not the main one, which never ends, and stands for the process where
// one is asked about it.
func onLastThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			onLastThread(f)
			runtime.UnlockOSThread()
			return
		}
		f() // it stays locked, and so the thread ends with this goroutine
	}()
	<-done
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
