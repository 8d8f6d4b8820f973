package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/ginnel/ginnel/core/access"
	"github.com/ginnel/ginnel/core/telemetry"
)

// SocketName is the control socket's name in the data directory.
const SocketName = "control.sock"

// maxSocketPath is what a unix socket's address holds on Linux, less the final zero.
const maxSocketPath = 107

// answerTime is how long a daemon has to answer a command: a reload may launch and compile.
const answerTime = buildTime + closeTime

// ErrNoDaemon says that no daemon answers on the control socket.
var ErrNoDaemon = errors.New("no daemon is running with this data directory")

var errNoTrace = errors.New("this exchange is not remembered: it has not ended, or too many ended since, or the daemon was started since; the log and the sinks have it")

// ReloadResult is the answer to a reload.
type ReloadResult struct {
	Changed     bool            `json:"changed"`
	Hash        string          `json:"hash"`
	Diagnostics hcl.Diagnostics `json:"-"`
	Text        string          `json:"diagnostics,omitempty"` // as the operator reads them
	Error       string          `json:"error,omitempty"`       // the configuration was right, applying it failed
}

// NewKey asks for a virtual key.
type NewKey struct {
	Name   string        `json:"name,omitempty"`
	Team   string        `json:"team,omitempty"`
	Models []string      `json:"models,omitempty"`
	TTL    time.Duration `json:"ttl,omitempty"` // nanoseconds
}

// CreatedKey is a new key with its text, which is shown this once.
type CreatedKey struct {
	*access.Key
	Text string `json:"key"`
}

// control serves the socket.
type control struct {
	server http.Server
	path   string
	done   chan struct{}
}

// listenControl serves the daemon's control socket, mode 0600, in the data directory.
func (d *Daemon) listenControl() (*control, error) {
	path := filepath.Join(d.dataDir, SocketName)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("control socket: the path %s is longer than %d bytes; choose a shorter data_dir", path, maxSocketPath)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // the store's lock says that it is stale
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		answer(w, d.Reload(context.WithoutCancel(r.Context()), "control socket"), nil)
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) { answer(w, d.Status(), nil) })
	mux.HandleFunc("GET /traces", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("last"))
		answer(w, d.telemetry.Recent(n, r.FormValue("failed") == "true"), err)
	})
	mux.HandleFunc("GET /traces/{id}", func(w http.ResponseWriter, r *http.Request) {
		t, ok := d.telemetry.Find(r.PathValue("id"))
		if !ok {
			answer(w, nil, errNoTrace)
			return
		}
		answer(w, t, nil)
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) { answer(w, d.keys.List(), nil) })
	mux.HandleFunc("POST /keys", d.postKey)
	mux.HandleFunc("POST /keys/{id}/revoke", func(w http.ResponseWriter, r *http.Request) {
		key, err := d.keys.Revoke(r.PathValue("id"))
		if err == nil {
			d.log.Info("key revoked", "key", key.ID, "by", "control socket")
		}
		answer(w, key, err)
	})
	c := &control{path: path, done: make(chan struct{}), server: http.Server{
		Handler: &operators{Handler: mux, log: d.log}, ConnContext: withIncoming, ReadHeaderTimeout: 10 * time.Second,
	}}
	go func() {
		defer close(c.done)
		c.server.Serve(callers{l})
	}()
	return c, nil
}

func (c *control) Close(ctx context.Context) error {
	err := c.server.Shutdown(ctx)
	if err != nil {
		c.server.Close()
	}
	<-c.done
	return nil
}

func (d *Daemon) postKey(w http.ResponseWriter, r *http.Request) {
	var n NewKey
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&n); err != nil {
		answer(w, nil, err)
		return
	}
	created, err := d.CreateKey(n)
	if err == nil {
		d.log.Info("key created", "key", created.ID, "team", created.Team, "by", "control socket")
	}
	answer(w, created, err)
}

func createKey(keys *access.Keys, n NewKey) (CreatedKey, error) {
	key, text, err := keys.Create(access.Spec{Name: n.Name, Team: n.Team, Models: n.Models, TTL: n.TTL})
	return CreatedKey{key, text}, err
}

// answer writes a value or, with status 400, an error.
func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		v = map[string]string{"error": err.Error()}
	}
	json.NewEncoder(w).Encode(v)
}

// Client talks to a running daemon through its control socket.
type Client struct{ http http.Client }

// Dial returns a client for the daemon of a data directory. ErrNoDaemon says that there is none.
func Dial(ctx context.Context, dataDir string) (*Client, error) {
	path := filepath.Join(dataDir, SocketName)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	conn, err := dial(ctx, "", "")
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("control socket: %w (run this as the daemon's user)", err)
	case err != nil:
		return nil, ErrNoDaemon
	}
	conn.Close()
	return &Client{http.Client{Timeout: answerTime, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}, nil
}

// Reload makes the daemon read its file again.
func (c *Client) Reload(ctx context.Context) (r ReloadResult, err error) {
	return r, c.do(ctx, "POST", "/reload", nil, &r)
}

// Status asks how the daemon is.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.do(ctx, "GET", "/status", nil, &s)
}

// Traces returns the exchanges that ended last, the newest first, n at most; with failed, of those that failed.
func (c *Client) Traces(ctx context.Context, n int, failed bool) (t []telemetry.Trace, err error) {
	return t, c.do(ctx, "GET", "/traces?last="+strconv.Itoa(n)+"&failed="+strconv.FormatBool(failed), nil, &t)
}

// Trace returns the exchange with a request id or a trace id.
func (c *Client) Trace(ctx context.Context, id string) (t telemetry.Trace, err error) {
	return t, c.do(ctx, "GET", "/traces/"+url.PathEscape(id), nil, &t)
}

// CreateKey makes a virtual key.
func (c *Client) CreateKey(ctx context.Context, n NewKey) (k CreatedKey, err error) {
	return k, c.do(ctx, "POST", "/keys", n, &k)
}

// ListKeys lists the virtual keys.
func (c *Client) ListKeys(ctx context.Context) (k []*access.Key, err error) {
	return k, c.do(ctx, "GET", "/keys", nil, &k)
}

// RevokeKey ends a virtual key.
func (c *Client) RevokeKey(ctx context.Context, id string) (k *access.Key, err error) {
	return k, c.do(ctx, "POST", "/keys/"+url.PathEscape(id)+"/revoke", nil, &k)
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://daemon"+path, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var said struct{ Error string }
		if json.NewDecoder(resp.Body).Decode(&said) == nil && said.Error != "" {
			return errors.New(said.Error)
		}
		return fmt.Errorf("control socket: status %d", resp.StatusCode)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
