package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/ginnel/ginnel/sdk/schema"
)

// value evaluates an attribute. The result's v is nil where a diagnostic says why.
func (w *walker) value(e hcl.Expression, a *schema.Attr) *value {
	out := &value{shape: a, rng: e.Range(), origin: origin(e.Range())}
	switch a.Kind {
	case schema.Ref:
		if r, ok := w.reference(e, a); ok {
			out.v = r
		}
		return out
	case schema.Refs:
		list, diags := hcl.ExprList(e)
		if diags.HasErrors() {
			w.errorf(e.Range(), "A list of references is needed here", "Write a list such as [%s.NAME].", a.RefTo)
			return out
		}
		refs := make([]reference, 0, len(list))
		for _, item := range list {
			if r, ok := w.reference(item, a); ok {
				refs = append(refs, r)
			}
		}
		out.v = refs
		return out
	case schema.Object:
		out.v = w.object(e, a)
		return out
	}
	v, diags := e.Value(w.eval.context)
	w.diags = append(w.diags, diags...)
	if diags.HasErrors() {
		return out
	}
	v, marks := v.UnmarkDeep()
	if len(marks) > 0 {
		out.secret = true
		if !a.Sensitive {
			w.errorf(e.Range(), "Secret in a place that is shown", "%q is shown in listings and logs: a secret may not stand here.", a.Name)
			return out
		}
		if missing := w.eval.missing(marks); missing != "" {
			w.errorf(e.Range(), "Secret without a value", "%s", missing)
			return out
		}
	}
	out.secret = out.secret || a.Sensitive
	if !v.IsWhollyKnown() {
		w.errorf(e.Range(), "Unknown value", "This value cannot be known here.")
		return out
	}
	if !isLiteral(e) {
		v = numeric(a, v)
	}
	got, err := convertTo(a, v)
	switch {
	case err == nil:
		out.v = got
	case out.secret: // the error may quote the value
		w.errorf(e.Range(), "Invalid value", "The value of %q does not fit: %s is needed.", a.Name, a.Kind)
	default:
		w.errorf(e.Range(), "Invalid value", "%s: %s", a.Name, err)
	}
	return out
}

// isLiteral reports whether the operator wrote the value itself, not where it comes from.
func isLiteral(e hcl.Expression) bool {
	if _, ok := e.(*hclsyntax.FunctionCallExpr); ok {
		return false
	}
	return len(e.Variables()) == 0
}

// numeric returns a computed string as the number or truth value that is wanted: the environment and
// variables have strings only.
func numeric(a *schema.Attr, v cty.Value) cty.Value {
	want := cty.Number
	switch a.Kind {
	case schema.Bool:
		want = cty.Bool
	case schema.Int, schema.Float:
	default:
		return v
	}
	if v.Type() == cty.String {
		if n, err := convert.Convert(v, want); err == nil {
			return n
		}
	}
	return v
}

func origin(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }

// reference reads a traversal; whether it leads anywhere is checked when all blocks are known.
func (w *walker) reference(e hcl.Expression, a *schema.Attr) (reference, bool) {
	t, diags := hcl.AbsTraversalForExpr(e)
	if diags.HasErrors() || len(t) != 2 {
		w.errorf(e.Range(), "A reference is needed here", "%s: write a reference such as %s.NAME, without quotes.", a.Name, a.RefTo)
		return reference{}, false
	}
	name, ok := t[1].(hcl.TraverseAttr)
	if !ok {
		w.errorf(e.Range(), "A reference is needed here", "%s: write a reference such as %s.NAME.", a.Name, a.RefTo)
		return reference{}, false
	}
	return reference{t.RootName(), name.Name, e.Range()}, true
}

func (w *walker) object(e hcl.Expression, a *schema.Attr) map[string]*value {
	fields := make(map[string]*value, len(a.Fields))
	pairs, diags := hcl.ExprMap(e)
	if diags.HasErrors() {
		w.errorf(e.Range(), "Invalid value", "%s: an object is needed, such as { %s = ... }.", a.Name, a.Fields[0].Name)
		return fields
	}
	names := make([]string, len(a.Fields))
	for i := range a.Fields {
		names[i] = a.Fields[i].Name
	}
	for _, pair := range pairs {
		name := hcl.ExprAsKeyword(pair.Key)
		if name == "" {
			if v, diags := pair.Key.Value(nil); !diags.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
				name = v.AsString()
			}
		}
		at := slices.Index(names, name)
		switch {
		case at < 0:
			w.errorf(pair.Key.Range(), "Unsupported field", "%s has no field %q.%s", a.Name, name, suggestion(name, names))
		case fields[name] != nil:
			w.errorf(pair.Key.Range(), "Duplicate field", "%s stands twice.", name)
		default:
			fields[name] = w.value(pair.Value, &a.Fields[at])
		}
	}
	return fields
}

// convertTo returns v in the type of the attribute's kind.
func convertTo(a *schema.Attr, v cty.Value) (any, error) {
	if v.IsNull() {
		return nil, errors.New("a value is needed, not null")
	}
	switch a.Kind {
	case schema.Duration, schema.Size, schema.Rate:
		if v.Type() != cty.String {
			return nil, fmt.Errorf("%s in quotes is needed", example(a.Kind))
		}
		return parseText(a, v.AsString())
	case schema.Ratio:
		if v.Type() == cty.String {
			return parseText(a, v.AsString())
		}
		f, err := number(v)
		if err == nil && (f < 0 || f > 1) {
			err = fmt.Errorf("a ratio from 0 to 1 is needed, not %v", f)
		}
		return f, err
	case schema.Float:
		return number(v)
	case schema.Int:
		f, err := number(v)
		if err == nil && (f != math.Trunc(f) || math.Abs(f) > 1<<53) {
			err = fmt.Errorf("a whole number is needed, not %v", f)
		}
		return int64(f), err
	case schema.Bool:
		if v.Type() != cty.Bool {
			return nil, errors.New("true or false is needed")
		}
		return v.True(), nil
	case schema.Strings:
		list, err := convert.Convert(v, cty.List(cty.String))
		if err != nil || v.Type() == cty.String {
			return nil, errors.New("a list of strings is needed")
		}
		out := make([]string, 0, list.LengthInt())
		for _, item := range list.AsValueSlice() {
			if item.IsNull() {
				return nil, errors.New("a list of strings is needed, without null")
			}
			out = append(out, item.AsString())
		}
		return out, nil
	case schema.Map:
		m, err := convert.Convert(v, cty.Map(cty.String))
		if err != nil {
			return nil, errors.New("an object of strings is needed")
		}
		out := make(map[string]string, m.LengthInt())
		for k, item := range m.AsValueMap() {
			if item.IsNull() {
				return nil, errors.New("an object of strings is needed, without null")
			}
			out[k] = item.AsString()
		}
		return out, nil
	}
	if v.Type() != cty.String {
		return nil, errors.New("a string in quotes is needed")
	}
	return parseText(a, v.AsString())
}

func number(v cty.Value) (float64, error) {
	if v.Type() != cty.Number {
		return 0, errors.New("a number is needed, without quotes")
	}
	f, _ := v.AsBigFloat().Float64()
	return f, nil
}

// parseText reads a value as it is written in quotes or in a schema's default.
func parseText(a *schema.Attr, s string) (any, error) {
	switch a.Kind {
	case schema.Duration:
		return parseDuration(s)
	case schema.Size:
		return parseSize(s)
	case schema.Ratio:
		return parseRatio(s)
	case schema.Int:
		return strconv.ParseInt(s, 10, 64)
	case schema.Float:
		return strconv.ParseFloat(s, 64)
	case schema.Bool:
		return strconv.ParseBool(s)
	case schema.Strings:
		if s == "" {
			return []string{}, nil
		}
		return strings.Split(s, ","), nil
	}
	if len(a.Enum) > 0 && !slices.Contains(a.Enum, s) {
		return nil, fmt.Errorf("%q is none of %s.%s", s, strings.Join(a.Enum, ", "), suggestion(s, a.Enum))
	}
	return s, nil
}

func example(k schema.Kind) string {
	switch k {
	case schema.Duration:
		return `a duration with its unit, such as "30s",`
	case schema.Size:
		return `a size with its unit, such as "32MiB",`
	}
	return `a rate such as "600/1m"`
}

func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not a duration: write a number and a unit (ms, s, m, h, d), such as \"30s\"", s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 32)
		if err != nil || n < 0 || n > 36500 {
			return 0, bad
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, bad
	}
	return d, nil
}

// parseSize returns bytes.
func parseSize(s string) (int64, error) {
	for _, u := range []struct {
		unit  string
		bytes int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}} {
		if digits, ok := strings.CutSuffix(s, u.unit); ok {
			n, err := strconv.ParseInt(digits, 10, 64)
			if err != nil || n < 0 || n > math.MaxInt64/u.bytes {
				break
			}
			return n * u.bytes, nil
		}
	}
	return 0, fmt.Errorf("%q is not a size: write a number and a unit (B, KiB, MiB, GiB), such as \"32MiB\"", s)
}

func parseRatio(s string) (float64, error) {
	percent, ok := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(percent, 64)
	if ok {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, fmt.Errorf("%q is not a share: write \"80%%\" or 0.8", s)
	}
	return f, nil
}
