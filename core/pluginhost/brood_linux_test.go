package pluginhost

import (
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ended returns a command that has ended and that nobody has waited for, as a plugin that has left its group. The thread is
// the test's until it ends.
func ended(t *testing.T, begin func(func() (int, error)) error) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/true")
	if err := begin(func() (int, error) {
		err := cmd.Start()
		if err != nil {
			return 0, err
		}
		return cmd.Process.Pid, nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if !adopted(cmd.Process.Pid) {
		t.Fatal("it is not like one that was adopted")
	}
	return cmd
}

// TestOnlyTheAdoptedAreBuried: a host's own process is waited for by who started it, though it may have left its group.
func TestOnlyTheAdoptedAreBuried(t *testing.T) {
	runtime.LockOSThread() // no_new_privs is the thread's, and goes with it
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	var b brood
	own := ended(t, b.start)
	other := ended(t, func(start func() (int, error)) error {
		_, err := start()
		return err
	})
	b.bury(0)
	if err := other.Wait(); err == nil {
		t.Error("what was adopted is left")
	}
	if err := b.end(own.Process.Pid, own.Wait); err != nil {
		t.Errorf("the host's own process: %v", err)
	}
}

// TestStartsGoSideBySide: a fork takes long where the host is large, and a reload starts many processes.
func TestStartsGoSideBySide(t *testing.T) {
	var b brood
	var met sync.WaitGroup
	met.Add(2)
	done := make(chan error)
	for pid := range 2 {
		go func() {
			done <- b.start(func() (int, error) {
				met.Done()
				met.Wait()
				return -2 - pid, nil
			})
		}()
	}
	for range 2 {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatal("a start waits for another one")
		}
	}
	if len(b.own) != 2 {
		t.Errorf("its own are %v", b.own)
	}
}

// TestABurialIsAlone: it takes nobody whose start is not noted yet, or whose end is being noted.
func TestABurialIsAlone(t *testing.T) {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	var b brood
	var burials sync.WaitGroup
	defer burials.Wait()
	meanwhile := func(pid int) {
		burials.Go(func() { b.bury(0) })
		for n := 0; n < 2000 && there(pid); n++ {
			runtime.Gosched()
		}
		if !there(pid) {
			t.Error("it was buried")
		}
	}
	cmd := ended(t, func(start func() (int, error)) error {
		return b.start(func() (int, error) {
			pid, err := start()
			if err != nil {
				return 0, err
			}
			err = unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
			meanwhile(pid)
			return pid, err
		})
	})
	if err := b.end(cmd.Process.Pid, func() error {
		meanwhile(cmd.Process.Pid)
		return cmd.Wait()
	}); err != nil {
		t.Error(err)
	}
}

// TestABurialCostsNothing where nobody has ended, which is nearly always: it is looked for at each health check.
func TestABurialCostsNothing(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { child.Process.Kill(); child.Wait() }()
	var b brood
	if n := testing.AllocsPerRun(100, func() { b.bury(0) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// TestABurialIsOneForAllPlugins within a time.
func TestABurialIsOneForAllPlugins(t *testing.T) {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	b := brood{last: time.Now()}
	cmd := ended(t, func(start func() (int, error)) error {
		_, err := start()
		return err
	})
	b.bury(time.Hour)
	if !there(cmd.Process.Pid) {
		t.Error("it looks each time")
	}
	if b.bury(0); there(cmd.Process.Pid) {
		t.Error("it is not buried when it is time")
	}
	cmd.Wait()
}

func there(pid int) bool { return unix.Kill(pid, 0) == nil }
