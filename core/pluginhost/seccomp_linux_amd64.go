package pluginhost

import "golang.org/x/sys/unix"

// machine is whose calls a process makes; from otherCalls on, numbers are those of x32.
const (
	machine    = unix.AUDIT_ARCH_X86_64
	otherCalls = 0x40000000
)

// Calls that this machine has beside those of all: such as are forbidden, all or some uses of them, and those that start a
// process.
var (
	machineCalls = []uintptr{unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP,
		unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_UTIME, unix.SYS_UTIMES, unix.SYS_FUTIMESAT, unix.SYS_INOTIFY_INIT}
	machinePartly = []partly{{unix.SYS_OPEN, callSecond, emptying, emptied}}
	machineForks  = []uintptr{unix.SYS_FORK, unix.SYS_VFORK}
)
