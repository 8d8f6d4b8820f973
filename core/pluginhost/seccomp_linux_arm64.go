package pluginhost

import "golang.org/x/sys/unix"

// machine is whose calls a process makes; from otherCalls on there are none.
const (
	machine    = unix.AUDIT_ARCH_AARCH64
	otherCalls = 0x40000000
)

var machineCalls = []uintptr{unix.SYS_KEXEC_FILE_LOAD}
