package config

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/ginnel/ginnel/sdk/schema"
)

// node is a block that was read by its schema: the one form from which the typed structs, the masked
// listing, the hash and a plugin's JSON are made.
type node struct {
	shape  *schema.Block
	kind   string
	labels []string
	rng    hcl.Range // the header
	body   hcl.Body  // of an opaque block
	attrs  map[string]*value
	blocks []*node
}

// value is one attribute's value with where it comes from.
type value struct {
	shape  *schema.Attr
	v      any // nil where the attribute is not set and has no default
	rng    hcl.Range
	origin string // "gateway.hcl:12", "default", "environment file"
	secret bool
}

// reference is a traversal such as provider.openai.
type reference struct {
	kind, name string
	rng        hcl.Range
}

func (r reference) String() string { return r.kind + "." + r.name }

// walker reads bodies by their schemas and collects everything that is wrong.
type walker struct {
	eval    *evaluator
	options Options
	diags   hcl.Diagnostics
}

func (w *walker) errorf(rng hcl.Range, summary, format string, args ...any) {
	w.diags = append(w.diags, problem(rng, summary, fmt.Sprintf(format, args...)))
}

func problem(rng hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &rng}
}

func (w *walker) warnf(rng hcl.Range, summary, format string, args ...any) {
	d := problem(rng, summary, fmt.Sprintf(format, args...))
	d.Severity = hcl.DiagWarning
	w.diags = append(w.diags, d)
}

// walk reads a body. What is required is checked by complete, after overlays were merged.
func (w *walker) walk(kind string, labels []string, rng hcl.Range, body hcl.Body, shape *schema.Block) *node {
	n := &node{shape: shape, kind: kind, labels: labels, rng: rng, attrs: make(map[string]*value, len(shape.Attrs))}
	content := w.content(body, shape)
	for i := range shape.Attrs {
		a := &shape.Attrs[i]
		if at := content.Attributes[a.Name]; at != nil {
			n.attrs[a.Name] = w.value(at.Expr, a)
			if a.Deprecated != "" {
				w.warnf(at.NameRange, "Deprecated argument", "%s", a.Deprecated)
			}
		}
	}
	seen := make(map[string]hcl.Range)
	for _, b := range content.Blocks {
		key := strings.Join(append([]string{b.Type}, b.Labels...), ".")
		if first, twice := seen[key]; twice {
			w.errorf(b.DefRange, "Duplicate block", "%s stands already at %s, line %d.", describe(b.Type, b.Labels), first.Filename, first.Start.Line)
			continue
		}
		seen[key] = b.DefRange
		for i, label := range b.Labels {
			if !validLabel(label) {
				w.errorf(b.LabelRanges[i], "Invalid name", "%q: a name has letters, digits, \"_\" and \"-\", and begins with a letter.", label)
			}
		}
		sub := shape.Blocks[b.Type]
		if sub.Opaque {
			n.blocks = append(n.blocks, &node{shape: sub, kind: b.Type, labels: b.Labels, rng: b.DefRange, body: b.Body})
			continue
		}
		n.blocks = append(n.blocks, w.walk(b.Type, b.Labels, b.DefRange, b.Body, sub))
	}
	return n
}

// content decodes a body's first level. hcl's own words for an unknown name are replaced by ours,
// which know what else could stand there.
func (w *walker) content(body hcl.Body, shape *schema.Block) *hcl.BodyContent {
	hs := &hcl.BodySchema{}
	var names []string
	for i := range shape.Attrs {
		hs.Attributes = append(hs.Attributes, hcl.AttributeSchema{Name: shape.Attrs[i].Name})
		names = append(names, shape.Attrs[i].Name)
	}
	for _, kind := range sortedKeys(shape.Blocks) {
		hs.Blocks = append(hs.Blocks, hcl.BlockHeaderSchema{Type: kind, LabelNames: shape.Blocks[kind].Labels})
		names = append(names, kind)
	}
	content, diags := body.Content(hs)
	for _, d := range diags {
		if d.Summary == "Unsupported argument" || d.Summary == "Unsupported block type" {
			switch given := quoted(d.Detail); {
			case given == "":
			case shape.Blocks[given] != nil:
				d.Detail = fmt.Sprintf("%q is a block here: write %s { ... }.", given, strings.Join(append([]string{given}, placeholders(shape.Blocks[given].Labels)...), " "))
			case slices.Contains(names, given):
				d.Detail = fmt.Sprintf("%q is an argument here: write %s = ...", given, given)
			default:
				d.Detail = fmt.Sprintf("%q is not expected here.%s", given, suggestion(given, names))
			}
		}
		w.diags = append(w.diags, d)
	}
	return content
}

// placeholders returns what stands for labels in an example.
func placeholders(labels []string) (out []string) {
	for _, l := range labels {
		out = append(out, strconv.Quote(strings.ToUpper(l)))
	}
	return out
}

// quoted returns the first word in quotes.
func quoted(s string) string {
	_, rest, ok := strings.Cut(s, `"`)
	word, _, closed := strings.Cut(rest, `"`)
	if !ok || !closed {
		return ""
	}
	return word
}

func describe(kind string, labels []string) string {
	for _, l := range labels {
		kind += fmt.Sprintf(" %q", l)
	}
	return kind
}

func validLabel(s string) bool {
	for i, c := range s {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '_' || c == '-')) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// complete checks what must be there and fills in the defaults.
func (w *walker) complete(n *node) {
	if n.shape.Opaque {
		return
	}
	for i := range n.shape.Attrs {
		a := &n.shape.Attrs[i]
		n.attrs[a.Name] = w.completeAttr(n.attrs[a.Name], a, n.rng, describe(n.kind, n.labels))
	}
	for _, kind := range sortedKeys(n.shape.Blocks) {
		sub, found := n.shape.Blocks[kind], n.all(kind)
		if len(found) < sub.Min {
			w.errorf(n.rng, "Missing block", "%s needs at least %d %s block.", describe(n.kind, n.labels), sub.Min, kind)
		}
		if sub.Max > 0 && len(found) > sub.Max {
			w.errorf(found[sub.Max].rng, "Too many blocks", "There may be at most %d %s block here.", sub.Max, kind)
		}
	}
	for _, b := range n.blocks {
		w.complete(b)
	}
}

func (w *walker) completeAttr(v *value, a *schema.Attr, rng hcl.Range, where string) *value {
	if v == nil {
		if a.Required() {
			w.errorf(rng, "Missing argument", "%s needs the argument %q: %s", where, a.Name, a.Doc)
		}
		v = &value{shape: a, rng: rng, origin: "default"}
		if a.Default != "" {
			var err error
			if v.v, err = parseText(a, a.Default); err != nil {
				w.errorf(rng, "Invalid default", "%s: %s", a.Name, err)
			}
		}
	}
	if a.Kind != schema.Object {
		return v
	}
	fields, _ := v.v.(map[string]*value)
	if fields == nil {
		fields = make(map[string]*value, len(a.Fields))
	}
	given := v.v != nil
	for i := range a.Fields {
		f := &a.Fields[i]
		if !given && f.Required() {
			continue // the object itself is optional
		}
		fields[f.Name] = w.completeAttr(fields[f.Name], f, v.rng, where+" "+a.Name)
	}
	v.v = fields
	return v
}

// all returns the nested blocks of a kind.
func (n *node) all(kind string) (found []*node) {
	for _, b := range n.blocks {
		if b.kind == kind {
			found = append(found, b)
		}
	}
	return found
}

// one returns the nested block of a kind, or nil.
func (n *node) one(kind string) *node {
	for _, b := range n.blocks {
		if b.kind == kind {
			return b
		}
	}
	return nil
}

func (n *node) label() string { return n.labels[0] }

// get returns an attribute's value in the type that belongs to its kind, or that type's zero. A path
// such as "limits.body" names an object's field.
func get[T any](n *node, path string) (v T) {
	if at := n.at(path); at != nil {
		v, _ = at.v.(T)
	}
	return v
}

// optional returns an attribute's value, or nil where it is not set.
func optional[T any](n *node, path string) *T {
	if at := n.at(path); at != nil {
		if v, ok := at.v.(T); ok {
			return &v
		}
	}
	return nil
}

func (n *node) at(path string) *value {
	name, rest, nested := strings.Cut(path, ".")
	at := n.attrs[name]
	for nested && at != nil {
		name, rest, nested = strings.Cut(rest, ".")
		fields, _ := at.v.(map[string]*value)
		at = fields[name]
	}
	return at
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
