package pluginhost

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The groups that the gateway makes in its own: one that holds itself, since a group whose children are limited
// holds no processes, and one for each process of a plugin, with the gateway's pid and a number behind this.
const (
	ownGroup    = "gateway"
	pluginGroup = "plugin-"
)

// Cgroup is the control group (version 2) that a service manager or a container has left to the gateway, or the reason
// why there is none. It is safe for concurrent use.
type Cgroup struct {
	dir   string          // of the group
	none  string          // why there is none; "" = there is one
	limit map[string]bool // controllers that are in force for the groups in it
	next  atomic.Int64    // counts the groups of plugins

	mu   sync.Mutex // protects what follows
	late []string   // groups in which something was slow to end
}

// controllers are those that are of use here.
var controllers = []string{"memory", "pids"}

// OpenCgroup finds the control group of this process and, where it is the gateway's to divide, moves the process into a
// group of its own in there. The caller closes it when no plugin runs anymore.
func OpenCgroup() *Cgroup {
	c := &Cgroup{limit: make(map[string]bool)}
	dir, err := delegated("/")
	if err == nil {
		c.dir = dir
		err = c.divide()
	}
	if err != nil {
		c.none = err.Error()
	}
	return c
}

// delegated returns the directory of the control group that is left to this process. Tests have another root.
func delegated(root string) (string, error) {
	own, mount, err := ownCgroup(root)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(mount, own)
	if up := filepath.Dir(own); filepath.Base(own) == ownGroup && isDelegated(filepath.Join(mount, up), up) {
		dir = filepath.Join(mount, up) // it was moved already: by the program that this one replaced, or by systemd (DelegateSubgroup=)
	} else if !isDelegated(dir, own) {
		return "", errors.New("none is left to the gateway (systemd: Delegate=memory pids)")
	}
	for _, f := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
		if err := unix.Access(filepath.Join(dir, f), unix.W_OK); err != nil {
			return "", fmt.Errorf("the one that is left to the gateway cannot be written: %w", err)
		}
	}
	return dir, nil
}

// isDelegated reports whether a group was left to who runs in it: systemd notes that in an attribute, and what looks like
// the root of all but has a type is that of a namespace, as of a container.
func isDelegated(dir, path string) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		value := make([]byte, 8)
		if n, err := unix.Getxattr(dir, name, value); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	_, err := os.Stat(filepath.Join(dir, "cgroup.type"))
	return path == "/" && err == nil
}

// ownCgroup returns the path of this process's control group, and the directory that this is a path in.
func ownCgroup(root string) (path, mount string, err error) {
	raw, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(string(raw)) {
		if p, ok := strings.CutPrefix(line, "0::"); ok {
			path = strings.TrimSuffix(p, "\n")
		}
	}
	if path == "" {
		return "", "", errors.New("the system has none of version 2")
	}
	f, err := os.Open(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		what, kind, _ := strings.Cut(lines.Text(), " - ")
		at := strings.Fields(what)
		if !strings.HasPrefix(kind, "cgroup2 ") || len(at) < 5 {
			continue
		}
		if rel, ok := below(path, unescaped(at[3])); ok {
			return rel, filepath.Join(root, unescaped(at[4])), nil
		}
	}
	return "", "", errors.New("the gateway's own is not mounted")
}

// below returns a path as seen from one above it.
func below(path, top string) (string, bool) {
	if top == "/" {
		return path, !strings.HasPrefix(path, "/..") // which is outside of the namespace
	}
	rel, ok := strings.CutPrefix(path, top)
	return "/" + strings.TrimPrefix(rel, "/"), ok && (rel == "" || rel[0] == '/')
}

// unescaped returns a path that mountinfo tells, which writes spaces and the like as octal numbers.
func unescaped(path string) string {
	for i := 0; i+3 < len(path); i++ {
		if path[i] != '\\' {
			continue
		}
		if c, err := strconv.ParseUint(path[i+1:i+4], 8, 8); err == nil {
			path = path[:i] + string([]byte{byte(c)}) + path[i+4:]
		}
	}
	return path
}

// divide makes the group ready for those of plugins. Where that fails all is as before.
func (c *Cgroup) divide() error {
	if !startsInto() {
		return errors.New("the kernel starts no process in one, or the gateway's own seccomp forbids it")
	}
	if t := c.read("cgroup.type"); t != "domain" {
		return fmt.Errorf("the one that is left to the gateway is of type %q", t)
	}
	own := filepath.Join(c.dir, ownGroup)
	if err := os.Mkdir(own, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	err := write(own, "cgroup.procs", strconv.Itoa(os.Getpid()))
	if others := strings.Fields(c.read("cgroup.procs")); err == nil && len(others) > 0 {
		err = fmt.Errorf("process %s is in the one that is left to the gateway, too", others[0])
	}
	there := strings.Fields(c.read("cgroup.controllers"))
	for _, name := range controllers {
		if err == nil && slices.Contains(there, name) {
			c.limit[name] = true
			err = write(c.dir, "cgroup.subtree_control", "+"+name)
		}
	}
	if err == nil && len(c.limit) == 0 {
		err = errors.New("the one that is left to the gateway limits neither memory nor processes")
	}
	if err != nil {
		return errors.Join(err, c.Close())
	}
	c.sweep()
	return nil
}

// sweep ends what a daemon that was killed has left, once its guard has ended, unless somebody else is there to stay.
func (c *Cgroup) sweep() {
	for end := time.Now().Add(groupGrace); c.shared(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return
		}
	}
	for _, dir := range c.groups() {
		(&group{of: c, path: dir}).remove()
	}
}

// groups returns the directories of plugins' groups.
func (c *Cgroup) groups() []string {
	all, _ := filepath.Glob(filepath.Join(c.dir, pluginGroup+"*"))
	return all
}

// tidy removes groups that nobody is in, and reports whether others are left.
func (c *Cgroup) tidy() (left bool) {
	for _, dir := range c.groups() {
		left = removeAll(dir) != nil || left
	}
	return left
}

// shared reports whether somebody else is in this process's group, as a guard is until it has ended.
func (c *Cgroup) shared() bool {
	in := strings.Fields(c.read(ownGroup + "/cgroup.procs"))
	return len(in) > 1 && slices.Contains(in, strconv.Itoa(os.Getpid()))
}

// Close moves the process back to where it was, and leaves nothing, unless somebody else is there.
func (c *Cgroup) Close() (err error) {
	if c.dir == "" {
		return nil
	}
	for end := time.Now().Add(groupGrace); c.tidy() || c.shared(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return nil
		}
	}
	pid := strconv.Itoa(os.Getpid())
	switch c.read(ownGroup + "/cgroup.procs") {
	case pid:
		for name := range c.limit {
			err = errors.Join(err, write(c.dir, "cgroup.subtree_control", "-"+name))
		}
		err = errors.Join(err, write(c.dir, "cgroup.procs", pid))
	case "":
	default:
		return nil
	}
	return errors.Join(err, removeAll(filepath.Join(c.dir, ownGroup)))
}

func (c *Cgroup) read(name string) string {
	raw, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// bound makes the group for a process with some limits. Without one it is nil; either way the text says what there is.
func (h *Host) bound(l Limits) (*group, string) {
	const not = "not bounded by a cgroup: "
	c := h.Cgroup
	switch {
	case c == nil:
		return nil, not + "this host looked for none"
	case c.none != "":
		return nil, not + c.none
	}
	g, bounds, err := c.group(l)
	if err != nil {
		return nil, not + err.Error()
	}
	return g, "bounded by a cgroup: " + bounds
}

// group makes a group for a process and says what it bounds.
func (c *Cgroup) group(l Limits) (_ *group, bounds string, err error) {
	c.mu.Lock()
	c.late = slices.DeleteFunc(c.late, func(dir string) bool { return removeAll(dir) == nil })
	c.mu.Unlock()
	g := &group{of: c, path: filepath.Join(c.dir, fmt.Sprintf("%s%d-%d", pluginGroup, os.Getpid(), c.next.Add(1)))}
	if err := os.Mkdir(g.path, 0o755); err != nil {
		return nil, "", err
	}
	defer func() {
		if err != nil {
			g.remove()
		}
	}()
	var of []string
	if c.limit["memory"] {
		err = write(g.path, "memory.oom.group", "1")
		if l.Memory > 0 {
			g.memory = int64(float64(l.Memory) * overMemory)
			err = errors.Join(err, write(g.path, "memory.max", strconv.FormatInt(g.memory, 10)), write(g.path, "memory.swap.max", "0"))
			of = append(of, fmt.Sprintf("%d MiB of memory", g.memory>>20))
		}
	}
	if c.limit["pids"] {
		err = errors.Join(err, write(g.path, "pids.max", strconv.Itoa(maxThreads)))
		of = append(of, fmt.Sprintf("%d threads", maxThreads))
	}
	if err == nil {
		g.dir, err = os.Open(g.path)
	}
	if len(of) == 0 {
		return g, "its processes end with it", err
	}
	return g, strings.Join(of, ", "), err
}

// write writes a file of a group. Where the kernel has no account of swap there is nothing to set.
func write(dir, name, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		if name == "memory.swap.max" && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// startsInto reports whether a process can be started in a group: it tries with a descriptor that nobody has, and so starts
// none.
func startsInto() bool {
	args := struct {
		flags, pidfd, childTid, parentTid, signal, stack, stackSize, tls, setTid, setTidSize, cgroup uint64
	}{flags: unix.CLONE_INTO_CGROUP | unix.CLONE_VM | unix.CLONE_VFORK, signal: uint64(unix.SIGCHLD), cgroup: 1<<31 - 1}
	_, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0)
	return errno == unix.EBADF
}
