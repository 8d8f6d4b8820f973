package config

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/ginnel/ginnel/sdk/schema"
)

// Opaque is a config block, which belongs to a plugin or a filter. It is checked against the
// schema of its owner: at load where that is known, else when the owner has told it.
type Opaque struct {
	owner string // for messages: provider "openai"
	rng   hcl.Range
	body  hcl.Body // nil where there is no block
	eval  *evaluator
	node  *node  // once it was checked
	free  []byte // instead, for an owner without a schema: its JSON, empty where there is no block
}

// Checked reports whether a schema was there to check the block against.
func (o *Opaque) Checked() bool { return o.node != nil || o.free != nil }

// Check reads the block by its owner's schema; an opaque one says that the owner has none. Its diagnostics have the operator's own lines.
func (o *Opaque) Check(shape *schema.Block) hcl.Diagnostics {
	if shape == nil {
		shape = &schema.Block{}
	}
	if shape.Opaque {
		return o.checkFree()
	}
	w := &walker{eval: o.eval}
	body := o.body
	if body == nil {
		body = hcl.EmptyBody()
	}
	n := w.walk("config", nil, o.rng, body, shape)
	w.complete(n)
	w.noReferences(n)
	if !w.diags.HasErrors() {
		o.node = n
	}
	return w.diags
}

// noReferences refuses references: a plugin cannot follow them.
func (w *walker) noReferences(n *node) {
	for _, v := range n.attrs {
		if v.shape.Kind == schema.Ref || v.shape.Kind == schema.Refs {
			w.errorf(v.rng, "Unsupported argument", "A reference cannot stand in a config block.")
		}
	}
	for _, b := range n.blocks {
		w.noReferences(b)
	}
}

// JSON returns the block as its owner gets it, secrets revealed: it is never logged. Members are
// sorted, defaults filled in, durations are nanoseconds and sizes bytes. It fails for a block that
// was not checked. For an owner without a schema it is the block as it is written, and nothing where
// there is none.
func (o *Opaque) JSON() ([]byte, error) {
	if o.free != nil {
		return o.free, nil
	}
	if o.node == nil {
		return nil, fmt.Errorf("%s: its config was not checked", o.owner)
	}
	return json.Marshal(o.node.plain())
}

// Secrets returns the texts in the block that are shown nowhere, as JSON gives them to its owner.
func (o *Opaque) Secrets() []string {
	if o.node == nil {
		return nil
	}
	return o.node.secrets(nil)
}

func (n *node) secrets(out []string) []string {
	for _, v := range n.attrs {
		out = v.secrets(out)
	}
	for _, b := range n.blocks {
		out = b.secrets(out)
	}
	return out
}

func (v *value) secrets(out []string) []string {
	if fields, ok := v.v.(map[string]*value); ok {
		for _, f := range fields {
			out = f.secrets(out)
		}
		return out
	}
	if !v.secret {
		return out
	}
	switch got := v.v.(type) {
	case string:
		return append(out, got)
	case []string:
		return append(out, got...)
	case map[string]string:
		for _, text := range got {
			out = append(out, text)
		}
	}
	return out
}

// plain returns the node as JSON's types. Nested blocks are a list under their type, or, with a
// label, an object by label.
func (n *node) plain() map[string]any {
	out := make(map[string]any, len(n.attrs))
	for name, v := range n.attrs {
		if p := v.plain(); p != nil {
			out[name] = p
		}
	}
	for kind, shape := range n.shape.Blocks {
		found := n.all(kind)
		switch {
		case len(found) == 0:
		case len(shape.Labels) > 0:
			by := make(map[string]any, len(found))
			for _, b := range found {
				by[b.label()] = b.plain()
			}
			out[kind] = by
		case shape.Max == 1:
			out[kind] = found[0].plain()
		default:
			list := make([]any, len(found))
			for i, b := range found {
				list[i] = b.plain()
			}
			out[kind] = list
		}
	}
	return out
}

func (v *value) plain() any {
	switch got := v.v.(type) {
	case map[string]*value:
		out := make(map[string]any, len(got))
		for name, f := range got {
			if p := f.plain(); p != nil {
				out[name] = p
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case time.Duration:
		return int64(got)
	case reference:
		return got.String()
	case []reference:
		out := make([]string, len(got))
		for i, r := range got {
			out[i] = r.String()
		}
		return out
	}
	return v.v
}

// raw returns an unchecked block's content, for the configuration's hash.
func (o *Opaque) raw() any {
	if o.body == nil {
		return nil
	}
	return rawBody(o.body, o.eval.context)
}

func rawBody(body hcl.Body, ctx *hcl.EvalContext) any {
	out := make(map[string]any)
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		attrs, _ := body.JustAttributes()
		for name, a := range attrs {
			out[name] = rawValue(a.Expr, ctx)
		}
		return out
	}
	for name, a := range native.Attributes {
		out[name] = rawValue(a.Expr, ctx)
	}
	for i, b := range native.Blocks {
		out[fmt.Sprintf("%s %q %d", b.Type, b.Labels, i)] = rawBody(b.Body, ctx)
	}
	return out
}

func rawValue(e hcl.Expression, ctx *hcl.EvalContext) any {
	v, _ := e.Value(ctx)
	v, _ = v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		return nil
	}
	text, err := ctyjson.Marshal(v, cty.DynamicPseudoType)
	if err != nil {
		return nil
	}
	return json.RawMessage(text)
}
