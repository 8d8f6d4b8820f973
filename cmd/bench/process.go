package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	stopAfter   = 10 * time.Second // a process that was asked to end is killed
	readyWithin = 60 * time.Second
	clockTicks  = 100 // per second, of /proc's times: USER_HZ, the same on every Linux
)

// process is one that this program started and will end.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer // nil, or what the process ends with
	errors tail
	done   chan struct{}
}

// startProcess starts a program with its standard error kept, and watches it.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.Stderr = &p.errors
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		cmd.Wait()
	}()
	return p, nil
}

// startRole starts this program again, as one of its roles, and returns the address it serves. The
// role ends with its standard input, so that it never outlives this process.
func startRole(ctx context.Context, self, role, upstream string) (*process, string, error) {
	cmd := exec.CommandContext(ctx, self, "-role", role, "-upstream", upstream)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, "", err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	p := &process{cmd: cmd, stdin: stdin, done: make(chan struct{})}
	line, err := bufio.NewReader(stdout).ReadString('\n') // before Wait, which closes the pipe
	go func() {
		defer close(p.done)
		cmd.Wait()
	}()
	if err != nil {
		p.stop()
		return nil, "", fmt.Errorf("%s did not say its address: %w", role, err)
	}
	return p, strings.TrimSpace(line), nil
}

// stop asks the process to end and waits until it has.
func (p *process) stop() {
	if p.stdin != nil {
		p.stdin.Close()
	} else {
		p.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-p.done:
	case <-time.After(stopAfter):
		p.cmd.Process.Kill()
		<-p.done
	}
}

// ready waits until a TCP connection to addr is accepted and returns how long that took.
func (p *process) ready(ctx context.Context, addr string) (time.Duration, error) {
	begin := time.Now()
	for time.Since(begin) < readyWithin {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return time.Since(begin), nil
		}
		select {
		case <-p.done:
			return 0, fmt.Errorf("it ended: %s", p.errors.String())
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return 0, fmt.Errorf("nothing listens on %s after %s: %s", addr, readyWithin, p.errors.String())
}

// tail keeps the first bytes of what a process says, which is where it says why it does not start.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := 4<<10 - len(t.text); room > 0 {
		t.text = append(t.text, b[:min(room, len(b))]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

// usage is what a process and its descendants have used.
type usage struct {
	cpu time.Duration // user and system
	rss int64         // bytes, of the process itself
}

// usage reads /proc: the times of the whole tree, because a proxy may be many processes.
func (p *process) usage() (usage, error) {
	var u usage
	parents := map[int]int{}
	ticks := map[int]int64{}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		pid, parent, spent, ok := parseStat(string(text))
		if ok {
			parents[pid], ticks[pid] = parent, spent
		}
	}
	root := p.cmd.Process.Pid
	if _, ok := ticks[root]; !ok {
		return u, fmt.Errorf("process %d is gone: %s", root, p.errors.String())
	}
	for pid, spent := range ticks {
		for up, n := pid, 0; up > 1 && n < 64; up, n = parents[up], n+1 {
			if up == root {
				u.cpu += time.Duration(spent) * (time.Second / clockTicks)
				break
			}
		}
	}
	u.rss = residentPeak(root)
	return u, nil
}

// parseStat reads pid, parent and utime+stime of /proc/PID/stat (proc(5)). The name in it may hold
// anything, so the fields are counted from the last parenthesis.
func parseStat(text string) (pid, parent int, ticks int64, ok bool) {
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return 0, 0, 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(text[:max(strings.IndexByte(text, '('), 0)]))
	fields := strings.Fields(text[end+1:])
	if err != nil || len(fields) < 13 {
		return 0, 0, 0, false
	}
	parent, _ = strconv.Atoi(fields[1])
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return pid, parent, user + system, true
}

// residentPeak returns the most memory a process has held, or 0.
func residentPeak(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.SplitSeq(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}

// freeAddr returns a loopback address that nothing listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
