package pluginhost

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// startConfined starts a command in a process group of its own, which keeps a terminal's signals
// from it, without a way to gain privileges, and with rules in force where there are any. The kernel
// ends the process with the thread that started it: that waits until ended is closed, or dies with
// this process, however that goes.
func startConfined(cmd *exec.Cmd, rules *ruleset, ended <-chan struct{}) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, unix.SIGKILL
	started := make(chan error, 1)
	go onLastThread(func() {
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
		err := cmd.Start()
		if started <- err; err == nil {
			<-ended
		}
	})
	return <-started
}

// onLastThread calls f on a thread that ends with it: what belongs to a thread, passes to its children and
// cannot be taken back is done there. It is not the main one, which never ends, and stands for the process where
// one is asked about it.
func onLastThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			onLastThread(f)
		}()
		<-done
		runtime.UnlockOSThread()
		return
	}
	f() // it stays locked, and so the thread ends with this goroutine
}

// reap waits for the process and kills what is left of its groups before the pid can be another's, and before the guard
// forgets them: a host that is killed between would leave it.
func (c *child) reap() {
	for unix.Waitid(unix.P_PID, c.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.group.kill()
	killGroup(c.pid)
	c.guard.give(c.pid)
	c.live = false
	c.err = c.brood.end(c.pid, c.cmd.Wait)
	if c.limited = c.group.why(c.err); c.limited != nil {
		c.err = c.limited
	}
}

// reapGroup waits for those of the group that became this process's children when their parent ended, as they do in a
// container whose first process it is.
func (c *child) reapGroup() {
	for {
		if _, err := unix.Wait4(-c.pid, nil, 0, nil); err != nil && err != unix.EINTR {
			return
		}
	}
}

// killGroup kills a process and its group, which it may have left.
func killGroup(pid int) error {
	unix.Kill(-pid, unix.SIGKILL)
	if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
		return err
	}
	return nil
}

// keepFiles keeps from the processes that this one starts what it was itself handed: all that it opens is.
func keepFiles() error {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, f := range all {
		if fd, err := strconv.Atoi(f.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
