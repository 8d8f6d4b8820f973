// Package config reads gateway.hcl: it evaluates, overlays, checks and types the declarations, and
// says everything that is wrong with them at once, with the operator's own lines.
//
// One walker reads core blocks, filter configs and plugin configs alike by a schema.Block. The package
// opens no store and starts nothing; what a Config declares is built by package daemon.
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/ginnel/ginnel/sdk/schema"
)

// DefaultFile is the configuration that commands read where no other is named.
const DefaultFile = "gateway.hcl"

// Source is where a configuration comes from.
type Source struct {
	Path string                      // gateway.hcl or gateway.json; overlays stand beside it
	Text []byte                      // instead of the file's content, which is then not read
	Vars map[string]string           // --var
	Env  func(string) (string, bool) // nil = os.LookupEnv
}

// Options tell what only others know.
type Options struct {
	// PluginSchema returns the schema of a plugin's config block, and FilterSchema that of a filter's
	// module. A nil schema without an error means that it is not known before the launch; that of an
	// executable is then the lock file's, where there is one that has it.
	PluginSchema func(plugin string) (*schema.Block, error)
	FilterSchema func(f *Filter) (*schema.Block, error)
	// ProviderOrigins returns the base URLs that a provider without base_url may reach, as far as they are
	// known before the launch, and what its plugin has against its config. It may be nil.
	ProviderOrigins func(p *Provider) ([]string, error)
	// NoLock leaves the lock file unread.
	NoLock bool
}

// Config is a whole configuration, checked. It is immutable.
type Config struct {
	Path      string
	Gateway   Gateway
	Storage   Storage
	Listeners []*Listener
	Providers []*Provider
	Models    []*Model
	Filters   []*Filter
	Pipelines []*Pipeline
	Routes    []*Route
	Teams     []*Team
	Telemetry []*Telemetry

	// Hash is the same for configurations that declare the same, secrets included.
	Hash string

	root  *node
	files map[string]*hcl.File
}

// Result is what loading gave: Config is nil where the diagnostics have errors. Files are what the
// diagnostics point into.
type Result struct {
	Config      *Config
	Diagnostics hcl.Diagnostics
	Files       map[string]*hcl.File

	// DataDir is gateway.data_dir, or "" where it cannot be told. It is known beside most mistakes, so
	// that an operator can ask a daemon whose file was broken meanwhile, or whose secrets only it has.
	DataDir string
}

// shape returns the schema of the whole file.
func rootShape() *schema.Block {
	return &schema.Block{
		Doc: "The whole of gateway.hcl.",
		Blocks: map[string]*schema.Block{
			"gateway": gatewayShape(), "variable": variableShape(), "secret": secretShape(), "storage": storageShape(),
			"listener": listenerShape(), "provider": providerShape(), "model": modelShape(), "filter": filterShape(),
			"pipeline": pipelineShape(), "route": routeShape(), "team": teamShape(), "telemetry": telemetryShape(),
		},
	}
}

// Shape returns the schema of the whole file: for the reference and for editors.
func Shape() *schema.Block { return rootShape() }

// Load reads a configuration. It reports every mistake it can find, not the first.
func Load(src Source, o Options) Result {
	l := &loader{src: src, parser: hclparse.NewParser(), eval: newEvaluator(src)}
	l.w = &walker{eval: l.eval, options: o}
	cfg := l.load()
	r := Result{Config: cfg, Diagnostics: l.w.diags, Files: l.parser.Files()}
	if r.Diagnostics.HasErrors() {
		r.Config = nil
	}
	if r.Config != nil {
		r.DataDir = cfg.Gateway.DataDir
	} else {
		r.DataDir = l.locate()
	}
	return r
}

type loader struct {
	src    Source
	parser *hclparse.Parser
	eval   *evaluator
	w      *walker

	read   []*hcl.File // the base and its overlay, as far as they could be parsed
	broken bool        // one could not
}

func (l *loader) load() *Config {
	base, ok := l.parse(l.src.Path, l.src.Text)
	if !ok {
		return nil
	}
	files := []*hcl.File{base}
	environment := l.environment(base)
	overlay := l.overlayPath(environment)
	if overlay != "" {
		if f, ok := l.parse(overlay, nil); ok {
			files = append(files, f)
		} else {
			return nil
		}
	}
	root := l.walk(files)
	l.w.complete(root)
	cfg := &Config{Path: l.src.Path, root: root, files: l.parser.Files()}
	l.build(cfg)
	if !l.w.diags.HasErrors() {
		cfg.Hash = hashOf(cfg)
	}
	return cfg
}

// parse reads one file, native syntax or JSON by its name.
func (l *loader) parse(path string, text []byte) (*hcl.File, bool) {
	if text == nil {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			detail := err.Error()
			if errors.Is(err, fs.ErrNotExist) {
				detail = fmt.Sprintf("There is no file %s. `ginnel dev` needs none; `-c FILE` names another.", path)
			}
			l.w.diags = append(l.w.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Configuration not found", Detail: detail})
			return nil, false
		}
	}
	parse := l.parser.ParseHCL
	if strings.HasSuffix(path, ".json") {
		parse = l.parser.ParseJSON
	}
	f, diags := parse(text, path)
	l.w.diags = append(l.w.diags, diags...)
	if f != nil && f.Body != nil {
		l.read = append(l.read, f)
	}
	l.broken = l.broken || diags.HasErrors()
	return f, !diags.HasErrors()
}

// environment returns gateway.environment of the base file: it decides which overlay is laid over.
func (l *loader) environment(f *hcl.File) string {
	content, _, _ := f.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "gateway"}}})
	for _, b := range content.Blocks {
		attrs, _, _ := b.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "environment"}}})
		if at := attrs.Attributes["environment"]; at != nil {
			w := &walker{eval: l.eval} // what is wrong with it is said when the block is read
			if s, ok := w.value(at.Expr, gatewayShape().Attr("environment")).v.(string); ok {
				return s
			}
		}
	}
	return ""
}

// overlayPath returns the overlay's path, or "" where there is none. One that cannot be looked at is there:
// reading it says why.
func (l *loader) overlayPath(environment string) string {
	if environment == "" || l.src.Path == "" {
		return ""
	}
	ext := filepath.Ext(l.src.Path)
	path := strings.TrimSuffix(l.src.Path, ext) + "." + environment + ext
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return path
}

// walk evaluates variables and secrets of all files first, then reads each file and merges them.
func (l *loader) walk(files []*hcl.File) *node {
	l.eval.define(l.w, l.src, l.definitions(files))
	shape := rootShape()
	definedAlready := *shape
	definedAlready.Blocks = make(map[string]*schema.Block, len(shape.Blocks))
	for kind, b := range shape.Blocks {
		definedAlready.Blocks[kind] = b
		if kind == "variable" || kind == "secret" {
			definedAlready.Blocks[kind] = &schema.Block{Labels: b.Labels, Opaque: true}
		}
	}
	root := &node{shape: &definedAlready, attrs: map[string]*value{}}
	for i, f := range files {
		n := l.w.walk("", nil, f.Body.MissingItemRange(), f.Body, &definedAlready)
		if i == 0 {
			root = n
		} else {
			merge(root, n)
		}
	}
	return root
}

// definitions returns the variables and secrets of all files.
func (l *loader) definitions(files []*hcl.File) (blocks []*hcl.Block) {
	defs := &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "variable", LabelNames: []string{"name"}}, {Type: "secret", LabelNames: []string{"name"}}}}
	for _, f := range files {
		content, _, diags := f.Body.PartialContent(defs)
		if !diags.HasErrors() {
			blocks = append(blocks, content.Blocks...)
		}
	}
	return blocks
}

// hashOf covers everything that is declared, unchecked config blocks too.
func hashOf(c *Config) string {
	all := map[string]any{"root": plainAll(c.root)}
	for _, p := range c.Providers {
		all["provider."+p.Name] = p.Config.content()
		all["tls."+p.Name] = p.TLS
	}
	for _, f := range c.Filters {
		all["filter."+f.Name] = f.Config.content()
	}
	for _, t := range c.Telemetry {
		all["telemetry."+t.Name] = t.Config.content()
	}
	text, err := json.Marshal(all)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// plainAll is plain for the root, whose blocks may stand many times.
func plainAll(n *node) map[string]any {
	out := make(map[string]any)
	for _, b := range n.blocks {
		if !b.shape.Opaque {
			out[describe(b.kind, b.labels)] = b.plain()
		}
	}
	return out
}

func (o *Opaque) content() any {
	if o.node != nil {
		return o.node.plain()
	}
	return o.raw()
}
