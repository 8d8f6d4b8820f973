//go:build !linux

package pluginhost

type ruleset struct{}

func (*ruleset) close() {}

func contain(Limits, string, string) (*ruleset, error) { return nil, nil }

func containment(Limits) string { return "not contained: this system has no Landlock" }

func resident(int) int64 { return 0 }
