// Package pluginhost runs plugins: it checks their executables, launches each as a process of its
// own, hands over their configuration, watches them and starts them again when they die, and speaks
// the contracts of sdk/provider and sdk/telemetry to them over gRPC.
//
// A crash of a plugin fails its own calls, retryably, and nothing else. No request's data passes
// through here: package egress speaks to the vendor or to the plugin's own socket. A plugin's
// process has an empty environment, its own process group and no_new_privs, and where the kernel has
// Landlock it sees no files but its own and the system's; where it has seccomp's filters, calls that no
// plugin needs are refused; and where a cgroup is left to the gateway, that bounds what the process takes.
package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/telemetry"
)

// The defaults of what a host is not told.
const (
	DefaultStartTimeout = 15 * time.Second // to launch, describe, configure and lease
	DefaultCallTimeout  = 15 * time.Second // of one call of the control protocol
	DefaultHealthEvery  = 5 * time.Second
	DefaultDrainWithin  = 5 * time.Minute
)

// maxDir is how long the runtime directory's path may be: the sockets in it must fit into an address.
const maxDir = 60

// Needs is what a Host works with.
type Needs struct {
	Logger *slog.Logger
	// Dir is a directory for sockets that the host makes, mode 0700, and shares with nobody. A short
	// path: at most 60 bytes.
	Dir string
	// Command returns the command that serves a built-in plugin, or nil where there is none of that
	// name.
	Command func(plugin string) *exec.Cmd
	// Alone is the start of a command of this program's that calls Alone with the rest of it: contained
	// plugins are started through it. Without one, all may start processes.
	Alone []string
	// Cgroup is where each process gets a group of its own; nil = none does. It needs Alone.
	Cgroup *Cgroup
	// Restarted is called when a plugin's process was lost, with the name that the operator gave; it
	// may be nil.
	Restarted func(name string)

	StartTimeout time.Duration // 0 = DefaultStartTimeout
	CallTimeout  time.Duration // 0 = DefaultCallTimeout
	HealthEvery  time.Duration // 0 = DefaultHealthEvery
	DrainWithin  time.Duration // for the open calls of a process that was replaced; 0 = DefaultDrainWithin
}

// Host launches plugins. It is safe for concurrent use.
type Host struct {
	Needs
	copies copies
	guard  guard
	brood  brood
	forked atomic.Bool // a process was started that may have left others

	mu   sync.Mutex // protects what follows
	next int        // counts sockets
}

// ProviderSpec is a provider plugin as the operator declares it.
type ProviderSpec struct {
	Name   string // of the provider block, for logs
	Plugin string // a built-in plugin's name, or the path of an executable: with a slash in it
	SHA256 string // of the executable, 64 hexadecimal digits; required for one
	Config []byte // a JSON object; nil = an empty one. It holds secrets and is never logged
	// Place is where and how a provider that is invoked makes its calls, and Declared which attributes of the
	// block say so beside base_url. What one cannot be told is an error. It holds secrets and is never logged.
	Place    provider.Place
	Declared []string
	// Secrets are the values in Config and Place that are hidden in what the plugin says.
	Secrets []string
	Limits  Limits
}

// SinkSpec is a telemetry sink as the operator declares it; its fields are those of ProviderSpec.
type SinkSpec ProviderSpec

// Status is where a plugin's process is in its life.
type Status string

// The states of a plugin.
const (
	Running    Status = "running"
	Restarting Status = "restarting" // it died and is on its way back
	Failed     Status = "failed"     // it does not come back; the host goes on trying, ever more seldom
	Closed     Status = "closed"
)

// State is what an operator sees of a plugin.
type State struct {
	Name      string    `json:"name"`
	Plugin    string    `json:"plugin"`
	Status    Status    `json:"status"`
	PID       int       `json:"pid,omitempty"`
	Restarts  int       `json:"restarts"`
	Since     time.Time `json:"since"`
	Error     string    `json:"error,omitempty"` // why it died or did not start, the last time
	Contained string    `json:"contained"`
	Bounded   string    `json:"bounded"`            // what its process may take by its cgroup, or why it has none
	Memory    int64     `json:"memory"`             // bytes, as of the last health check
	Protocol  int       `json:"protocol,omitempty"` // the version that is spoken with the process
	Draining  int       `json:"draining,omitempty"` // processes that were replaced and have calls open
}

// New returns a host and makes its directory. No process that this one starts inherits a descriptor from then on that
// it is not handed, and descendants whose parent ends become this one's children.
func New(n Needs) (*Host, error) {
	if n.StartTimeout == 0 {
		n.StartTimeout = DefaultStartTimeout
	}
	if n.CallTimeout == 0 {
		n.CallTimeout = DefaultCallTimeout
	}
	if n.HealthEvery == 0 {
		n.HealthEvery = DefaultHealthEvery
	}
	if n.DrainWithin == 0 {
		n.DrainWithin = DefaultDrainWithin
	}
	if n.Logger == nil || n.Command == nil {
		return nil, errors.New("plugin host: it needs a logger and a command")
	}
	if n.Cgroup != nil && len(n.Alone) == 0 {
		return nil, errors.New("plugin host: with a cgroup it needs a command that starts plugins alone")
	}
	if len(n.Dir) > maxDir {
		return nil, fmt.Errorf("plugin host: the path %s is longer than %d bytes", n.Dir, maxDir)
	}
	if err := os.MkdirAll(n.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("plugin host: %w", err)
	}
	if err := os.Chmod(n.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("plugin host: %w", err)
	}
	if err := keepFiles(); err != nil {
		n.Logger.Warn("plugins inherit the descriptors that this process was started with", "error", err)
	}
	if err := adopt(); err != nil {
		n.Logger.Warn("what plugins start and leave is not told from others", "error", err)
	}
	return &Host{Needs: n, guard: guard{command: guardCommand(n.Alone), log: n.Logger}}, nil
}

// Describe launches a provider plugin, asks what it is and ends it.
func (h *Host) Describe(ctx context.Context, spec ProviderSpec) (info *provider.Info, err error) {
	err = h.once(ctx, launch{name: spec.Name, plugin: spec.Plugin, sha256: spec.SHA256, kind: kindProvider, limits: spec.Limits}, func(ctx context.Context, p *process) error {
		info, err = p.provider.Describe(ctx)
		return err
	})
	return info, err
}

// DescribeSink launches a sink, asks what it is and ends it.
func (h *Host) DescribeSink(ctx context.Context, spec SinkSpec) (info *telemetry.Info, err error) {
	err = h.once(ctx, launch{name: spec.Name, plugin: spec.Plugin, sha256: spec.SHA256, kind: kindSink, limits: spec.Limits}, func(ctx context.Context, p *process) error {
		info, err = p.sink.Describe(ctx)
		return err
	})
	return info, err
}

// Launch launches a provider plugin that nobody watches, describes or configures: for who holds one to its
// contract. The socket is where it answers calls, should it be invoked; the caller calls end.
func (h *Host) Launch(ctx context.Context, spec ProviderSpec) (client *provider.Client, socket string, end func(), err error) {
	p, end, err := h.unwatched(ctx, launch{name: spec.Name, plugin: spec.Plugin, sha256: spec.SHA256, kind: kindProvider, answers: true, limits: spec.Limits})
	if err != nil {
		return nil, "", nil, err
	}
	return p.provider, p.socket, end, nil
}

// LaunchSink is Launch for a sink.
func (h *Host) LaunchSink(ctx context.Context, spec SinkSpec) (client *telemetry.Client, end func(), err error) {
	p, end, err := h.unwatched(ctx, launch{name: spec.Name, plugin: spec.Plugin, sha256: spec.SHA256, kind: kindSink, limits: spec.Limits})
	if err != nil {
		return nil, nil, err
	}
	return p.sink, end, nil
}

// unwatched launches a plugin that its caller ends.
func (h *Host) unwatched(ctx context.Context, l launch) (p *process, end func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, h.StartTimeout)
	defer cancel()
	if p, err = h.start(ctx, l); err != nil {
		return nil, nil, err
	}
	return p, func() { p.stop(stopGrace) }, nil
}

// once launches a plugin for one question.
func (h *Host) once(ctx context.Context, l launch, ask func(context.Context, *process) error) error {
	ctx, cancel := context.WithTimeout(ctx, h.StartTimeout)
	defer cancel()
	p, end, err := h.unwatched(ctx, l)
	if err != nil {
		return err
	}
	defer end()
	if err := ask(ctx, p); err != nil {
		return fmt.Errorf("plugin %s: %w", l.plugin, err)
	}
	return nil
}

// path returns the path of a socket that nobody else has.
func (h *Host) path(kind string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next++
	return filepath.Join(h.Dir, fmt.Sprintf("%d.%s", h.next, kind))
}

// builtin reports whether a plugin is named and not a path.
func builtin(plugin string) bool { return !strings.ContainsRune(plugin, '/') }

// orEmpty returns a config, or an empty one where there is none.
func orEmpty(config []byte) []byte {
	if len(config) == 0 {
		return []byte("{}")
	}
	return config
}
