package config

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/ginnel/ginnel/sdk/schema"
)

// WriteDiagnostics writes diagnostics as a person reads them: with the line, what is wrong and what
// would be right. Width 0 does not wrap.
func WriteDiagnostics(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File, width uint, color bool) error {
	sorted := slices.Clone(diags)
	slices.SortStableFunc(sorted, func(a, b *hcl.Diagnostic) int {
		if a.Subject == nil || b.Subject == nil || a.Subject.Filename != b.Subject.Filename {
			return 0
		}
		return a.Subject.Start.Byte - b.Subject.Start.Byte
	})
	return hcl.NewDiagnosticTextWriter(w, files, width, color).WriteDiagnostics(sorted)
}

// jsonDiagnostics has the shape of `terraform validate -json`, which editors know.
type jsonDiagnostics struct {
	Valid        bool             `json:"valid"`
	ErrorCount   int              `json:"error_count"`
	WarningCount int              `json:"warning_count"`
	Diagnostics  []jsonDiagnostic `json:"diagnostics"`
}

type jsonDiagnostic struct {
	Severity string     `json:"severity"`
	Summary  string     `json:"summary"`
	Detail   string     `json:"detail"`
	Range    *jsonRange `json:"range,omitempty"`
}

type jsonRange struct {
	Filename string  `json:"filename"`
	Start    jsonPos `json:"start"`
	End      jsonPos `json:"end"`
}

type jsonPos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// WriteJSON writes diagnostics for programs.
func WriteJSON(w io.Writer, diags hcl.Diagnostics) error {
	out := jsonDiagnostics{Valid: !diags.HasErrors(), Diagnostics: []jsonDiagnostic{}}
	for _, d := range diags {
		j := jsonDiagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			j.Severity = "warning"
			out.WarningCount++
		} else {
			out.ErrorCount++
		}
		if r := d.Subject; r != nil {
			j.Range = &jsonRange{r.Filename, jsonPos{r.Start.Line, r.Start.Column, r.Start.Byte}, jsonPos{r.End.Line, r.End.Column, r.End.Byte}}
		}
		out.Diagnostics = append(out.Diagnostics, j)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// Format returns src in the one way to write HCL. A file that does not parse is returned as it is,
// with what is wrong.
func Format(path string, src []byte) ([]byte, hcl.Diagnostics) {
	if _, diags := hclparse.NewParser().ParseHCL(src, path); diags.HasErrors() {
		return src, diags
	}
	return hclwrite.Format(src), nil
}

// Show writes what is in force, defaults included, with secrets masked and each value's origin.
func (c *Config) Show(w io.Writer) error {
	s := &shower{w: w}
	for _, n := range c.root.blocks {
		if n.shape.Opaque { // variables and secrets: their values stand where they are used
			s.line(0, "%s {} # %s", header(n), origin(n.rng))
			continue
		}
		s.block(0, n, c)
	}
	return s.err
}

type shower struct {
	w   io.Writer
	err error
}

func (s *shower) line(depth int, format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.w, strings.Repeat("  ", depth)+format+"\n", args...)
	}
}

func header(n *node) string {
	out := n.kind
	for _, l := range n.labels {
		out += " " + strconv.Quote(l)
	}
	return out
}

func (s *shower) block(depth int, n *node, c *Config) {
	s.line(depth, "%s {", header(n))
	for i := range n.shape.Attrs {
		name := n.shape.Attrs[i].Name
		if v := n.attrs[name]; v != nil && v.v != nil {
			s.attr(depth+1, name, v)
		}
	}
	for _, b := range n.blocks {
		if !b.shape.Opaque {
			s.block(depth+1, b, c)
			continue
		}
		if checked := c.opaqueOf(n); checked != nil && checked.node != nil {
			s.block(depth+1, checked.node, c)
		} else {
			s.line(depth+1, "%s {} # %s, checked at launch", header(b), origin(b.rng))
		}
	}
	s.line(depth, "}")
}

// opaqueOf returns the config of a block.
func (c *Config) opaqueOf(n *node) *Opaque {
	for _, p := range c.Providers {
		if n.kind == "provider" && p.Name == n.label() {
			return p.Config
		}
	}
	for _, f := range c.Filters {
		if n.kind == "filter" && f.Name == n.label() {
			return f.Config
		}
	}
	for _, t := range c.Telemetry {
		if n.kind == "telemetry" && t.Name == n.label() {
			return t.Config
		}
	}
	return nil
}

func (s *shower) attr(depth int, name string, v *value) {
	if fields, ok := v.v.(map[string]*value); ok {
		if !slices.ContainsFunc(v.shape.Fields, func(f schema.Attr) bool { return fields[f.Name] != nil && fields[f.Name].v != nil }) {
			return
		}
		s.line(depth, "%s = {", name)
		for i := range v.shape.Fields {
			f := v.shape.Fields[i].Name
			if fv := fields[f]; fv != nil && fv.v != nil {
				s.attr(depth+1, f, fv)
			}
		}
		s.line(depth, "}")
		return
	}
	s.line(depth, "%s = %s # %s", name, text(v), v.origin)
}

// text writes a value as it could stand in the file.
func text(v *value) string {
	if v.secret {
		return mask
	}
	switch got := v.v.(type) {
	case string:
		return strconv.Quote(got)
	case time.Duration:
		return strconv.Quote(got.String())
	case int64:
		if v.shape.Kind == schema.Size {
			return strconv.Quote(sizeText(got))
		}
		return strconv.FormatInt(got, 10)
	case reference:
		return got.String()
	case []reference:
		names := make([]string, len(got))
		for i, r := range got {
			names[i] = r.String()
		}
		return "[" + strings.Join(names, ", ") + "]"
	case []string:
		quoted := make([]string, len(got))
		for i, item := range got {
			quoted[i] = strconv.Quote(item)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case map[string]string:
		pairs := make([]string, 0, len(got))
		for _, k := range sortedKeys(got) {
			pairs = append(pairs, strconv.Quote(k)+" = "+strconv.Quote(got[k]))
		}
		return "{ " + strings.Join(pairs, ", ") + " }"
	}
	return fmt.Sprint(v.v)
}

func sizeText(n int64) string {
	for _, u := range []struct {
		unit  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.unit
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
