package config

import (
	"fmt"
	"io"
	"strings"

	"github.com/ginnel/ginnel/sdk/schema"
)

// Section is a further schema for the reference: a plugin's or a filter's config block.
type Section struct {
	Title string
	Shape *schema.Block
}

// WriteReference writes the reference page of the configuration, Markdown, from the schemas.
func WriteReference(w io.Writer, sections ...Section) error {
	p := &page{w: w}
	p.text("# Configuration\n\nGenerated from the schemas by `ginnel schema`; a test compares it. Durations (`\"30s\"`) and sizes (`\"32MiB\"`) are\nquoted and have a unit. References have no quotes: `provider.NAME`.\n\n")
	p.text("## Functions\n\n")
	for _, f := range functionDocs() {
		p.text("- `%s`: %s\n", f[0], f[1])
	}
	p.text("\n## Environment variables\n\nNone acts by itself: each is opted in with `env(\"NAME\", default)` where it belongs. `GINNEL_VAR_NAME` sets the variable NAME.\n\n| variable | place |\n|---|---|\n")
	root := rootShape()
	for _, kind := range sortedKeys(root.Blocks) {
		p.environment(kind, root.Blocks[kind].Attrs)
	}
	p.text("\n")
	for _, kind := range sortedKeys(root.Blocks) {
		p.block("## "+title(kind, root.Blocks[kind]), kind, root.Blocks[kind])
	}
	for _, s := range sections {
		p.block("## "+s.Title, "config", s.Shape)
	}
	return p.err
}

type page struct {
	w   io.Writer
	err error
}

func (p *page) text(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *page) environment(path string, attrs []schema.Attr) {
	for _, a := range attrs {
		if a.Env != "" {
			p.text("| `%s` | `%s.%s` |\n", a.Env, path, a.Name)
		}
		p.environment(path+"."+a.Name, a.Fields)
	}
}

func title(kind string, b *schema.Block) string {
	out := "`" + kind
	for _, l := range b.Labels {
		out += " \"" + strings.ToUpper(l) + "\""
	}
	return out + "`"
}

func (p *page) block(heading, path string, b *schema.Block) {
	p.text("%s\n\n", heading)
	if b.Doc != "" {
		p.text("%s\n\n", b.Doc)
	}
	if len(b.Attrs) > 0 {
		p.text("| argument | kind | default | what it says |\n|---|---|---|---|\n")
		p.attrs("", b.Attrs)
		p.text("\n")
	}
	for _, kind := range sortedKeys(b.Blocks) {
		p.block("### "+path+": "+title(kind, b.Blocks[kind]), path+"."+kind, b.Blocks[kind])
	}
}

func (p *page) attrs(prefix string, attrs []schema.Attr) {
	for i := range attrs {
		a := &attrs[i]
		kind, standard, doc := string(a.Kind), a.Default, a.Doc
		switch {
		case a.RefTo != "":
			kind += " to " + a.RefTo
		case a.Sensitive:
			kind += ", secret"
		}
		if len(a.Enum) > 0 {
			if doc != "" && !strings.HasSuffix(doc, ".") {
				doc += "."
			}
			doc += " One of `" + strings.Join(a.Enum, "`, `") + "`."
		}
		if a.Restart {
			doc += " A change needs a restart."
		}
		if a.Deprecated != "" {
			doc += " Deprecated: " + a.Deprecated
		}
		switch {
		case standard != "":
			standard = "`" + standard + "`"
		case a.Required():
			standard = "required"
		}
		p.text("| `%s%s` | %s | %s | %s |\n", prefix, a.Name, kind, standard, strings.ReplaceAll(doc, "|", "\\|"))
		p.attrs(prefix+a.Name+".", a.Fields)
	}
}
