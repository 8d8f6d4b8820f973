package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/ginnel/ginnel/sdk/schema"
)

// Locked is what an executable said about itself when `ginnel plugins lock` launched it.
type Locked struct {
	Plugin        string // its path as the lock file has it: from the file's directory, where it is in there
	Kind          string // the type of the block that declares it: provider or telemetry
	Name, Version string
	SHA256        string
	Origins       []string // of a provider: the base URLs that its calls may go to without a base_url
	// Calls says who makes a provider's calls: CallsGateway or CallsPlugin; "" = an older lock file, which does not say.
	// Then Placed is whether the plugin can be told a base_url, and Connects whether it can be told how it gets there.
	Calls            string
	Placed, Connects bool
	Schema           *schema.Block
}

// The values of Locked.Calls.
const (
	CallsGateway = "gateway"
	CallsPlugin  = "plugin"
)

// The attributes of a plugin block of the lock file.
const (
	lockKind     = "kind"
	lockName     = "name"
	lockVersion  = "version"
	lockSHA256   = "sha256"
	lockOrigins  = "origins"
	lockCalls    = "calls"
	lockPlaced   = "placed"
	lockConnects = "connects"
	lockSchema   = "schema"
)

// LockPath returns the path of the lock file of a configuration: gateway.lock.hcl beside gateway.hcl.
func LockPath(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".lock.hcl"
}

// FormatLock returns the text of a lock file.
func FormatLock(all []*Locked) ([]byte, error) {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b *Locked) int { return strings.Compare(a.Plugin+a.Kind, b.Plugin+b.Kind) })
	f := hclwrite.NewEmptyFile()
	f.Body().AppendUnstructuredTokens(hclwrite.Tokens{{Bytes: []byte("# Written by `ginnel plugins lock`. `ginnel validate` reads it, so that it executes no plugin.\n")}})
	for _, l := range all {
		f.Body().AppendNewline()
		body := f.Body().AppendNewBlock("plugin", []string{l.Plugin}).Body()
		for _, a := range [][2]string{{lockKind, l.Kind}, {lockName, l.Name}, {lockVersion, l.Version}, {lockSHA256, l.SHA256}} {
			body.SetAttributeValue(a[0], cty.StringVal(a[1]))
		}
		if len(l.Origins) > 0 {
			var origins []cty.Value
			for _, o := range l.Origins {
				origins = append(origins, cty.StringVal(o))
			}
			body.SetAttributeValue(lockOrigins, cty.TupleVal(origins))
		}
		if l.Calls != "" {
			body.SetAttributeValue(lockCalls, cty.StringVal(l.Calls))
		}
		if l.Calls == CallsPlugin {
			body.SetAttributeValue(lockPlaced, cty.BoolVal(l.Placed))
			body.SetAttributeValue(lockConnects, cty.BoolVal(l.Connects))
		}
		if l.Schema == nil {
			continue
		}
		v, err := shapeValue(l.Schema)
		if err != nil {
			return nil, err
		}
		body.SetAttributeValue(lockSchema, v)
	}
	return hclwrite.Format(f.Bytes()), nil
}

// shapeValue returns the shape of a config block as the lock file has it.
func shapeValue(b *schema.Block) (cty.Value, error) {
	text, err := json.Marshal(b)
	if err != nil {
		return cty.NilVal, err
	}
	kind, err := ctyjson.ImpliedType(text)
	if err != nil {
		return cty.NilVal, err
	}
	return ctyjson.Unmarshal(text, kind)
}

// SameShape reports whether two shapes of a config block are one in the lock file, where an accent behind its letter
// becomes one with it. None is one without arguments.
func SameShape(a, b *schema.Block) (bool, error) {
	one, err := shapeValue(cmp.Or(a, &schema.Block{}))
	if err != nil {
		return false, err
	}
	other, err := shapeValue(cmp.Or(b, &schema.Block{}))
	return err == nil && one.RawEquals(other), err
}

// lock reads the lock file, where there is one.
func (l *loader) lock() (known []*Locked, ok bool) {
	if l.src.Path == "" || l.w.options.NoLock {
		return nil, false
	}
	path := LockPath(l.src.Path)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	if err != nil {
		l.w.diags = append(l.w.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Lock file not read", Detail: err.Error()})
		return nil, false
	}
	f, diags := l.parser.ParseHCL(text, path)
	l.w.diags = append(l.w.diags, diags...)
	if diags.HasErrors() {
		return nil, false
	}
	content, diags := f.Body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "plugin", LabelNames: []string{"path"}}}})
	l.w.diags = append(l.w.diags, diags...)
	for _, b := range content.Blocks {
		locked, diags := readLocked(b)
		l.w.diags = append(l.w.diags, diags...)
		if slices.ContainsFunc(known, func(o *Locked) bool { return o.Kind == locked.Kind && o.SHA256 == locked.SHA256 }) {
			l.w.diags = append(l.w.diags, problem(b.DefRange, "Invalid lock file", "Another block is about the same executable. `ginnel plugins lock` writes the file anew."))
		}
		known = append(known, locked)
	}
	return known, true
}

// readLocked reads one block. Nothing in it is evaluated but literals.
func readLocked(b *hcl.Block) (*Locked, hcl.Diagnostics) {
	l := &Locked{Plugin: b.Labels[0]}
	texts := map[string]*string{lockKind: &l.Kind, lockName: &l.Name, lockVersion: &l.Version, lockSHA256: &l.SHA256}
	shape := &hcl.BodySchema{}
	for _, name := range []string{lockOrigins, lockCalls, lockPlaced, lockConnects, lockSchema} {
		shape.Attributes = append(shape.Attributes, hcl.AttributeSchema{Name: name})
	}
	for name := range texts {
		shape.Attributes = append(shape.Attributes, hcl.AttributeSchema{Name: name, Required: true})
	}
	content, diags := b.Body.Content(shape)
	for name, a := range content.Attributes {
		v, bad := a.Expr.Value(nil)
		diags = append(diags, bad...)
		if bad.HasErrors() {
			continue
		}
		var err error
		switch into := texts[name]; {
		case into != nil && (v.Type() != cty.String || v.IsNull()):
			err = errors.New("a string is needed")
		case into != nil:
			*into = v.AsString()
		default:
			err = l.read(name, v)
		}
		if err != nil {
			diags = append(diags, problem(a.Range, "Invalid lock file", fmt.Sprintf("%s: %s. `ginnel plugins lock` writes it anew.", name, err)))
		}
	}
	return l, diags
}

func (l *Locked) read(name string, v cty.Value) error {
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return err
	}
	switch name {
	case lockOrigins:
		return json.Unmarshal(text, &l.Origins)
	case lockPlaced:
		return json.Unmarshal(text, &l.Placed)
	case lockConnects:
		return json.Unmarshal(text, &l.Connects)
	case lockCalls:
		if err := json.Unmarshal(text, &l.Calls); err != nil || l.Calls != CallsGateway && l.Calls != CallsPlugin {
			return fmt.Errorf("%q or %q is needed", CallsGateway, CallsPlugin)
		}
		return nil
	}
	l.Schema, err = schema.Parse(text)
	return err
}

// locked returns what the lock file says about the executable of a block. Where there is a lock file
// that does not know it, that is worth a warning.
func (b *builder) locked(n *node, sha string) *Locked {
	for _, l := range b.locks {
		if l.Kind == n.kind && l.SHA256 == sha {
			return l
		}
	}
	if at := n.attrs["sha256"]; b.hasLock && at != nil && at.v != nil {
		b.warnf(at.rng, "Not locked", "%s does not know this executable: run `ginnel plugins lock`. Until then its config is checked when it is launched.", filepath.Base(LockPath(b.cfg.Path)))
	}
	return nil
}
