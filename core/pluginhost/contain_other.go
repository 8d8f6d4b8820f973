//go:build !linux

package pluginhost

type ruleset struct{}

func (*ruleset) close() {}

func (*ruleset) files() bool { return false }

func contain(Limits, string, string) (*ruleset, error) { return nil, nil }

func containment(Limits) string { return "not contained: this system has neither Landlock nor seccomp" }

func resident(int) int64 { return 0 }
