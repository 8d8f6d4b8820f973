package config

import (
	"strings"
	"time"

	"github.com/ginnel/ginnel/sdk/schema"
)

// BuiltinPrefix begins the name of a filter's module that is part of the binary.
const BuiltinPrefix = "builtin:"

// Filter is a filter block.
type Filter struct {
	Name         string
	Wasm         string // "builtin:NAME" or a path
	SHA256       string
	Limits       FilterLimits
	OnError      string // closed or open
	GrantHTTP    []string
	GrantPrivate *bool // whether they may be at private addresses; nil = by their names
	GrantKV      bool
	GrantShared  bool
	GrantRedis   []string          // servers, for proxy-wasm
	Clusters     map[string]string // names of origins of GrantHTTP and servers of GrantRedis, for proxy-wasm
	Rates        []*Rate
	Config       *Opaque
	ConfigText   string // instead of Config, for proxy-wasm
}

// FilterLimits is what one instance may use.
type FilterLimits struct {
	Memory    int64
	Output    int64
	HostCalls int
	Time      time.Duration
	Pause     time.Duration
}

// Rate is what a filter's rate_take counts under a name.
type Rate struct {
	Name       string
	Limit      string // "600/1m"
	SlowDownAt float64
}

func filterShape() *schema.Block {
	return &schema.Block{
		Doc: "A WASM filter, with what it may use.", Labels: []string{"name"},
		Attrs: []schema.Attr{
			{Name: "wasm", Kind: schema.String, Doc: "`builtin:headers`, `builtin:ratelimit`, `builtin:sanitize`, or the path of a module."},
			{Name: "sha256", Kind: schema.String, Optional: true, Doc: "The module's digest, in hex; required for one that is not built in."},
			{Name: "limits", Kind: schema.Object, Optional: true, Doc: "What one instance may use.", Fields: []schema.Attr{
				{Name: "memory", Kind: schema.Size, Default: "32MiB", Doc: "Its memory."},
				{Name: "time", Kind: schema.Duration, Default: "10ms", Doc: "One callback, and as much again for each MiB of its text."},
				{Name: "host_calls", Kind: schema.Int, Default: "1000", Doc: "Calls of the host in one callback, besides four for each text."},
				{Name: "output", Kind: schema.Size, Default: "1MiB", Doc: "What one callback may write, or four times what it was shown."},
				{Name: "pause", Kind: schema.Duration, Default: "30s", Doc: "How long an exchange may wait for the filter's calls, in all."},
			}},
			{Name: "on_error", Kind: schema.String, Default: "closed", Enum: []string{"closed", "open"}, Doc: "What happens to a request when the filter fails: `closed` refuses it, `open` lets it pass unfiltered, and notes so on it: `failed_open`, with the phase."},
			{Name: "config_text", Kind: schema.String, Optional: true, Doc: "Instead of a `config` block, for a proxy-wasm module: its configuration as it expects it, such as `file(\"rules.yaml\")`."},
			{Name: "grant", Kind: schema.Object, Optional: true, Doc: "What the filter may reach beyond the exchange; it must also ask for it in its manifest.", Fields: []schema.Attr{
				{Name: "http", Kind: schema.Strings, Optional: true, Doc: "Origins it may call: `https://host[:port]`."},
				{Name: "redis", Kind: schema.Strings, Optional: true, Doc: "For a proxy-wasm module: Redis servers it may call, `redis://host[:port]`, or `rediss://` for TLS. Names and passwords are the module's own configuration."},
				{Name: "private", Kind: schema.Bool, Optional: true, Doc: "Whether the names in `http` and `redis` may lead to private addresses, as in a provider block."},
				{Name: "kv", Kind: schema.Bool, Optional: true, Doc: "Whether it may keep values in the store."},
				{Name: "shared", Kind: schema.Bool, Optional: true, Doc: "Whether one instance may serve several tenants."},
				{Name: "clusters", Kind: schema.Map, Optional: true, Doc: "For a proxy-wasm module: the names by which it calls origins of `http` and servers of `redis`. An origin, its host, its host and port and `outbound|PORT||HOST` need none."},
			}},
		},
		Blocks: map[string]*schema.Block{
			"config": configShape("filter"),
			"rate": {
				Doc: "What the filter's rate_take counts under this name.", Labels: []string{"name"},
				Attrs: []schema.Attr{
					{Name: "limit", Kind: schema.Rate, Doc: "Requests per time, such as `600/1m`."},
					{Name: "slow_down_at", Kind: schema.Ratio, Optional: true, Doc: "The used share from which requests are slowed down before they are refused, such as `80%`."},
				},
			},
		},
	}
}

func (b *builder) filter(n *node) {
	f := &Filter{
		Name: n.label(), Wasm: get[string](n, "wasm"), SHA256: get[string](n, "sha256"),
		Limits: FilterLimits{
			Memory: get[int64](n, "limits.memory"), Output: get[int64](n, "limits.output"), HostCalls: int(get[int64](n, "limits.host_calls")),
			Time: get[time.Duration](n, "limits.time"), Pause: get[time.Duration](n, "limits.pause"),
		},
		OnError:   get[string](n, "on_error"),
		GrantHTTP: get[[]string](n, "grant.http"), GrantPrivate: optional[bool](n, "grant.private"), GrantKV: get[bool](n, "grant.kv"), GrantShared: get[bool](n, "grant.shared"),
		GrantRedis: get[[]string](n, "grant.redis"), Clusters: get[map[string]string](n, "grant.clusters"),
		Config: b.opaque(n), ConfigText: get[string](n, "config_text"),
	}
	if at := n.attrs["wasm"]; at.v != nil {
		switch {
		case strings.HasPrefix(f.Wasm, BuiltinPrefix):
			if f.SHA256 != "" {
				b.errorf(n.attrs["sha256"].rng, "Unsupported argument", "A built-in filter has no sha256 of its own.")
			}
		default:
			f.Wasm = b.eval.path(f.Wasm)
			b.digest(n, f.SHA256, f.Wasm)
		}
	}
	for _, rn := range n.all("rate") {
		r := &Rate{Name: rn.label(), Limit: get[string](rn, "limit"), SlowDownAt: get[float64](rn, "slow_down_at")}
		if at := rn.attrs["limit"]; at.v != nil {
			b.rate(at)
		}
		f.Rates = append(f.Rates, r)
	}
	if f.Wasm != "" {
		b.checkConfig(n, f.Config, func() (*schema.Block, error) {
			if b.options.FilterSchema == nil {
				return nil, nil
			}
			shape, err := b.options.FilterSchema(f)
			if shape != nil && f.ConfigText != "" && (!shape.Opaque || f.Config.body != nil) {
				b.errorf(n.attrs["config_text"].rng, "Unsupported argument", "A filter is configured by a config block; config_text is for a proxy-wasm module that has none.")
			}
			return shape, err
		})
	}
	b.define(n, f)
	b.cfg.Filters = append(b.cfg.Filters, f)
}

// rate checks how a rate is written: a count with an optional k or M, a slash, and a duration whose
// number may be left out.
func (b *builder) rate(at *value) {
	s, _ := at.v.(string)
	count, per, _ := strings.Cut(s, "/")
	digits := strings.TrimRight(count, "kM")
	if per != "" && (per[0] < '0' || per[0] > '9') {
		per = "1" + per
	}
	d, err := parseDuration(per)
	if err != nil || d == 0 || digits == "" || len(count)-len(digits) > 1 || len(digits) > 9 || strings.Trim(digits, "0123456789") != "" || strings.Trim(digits, "0") == "" {
		b.errorf(at.rng, "Invalid value", "%s: %q is not a rate: write a count and a time, such as \"600/1m\".", at.shape.Name, s)
	}
}
