package config

import (
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// locate returns gateway.data_dir of a configuration that has mistakes, or "" where a mistake may be
// in it: a wrong directory would be another daemon's.
func (l *loader) locate() string {
	if len(l.read) == 0 {
		return ""
	}
	shape := gatewayShape()
	schema := &hcl.BodySchema{}
	for _, a := range shape.Attrs {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: a.Name})
	}
	variables := &walker{eval: l.eval}
	l.eval.define(variables, l.src, slices.DeleteFunc(l.definitions(l.read), func(b *hcl.Block) bool { return b.Type != "variable" }))
	dir, said := shape.Attr("data_dir").Default, false
	for _, f := range l.read {
		content, _, _ := f.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "gateway"}}})
		for _, b := range content.Blocks {
			body, diags := b.Body.Content(schema)
			if diags.HasErrors() {
				return ""
			}
			at := body.Attributes["data_dir"]
			if at == nil {
				continue
			}
			w := &walker{eval: l.eval}
			v, ok := w.value(at.Expr, shape.Attr("data_dir")).v.(string)
			if !ok || w.diags.HasErrors() || variables.diags.HasErrors() && len(at.Expr.Variables()) > 0 {
				return ""
			}
			dir, said = v, true
		}
	}
	if l.broken && !said { // it may stand in the part that could not be read
		return ""
	}
	return filepath.Clean(l.eval.path(dir))
}
