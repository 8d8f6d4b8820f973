package config

import (
	"time"

	"github.com/ginnel/ginnel/sdk/schema"
)

// Telemetry is a telemetry block: a sink.
type Telemetry struct {
	Name     string
	Plugin   string
	SHA256   string
	Memory   int64
	Flush    time.Duration
	WhenFull string // drop_oldest or drop_newest
	Process  Process
	Config   *Opaque
	Locked   *Locked // what the lock file says about the executable; nil where it does not
}

func telemetryShape() *schema.Block {
	return &schema.Block{
		Doc: "A sink for what happens: one event for each exchange, as OpenTelemetry.", Labels: []string{"name"},
		Attrs: []schema.Attr{
			{Name: "plugin", Kind: schema.String, Doc: "The name of a built-in plugin, or the path of an executable."},
			{Name: "sha256", Kind: schema.String, Optional: true, Doc: "The executable's digest, in hex; required for one that is not built in."},
			{Name: "queue", Kind: schema.Object, Optional: true, Doc: "What waits for the sink. It never delays a request.", Fields: []schema.Attr{
				{Name: "memory", Kind: schema.Size, Default: "64MiB", Doc: "How much may wait."},
				{Name: "flush", Kind: schema.Duration, Default: "5s", Env: "TELEMETRY_FLUSH_INTERVAL", Doc: "How long an event waits for others to go with it."},
				{Name: "when_full", Kind: schema.String, Default: "drop_oldest", Enum: []string{"drop_oldest", "drop_newest"}, Doc: "Which events are dropped, and counted, when no more fit."},
			}},
			processShape("false"),
		},
		Blocks: map[string]*schema.Block{"config": configShape("plugin")},
	}
}

func (b *builder) telemetry(n *node) {
	t := &Telemetry{
		Name: n.label(), Plugin: get[string](n, "plugin"), SHA256: get[string](n, "sha256"),
		Memory: get[int64](n, "queue.memory"), Flush: get[time.Duration](n, "queue.flush"), WhenFull: get[string](n, "queue.when_full"),
		Process: b.process(n), Config: b.opaque(n),
	}
	b.plugin(n, &t.Plugin, t.SHA256)
	if t.Plugin != "" {
		t.Locked = b.checkPlugin(n, t.Config, t.Plugin, t.SHA256)
	}
	b.define(n, t)
	b.cfg.Telemetry = append(b.cfg.Telemetry, t)
}
