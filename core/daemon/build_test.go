package daemon

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/pluginhost"
)

// TestPluginsAreStartedSomeAtATime: all of a configuration at once would keep each other from answering in time.
func TestPluginsAreStartedSomeAtATime(t *testing.T) {
	most := int64(max(atOnce, runtime.NumCPU()))
	var inside, peak atomic.Int64
	release := make(chan struct{})
	dir, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	host, err := pluginhost.New(pluginhost.Needs{Logger: slog.New(slog.DiscardHandler), Dir: dir, Command: func(string) *exec.Cmd {
		n := inside.Add(1)
		defer inside.Add(-1)
		for was := peak.Load(); n > was && !peak.CompareAndSwap(was, n); was = peak.Load() {
		}
		<-release
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{}
	for i := range 5 * most {
		cfg.Telemetry = append(cfg.Telemetry, &config.Telemetry{Name: strconv.Itoa(int(i)), Plugin: "x", Config: &config.Opaque{}})
	}
	d := &Daemon{plugins: host, log: slog.New(slog.DiscardHandler)}
	d.openPools()
	done := make(chan error, 1)
	go func() {
		done <- (&builder{Daemon: d, ctx: context.Background(), cfg: cfg, scope: &Scope{}}).openParts()
	}()
	for end := time.Now().Add(30 * time.Second); inside.Load() < most; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d are started at a time", inside.Load())
		}
	}
	time.Sleep(100 * time.Millisecond) // for more to come
	close(release)
	if err := <-done; err == nil {
		t.Error("there are plugins of no name")
	}
	if peak.Load() != most {
		t.Errorf("%d were started at a time, and not %d", peak.Load(), most)
	}
}
