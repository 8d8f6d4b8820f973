package pluginhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
)

// pipeGrace is how long the pipes of a process that has ended are still read: what it left in them
// comes at once, and a child of its own may hold them open forever.
const pipeGrace = time.Second

// child runs a command for go-plugin, which would give it the host's standard input and wait for
// whoever inherits its pipes.
type child struct {
	cmd  *exec.Cmd
	name string
	log  *lines // of the standard error

	dir     string   // in which it makes its control socket
	control string   // where that is from then on
	rules   *ruleset // what the process may do; nil = what its user may
	group   *group   // what it may take; nil = what there is
	guard   *guard   // which ends its process group should the host not do it
	brood   *brood   // of its host
	forks   bool     // it can start processes

	stdout, stderr *os.File // our ends
	exited         chan struct{}
	err            error // of the process; valid when exited is closed
	limited        error // err, where the group knows that it was its doing
	logged         sync.WaitGroup

	mu   sync.Mutex // protects what follows: a pid that was waited for may be another process
	pid  int
	live bool
	over bool // it was killed, maybe before it began
}

var _ runner.Runner = (*child)(nil)

func newChild(cmd *exec.Cmd, name string, log *lines, of *brood) *child {
	return &child{cmd: cmd, name: name, log: log, brood: of, exited: make(chan struct{})}
}

// Start starts the process.
func (c *child) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			c.group.remove()
		}
	}()
	if c.rules != nil {
		defer c.rules.close()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	stdout, childOut, err := os.Pipe()
	if err != nil {
		return err
	}
	defer childOut.Close()
	stderr, childErr, err := os.Pipe()
	if err != nil {
		stdout.Close()
		return err
	}
	defer childErr.Close()
	c.stdout, c.stderr = stdout, stderr
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = nil, childOut, childErr
	if c.cmd.Env == nil {
		c.cmd.Env = []string{} // nil would be the host's own
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return os.ErrProcessDone
	}
	c.group.hold(c.cmd, c.rules)
	if err := c.brood.start(func() (int, error) {
		if err := startConfined(c.cmd, c.rules, c.exited); err != nil {
			return 0, err
		}
		return c.cmd.Process.Pid, nil
	}); err != nil {
		return err
	}
	c.pid, c.live = c.cmd.Process.Pid, true
	c.guard.take(c.pid, c.group)
	c.logged.Add(2)
	go func() {
		defer c.logged.Done()
		io.Copy(c.log, stderr)
		c.log.flush()
	}()
	go c.wait()
	return nil
}

// wait reaps the process, with all of its group.
func (c *child) wait() {
	c.reap()
	end := time.Now().Add(pipeGrace)
	c.stdout.SetReadDeadline(end)
	c.stderr.SetReadDeadline(end)
	close(c.exited)
	c.group.remove()
	c.logged.Done()
	c.reapGroup()
	if c.forks {
		c.brood.bury(0)
	}
}

// Wait waits until the process has ended.
func (c *child) Wait(context.Context) error {
	<-c.exited
	return c.err
}

// Kill kills the process and its group.
func (c *child) Kill(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.live {
		c.group.kill()
		return killGroup(c.pid)
	}
	return nil
}

// close waits for what reads from the process.
func (c *child) close() {
	c.logged.Wait()
	if c.stdout != nil {
		c.stdout.Close()
		c.stderr.Close()
	}
}

// Stdout is where the process says how to reach it.
func (c *child) Stdout() io.ReadCloser {
	return &handshake{File: c.stdout, log: lines{log: c.log.log, secrets: c.log.secrets}}
}

// Stderr is empty: the log has it.
func (c *child) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name returns the plugin's name.
func (c *child) Name() string { return c.name }

// ID returns the pid.
func (c *child) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid == 0 {
		return ""
	}
	return strconv.Itoa(c.pid)
}

// Diagnose says what to look at when a process did not shake hands.
func (c *child) Diagnose(context.Context) string {
	return "is it a plugin for this gateway, and an executable for this machine?"
}

// PluginToHost takes the control socket to where the process cannot write, and away with the only place where it could. One
// in another place may be another process's.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" {
		return "", "", errors.New("the plugin does not listen on a unix socket")
	}
	if filepath.Dir(address) != c.dir {
		return "", "", fmt.Errorf("its socket is not in the directory that it was told of (%s)", goplugin.EnvUnixSocketDir)
	}
	if info, err := os.Lstat(address); err != nil {
		return "", "", err
	} else if info.Mode().Type() != os.ModeSocket {
		return "", "", errors.New("what it says that it listens on is no socket")
	}
	if err := os.Rename(address, c.control); err != nil {
		return "", "", err
	}
	if err := os.Remove(c.dir); err != nil {
		return "", "", fmt.Errorf("it has more than its socket in its directory: %w", err)
	}
	return network, c.control, nil
}

// HostToPlugin returns an address as it is.
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// handshake gives the first line of a process's output, and logs the rest, which go-plugin would read as fast as it
// comes, and not at all after a line that is too long for it. It takes the deadline that ends a pipe for its end.
type handshake struct {
	*os.File
	over bool
	log  lines
}

func (h *handshake) Read(p []byte) (int, error) {
	for {
		n, err := h.File.Read(p)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = io.EOF
		}
		if !h.over {
			if i := bytes.IndexByte(p[:n], '\n'); i >= 0 {
				h.over = true
				h.log.Write(p[i+1 : n])
				n = i + 1
			}
			return n, err
		}
		h.log.Write(p[:n])
		if err != nil {
			h.log.flush()
			return 0, err
		}
	}
}
