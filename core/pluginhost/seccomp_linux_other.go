//go:build linux && !amd64 && !arm64

package pluginhost

// There is no table for this machine.
const (
	machine    = 0
	otherCalls = 0
)

var (
	machineCalls, machineForks []uintptr
	machinePartly              []partly
)
