package config

import (
	"slices"
	"strings"

	"github.com/ginnel/ginnel/sdk/schema"
)

// Pipeline is a pipeline block.
type Pipeline struct {
	Name    string
	Filters []*Filter
}

// Route is a route block.
type Route struct {
	Name     string
	Listener *Listener
	Path     string // exact, or a prefix when it ends in "/*"
	Methods  []string
	Open     bool // auth = "none"
	Pipeline *Pipeline
	Models   []*Model
	Files    *Provider // that keeps files and batches; nil = none does

	node *node
}

// Team is a team block.
type Team struct {
	Name     string
	Models   []*Model
	Requests string // "600/1m", or ""
	AtOnce   AtOnce // 0 = what holds for all

	BatchCalls string // "50000/1d", or ""
}

func pipelineShape() *schema.Block {
	return &schema.Block{
		Doc: "Filters in the order in which requests pass them; answers pass them in reverse.", Labels: []string{"name"},
		Attrs: []schema.Attr{{Name: "filters", Kind: schema.Refs, RefTo: "filter", Doc: "The filters: `[filter.NAME]`; `[]` for none."}},
	}
}

func routeShape() *schema.Block {
	return &schema.Block{
		Doc: "What happens to the requests that match.", Labels: []string{"name"},
		Attrs: []schema.Attr{
			{Name: "listener", Kind: schema.Ref, RefTo: "listener", Doc: "Where the requests come in: `listener.NAME`."},
			{Name: "match", Kind: schema.Object, Doc: "Which requests.", Fields: []schema.Attr{
				{Name: "path", Kind: schema.String, Doc: "A path, or a prefix that ends in `/*`. The longest match wins."},
				{Name: "methods", Kind: schema.Strings, Optional: true, Doc: "The methods; all without it."},
			}},
			{Name: "auth", Kind: schema.String, Default: "key", Enum: []string{"key", "none"}, Doc: "Who may use it: the holder of a virtual key, or anybody who reaches the listener."},
			{Name: "pipeline", Kind: schema.Ref, RefTo: "pipeline", Doc: "The filters: `pipeline.NAME`."},
			{Name: "models", Kind: schema.Refs, RefTo: "model", Doc: "The models that may be asked for: `[model.NAME]`."},
			{Name: "files", Kind: schema.Ref, RefTo: "provider", Optional: true, Doc: "The provider that keeps files, conversations and containers and makes batches of calls, `provider.NAME`; without one there are none. Each tenant sees its own."},
		},
	}
}

func teamShape() *schema.Block {
	return &schema.Block{
		Doc: "What the virtual keys of a team share.", Labels: []string{"name"},
		Attrs: []schema.Attr{
			{Name: "models", Kind: schema.Refs, RefTo: "model", Optional: true, Doc: "The models its keys may use; all of a route without it."},
			{Name: "limit", Kind: schema.Object, Optional: true, Doc: "What the team may use in a time, and have at once.", Fields: []schema.Attr{
				{Name: "requests", Kind: schema.Rate, Optional: true, Doc: "Requests, such as `600/1m`."},
				{Name: "batch_calls", Kind: schema.Rate, Optional: true, Doc: "Calls in batches, such as `50000/1d`, counted when a batch is made. Without it each is one of `requests`. A batch with more than the limit's whole is refused."},
				{Name: "sessions", Kind: schema.Int, Optional: true, Doc: "Realtime sessions at once, in place of the gateway's `limits.tenant_sessions`."},
				{Name: "uploads", Kind: schema.Int, Optional: true, Doc: "Long bodies that are coming at once, in place of `limits.tenant_uploads`."},
			}},
		},
	}
}

func (b *builder) pipeline(n *node) {
	p := &Pipeline{Name: n.label()}
	laterAll(b, n, "filters", func(f *Filter) { p.Filters = append(p.Filters, f) })
	b.define(n, p)
	b.cfg.Pipelines = append(b.cfg.Pipelines, p)
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

func (b *builder) route(n *node) {
	r := &Route{Name: n.label(), Path: get[string](n, "match.path"), Methods: get[[]string](n, "match.methods"), Open: get[string](n, "auth") == "none", node: n}
	if at := n.at("match.path"); at != nil && at.v != nil {
		plain := strings.TrimSuffix(r.Path, "/*")
		if r.Path == "" || r.Path[0] != '/' || strings.Contains(plain, "*") || strings.Contains(r.Path, "//") || strings.ContainsAny(r.Path, "?#% ") {
			b.errorf(at.rng, "Invalid value", "path: %q is not a path such as /v1/chat/completions or /v1/*.", r.Path)
		}
	}
	for _, m := range r.Methods {
		if !slices.Contains(methods, m) {
			b.errorf(n.at("match.methods").rng, "Invalid value", "methods: %q is none of %s.%s", m, strings.Join(methods, ", "), suggestion(m, methods))
		}
	}
	later(b, n, "listener", func(l *Listener) { r.Listener = l })
	later(b, n, "pipeline", func(p *Pipeline) { r.Pipeline = p })
	laterAll(b, n, "models", func(m *Model) { r.Models = append(r.Models, m) })
	later(b, n, "files", func(p *Provider) { r.Files = p })
	b.define(n, r)
	b.cfg.Routes = append(b.cfg.Routes, r)
}

func (b *builder) team(n *node) {
	t := &Team{Name: n.label(), Requests: get[string](n, "limit.requests"), BatchCalls: get[string](n, "limit.batch_calls")}
	t.AtOnce = AtOnce{Sessions: get[int64](n, "limit.sessions"), Uploads: get[int64](n, "limit.uploads")}
	b.positive(n, "limit.", "sessions", "uploads")
	for _, name := range []string{"limit.requests", "limit.batch_calls"} {
		if at := n.at(name); at != nil && at.v != nil {
			b.rate(at)
		}
	}
	laterAll(b, n, "models", func(m *Model) { t.Models = append(t.Models, m) })
	b.define(n, t)
	b.cfg.Teams = append(b.cfg.Teams, t)
}
