// Package server accepts connections, guards their framing, builds an exchange of each request,
// has it served and writes the answer: it is the only part that speaks HTTP with clients.
//
// It knows no routes, keys, dialects or filters (package gateway does), and nothing of upstreams.
// The data plane runs on fasthttp; the admin listener on net/http.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/server/cert"
	"github.com/ginnel/ginnel/core/server/guard"
	"github.com/ginnel/ginnel/core/spool"
	"github.com/ginnel/ginnel/sdk/hangup"
)

// Limits bounds what clients may use. A zero is replaced by the default.
type Limits struct {
	Header      int   // bytes of a request's head; 16 KiB
	Body        int64 // bytes of a request's body; 32 MiB
	Form        int64 // the same of form data, where Config.Spool is set; 512 MiB
	Bodies      int64 // bytes of all bodies that are being received or served; 1 GiB
	Exchanges   int   // at the same time; 4096
	Connections int   // at the same time; 16384

	HeaderTimeout time.Duration // from the first byte of a request, and for the TLS handshake; 10 s
	BodyTimeout   time.Duration // for the whole body; 60 s
	IdleTimeout   time.Duration // between requests, and before the first; 120 s
	WriteTimeout  time.Duration // without the client taking anything; 30 s
	Linger        time.Duration // for a refused client to stop sending; 2 s

	RetryAfter time.Duration // told to clients that are shed; 1 s
	Farewell   time.Duration // for the last words of exchanges cut by Drain; 5 s
}

func (l Limits) withDefaults() Limits {
	put(&l.Header, 16<<10)
	put(&l.Body, 32<<20)
	put(&l.Form, 512<<20)
	put(&l.Bodies, 1<<30)
	put(&l.Exchanges, 4096)
	put(&l.Connections, 16384)
	put(&l.HeaderTimeout, 10*time.Second)
	put(&l.BodyTimeout, 60*time.Second)
	put(&l.IdleTimeout, 120*time.Second)
	put(&l.WriteTimeout, 30*time.Second)
	put(&l.Linger, 2*time.Second)
	put(&l.RetryAfter, time.Second)
	put(&l.Farewell, 5*time.Second)
	return l
}

func put[T comparable](v *T, standard T) {
	var zero T
	if *v == zero {
		*v = standard
	}
}

// Config is what a listener needs.
type Config struct {
	Name     string
	Address  string       // host:port
	Listener net.Listener // an inherited one, used in place of Address; the server closes it
	TLS      cert.Config  // its Logger may be nil
	Limits   Limits
	Spool    spool.Create // makes the files for long form data; nil = it is held in memory, and no longer than another body
	Handler  exchange.Handler
	Watcher  *hangup.Watcher // shared by all listeners of a process; the caller closes it after them
	Logger   *slog.Logger
}

// Stats counts what a listener did; the totals only grow.
type Stats struct {
	Connections int64  // open
	Exchanges   int64  // live
	Served      uint64 // exchanges handed to the handler
	Refused     uint64 // requests refused before they became an exchange
	Shed        uint64 // requests refused because of too many exchanges
}

// Server is one listener. It is safe for concurrent use.
type Server struct {
	name    string
	address string
	log     *slog.Logger
	watcher *hangup.Watcher
	ln      net.Listener

	set atomic.Pointer[settings]

	live      atomic.Int64
	bodies    atomic.Int64 // bytes reserved
	forms     atomic.Int64 // the same, of form data and its files
	strangers atomic.Int64 // short bodies whose callers are not known
	served    atomic.Uint64
	refused   atomic.Uint64
	shed      atomic.Uint64
	draining  atomic.Bool
	buffers   sync.Pool // of websockets, for what they write

	accepting chan struct{} // closed when the accept loop has ended
	drained   chan struct{} // closed when Drain has ended

	mu    sync.Mutex
	conns map[*conn]struct{}
	empty chan struct{} // closed when draining and conns is empty
}

// settings is what a Change replaces.
type settings struct {
	handler exchange.Handler
	limits  Limits
	spool   spool.Create
	tls     cert.Config
	certs   *cert.Source
	config  *tls.Config // nil without TLS
	http    *fasthttp.Server
}

// Listen opens the listener and serves it until Drain.
func Listen(ctx context.Context, c Config) (*Server, error) {
	if c.Handler == nil || c.Logger == nil || c.Watcher == nil {
		return nil, errors.New("server: handler, logger and watcher are required")
	}
	s := &Server{
		name: c.Name, address: c.Address, watcher: c.Watcher,
		log:       c.Logger.With("listener", c.Name),
		conns:     make(map[*conn]struct{}),
		accepting: make(chan struct{}), drained: make(chan struct{}), empty: make(chan struct{}),
	}
	set, err := s.settings(ctx, c, nil)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", c.Name, err)
	}
	s.set.Store(set)
	if s.ln = c.Listener; s.ln == nil {
		if s.ln, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.Address); err != nil {
			set.certs.Close()
			return nil, fmt.Errorf("listener %s: %w", c.Name, err)
		}
	}
	go s.accept()
	return s, nil
}

// Addr returns the address the server listens on.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	open := len(s.conns)
	s.mu.Unlock()
	return Stats{
		Connections: int64(open), Exchanges: s.live.Load(), Served: s.served.Load(),
		Refused: s.refused.Load(), Shed: s.shed.Load(),
	}
}

// Change is a server's new settings, ready to be put into force: Commit or Discard it.
type Change struct {
	server *Server
	old    *settings
	set    *settings
}

// Prepare makes ready what is to replace handler, limits and certificates while the address stays:
// all that can fail. One change at a time is prepared.
func (s *Server) Prepare(ctx context.Context, c Config) (*Change, error) {
	if c.Address != s.address {
		return nil, fmt.Errorf("listener %s: its address cannot change from %s to %s", s.name, s.address, c.Address)
	}
	if s.draining.Load() {
		return nil, fmt.Errorf("listener %s: it is being drained", s.name)
	}
	old := s.set.Load()
	set, err := s.settings(ctx, c, old)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", s.name, err)
	}
	return &Change{s, old, set}, nil
}

// Commit puts the change into force. Requests that are being served are not affected; the size of a
// head on a connection that is open may stay bounded by the old limit.
func (c *Change) Commit() {
	c.server.set.Store(c.set)
	if c.set.certs != c.old.certs {
		c.old.certs.Close()
	}
}

// Discard gives up the change.
func (c *Change) Discard() {
	if c.set.certs != c.old.certs {
		c.set.certs.Close()
	}
}

// settings makes the settings of c, taking from old what is the same.
func (s *Server) settings(ctx context.Context, c Config, old *settings) (*settings, error) {
	set := &settings{handler: c.Handler, limits: c.Limits.withDefaults(), spool: c.Spool, tls: c.TLS}
	set.tls.Logger = s.log
	if host, _, err := net.SplitHostPort(c.Address); err == nil && set.tls.Mode == cert.Internal {
		if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
			set.tls.Names = append(set.tls.Names[:len(set.tls.Names):len(set.tls.Names)], host)
		}
	}
	if old != nil && old.tls.Same(set.tls) {
		set.certs, set.config = old.certs, old.config
	} else {
		certs, err := cert.Open(ctx, set.tls)
		if err != nil {
			return nil, err
		}
		set.certs, set.config = certs, certs.TLS()
	}
	if old != nil && old.limits.Header == set.limits.Header {
		set.http = old.http
	} else {
		set.http = s.http(set.limits)
	}
	return set, nil
}

// http makes the fasthttp server that parses the heads of requests and writes answers. Bodies, time limits and sizes
// are the connection's and its guard's business, so that they can change.
func (s *Server) http(l Limits) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      s.serve,
		ErrorHandler:                 s.serveError,
		ConnState:                    connState,
		Concurrency:                  math.MaxInt32,
		ReadBufferSize:               l.Header + 1<<10,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		LazyRequestTime:              true,
		SecureErrorLogMessage:        true,
		Logger:                       quiet{s.log},
	}
}

// quiet takes what fasthttp has to say about single connections.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(format string, args ...any) {
	if q.log.Enabled(context.Background(), slog.LevelDebug) {
		q.log.Debug("fasthttp", "message", fmt.Sprintf(format, args...))
	}
}

// accept hands each connection its goroutine until the listener is closed.
func (s *Server) accept() {
	defer close(s.accepting)
	pause := time.Duration(0)
	for {
		nc, err := s.ln.Accept()
		switch {
		case err == nil:
			pause = 0
			s.open(nc)
		case errors.Is(err, net.ErrClosed) || s.draining.Load():
			return
		default: // out of descriptors, most likely: others have to end first
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.Warn("connection not accepted", "error", err, "retry_in", pause)
			time.Sleep(pause)
		}
	}
}

// open registers a connection and serves it.
func (s *Server) open(nc net.Conn) {
	set := s.set.Load()
	s.mu.Lock()
	full := len(s.conns) >= set.limits.Connections
	s.mu.Unlock()
	if full {
		s.shed.Add(1)
		nc.Close()
		return
	}
	c := newConn(s, set, nc)
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	go func() {
		defer s.forget(c)
		c.run(set)
	}()
}

// forget ends a connection's registration.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.draining.Load() {
		select {
		case <-s.empty:
		default:
			close(s.empty)
		}
	}
}

// guardLimits is what the guard of a connection asks for at each message.
func (s *Server) guardLimits(head int) guard.Limits {
	set := s.set.Load()
	l := guard.Limits{Head: min(set.limits.Header, head), Body: set.limits.Body}
	if set.spool != nil {
		l.Form = set.limits.Form
	}
	return l
}
