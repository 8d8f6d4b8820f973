package pluginhost

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Access to files, as Landlock names it (linux/landlock.h).
const (
	readAccess  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	runAccess   = readAccess | unix.LANDLOCK_ACCESS_FS_EXECUTE
	fileAccess  = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	allAccess   = unix.LANDLOCK_ACCESS_FS_IOCTL_DEV<<1 - 1 // up to version 5 of the interface
	writeAccess = allAccess &^ unix.LANDLOCK_ACCESS_FS_EXECUTE
	// go-plugin finds a name for its socket by making a file and removing it.
	socketAccess = unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE
)

// What every process may use: the system's programs and libraries, what names and certificates are looked up
// in, and what a runtime asks about the machine. None of it is the gateway's.
var (
	sharedPrograms = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store"}
	sharedFiles    = []string{"/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/crypto-policies", "/etc/ld.so.cache", "/etc/localtime", "/etc/services", "/etc/protocols",
		"/proc", "/sys/fs/cgroup", "/sys/kernel/mm", "/sys/devices/system/cpu", "/dev/urandom", "/dev/random", "/dev/zero"}
	devNull = "/dev/null"
)

// landlockVersion returns the version of the kernel's interface, or 0 where it has none.
func landlockVersion() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// ruleset is what a process may do, not yet in force.
type ruleset struct {
	fd    int    // of Landlock; -1 = the kernel has none
	known uint64 // access rights that the kernel's version has
	calls bool   // system calls are filtered
	into  bool   // the process is started into a cgroup
}

// newRuleset returns a set that allows nothing of what the kernel's version can forbid: files, signals and
// abstract sockets of processes outside. The network is not forbidden: connecting is what plugins are for, and
// what holds for TCP does not for its multipath form or UDP.
func newRuleset(version int) (*ruleset, error) {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: allAccess}
	switch {
	case version < 2:
		attr.Handled_access_fs &^= unix.LANDLOCK_ACCESS_FS_REFER
		fallthrough
	case version < 3:
		attr.Handled_access_fs &^= unix.LANDLOCK_ACCESS_FS_TRUNCATE
		fallthrough
	case version < 5:
		attr.Handled_access_fs &^= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if version >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_SIGNAL | unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Offsetof(attr.Quiet_access_fs), 0)
	if errno != 0 {
		return nil, fmt.Errorf("landlock: %w", errno)
	}
	unix.CloseOnExec(int(fd))
	return &ruleset{fd: int(fd), known: attr.Handled_access_fs}, nil
}

func (r *ruleset) close() {
	if r.fd >= 0 {
		unix.Close(r.fd)
	}
}

// files reports whether it keeps a process from files.
func (r *ruleset) files() bool { return r != nil && r.fd >= 0 }

// allow lets the process use what is at a path, and below it.
func (r *ruleset) allow(path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= fileAccess
	}
	attr := unix.LandlockPathBeneathAttr{Allowed_access: access & r.known, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0); errno != 0 && errno != unix.EBADFD { // what is in memory only is in nobody's way
		return fmt.Errorf("landlock: %s: %w", path, errno)
	}
	return nil
}

// restrict brings the set into force for the calling thread and for the processes that it starts. Those have
// no capabilities either: with some, root's processes read the memory maps and environments of others in /proc.
func (r *ruleset) restrict() error {
	if err := dropCapabilities(); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	if r.fd >= 0 {
		if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r.fd), 0, 0); errno != 0 {
			return fmt.Errorf("landlock: %w", errno)
		}
	}
	switch {
	case r.calls && r.into:
		return filterCalls(launchFilter, 0)
	case r.calls:
		return filterCalls(callFilter, 0)
	}
	return nil
}

// dropCapabilities sees to it that the programs that the calling thread runs have none.
func dropCapabilities() error {
	var err error
	for c := uintptr(0); c <= unix.CAP_LAST_CAP && err == nil; c++ {
		err = unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has [2]unix.CapUserData
	if err == nil || errors.Is(err, unix.EINVAL) { // up to the last one that the kernel knows
		// Those of the thread itself go with the program that it was started from. It may need them to reach the next.
		if err := unix.Capget(&header, &has[0]); err != nil {
			return err
		}
		has[0].Inheritable, has[1].Inheritable = 0, 0
	}
	// What is not inheritable is not ambient: such as a service manager gives to a user who is not root, who cannot
	// drop it above. Nothing has more after it has no_new_privs than before.
	return unix.Capset(&header, &has[0])
}

// contain returns what a plugin's process may do: run its executables, make a socket in dir, and use what all may and what
// the operator allows, as far as the kernel can keep it to that. It is nil where the operator lets it do anything.
func contain(l Limits, dir string, exes ...string) (*ruleset, error) {
	if l.Open {
		return nil, nil
	}
	version := landlockVersion()
	if version == 0 {
		return &ruleset{fd: -1, calls: filtersCalls()}, nil
	}
	r, err := newRuleset(version)
	if err != nil {
		return nil, err
	}
	r.calls = filtersCalls()
	all := func(paths []string, access uint64, must bool) {
		for _, p := range paths {
			if e := r.allow(p, access); err == nil && (must || !errors.Is(e, os.ErrNotExist)) {
				err = e
			}
		}
	}
	all(sharedPrograms, runAccess, false)
	all(sharedFiles, readAccess, false)
	all(lookupFiles, readAccess, false)
	all([]string{devNull}, readAccess|unix.LANDLOCK_ACCESS_FS_WRITE_FILE, false)
	all(exes, runAccess, true)
	all([]string{dir}, socketAccess, true)
	all(l.Read, readAccess, true)
	all(l.Write, writeAccess, true)
	if err != nil {
		r.close()
		return nil, fmt.Errorf("it cannot be contained: %w", err)
	}
	return r, nil
}

// containment says how far processes are kept from the rest of the machine.
func (h *Host) containment(l Limits) string {
	if l.Open {
		return "not contained, as configured"
	}
	version, calls := landlockVersion(), filtersCalls()
	kept := "files, signals, capabilities"
	switch {
	case version == 0 && calls:
		return "not contained: the kernel has no Landlock; kept by seccomp from system calls, and from capabilities"
	case version == 0:
		return "not contained: the kernel has neither Landlock nor seccomp; kept from capabilities"
	case version < 6:
		kept = "files, capabilities, not signals"
	}
	if !calls {
		return fmt.Sprintf("contained by Landlock %d: %s; not by seccomp, which is not here", version, kept)
	}
	if !l.Children && h.through(l) != nil {
		kept += ", processes of its own"
	}
	return fmt.Sprintf("contained by Landlock %d and seccomp: %s, system calls", version, kept)
}

// resident returns the memory that a process has, in bytes, or 0 where it is not known.
func resident(pid int) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(raw), &size, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// residentGroup returns the memory that a process and what it has started have. What they share counts for each.
func residentGroup(pid int) (sum int64) {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return resident(pid)
	}
	for _, e := range all {
		if p, err := strconv.Atoi(e.Name()); err == nil {
			if group, err := unix.Getpgid(p); err == nil && group == pid {
				sum += resident(p)
			}
		}
	}
	return sum
}
