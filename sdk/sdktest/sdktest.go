// Package sdktest drives a plugin as a host does, over a real gRPC connection and a real unix socket,
// and holds it to the contracts of packages provider and telemetry: a list of what every plugin must
// do and must not, each a subtest.
//
// The plugin runs in the test's own process, so that its tests need no executable; launching and
// supervision are the host's tests.
package sdktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/plugin"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/telemetry"
)

// Deadline is how long anything may take; machines that test stall.
const Deadline = 30 * time.Second

// T is what the list needs of *testing.T: `ginnel plugins verify` has one of its own, for an executable.
type T interface {
	teller
	ender
}

// teller says what is wrong.
type teller interface {
	Helper()
	Log(args ...any)
	Error(args ...any)
	Errorf(format string, args ...any)
}

// ender ends a check; what Cleanup is given is called afterwards, in reverse order.
type ender interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Skip(args ...any)
	Cleanup(func())
}

// Host is a plugin under test, with the host's ends of its connections.
type Host struct {
	Provider *provider.Client // of a provider
	Sink     *telemetry.Client
	Server   *provider.Server // of a provider that is invoked
	Socket   string
	HTTP     *http.Client // speaks to the socket, whatever the address says
}

// StartProvider serves a provider and connects to it. It ends with the test.
func StartProvider(t T, p provider.Provider) *Host {
	t.Helper()
	served := &provider.Plugin{Provider: p}
	h := &Host{}
	if i, ok := p.(provider.Invoker); ok {
		h.serve(t, i)
		served.Invoke = h.Server
	}
	h.Provider = provider.NewClient(pair(t, func(s *grpc.Server) error { return served.GRPCServer(nil, s) }))
	return h
}

// StartSink serves a sink and connects to it. It ends with the test.
func StartSink(t T, s telemetry.Sink) *Host {
	t.Helper()
	served := &telemetry.Plugin{Sink: s}
	return &Host{Sink: telemetry.NewClient(pair(t, func(g *grpc.Server) error { return served.GRPCServer(nil, g) }))}
}

// serve answers calls on a socket of the kind that a host hands over.
func (h *Host) serve(t T, i provider.Invoker) {
	t.Helper()
	h.Socket = filepath.Join(tempDir(t), "invoke.sock")
	f, err := plugin.Bind(h.Socket)
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	l, err := plugin.Listen(f)
	if err != nil {
		t.Fatal(err)
	}
	if h.Server, err = provider.NewServer(i); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Server.Serve(l, os.Getpid())
	}()
	h.dial(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Deadline)
		defer cancel()
		if err := h.Server.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		<-done
	})
}

// Attach returns a host of a provider that runs already: the client of its control protocol, and the
// socket on which it answers calls, where it is invoked.
func Attach(t T, p *provider.Client, socket string) *Host {
	h := &Host{Provider: p, Socket: socket}
	h.dial(t)
	return h
}

// dial makes the client of the socket.
func (h *Host) dial(t T) {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", h.Socket)
		},
		DisableCompression: true,
	}
	h.HTTP = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
}

// pair returns a connection to a gRPC server on a unix socket, with what register registers.
func pair(t T, register func(*grpc.Server) error) *grpc.ClientConn {
	t.Helper()
	path := filepath.Join(tempDir(t), "control.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.MaxRecvMsgSize(plugin.MaxMessage))
	if err := register(s); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(l)
	}()
	c, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(plugin.MaxMessage)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.Stop()
		<-done
	})
	return c
}

// tempDir returns a directory whose path is short enough for a socket.
func tempDir(t T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sdk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Answer is what came of a call.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Err    error // of the body: nil after a clean end only
}

// Invoke makes a call over the socket, as the host's transport does.
func (h *Host) Invoke(ctx context.Context, call *llm.Call) (*Answer, error) {
	resp, err := h.Open(ctx, call)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &Answer{Status: resp.StatusCode, Header: resp.Header}
	a.Body, a.Err = io.ReadAll(resp.Body)
	return a, nil
}

// Open makes a call and returns when the head of its answer is there.
func (h *Host) Open(ctx context.Context, call *llm.Call) (*http.Response, error) {
	info, err := h.Provider.Describe(ctx)
	if err != nil {
		return nil, err
	}
	t := provider.InvokePaths(info).Find(call.Op, call.Dialect)
	if t == nil {
		return nil, fmt.Errorf("the plugin does not offer %s in the dialect %s", call.Op, call.Dialect)
	}
	u, err := url.Parse("http://plugin" + string(t.AppendPath(nil, call.Model, call.Stream)))
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, t.Method, u.String(), bytes.NewReader(call.Body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("content-type", "application/json")
	req.Header.Set("x-request-id", call.ID)
	if call.Once {
		req.Header.Set(provider.OnceHeader, "1")
	}
	for _, f := range call.Header {
		req.Header.Add(f.Name, f.Value)
	}
	return h.HTTP.Do(req)
}

// code returns the code of an error that came from a plugin.
func code(err error) llm.Code {
	var e *llm.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
