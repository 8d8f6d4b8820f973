package pluginhost

import "golang.org/x/sys/unix"

// machine is whose calls a process makes; from otherCalls on there are none.
const (
	machine    = unix.AUDIT_ARCH_AARCH64
	otherCalls = 0x40000000
)

// Calls that this machine has beside those of all: such as are forbidden, all or some uses of them, and those that start a
// process.
var (
	machineCalls  = []uintptr{unix.SYS_KEXEC_FILE_LOAD, unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP}
	machinePartly []partly
	machineForks  []uintptr
)
