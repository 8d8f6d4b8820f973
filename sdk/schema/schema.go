// Package schema is the shape of a configuration block as data: one value from which come its
// validation, the masking of its secrets, its reference page and the help of an editor.
//
// It travels as JSON, in a plugin's description and in a filter's manifest. It decodes no
// configuration (core/config does) and imports the standard library only.
package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits of a schema that comes from outside.
const (
	maxJSON  = 1 << 20
	maxDepth = 8
	maxAttrs = 1000
)

// Kind is what an attribute's value is. In JSON a value arrives as the kind says.
type Kind string

// The kinds.
const (
	String   Kind = "string"   // a JSON string
	Int      Kind = "int"      // a JSON number without a fraction
	Float    Kind = "float"    // a JSON number
	Bool     Kind = "bool"     // true or false
	Duration Kind = "duration" // "250ms", "3s", "10m", "90d"; a JSON number of nanoseconds
	Size     Kind = "size"     // "64KiB", "1MB"; a JSON number of bytes
	Ratio    Kind = "ratio"    // "80%" or 0.8; a JSON number
	Rate     Kind = "rate"     // "600/1m"; a JSON string
	Strings  Kind = "strings"  // a list of strings
	Map      Kind = "map"      // an object of strings
	Ref      Kind = "ref"      // a reference to a block of type RefTo
	Refs     Kind = "refs"     // a list of them
	Object   Kind = "object"   // an object of the attributes in Fields
)

var kinds = []Kind{String, Int, Float, Bool, Duration, Size, Ratio, Rate, Strings, Map, Ref, Refs, Object}

// Block is the shape of a block's body.
type Block struct {
	Doc    string            `json:"doc,omitempty"`
	Labels []string          `json:"labels,omitempty"` // what its labels are called
	Attrs  []Attr            `json:"attrs,omitempty"`
	Blocks map[string]*Block `json:"blocks,omitempty"` // nested blocks by type
	Max    int               `json:"max,omitempty"`    // how many of it may stand in its parent; 0 = any number
	Min    int               `json:"min,omitempty"`    // how many must
	Opaque bool              `json:"opaque,omitempty"` // its body belongs to a plugin or a filter
}

// Attr is the shape of one attribute.
type Attr struct {
	Name       string   `json:"name"`
	Kind       Kind     `json:"kind"`
	Doc        string   `json:"doc,omitempty"`
	Default    string   `json:"default,omitempty"` // as it would be written, without quotes
	Unit       string   `json:"unit,omitempty"`
	Enum       []string `json:"enum,omitempty"`
	Optional   bool     `json:"optional,omitempty"`
	Sensitive  bool     `json:"sensitive,omitempty"` // the only attributes that take a secret
	Restart    bool     `json:"restart,omitempty"`   // a reload does not change it
	Deprecated string   `json:"deprecated,omitempty"`
	Env        string   `json:"env,omitempty"`    // the variable by which the shipped gateway.hcl sets it
	RefTo      string   `json:"ref_to,omitempty"` // for Ref and Refs: the block's type
	Fields     []Attr   `json:"fields,omitempty"` // for Object
}

// ErrSchema is the error of a schema that says nothing sensible.
var ErrSchema = errors.New("schema")

// Attr returns the attribute of that name, or nil.
func (b *Block) Attr(name string) *Attr {
	for i := range b.Attrs {
		if b.Attrs[i].Name == name {
			return &b.Attrs[i]
		}
	}
	return nil
}

// Required reports whether the attribute must be written: it is not optional and has no default.
func (a *Attr) Required() bool { return !a.Optional && a.Default == "" }

// Parse reads a schema from JSON and checks it. A member that it does not know is refused: it may
// matter.
func Parse(raw []byte) (*Block, error) {
	if len(raw) > maxJSON {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrSchema, len(raw), maxJSON)
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	b := new(Block)
	if err := d.Decode(b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	if d.More() {
		return nil, fmt.Errorf("%w: more than one value", ErrSchema)
	}
	if err := b.Check(); err != nil {
		return nil, err
	}
	return b, nil
}

// Check returns what is wrong with the schema itself.
func (b *Block) Check() error { return b.check("", 0) }

func (b *Block) check(path string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: %s: nested deeper than %d", ErrSchema, path, maxDepth)
	}
	if b.Max < 0 || b.Min < 0 || b.Max > 0 && b.Min > b.Max {
		return fmt.Errorf("%w: %s: between %d and %d blocks", ErrSchema, path, b.Min, b.Max)
	}
	if err := checkAttrs(path, b.Attrs, depth); err != nil {
		return err
	}
	for name, nested := range b.Blocks {
		if !validName(name) || nested == nil || b.Attr(name) != nil {
			return fmt.Errorf("%w: %s: block %q has no shape, a bad name or the name of an attribute", ErrSchema, path, name)
		}
		if err := nested.check(path+name+".", depth+1); err != nil {
			return err
		}
	}
	return nil
}

func checkAttrs(path string, attrs []Attr, depth int) error {
	if len(attrs) > maxAttrs || depth > maxDepth {
		return fmt.Errorf("%w: %s: too many attributes", ErrSchema, path)
	}
	for i, a := range attrs {
		name := path + a.Name
		switch {
		case !validName(a.Name):
			return fmt.Errorf("%w: %q is no name", ErrSchema, name)
		case slices.ContainsFunc(attrs[:i], func(o Attr) bool { return o.Name == a.Name }):
			return fmt.Errorf("%w: %s stands twice", ErrSchema, name)
		case !slices.Contains(kinds, a.Kind):
			return fmt.Errorf("%w: %s: unknown kind %q", ErrSchema, name, a.Kind)
		case (a.Kind == Ref || a.Kind == Refs) != (a.RefTo != ""):
			return fmt.Errorf("%w: %s: a reference says what it refers to, and nothing else does", ErrSchema, name)
		case a.Kind != Object && len(a.Fields) > 0:
			return fmt.Errorf("%w: %s: only an object has fields", ErrSchema, name)
		case len(a.Enum) > 0 && a.Default != "" && !slices.Contains(a.Enum, a.Default):
			return fmt.Errorf("%w: %s: the default %q is not one of its values", ErrSchema, name, a.Default)
		}
		if err := checkAttrs(name+".", a.Fields, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func validName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c && c <= 'z' || c == '_' || i > 0 && ('0' <= c && c <= '9')) {
			return false
		}
	}
	return true
}
