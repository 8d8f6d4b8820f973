//go:build !linux

package pluginhost

import (
	"os"
	"os/exec"
)

func startConfined(cmd *exec.Cmd, _ *ruleset, _ <-chan struct{}) error { return cmd.Start() }

func (c *child) reap() {
	c.err = c.cmd.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = false
}

func (c *child) reapGroup() {}

func killGroup(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil
	}
	return p.Kill()
}

func keepFiles() error { return nil }
