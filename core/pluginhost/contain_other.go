//go:build !linux

package pluginhost

import "errors"

type ruleset struct{}

func (*ruleset) close() {}

func (*ruleset) files() bool { return false }

func contain(Limits, string, ...string) (*ruleset, error) { return nil, nil }

func (*Host) containment(Limits) string {
	return "not contained: this system has neither Landlock nor seccomp"
}

func (*Host) through(Limits) []string { return nil }

// Alone is for systems with seccomp.
func Alone([]string) ([]string, error) { return nil, errors.ErrUnsupported }

func resident(int) int64 { return 0 }

func residentGroup(int) int64 { return 0 }
