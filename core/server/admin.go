package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ginnel/ginnel/core/server/cert"
)

const (
	adminHeader = 16 << 10
	adminBody   = 4 << 20
)

// AdminConfig is what the admin listener needs.
type AdminConfig struct {
	Address  string
	Listener net.Listener // an inherited one, used in place of Address
	TLS      cert.Config
	Ready    func() error            // why the daemon is not ready; nil = it always is
	Metrics  http.Handler            // nil = none
	Handlers map[string]http.Handler // by pattern of net/http
	Logger   *slog.Logger
}

// Admin is the operator's listener: health, readiness, metrics and whatever else is given. It runs
// on net/http, for which consoles, profiles and metrics are written; no client's request passes it.
type Admin struct {
	http     *http.Server
	ln       net.Listener
	certs    *cert.Source
	ready    func() error
	log      *slog.Logger
	draining atomic.Bool
	served   chan struct{}
}

// ListenAdmin opens the admin listener and serves it until Close.
func ListenAdmin(ctx context.Context, c AdminConfig) (*Admin, error) {
	if c.Logger == nil {
		return nil, errors.New("admin: logger is required")
	}
	a := &Admin{ln: c.Listener, ready: c.Ready, log: c.Logger.With("listener", "admin"), served: make(chan struct{})}
	c.TLS.Logger = a.log
	var err error
	if a.certs, err = cert.Open(ctx, c.TLS); err != nil {
		return nil, fmt.Errorf("admin listener: %w", err)
	}
	if a.ln == nil {
		if a.ln, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.Address); err != nil {
			a.certs.Close()
			return nil, fmt.Errorf("admin listener: %w", err)
		}
	}
	serve := a.ln
	if config := a.certs.TLS(); config != nil {
		serve = tls.NewListener(serve, config)
	}
	a.http = &http.Server{
		Handler:           a.handler(c),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    adminHeader,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(a.served)
		if err := a.http.Serve(serve); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("admin listener", "error", err)
		}
	}()
	return a, nil
}

// Addr returns the address the listener is at.
func (a *Admin) Addr() net.Addr { return a.ln.Addr() }

// Drain makes /readyz fail from now on, so that no balancer sends anything more. The listener goes
// on until Close: whoever watches the drain needs it.
func (a *Admin) Drain() { a.draining.Store(true) }

// Close ends the listener when its requests have ended, or cuts them when ctx ends.
func (a *Admin) Close(ctx context.Context) error {
	a.Drain()
	err := a.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, a.http.Close())
	}
	<-a.served
	a.certs.Close()
	return err
}

func (a *Admin) handler(c AdminConfig) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plainText(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", a.readyz)
	if c.Metrics != nil {
		mux.Handle("GET /metrics", c.Metrics)
	}
	for pattern, h := range c.Handlers {
		mux.Handle(pattern, h)
	}
	// A page that the operator's browser has open must not act on the daemon.
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, adminBody)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		guarded.ServeHTTP(w, r)
	})
}

func (a *Admin) readyz(w http.ResponseWriter, _ *http.Request) {
	if a.draining.Load() {
		plainText(w, http.StatusServiceUnavailable, "draining")
		return
	}
	if a.ready != nil {
		if err := a.ready(); err != nil {
			plainText(w, http.StatusServiceUnavailable, err.Error())
			return
		}
	}
	plainText(w, http.StatusOK, "ready")
}

func plainText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, text+"\n")
}
