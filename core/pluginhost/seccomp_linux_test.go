package pluginhost

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestCallFilter runs the program that the kernel is given, on calls that a plugin may try.
func TestCallFilter(t *testing.T) {
	if machine == 0 {
		t.Skip("there is no table for this machine")
	}
	calls, alone := machineOf(t, callFilter), machineOf(t, aloneFilter)
	const foreign = machine ^ 1
	refused := func(errno unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(errno) }
	type call struct {
		what                 string
		machine, call, first uint32
		want                 uint32
	}
	for _, c := range []call{
		{"read", machine, unix.SYS_READ, 0, unix.SECCOMP_RET_ALLOW},
		{"execve", machine, unix.SYS_EXECVE, 0, unix.SECCOMP_RET_ALLOW},
		{"a thread", machine, unix.SYS_CLONE, unix.CLONE_VM | unix.CLONE_THREAD, unix.SECCOMP_RET_ALLOW},
		{"a process", machine, unix.SYS_CLONE, unix.CLONE_VFORK | unix.CLONE_VM | uint32(unix.SIGCHLD), unix.SECCOMP_RET_ALLOW},
		{"a namespace of users", machine, unix.SYS_CLONE, unix.CLONE_NEWUSER | uint32(unix.SIGCHLD), refused(unix.EPERM)},
		{"a namespace of networks", machine, unix.SYS_CLONE, unix.CLONE_NEWNET | unix.CLONE_VM, refused(unix.EPERM)},
		{"clone3", machine, unix.SYS_CLONE3, 0, refused(unix.ENOSYS)},
		{"io_uring", machine, unix.SYS_IO_URING_SETUP, 0, refused(unix.ENOSYS)},
		{"ptrace", machine, unix.SYS_PTRACE, 0, refused(unix.EPERM)},
		{"its own limits", machine, unix.SYS_PRLIMIT64, 0, unix.SECCOMP_RET_ALLOW},
		{"another process's limits", machine, unix.SYS_PRLIMIT64, 1, refused(unix.EPERM)},
		{"its own processors", machine, unix.SYS_SCHED_SETAFFINITY, 0, unix.SECCOMP_RET_ALLOW},
		{"another process's processors", machine, unix.SYS_SCHED_SETAFFINITY, 1, refused(unix.EPERM)},
		{"another process's schedule", machine, unix.SYS_SCHED_SETATTR, 1, refused(unix.EPERM)},
		{"its own priority", machine, unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, unix.SECCOMP_RET_ALLOW},
		{"the user's priority", machine, unix.SYS_SETPRIORITY, unix.PRIO_USER, refused(unix.EPERM)},
		{"a socket of TCP", machine, unix.SYS_SOCKET, unix.AF_INET6, unix.SECCOMP_RET_ALLOW},
		{"a Unix socket", machine, unix.SYS_SOCKET, unix.AF_UNIX, unix.SECCOMP_RET_ALLOW},
		{"a socket of the crypto interface", machine, unix.SYS_SOCKET, unix.AF_ALG, refused(unix.EAFNOSUPPORT)},
		{"a socket for packets", machine, unix.SYS_SOCKET, unix.AF_PACKET, refused(unix.EAFNOSUPPORT)},
		{"another machine's read", foreign, unix.SYS_READ, 0, refused(unix.ENOSYS)},
		{"another machine's ptrace", foreign, unix.SYS_PTRACE, 0, refused(unix.ENOSYS)},
		{"x32's ptrace", machine, otherCalls | unix.SYS_PTRACE, 0, refused(unix.ENOSYS)},
	} {
		if got := run(t, calls, c.machine, c.call, c.first); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.what, got, c.want)
		}
	}
	for _, c := range forbiddenCalls {
		if got := run(t, calls, machine, uint32(c), 0); got != refused(unix.EPERM) {
			t.Errorf("call %d: %#x", c, got)
		}
	}
	for _, c := range []struct {
		what      string
		call      uint32
		arguments [3]uint32
		want      uint32
	}{
		{"flags of a file", unix.SYS_IOCTL, [3]uint32{3, unix.FS_IOC_SETFLAGS}, refused(unix.EPERM)},
		{"flags of a file, as XFS has them", unix.SYS_IOCTL, [3]uint32{3, 0x401c5820}, refused(unix.EPERM)}, // FS_IOC_FSSETXATTR
		{"room beyond a file's end", unix.SYS_IOCTL, [3]uint32{3, 0x40305828}, refused(unix.EPERM)},         // FS_IOC_RESVSP
		{"a copy of a directory", unix.SYS_IOCTL, [3]uint32{3, 0x50009401}, refused(unix.EPERM)},            // BTRFS_IOC_SNAP_CREATE
		{"a socket's signals", unix.SYS_IOCTL, [3]uint32{3, unix.SIOCSPGRP, 1}, refused(unix.EPERM)},
		{"a socket's bytes", unix.SYS_IOCTL, [3]uint32{3, unix.TIOCINQ}, unix.SECCOMP_RET_ALLOW},
		{"a terminal's settings", unix.SYS_IOCTL, [3]uint32{1, unix.TCGETS}, unix.SECCOMP_RET_ALLOW},
		{"a lease", unix.SYS_FCNTL, [3]uint32{3, unix.F_SETLEASE, unix.F_WRLCK}, refused(unix.EPERM)},
		{"a lease on a directory", unix.SYS_FCNTL, [3]uint32{3, unix.F_SETDELEG}, refused(unix.EPERM)},
		{"another's signals", unix.SYS_FCNTL, [3]uint32{3, unix.F_SETOWN, 1}, refused(unix.EPERM)},
		{"a lock", unix.SYS_FCNTL, [3]uint32{3, unix.F_SETLK}, unix.SECCOMP_RET_ALLOW},
		{"to be closed", unix.SYS_FCNTL, [3]uint32{3, unix.F_SETFD, unix.FD_CLOEXEC}, unix.SECCOMP_RET_ALLOW},
		{"a file to write anew", unix.SYS_OPENAT, [3]uint32{3, 0, unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC}, unix.SECCOMP_RET_ALLOW},
		{"a file to write and read anew", unix.SYS_OPENAT, [3]uint32{3, 0, unix.O_RDWR | unix.O_TRUNC}, unix.SECCOMP_RET_ALLOW},
		{"a file to read", unix.SYS_OPENAT, [3]uint32{3, 0, unix.O_RDONLY | unix.O_CLOEXEC}, unix.SECCOMP_RET_ALLOW},
		{"a file to empty", unix.SYS_OPENAT, [3]uint32{3, 0, unix.O_RDONLY | unix.O_TRUNC | unix.O_CLOEXEC}, refused(unix.EPERM)},
		{"a file to empty, for nothing", unix.SYS_OPENAT, [3]uint32{3, 0, unix.O_ACCMODE | unix.O_TRUNC}, refused(unix.EPERM)},
		{"its own pages", unix.SYS_MOVE_PAGES, [3]uint32{}, unix.SECCOMP_RET_ALLOW},
		{"another's pages", unix.SYS_MOVE_PAGES, [3]uint32{1}, refused(unix.EPERM)},
	} {
		for what, filter := range map[string]func() ([]bpf.RawInstruction, error){"": callFilter, ", into a cgroup": launchFilter} {
			if got := run(t, machineOf(t, filter), machine, c.call, c.arguments[:]...); got != c.want {
				t.Errorf("%s%s: %#x, want %#x", c.what, what, got, c.want)
			}
		}
	}
	for _, open := range machinePartly {
		if got := run(t, calls, machine, uint32(open.call), 0, unix.O_TRUNC); got != refused(unix.EPERM) {
			t.Errorf("a file to empty, by call %d: %#x", open.call, got)
		}
	}
	for _, c := range []call{
		{"read", machine, unix.SYS_READ, 0, unix.SECCOMP_RET_ALLOW},
		{"a session", machine, unix.SYS_SETSID, 0, refused(unix.EPERM)},
		{"another group", machine, unix.SYS_SETPGID, 0, refused(unix.EPERM)},
		{"a thread's name", machine, unix.SYS_PRCTL, unix.PR_SET_NAME, unix.SECCOMP_RET_ALLOW},
		{"a life of its own", machine, unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, refused(unix.EPERM)},
		{"a thread", machine, unix.SYS_CLONE, unix.CLONE_VM | unix.CLONE_THREAD, unix.SECCOMP_RET_ALLOW},
		{"a process", machine, unix.SYS_CLONE, uint32(unix.SIGCHLD), refused(unix.EPERM)},
		{"a process that is to run another program", machine, unix.SYS_CLONE, unix.CLONE_VFORK | unix.CLONE_VM | uint32(unix.SIGCHLD), refused(unix.EPERM)},
	} {
		if got := run(t, alone, c.machine, c.call, c.first); got != c.want {
			t.Errorf("%s, alone: %#x, want %#x", c.what, got, c.want)
		}
	}
	if got := run(t, calls, machine, unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 1); got != refused(unix.EPERM) {
		t.Errorf("another process's priority: %#x", got)
	}
	clone3 := uint32(unix.SYS_CLONE3)
	for what, filter := range map[string]func() ([]bpf.RawInstruction, error){"with children": stayFilter, "alone": aloneFilter} {
		if got := run(t, machineOf(t, filter), machine, clone3, 0); got != refused(unix.ENOSYS) {
			t.Errorf("clone3, %s: %#x", what, got)
		}
	}
	// Who starts a process into a cgroup needs it, and nothing else that is refused.
	if got := run(t, machineOf(t, launchFilter), machine, clone3, 0); got != unix.SECCOMP_RET_ALLOW {
		t.Errorf("clone3, into a cgroup: %#x", got)
	}
	if got := run(t, machineOf(t, launchFilter), machine, unix.SYS_IO_URING_SETUP, 0); got != refused(unix.ENOSYS) {
		t.Errorf("io_uring, into a cgroup: %#x", got)
	}
	for _, fork := range machineForks {
		if got := run(t, alone, machine, uint32(fork), 0); got != refused(unix.EPERM) {
			t.Errorf("call %d, alone: %#x", fork, got)
		}
	}
}

// machineOf returns a machine that runs a filter.
func machineOf(t *testing.T, filter func() ([]bpf.RawInstruction, error)) *bpf.VM {
	t.Helper()
	raw, err := filter()
	if err != nil {
		t.Fatal(err)
	}
	program, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the program is none")
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// run returns what a filter says of a call with some arguments, the others being 0.
func run(t *testing.T, vm *bpf.VM, machine, call uint32, arguments ...uint32) uint32 {
	t.Helper()
	data := make([]byte, 64) // the machine of package bpf reads big-endian words where the kernel's reads its own
	for at, v := range map[int]uint32{callNumber: call, callMachine: machine} {
		binary.BigEndian.PutUint32(data[at:], v)
	}
	for i, v := range arguments {
		binary.BigEndian.PutUint32(data[callArgument+8*i:], v)
	}
	got, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(got)
}
