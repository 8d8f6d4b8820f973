//go:build !linux

package pluginhost

import (
	"log/slog"
	"os"
	"os/exec"
	"time"
)

func startConfined(cmd *exec.Cmd, _ *ruleset, _ <-chan struct{}) error { return cmd.Start() }

func (c *child) reap() {
	c.err = c.cmd.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = false
}

func (c *child) reapGroup() {}

type guard struct {
	command []string
	log     *slog.Logger
}

func (*guard) take(int, *group) {}

func guardCommand([]string) []string { return nil }

func adopt() error { return nil }

type brood struct{}

func (*brood) start(start func() (int, error)) error {
	_, err := start()
	return err
}

func (*brood) bury(time.Duration) {}

func killGroup(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil
	}
	return p.Kill()
}

func keepFiles() error { return nil }
