package config

import (
	"log/slog"
	"path/filepath"
	"time"

	"github.com/ginnel/ginnel/sdk/schema"
)

// Gateway is the gateway block: what holds for the whole daemon.
type Gateway struct {
	Environment string
	DataDir     string // absolute or relative to the working directory
	Limits      Limits
	LogLevel    slog.Level
	LogFormat   string // auto, text or json
}

// Limits are the bounds of gateway.limits.
type Limits struct {
	ConcurrentRequests int64
	Body, Form, Header int64 // bytes
	Drain              time.Duration
	HeaderTimeout      time.Duration
	BodyTimeout        time.Duration
	IdleTimeout        time.Duration
	WriteTimeout       time.Duration
	Session            time.Duration
	Tenant             AtOnce
}

// AtOnce is what a tenant may have under way.
type AtOnce struct{ Sessions, Uploads int64 }

func gatewayShape() *schema.Block {
	return &schema.Block{
		Doc: "What holds for the whole daemon.", Max: 1,
		Attrs: []schema.Attr{
			{Name: "environment", Kind: schema.String, Optional: true, Doc: "The name of the environment: `gateway.NAME.hcl` beside this file is laid over it. Usually `env(\"GINNEL_ENV\", \"production\")`."},
			{Name: "data_dir", Kind: schema.String, Default: "./data", Restart: true, Doc: "The directory of state.db, the control socket, ca.pem, the master key and the module cache; relative to this file."},
			{Name: "limits", Kind: schema.Object, Optional: true, Doc: "What clients may use.", Fields: []schema.Attr{
				{Name: "concurrent_requests", Kind: schema.Int, Default: "4096", Env: "MAX_CONCURRENT_REQUESTS", Doc: "Requests that each listener serves at once, without those whose bodies are still coming; more are answered 503 with Retry-After."},
				{Name: "body", Kind: schema.Size, Default: "32MiB", Doc: "The largest request body; more is answered 413."},
				{Name: "form", Kind: schema.Size, Default: "512MiB", Doc: "The largest form data, as files are sent in; more is answered 413. What is beyond the first mebibyte of it is kept in a file under data_dir as long as the request lasts, all together no more than sixteen times this."},
				{Name: "header", Kind: schema.Size, Default: "16KiB", Doc: "The largest request head; more is answered 431."},
				{Name: "drain", Kind: schema.Duration, Default: "30s", Doc: "How long open requests may go on after a reload or a stop before they are told."},
				{Name: "header_timeout", Kind: schema.Duration, Default: "10s", Doc: "For a request's head and the TLS handshake; later is answered 408."},
				{Name: "body_timeout", Kind: schema.Duration, Default: "60s", Doc: "For a request's body, and for as many bytes of longer form data as a body may have; later is answered 408."},
				{Name: "idle_timeout", Kind: schema.Duration, Default: "120s", Doc: "Between two requests of a connection."},
				{Name: "session", Kind: schema.Duration, Default: "1h", Doc: "How long a realtime session may last; then both sides are told that it is over (1001)."},
				{Name: "write_timeout", Kind: schema.Duration, Default: "30s", Doc: "How long a client may take nothing of an answer."},
				{Name: "tenant_sessions", Kind: schema.Int, Default: "256", Doc: "Realtime sessions that a tenant may have at once: a team, or a key without one, which its team's `limit` may overrule; more are answered 429 with Retry-After. Where no key is asked for, an address has as many (of IPv6, a network of 64 bits), and all clients of a proxy are one."},
				{Name: "tenant_uploads", Kind: schema.Int, Default: "128", Doc: "The same of requests whose bodies are still coming, of more than 64 KiB or of a length that nobody says. Form data counts once for each `body` in it: with the defaults a tenant may be sending eight of the largest files."},
			}},
			{Name: "log", Kind: schema.Object, Optional: true, Doc: "The daemon's own log, on standard error.", Fields: []schema.Attr{
				{Name: "level", Kind: schema.String, Default: "info", Enum: []string{"debug", "info", "warn", "error"}, Env: "LOG_LEVEL", Doc: "The least level that is written."},
				{Name: "format", Kind: schema.String, Default: "auto", Enum: []string{"auto", "text", "json"}, Env: "LOG_FORMAT", Restart: true, Doc: "`auto` is colour on a terminal and JSON elsewhere. Durations are written as here, `1.5s`, but for those whose name says `ms`, which are numbers."},
			}},
		},
	}
}

func (b *builder) gateway() {
	n := b.cfg.root.one("gateway")
	if n == nil {
		n = &node{shape: gatewayShape(), kind: "gateway", rng: b.cfg.root.rng, attrs: map[string]*value{}}
		b.complete(n)
	}
	g := &b.cfg.Gateway
	g.Environment = get[string](n, "environment")
	g.DataDir = filepath.Clean(b.eval.path(get[string](n, "data_dir")))
	g.Limits = Limits{
		ConcurrentRequests: get[int64](n, "limits.concurrent_requests"),
		Body:               get[int64](n, "limits.body"),
		Form:               get[int64](n, "limits.form"),
		Header:             get[int64](n, "limits.header"),
		Drain:              get[time.Duration](n, "limits.drain"),
		HeaderTimeout:      get[time.Duration](n, "limits.header_timeout"),
		BodyTimeout:        get[time.Duration](n, "limits.body_timeout"),
		IdleTimeout:        get[time.Duration](n, "limits.idle_timeout"),
		WriteTimeout:       get[time.Duration](n, "limits.write_timeout"),
		Session:            get[time.Duration](n, "limits.session"),
		Tenant:             AtOnce{Sessions: get[int64](n, "limits.tenant_sessions"), Uploads: get[int64](n, "limits.tenant_uploads")},
	}
	b.positive(n, "limits.", "concurrent_requests", "body", "form", "header", "header_timeout", "body_timeout", "idle_timeout", "write_timeout", "session", "tenant_sessions", "tenant_uploads")
	g.LogFormat = get[string](n, "log.format")
	if text := get[string](n, "log.level"); text != "" {
		g.LogLevel.UnmarshalText([]byte(text)) // one of the enum
	}
}

// positive reports the numbers and durations of an object that are not above 0.
func (b *builder) positive(n *node, object string, names ...string) {
	for _, name := range names {
		if at := n.at(object + name); at != nil && at.v != nil {
			number, isNumber := at.v.(int64)
			long, isLong := at.v.(time.Duration)
			if isNumber && number <= 0 || isLong && long <= 0 {
				b.errorf(at.rng, "Invalid value", "%s: it must be more than 0.", name)
			}
		}
	}
}
