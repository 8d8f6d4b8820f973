package pluginhost_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ginnel/ginnel/core/pluginhost"
)

// alterations are system calls by which a plugin may reach what Landlock judges nothing of: by a file's path, or by a
// descriptor that is open for reading.
var alterations = map[string]func(path string, fd int) error{
	"mode":               func(path string, _ int) error { return os.Chmod(path, 0o777) },
	"mode of a link":     func(path string, _ int) error { return beneath(unix.SYS_FCHMODAT2, path, 0o777, 0) },
	"mode by descriptor": func(_ string, fd int) error { return unix.Fchmod(fd, 0o777) },

	"owner":               func(path string, _ int) error { return os.Chown(path, os.Getuid(), os.Getgid()) },
	"owner of a link":     func(path string, _ int) error { return os.Lchown(path, os.Getuid(), os.Getgid()) },
	"owner by descriptor": func(_ string, fd int) error { return unix.Fchown(fd, os.Getuid(), os.Getgid()) },

	"times":               func(path string, _ int) error { return os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)) },
	"times by descriptor": func(_ string, fd int) error { return numbered(unix.SYS_UTIMENSAT, uintptr(fd)) },

	"attribute":                   func(path string, _ int) error { return unix.Setxattr(path, "user.ginnel", nil, 0) },
	"attribute of a link":         func(path string, _ int) error { return unix.Lsetxattr(path, "user.ginnel", nil, 0) },
	"attribute by descriptor":     func(_ string, fd int) error { return unix.Fsetxattr(fd, "user.ginnel", nil, 0) },
	"attribute from a place":      func(path string, _ int) error { return beneath(unix.SYS_SETXATTRAT, path) },
	"no attribute":                func(path string, _ int) error { return unix.Removexattr(path, "user.none") },
	"no attribute by descriptor":  func(_ string, fd int) error { return unix.Fremovexattr(fd, "user.none") },
	"no attribute from a place":   func(path string, _ int) error { return beneath(unix.SYS_REMOVEXATTRAT, path) },
	"flags":                       func(path string, _ int) error { return beneath(unix.SYS_FILE_SETATTR, path) },
	"flags by descriptor":         func(_ string, fd int) error { return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, 0) },
	"flags by descriptor, as XFS": func(_ string, fd int) error { return told(fd, 0x401c5820) }, // FS_IOC_FSSETXATTR
	"room by descriptor":          func(_ string, fd int) error { return told(fd, 0x40305828) }, // FS_IOC_RESVSP

	"length": func(path string, _ int) error { return os.Truncate(path, 1) },
	"length as it is opened": func(path string, _ int) error {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	},

	"lease": func(_ string, fd int) error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
		return err
	},
	"notice": func(path string, _ int) error {
		dir, err := os.Open("/etc/ssl")
		if err == nil {
			defer dir.Close()
			_, err = unix.FcntlInt(dir.Fd(), unix.F_NOTIFY, 4) // DN_CREATE
		}
		return err
	},
	"watch": func(path string, _ int) error {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err == nil {
			defer unix.Close(fd)
			_, err = unix.InotifyAddWatch(fd, filepath.Dir(path), unix.IN_CREATE)
		}
		return err
	},
	"signals": func(_ string, fd int) error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETOWN, os.Getppid())
		return err
	},
	"handle": func(path string, _ int) error {
		_, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0)
		return err
	},

	"what is in memory": func(string, int) error { return numbered(unix.SYS_SHMCTL, none, unix.IPC_RMID) },
	"semaphores":        func(string, int) error { return numbered(unix.SYS_SEMCTL, none, 0, unix.IPC_RMID) },
	"a message":         func(string, int) error { return numbered(unix.SYS_MSGSND, none) },
	"messages":          func(string, int) error { return numbered(unix.SYS_MSGCTL, none, unix.IPC_RMID) },
	"a queue":           func(string, int) error { return numbered(unix.SYS_MQ_UNLINK, 0) },
}

// none is what nothing has for its number.
const none = ^uintptr(0)

// beneath makes a system call that takes a directory and a path in it first.
func beneath(call uintptr, path string, args ...uintptr) error {
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	var a [4]uintptr
	copy(a[:], args)
	at := unix.AT_FDCWD
	if _, _, errno := syscall.Syscall6(call, uintptr(at), uintptr(unsafe.Pointer(name)), a[0], a[1], a[2], a[3]); errno != 0 {
		return errno
	}
	return nil
}

// numbered makes a system call.
func numbered(call uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := syscall.Syscall6(call, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

// told tells a file system something, with nothing but zeros beside.
func told(fd int, what uintptr) error {
	var zeros [64]byte
	if _, _, errno := syscall.Syscall(unix.SYS_IOCTL, uintptr(fd), what, uintptr(unsafe.Pointer(&zeros))); errno != 0 {
		return errno
	}
	return nil
}

// altered does one of the alterations: to a file that may be read where it is done by descriptor.
func altered(object string) error {
	what, path, _ := strings.Cut(object, ": ")
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
	}
	return alterations[what](path, fd)
}

// TestWhatLandlockDoesNotJudge is refused: also of files that a plugin may read, and where it may write others.
func TestWhatLandlockDoesNotJudge(t *testing.T) {
	h, _ := start(t, nil)
	dir := t.TempDir()
	secret, given, out := filepath.Join(dir, "secret"), filepath.Join(dir, "given"), filepath.Join(dir, "out")
	for _, path := range []string{secret, given} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	contained := launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Limits: pluginhost.Limits{Read: []string{given}, Write: []string{out}}})
	if !strings.Contains(contained.State().Contained, "seccomp") {
		t.Skip("the plugin is ", contained.State().Contained)
	}
	open := launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Limits: pluginhost.Limits{Open: true}})
	for what := range alterations {
		path := secret
		if strings.Contains(what, "descriptor") || what == "lease" || what == "signals" {
			path = given
		}
		got, err := said(t, contained, "do", "alter "+what+": "+path)
		if err != nil || !strings.HasSuffix(got, unix.EPERM.Error()) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 || info.Size() != 1 {
			t.Errorf("%s: %v, %v", what, info, err)
		}
	}
	// What is refused is refused by containment alone, as far as there is such a thing here.
	for what := range alterations {
		if got, err := said(t, open, "do", "alter "+what+": "+given); err != nil || strings.HasSuffix(got, unix.EPERM.Error()) {
			t.Errorf("%s, not contained: %q, %v", what, got, err)
		} else {
			t.Logf("%s, not contained: %s", what, got)
		}
	}
}
