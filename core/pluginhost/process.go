package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/ginnel/ginnel/sdk/plugin"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/telemetry"
)

const (
	kindProvider = plugin.KindProvider
	kindSink     = plugin.KindSink
)

// stopGrace is how long a process has to end by itself once it was told to.
const stopGrace = 3 * time.Second

// firstExtra is the number of the first descriptor that a process is handed beside the standard ones.
const firstExtra = 3

// launch says which process to start.
type launch struct {
	name, plugin, sha256, kind string
	answers                    bool // it is a provider that may be invoked, and gets a socket for it
	limits                     Limits
	secrets                    secrets
}

// log returns the log of a plugin, in which its secrets are not.
func (l *launch) log(to *slog.Logger) *slog.Logger {
	return l.secrets.in(to.With("plugin", l.plugin, "name", l.name))
}

// process is one life of a plugin's process.
type process struct {
	client   *goplugin.Client
	child    *child
	lifeline *os.File
	free     func() // gives back what it runs from
	socket   string // on which it is invoked, until that gets the plugin's lasting name; "" = none
	health   grpc_health_v1.HealthClient
	version  int // of the protocol

	contained bool          // it is kept from files
	bounded   string        // what it may take by its cgroup, or why it has none
	lookup    []os.FileInfo // of lookupFiles, as it may see them

	provider *provider.Client // one of the two
	sink     *telemetry.Client
}

// start launches a plugin and shakes hands. The context bounds both; nothing is left of a process
// that did not make it.
func (h *Host) start(ctx context.Context, l launch) (_ *process, err error) {
	p := &process{free: func() {}}
	cert, secure, err := certificate()
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", l.plugin, err)
	}
	cmd, files, err := h.command(ctx, l, p)
	defer func() {
		if err != nil {
			p.free()
		}
		for _, f := range files { // the child has its own
			f.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		os.Remove(p.socket)
		return nil, fmt.Errorf("plugin %s: %w", l.plugin, err)
	}
	p.lifeline = theirs
	files = append(files, ours)
	cmd.ExtraFiles = append(cmd.ExtraFiles, ours)
	cmd.Env = append(cmd.Env, plugin.EnvLifeline+"="+strconv.Itoa(firstExtra+len(cmd.ExtraFiles)-1))

	log := l.log(h.Logger)
	p.child = newChild(cmd, l.plugin, &lines{log: log, secrets: l.secrets}, &h.brood)
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  plugin.Handshake(),
		VersionedPlugins: plugin.Sets(goplugin.PluginSet{kindProvider: &provider.Plugin{}, kindSink: &telemetry.Plugin{}}),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		TLSConfig:        secure,
		SkipHostEnv:      true,
		StartTimeout:     h.StartTimeout,
		Logger:           hclog.NewNullLogger(),
		SyncStdout:       &lines{log: log, secrets: l.secrets},
		SyncStderr:       &lines{log: log, secrets: l.secrets},
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: h.Dir},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(plugin.MaxMessage)), grpc.WithStreamInterceptor(brokerless), grpc.WithUnaryInterceptor(l.secrets.heard),
			grpc.WithTransportCredentials(control{plugin.OnlyPeer(func() int { return p.child.pid }), secure, func() *goplugin.Client { return p.client }}),
		},
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, dir string) (runner.Runner, error) {
			p.lookup = seen()
			p.child.dir, p.child.control = dir, h.path("control")
			cmd.Env = append(append(cmd.Env, spec.Env...), envCertificate+"="+cert)
			exes := []string{executable(cmd, files)}
			start := h.through(l.limits)
			if p.child.forks = l.limits.Children || l.limits.Open || start == nil; p.child.forks {
				h.forked.Store(true)
			}
			if start != nil {
				exes = append(exes, start[0])
				cmd.Args = slices.Concat(start, []string{cmd.Path}, cmd.Args)
				cmd.Path = start[0]
			}
			rules, err := contain(l.limits, dir, exes...)
			p.child.rules, p.contained = rules, rules.files()
			if err == nil {
				p.child.group, p.bounded = h.bound(l.limits)
				p.child.guard = &h.guard
			}
			return p.child, err
		},
	})
	if err := p.connect(ctx, l); err != nil {
		p.stop(0)
		if ctx.Err() != nil {
			err = fmt.Errorf("it did not answer in time: %w", context.Cause(ctx))
		}
		if p.child.limited != nil {
			err = p.child.limited
		}
		return nil, fmt.Errorf("plugin %s: %w", l.plugin, err)
	}
	return p, nil
}

// brokerless keeps go-plugin from asking a plugin for further connections, which nobody here wants: it keeps each that
// is offered, however many there are.
func brokerless(ctx context.Context, d *grpc.StreamDesc, c *grpc.ClientConn, method string, next grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
	if strings.HasPrefix(method, "/plugin.GRPCBroker/") {
		return nil, status.Error(codes.Unimplemented, "there is no broker")
	}
	return next(ctx, d, c, method, o...)
}

// command returns the command of a plugin and the files that it inherits, all of which the caller
// closes, and makes the process's socket.
func (h *Host) command(ctx context.Context, l launch, p *process) (cmd *exec.Cmd, files []*os.File, err error) {
	if builtin(l.plugin) {
		if cmd = h.Command(l.plugin); cmd == nil {
			return nil, nil, fmt.Errorf("plugin %s: there is no built-in plugin of that name; an executable is named by its path", l.plugin)
		}
	} else {
		exe, free, err := h.verified(ctx, l.plugin, l.sha256)
		if err != nil {
			return nil, nil, fmt.Errorf("plugin %s: %w", l.plugin, err)
		}
		p.free = free
		files = append(files, exe)
		// The descriptor is handed over, at a number that nothing else takes, so that what was
		// checked is what runs: the path may be another file by now.
		cmd = exec.Command("/proc/self/fd/" + strconv.Itoa(firstExtra))
		cmd.Args[0] = l.plugin
		cmd.ExtraFiles = []*os.File{exe}
	}
	if l.answers {
		p.socket = h.path("sock")
		s, err := plugin.Bind(p.socket)
		if err != nil {
			return nil, files, fmt.Errorf("plugin %s: %w", l.plugin, err)
		}
		files = append(files, s)
		cmd.ExtraFiles = append(cmd.ExtraFiles, s)
		cmd.Env = append(cmd.Env, plugin.EnvListener+"="+strconv.Itoa(firstExtra+len(cmd.ExtraFiles)-1))
	}
	return cmd, files, nil
}

// executable returns the path of what a command runs, as this process sees it.
func executable(cmd *exec.Cmd, files []*os.File) string {
	if strings.HasPrefix(cmd.Path, "/proc/self/fd/") {
		return "/proc/self/fd/" + strconv.Itoa(int(files[0].Fd()))
	}
	return cmd.Path
}

// connect starts the process and dispenses its contract.
func (p *process) connect(ctx context.Context, l launch) error {
	stop := context.AfterFunc(ctx, func() { p.child.Kill(context.Background()) })
	defer stop()
	protocol, err := p.client.Client()
	if err != nil {
		return incompatible(l.secrets.hideIn(err)) // before it is cut
	}
	p.version = p.client.NegotiatedVersion()
	rpc, err := protocol.Dispense(l.kind)
	if err != nil {
		return err
	}
	p.provider, _ = rpc.(*provider.Client)
	p.sink, _ = rpc.(*telemetry.Client)
	if g, ok := protocol.(*goplugin.GRPCClient); ok {
		p.health = grpc_health_v1.NewHealthClient(g.Conn)
	}
	return ctx.Err()
}

// incompatible says which versions there are where a plugin speaks none of them.
func incompatible(err error) error {
	_, versions, ok := strings.Cut(err.Error(), "incompatible API version with plugin. Plugin version: ")
	if !ok {
		return errors.New(plugin.Said(err.Error())) // it quotes what the plugin said
	}
	its, _, _ := strings.Cut(versions, ",")
	last := len(plugin.Versions) - 1
	ours := strings.ReplaceAll(strings.Trim(fmt.Sprint(plugin.Versions[:last]), "[]"), " ", ", ")
	return fmt.Errorf("it speaks version %s of the plugin protocol, this release speaks %s and %d: build it with another release of the SDK", its, ours, plugin.Versions[last])
}

// listens reports whether somebody listens on the socket on which a process is invoked.
func listens(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err == nil {
		c.Close()
	}
	return !errors.Is(err, syscall.ECONNREFUSED)
}

// alive asks the process whether it is healthy.
func (p *process) alive(ctx context.Context) error {
	_, err := p.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: goplugin.GRPCServiceName})
	return plugin.FromStatus(err)
}

// stop tells the process to end, kills it after the grace, and waits for everything that belongs to
// it.
func (p *process) stop(grace time.Duration) {
	if grace == 0 {
		p.child.Kill(context.Background())
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.client.Kill() // it waits forever for a process that does not answer
	}()
	timer := time.NewTimer(max(grace, time.Millisecond))
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		p.child.Kill(context.Background())
		<-done
	}
	p.lifeline.Close()
	p.child.close()
	p.free()
	if p.socket != "" {
		os.Remove(p.socket)
	}
	if p.child.dir != "" {
		os.RemoveAll(p.child.dir)
		os.Remove(p.child.control)
	}
}
