package config

import (
	"path/filepath"
	"time"

	"github.com/ginnel/ginnel/sdk/schema"
)

// Process is what a plugin's process may take and touch.
type Process struct {
	HungAfter   time.Duration
	Memory      int64 // bytes; 0 = any
	Contain     bool
	Children    bool     // it may start processes
	Read, Write []string // paths, absolute
}

func processShape(contain string) schema.Attr {
	sinks := ""
	if contain == "false" {
		sinks = " A sink is not by default, since many write files."
	}
	return schema.Attr{Name: "process", Kind: schema.Object, Optional: true, Doc: "What the plugin's process may take and touch.", Fields: []schema.Attr{
		{Name: "hung_after", Kind: schema.Duration, Default: "30s", Doc: "How long it may leave the gateway's health checks without an answer before it is killed and started again."},
		{Name: "memory", Kind: schema.Size, Optional: true, Doc: "How much memory it may have. One that has more is replaced by a new process, and ended when its open calls have ended, or when it has half as much again. Where the gateway has a cgroup of its own, the kernel ends it then, and counts what its children have."},
		{Name: "contain", Kind: schema.Bool, Default: contain, Doc: "Whether it is kept, by Landlock where the kernel has it, from files that are not the system's programs, libraries and certificates, from signalling other processes, from capabilities, and by seccomp from system calls that no plugin needs. `ginnel status` says what is in force." + sinks},
		{Name: "children", Kind: schema.Bool, Default: "false", Doc: "Whether it may start processes of its own, where it is contained."},
		{Name: "read", Kind: schema.Strings, Optional: true, Doc: "Files and directories that it may read all the same."},
		{Name: "write", Kind: schema.Strings, Optional: true, Doc: "Files and directories that it may write."},
	}}
}

func (b *builder) process(n *node) Process {
	p := Process{
		HungAfter: get[time.Duration](n, "process.hung_after"), Memory: get[int64](n, "process.memory"), Contain: get[bool](n, "process.contain"), Children: get[bool](n, "process.children"),
		Read: b.filePaths(n, "process.read"), Write: b.filePaths(n, "process.write"),
	}
	invalid := func(path, text string) {
		if at := n.at(path); at != nil && at.v != nil {
			b.errorf(at.rng, "Invalid value", "%s", text)
		}
	}
	if p.HungAfter < time.Second || p.HungAfter > time.Hour {
		invalid("process.hung_after", "hung_after: from \"1s\" to \"1h\".")
	}
	if p.Memory != 0 && p.Memory < 16<<20 {
		invalid("process.memory", "memory: at least \"16MiB\"; a plugin's runtime alone takes about that.")
	}
	if !p.Contain && len(p.Read)+len(p.Write) > 0 {
		invalid("process", "read and write are for a process that is contained: set contain = true.")
	}
	return p
}

// filePaths returns a list of paths, relative ones from where the configuration stands.
func (b *builder) filePaths(n *node, name string) (out []string) {
	for _, p := range get[[]string](n, name) {
		if p == "" {
			b.errorf(n.at(name).rng, "Invalid value", "%s: a path is empty.", name)
			continue
		}
		path, err := filepath.Abs(b.eval.path(p))
		if err != nil {
			b.errorf(n.at(name).rng, "Invalid value", "%s: %s", name, err)
		}
		out = append(out, path)
	}
	return out
}
