package pluginhost

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Where a filter finds a system call (struct seccomp_data of linux/seccomp.h); of an argument it needs the lower
// half, which is the first one on the machines that there are tables for.
const (
	callNumber   = 0
	callMachine  = 4
	callArgument = 16
	callSecond   = 24
	callThird    = 32
)

// forbiddenCalls are the system calls that no plugin needs: they look into other processes, change the machine, its
// file systems or its clock, make namespaces, in which the rest would be within reach again, reach parts of the
// kernel in which its faults were, or change or watch files by a way on which Landlock is not asked.
var forbiddenCalls = slices.Concat(machineCalls, []uintptr{
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
	unix.SYS_PROCESS_MADVISE, unix.SYS_PROCESS_MRELEASE,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR,
	unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK,
	unix.SYS_UNSHARE, unix.SYS_SETNS,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SYSLOG,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
	unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMCTL, unix.SYS_SEMGET, unix.SYS_SEMCTL, // what processes share beside files
	unix.SYS_MSGGET, unix.SYS_MSGSND, unix.SYS_MSGRCV, unix.SYS_MSGCTL, unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK,
	unix.SYS_IOPRIO_SET,
	unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT, // of any file of its user
	unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR, unix.SYS_SETXATTRAT,
	unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR, unix.SYS_REMOVEXATTRAT, unix.SYS_FILE_SETATTR,
	unix.SYS_TRUNCATE,
	unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT,
	unix.SYS_INOTIFY_INIT1, unix.SYS_INOTIFY_ADD_WATCH, unix.SYS_FANOTIFY_INIT, unix.SYS_FANOTIFY_MARK, // in directories that it may not list
	unix.SYS_SYNC, unix.SYS_SYNCFS, // what others have written
})

// ownCalls change how a process may run. They name it first, 0 being the one that calls, and are for that one only:
// a limit of processor time ends whom it is set for, and Landlock is not asked.
var ownCalls = []uintptr{unix.SYS_PRLIMIT64, unix.SYS_SCHED_SETAFFINITY, unix.SYS_SCHED_SETSCHEDULER, unix.SYS_SCHED_SETPARAM, unix.SYS_SCHED_SETATTR, unix.SYS_SETPRIORITY,
	unix.SYS_MOVE_PAGES, unix.SYS_MIGRATE_PAGES}

// partly is a system call of which plugins need some uses. The others are told by an argument.
type partly struct {
	call   uintptr
	at     uint32   // where the argument is
	part   uint32   // the bits of it that are looked at
	values []uint32 // that are refused
}

// partlyForbidden are those uses by which Landlock is walked around, or others are reached.
var partlyForbidden = slices.Concat(machinePartly, []partly{
	// What a file system is told by ioctl, for which a descriptor that is open for reading is enough: flags by which nobody can
	// write a file, room beyond its end, copies of directories. They are known by a letter.
	{unix.SYS_IOCTL, callSecond, 0xff00, []uint32{'f' << 8, 'X' << 8, 'v' << 8, letterBtrfs << 8, letterF2FS << 8, letterBcachefs << 8}},
	// Who owns a descriptor gets its signals. A lease on a file keeps others from opening it for a while, also if they may.
	{unix.SYS_IOCTL, callSecond, whole, []uint32{fioSetOwn, unix.SIOCSPGRP}},
	{unix.SYS_FCNTL, callSecond, whole, []uint32{unix.F_SETOWN, unix.F_SETOWN_EX, unix.F_SETLEASE, unix.F_SETDELEG, unix.F_NOTIFY}},
	{unix.SYS_OPENAT, callThird, emptying, emptied},
})

// A file is emptied as it is opened, also for reading, and Landlock is not asked before Linux 6.2. The access mode of 3 is
// neither for reading nor for writing, and has the rights of a file's user for both.
const emptying = unix.O_TRUNC | unix.O_ACCMODE

var emptied = []uint32{unix.O_TRUNC | unix.O_RDONLY, unix.O_TRUNC | unix.O_ACCMODE}

// Numbers of ioctl that package unix has not (asm/sockios.h, and the letters of file systems in their headers), and an
// argument as it is.
const (
	fioSetOwn      = 0x8901
	letterBtrfs    = 0x94
	letterF2FS     = 0xf5
	letterBcachefs = 0xbc
	whole          = 0xffffffff
)

// absentCalls are told to be absent, and so a runtime goes the older way: what they do is described in memory, where a
// filter cannot look, or done by the kernel later, which no filter sees, or takes from what the whole machine has (io_setup).
var absentCalls = []uintptr{unix.SYS_CLONE3, unix.SYS_OPENAT2, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_IO_SETUP}

// families are those of the sockets that a plugin may make.
var families = []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// newNamespace are the flags with which a process is started in a namespace of its own.
const newNamespace = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// refuse answers a system call with an error.
func refuse(errno unix.Errno) bpf.Instruction {
	return bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(errno)}
}

// callFilter returns a program for seccomp that refuses what a plugin has no use for. A call by the numbers of another
// machine, which a kernel may serve beside its own, is refused whatever it is.
func callFilter() ([]bpf.RawInstruction, error) { return filterOf(absentCalls) }

// launchFilter is callFilter for a thread that starts a process into a cgroup, which takes clone3. What it starts is this
// program once more, which refuses that before it becomes the plugin.
func launchFilter() ([]bpf.RawInstruction, error) {
	return filterOf(slices.DeleteFunc(slices.Clone(absentCalls), func(c uintptr) bool { return c == unix.SYS_CLONE3 }))
}

func filterOf(absent []uintptr) ([]bpf.RawInstruction, error) {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: callMachine, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: machine, SkipTrue: 1},
		refuse(unix.ENOSYS),
		bpf.LoadAbsolute{Off: callNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: otherCalls, SkipTrue: 1},
		refuse(unix.ENOSYS),
	}
	for _, c := range forbiddenCalls {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(c), SkipTrue: 1}, refuse(unix.EPERM))
	}
	for _, c := range absent {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(c), SkipTrue: 1}, refuse(unix.ENOSYS))
	}
	for _, c := range ownCalls {
		who := []bpf.Instruction{bpf.LoadAbsolute{Off: callArgument, Size: 4}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1}, refuse(unix.EPERM)}
		if c == unix.SYS_SETPRIORITY { // it says first what the second is, 0 for a process
			who = append(who, bpf.LoadAbsolute{Off: callSecond, Size: 4}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1}, refuse(unix.EPERM))
		}
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(c), SkipTrue: uint8(len(who) + 1)})
		program = append(append(program, who...), bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW})
	}
	for _, p := range partlyForbidden {
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(p.call), SkipTrue: uint8(2*len(p.values) + 3)},
			bpf.LoadAbsolute{Off: p.at, Size: 4},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: p.part},
		)
		for _, v := range p.values {
			program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: v, SkipTrue: 1}, refuse(unix.EPERM))
		}
		program = append(program, bpf.LoadAbsolute{Off: callNumber, Size: 4})
	}
	program = append(program,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_CLONE, SkipTrue: 3},
		bpf.LoadAbsolute{Off: callArgument, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: newNamespace, SkipTrue: 1},
		refuse(unix.EPERM),
		bpf.LoadAbsolute{Off: callNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_SOCKET, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
		bpf.LoadAbsolute{Off: callArgument, Size: 4},
	)
	for _, f := range families {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: f, SkipTrue: 1}, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW})
	}
	return bpf.Assemble(append(program, refuse(unix.EAFNOSUPPORT)))
}

// leavingCalls are those by which a process leaves the group with which it is killed.
var leavingCalls = []uintptr{unix.SYS_SETPGID, unix.SYS_SETSID}

// stayFilter returns a program that refuses to leave the process group and to call clone3, beside what launchFilter refuses.
func stayFilter() ([]bpf.RawInstruction, error) {
	return bpf.Assemble(append(staying(leavingCalls), bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}))
}

// aloneFilter returns a program that refuses to start processes too, threads excepted, and to outlive the host.
func aloneFilter() ([]bpf.RawInstruction, error) {
	return bpf.Assemble(append(staying(slices.Concat(leavingCalls, machineForks)),
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_PRCTL, SkipTrue: 4},
		bpf.LoadAbsolute{Off: callArgument, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.PR_SET_PDEATHSIG, SkipTrue: 1},
		refuse(unix.EPERM),
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_CLONE, SkipTrue: 3},
		bpf.LoadAbsolute{Off: callArgument, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.CLONE_THREAD, SkipTrue: 1},
		refuse(unix.EPERM),
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	))
}

// staying loads a call's number and refuses some calls.
func staying(calls []uintptr) []bpf.Instruction {
	program := []bpf.Instruction{bpf.LoadAbsolute{Off: callNumber, Size: 4}, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_CLONE3, SkipTrue: 1}, refuse(unix.ENOSYS)}
	for _, c := range calls {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(c), SkipTrue: 1}, refuse(unix.EPERM))
	}
	return program
}

// filtersCalls reports whether the kernel has seccomp's filters, and there is a table for its machine.
func filtersCalls() bool {
	if machine == 0 {
		return false
	}
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	return errno == 0
}

// filterCalls brings a filter into force for the calling thread, or for all with SECCOMP_FILTER_FLAG_TSYNC, and for the
// processes that it starts. It needs no_new_privs.
func filterCalls(program func() ([]bpf.RawInstruction, error), flags uintptr) error {
	raw, err := program()
	if err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	switch thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog))); {
	case errno != 0:
		return fmt.Errorf("seccomp: %w", errno)
	case thread != 0:
		return fmt.Errorf("seccomp: thread %d has a filter of its own", thread)
	}
	return nil
}

// noFilesFilter returns a program that refuses to take room in a file beyond its end, which the limit of a file's size does
// not see.
func noFilesFilter() ([]bpf.RawInstruction, error) {
	return bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: callNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_FALLOCATE, SkipTrue: 1},
		refuse(unix.EOPNOTSUPP),
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	})
}

// withChildren is what the command of a plugin says before its path that may start processes; onItsOwn of another. Behind
// either it says withFiles where there are some that it may write.
const (
	withChildren = "with-children"
	onItsOwn     = "on-its-own"
	withFiles    = "-and-files"
)

// through returns the start of the command through which a plugin with some limits is started, or nil where it
// needs none.
func (h *Host) through(l Limits) []string {
	if l.Open || len(h.Alone) == 0 || !filtersCalls() {
		return nil
	}
	word := onItsOwn
	if l.Children {
		word = withChildren
	}
	if len(l.Write) > 0 {
		word += withFiles
	}
	return slices.Concat(h.Alone, []string{word})
}

// itself is how a command names this program.
const itself = "/proc/self/exe"

// Alone makes this process, which a host has started for it, a plugin that can start no processes, or whose processes stay
// with it: which of the two, its path, and its arguments with its name. The launcher cannot keep it from that, as it starts
// one itself. Another program takes the place of this one, and Alone returns where that fails. This program is there
// already: it goes on with the arguments that are returned, without the time that another start takes. As a guard of what
// plugins have started it never returns.
func Alone(args []string) (own []string, err error) {
	if len(args) == 1 && args[0] == guarding {
		keepWatch()
	}
	if len(args) < 3 {
		return nil, errors.New("it needs to know what for, a path and a name")
	}
	// That a process ends with its host is noted for each of its threads, and only the one that calls exec goes on. The first,
	// for which it was noted as it was made, is there until then.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return nil, fmt.Errorf("to end with the host: %w", err)
	}
	word, files := strings.CutSuffix(args[0], withFiles)
	if !files {
		if err := writeNoFiles(); err != nil {
			return nil, err
		}
	}
	filter := aloneFilter
	if word == withChildren {
		filter = stayFilter
	}
	if err := filterCalls(filter, unix.SECCOMP_FILTER_FLAG_TSYNC); err != nil {
		return nil, err
	}
	if args[1] == itself {
		return args[3:], nil
	}
	return nil, &os.PathError{Op: "exec", Path: args[1], Err: unix.Exec(args[1], args[2:], os.Environ())}
}

// writeNoFiles keeps this process, and those that it starts, from writing to files. One may be made before the handshake, in
// the directory of the control socket, and be held open for good: it stays empty.
func writeNoFiles() error {
	signal.Ignore(unix.SIGXFSZ) // it gets an error, and is not ended
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("the size of files: %w", err)
	}
	return filterCalls(noFilesFilter, unix.SECCOMP_FILTER_FLAG_TSYNC)
}
