//go:build !linux

package pluginhost

import "os/exec"

// Cgroup is for Linux.
type Cgroup struct{}

// OpenCgroup is for Linux.
func OpenCgroup() *Cgroup { return &Cgroup{} }

// Close does nothing.
func (*Cgroup) Close() error { return nil }

func (*Host) bound(Limits) (*group, string) {
	return nil, "not bounded by a cgroup: this system has none"
}

type group struct{}

func (*group) hold(*exec.Cmd, *ruleset) {}

func (*group) kill() {}

func (*group) remove() {}

func (*group) why(error) error { return nil }
