package pluginhost

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Dir returns the directory of the group, or why there is none, for the tests outside of the package.
func (c *Cgroup) Dir() (dir, none string) { return c.dir, c.none }

// TestFindingTheCgroup: in a tree of files as systems have them, the gateway's own group is found where it was left to it.
func TestFindingTheCgroup(t *testing.T) {
	const (
		unified = "25 24 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
		hybrid  = "25 24 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n26 25 0:23 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n27 25 0:24 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
		part    = "25 24 0:22 /machine/a\\040b /sys/fs/cgroup rw - cgroup2 cgroup2 rw"
		unit    = "/system.slice/ginnel.service"
	)
	for name, c := range map[string]struct {
		cgroup, mounts string
		groups         []string // in the root; with a "!", one that was delegated
		want, none     string
	}{
		"a unit":                   {"0::" + unit, unified, []string{"!sys/fs/cgroup" + unit}, "sys/fs/cgroup" + unit, ""},
		"a unit without Delegate":  {"0::" + unit, unified, []string{"sys/fs/cgroup" + unit}, "", "systemd: Delegate="},
		"a unit run again":         {"0::" + unit + "/gateway", unified, []string{"!sys/fs/cgroup" + unit, "sys/fs/cgroup" + unit + "/gateway"}, "sys/fs/cgroup" + unit, ""},
		"a part of another's":      {"0::" + unit + "/other", unified, []string{"!sys/fs/cgroup" + unit, "sys/fs/cgroup" + unit + "/other"}, "", "none is left"},
		"a container":              {"0::/", unified, []string{"sys/fs/cgroup"}, "sys/fs/cgroup", ""},
		"a container, run again":   {"0::/gateway", unified, []string{"sys/fs/cgroup", "sys/fs/cgroup/gateway"}, "sys/fs/cgroup", ""},
		"the root of all":          {"0::/", unified, nil, "", "none is left"},
		"both versions":            {"4:memory:/m\n0::" + unit, hybrid, []string{"!sys/fs/cgroup/unified" + unit}, "sys/fs/cgroup/unified" + unit, ""},
		"version 1":                {"4:memory:/m\n1:name=systemd:/", strings.Split(hybrid, "\n27")[0], nil, "", "none of version 2"},
		"not mounted":              {"0::" + unit, "25 24 0:22 / /proc rw - proc proc rw", nil, "", "not mounted"},
		"another part is mounted":  {"0::/machine/a bc", part, nil, "", "not mounted"},
		"a part is mounted":        {"0::/machine/a b/c", part, []string{"!sys/fs/cgroup/c"}, "sys/fs/cgroup/c", ""},
		"outside of the namespace": {"0::/../x", unified, []string{"!sys/fs/x"}, "", "not mounted"},
		"it is not to be written":  {"0::" + unit, unified, []string{"!sys/fs/cgroup" + unit + " "}, "", "cannot be written"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			put := func(path, text string) {
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			put("proc/self/cgroup", c.cgroup+"\n")
			put("proc/self/mountinfo", c.mounts+"\n")
			for _, g := range c.groups {
				dir, left := strings.CutPrefix(g, "!")
				dir, whole := strings.CutSuffix(dir, " ")
				put(dir+"/cgroup.type", "domain\n")
				put(dir+"/cgroup.procs", "")
				if !whole {
					put(dir+"/cgroup.subtree_control", "")
				}
				if !left {
					continue
				}
				if err := unix.Setxattr(filepath.Join(root, dir), "user.delegate", []byte("1"), 0); err != nil {
					t.Skip("files have no attributes here: ", err)
				}
			}
			dir, err := delegated(root)
			rel, _ := filepath.Rel(root, dir)
			if c.none == "" && (err != nil || rel != c.want) || c.none != "" && (err == nil || !strings.Contains(err.Error(), c.none)) {
				t.Errorf("%q, %v", rel, err)
			}
		})
	}
}
