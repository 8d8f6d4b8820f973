package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// checkFree reads a block whose owner has no schema and checks it itself, as a proxy-wasm module does.
// Its arguments are what they say, and nothing is known of them: none is listed, so a secret may stand
// in any.
func (o *Opaque) checkFree() hcl.Diagnostics {
	w := &walker{eval: o.eval}
	o.free = []byte{}
	if o.body == nil {
		return nil
	}
	if native, ok := o.body.(*hclsyntax.Body); ok {
		for _, b := range native.Blocks {
			w.errorf(b.DefRange(), "Unsupported block type", "The module has no schema, so nothing says what a block means here; write an argument: %s = { ... }.", b.Type)
		}
	}
	out := make(map[string]json.RawMessage)
	attrs, diags := o.body.JustAttributes()
	if len(w.diags) == 0 {
		w.diags = append(w.diags, diags...)
	}
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		a := attrs[name]
		v, diags := a.Expr.Value(o.eval.context)
		w.diags = append(w.diags, diags...)
		if diags.HasErrors() {
			continue
		}
		v, marks := v.UnmarkDeep()
		if missing := o.eval.missing(marks); missing != "" {
			w.errorf(a.Expr.Range(), "Secret without a value", "%s", missing)
			continue
		}
		text, err := ctyjson.Marshal(v, cty.DynamicPseudoType)
		if err == nil {
			text, err = undynamic(text)
		}
		if err != nil {
			w.errorf(a.Expr.Range(), "Invalid value", "%s: %s.", name, err)
			continue
		}
		out[name] = text
	}
	if !w.diags.HasErrors() {
		o.free, _ = json.Marshal(out)
	}
	return w.diags
}

// undynamic takes the value out of what cty wraps around one of any type.
func undynamic(text []byte) ([]byte, error) {
	var wrapped struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(text, &wrapped); err != nil {
		return nil, fmt.Errorf("not a value: %w", err)
	}
	return wrapped.Value, nil
}
