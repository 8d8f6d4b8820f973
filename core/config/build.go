package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// build makes the typed blocks, then follows the references between them.
func (l *loader) build(c *Config) {
	root := l.w
	b := &builder{walker: root, cfg: c, byName: make(map[string]any), ranges: make(map[string]hcl.Range)}
	b.locks, b.hasLock = l.lock()
	b.gateway()
	b.storage()
	for _, n := range c.root.blocks {
		switch n.kind {
		case "listener":
			b.listener(n)
		case "provider":
			b.provider(n)
		case "model":
			b.model(n)
		case "filter":
			b.filter(n)
		case "pipeline":
			b.pipeline(n)
		case "route":
			b.route(n)
		case "team":
			b.team(n)
		case "telemetry":
			b.telemetry(n)
		}
	}
	for _, link := range b.links {
		link()
	}
	b.check()
}

// builder types the blocks. A reference may lead to a block that stands further down, so following
// them is put off.
type builder struct {
	*walker
	cfg    *Config
	byName map[string]any // "provider.openai"
	ranges map[string]hcl.Range
	links  []func()

	locks   []*Locked
	hasLock bool // there is a lock file
}

func (b *builder) define(n *node, v any) {
	name := n.kind + "." + n.label()
	b.byName[name], b.ranges[name] = v, n.rng
}

// later follows the reference of an attribute when all blocks are known.
func later[T any](b *builder, n *node, attr string, set func(*T)) {
	if r, ok := n.attrs[attr].v.(reference); ok {
		want := n.attrs[attr].shape.RefTo
		b.links = append(b.links, func() {
			if v, ok := follow[T](b, r, want); ok {
				set(v)
			}
		})
	}
}

// laterAll follows a list of references, in order.
func laterAll[T any](b *builder, n *node, attr string, add func(*T)) {
	refs, _ := n.attrs[attr].v.([]reference)
	want := n.attrs[attr].shape.RefTo
	b.links = append(b.links, func() {
		seen := make(map[string]bool)
		for _, r := range refs {
			if seen[r.name] {
				b.errorf(r.rng, "Duplicate reference", "%s stands twice in this list.", r)
				continue
			}
			seen[r.name] = true
			if v, ok := follow[T](b, r, want); ok {
				add(v)
			}
		}
	})
}

func follow[T any](b *builder, r reference, want string) (*T, bool) {
	if r.kind != want {
		detail := fmt.Sprintf("A reference to a %s block is needed here, such as %s.NAME; %s is something else.", want, want, r)
		if _, ok := b.byName[r.String()]; ok {
			detail = fmt.Sprintf("%s is a %s; a %s is needed here.", r, r.kind, want)
		}
		b.errorf(r.rng, "Wrong kind of reference", "%s", detail)
		return nil, false
	}
	v, ok := b.byName[r.String()].(*T)
	if !ok {
		var names []string
		for name := range b.byName {
			if kind, label, _ := strings.Cut(name, "."); kind == want {
				names = append(names, label)
			}
		}
		b.errorf(r.rng, "Reference to something undefined", "There is no %s %q.%s", want, r.name, suggestion(r.name, names))
	}
	return v, ok
}

// opaque returns a block's config, checked if the schema of its owner is known.
func (b *builder) opaque(n *node) *Opaque {
	o := &Opaque{owner: describe(n.kind, n.labels), rng: n.rng, eval: b.eval}
	if c := n.one("config"); c != nil {
		o.rng, o.body = c.rng, c.body
	}
	return o
}
