package plugin

import (
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// Run is a plugin's process: it serves set until the host ends it, or is itself gone. It does not
// return in a process that no host started.
func Run(set goplugin.PluginSet) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil))) // the host takes these lines apart
	signal.Ignore(os.Interrupt, syscall.SIGTERM)                   // meant for the host, which drains first
	if f := inherited(EnvLifeline); f != nil {
		go exitWithHost(f)
	}
	more := []grpc.ServerOption{grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage)}
	if host := os.Getppid(); checksPeers() {
		os.Unsetenv(envCertificate) // or it speaks TLS
		more = append(more, grpc.Creds(OnlyPeer(func() int { return host })))
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  Handshake(),
		VersionedPlugins: Sets(set),
		Logger:           hclog.NewNullLogger(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, more...)...)
		},
	})
}

// exitWithHost ends the process when the host is gone, however it went: nothing is ever written to
// the lifeline.
func exitWithHost(lifeline *os.File) {
	io.Copy(io.Discard, lifeline)
	os.Exit(0)
}
