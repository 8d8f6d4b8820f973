package pluginhost

import "golang.org/x/sys/unix"

// machine is whose calls a process makes; from otherCalls on, numbers are those of x32.
const (
	machine    = unix.AUDIT_ARCH_X86_64
	otherCalls = 0x40000000
)

// Calls that this machine has beside those of all: such as are forbidden, and those that start a process.
var (
	machineCalls = []uintptr{unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT, unix.SYS_KEXEC_FILE_LOAD}
	machineForks = []uintptr{unix.SYS_FORK, unix.SYS_VFORK}
)
