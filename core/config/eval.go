package config

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/ginnel/ginnel/sdk/schema"
)

// maxFile bounds what file() reads, in bytes.
const maxFile = 1 << 20

// evaluator is what expressions can see: functions, variables and secrets.
type evaluator struct {
	context *hcl.EvalContext
	env     func(string) (string, bool)
	dir     string // relative paths in the configuration begin here
	without map[string]string
}

func newEvaluator(src Source) *evaluator {
	e := &evaluator{env: src.Env, dir: filepath.Dir(src.Path), without: make(map[string]string)}
	if e.env == nil {
		e.env = os.LookupEnv
	}
	e.context = &hcl.EvalContext{
		Variables: map[string]cty.Value{},
		Functions: map[string]function.Function{
			"env": e.envFunction(), "file": e.fileFunction(),
			"upper": stdlib.UpperFunc, "lower": stdlib.LowerFunc, "trimspace": stdlib.TrimSpaceFunc,
			"join": stdlib.JoinFunc, "split": stdlib.SplitFunc, "concat": stdlib.ConcatFunc,
		},
	}
	return e
}

// Functions lists the functions of expressions with what they do, for the reference.
func functionDocs() [][2]string {
	return [][2]string{
		{"env(name[, default])", "the environment variable, or the default where it is not set"},
		{"file(path)", "the text of a file, relative to the configuration's directory"},
		{"upper(s), lower(s), trimspace(s)", "the string in upper or lower case, or without surrounding space"},
		{"join(sep, list), split(sep, s), concat(list...)", "lists of strings"},
	}
}

func (e *evaluator) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	p = filepath.Join(e.dir, p)
	if !IsPath(p) {
		p = "./" + p // a name without a slash is a built-in plugin's
	}
	return p
}

func (e *evaluator) envFunction() function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 2 {
				return cty.NilVal, function.NewArgErrorf(2, "env takes a name and one default")
			}
			if v, ok := e.env(args[0].AsString()); ok {
				return cty.StringVal(v), nil
			}
			if len(args) == 2 {
				return args[1], nil
			}
			return cty.NilVal, function.NewArgErrorf(0, "the environment variable %s is not set, and there is no default", args[0].AsString())
		},
	})
}

func (e *evaluator) fileFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path := e.path(args[0].AsString())
			info, err := os.Stat(path)
			if err == nil && info.Size() > maxFile {
				err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
			}
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(string(text)), nil
		},
	})
}

func variableShape() *schema.Block {
	return &schema.Block{
		Doc:    "A value that is used as `var.NAME` and set with `--var NAME=VALUE` or the environment variable `GINNEL_VAR_NAME`.",
		Labels: []string{"name"},
		Attrs: []schema.Attr{
			{Name: "default", Kind: schema.String, Optional: true, Doc: "Its value where nothing sets it. A variable without a default must be set."},
			{Name: "description", Kind: schema.String, Optional: true, Doc: "What it is for."},
		},
	}
}

// define evaluates the variable and secret blocks of all files, a later file's instead of an
// earlier one's.
func (e *evaluator) define(w *walker, src Source, blocks []*hcl.Block) {
	vars, secrets := map[string]cty.Value{}, map[string]cty.Value{}
	for _, b := range blocks {
		if b.Type == "variable" {
			vars[b.Labels[0]] = e.variable(w, src, b)
		}
	}
	e.context.Variables["var"] = cty.ObjectVal(vars)
	for _, b := range blocks {
		if b.Type == "secret" {
			delete(e.without, b.Labels[0])
			secrets[b.Labels[0]] = e.secret(w, b)
		}
	}
	e.context.Variables["secret"] = cty.ObjectVal(secrets)
	for _, name := range sortedKeys(src.Vars) {
		if _, ok := vars[name]; !ok {
			w.diags = append(w.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown variable", Detail: fmt.Sprintf("--var %s: the configuration has no such variable.%s", name, suggestion(name, sortedKeys(vars)))})
		}
	}
}

func (e *evaluator) variable(w *walker, src Source, b *hcl.Block) cty.Value {
	name := b.Labels[0]
	content := w.content(b.Body, variableShape())
	if v, ok := src.Vars[name]; ok {
		return cty.StringVal(v)
	}
	if v, ok := e.env("GINNEL_VAR_" + name); ok {
		return cty.StringVal(v)
	}
	at := content.Attributes["default"]
	if at == nil {
		w.errorf(b.DefRange, "Variable without a value", "variable %q has no default and is not set: use --var %s=... or GINNEL_VAR_%s.", name, name, name)
		return cty.StringVal("")
	}
	v, diags := at.Expr.Value(e.context)
	w.diags = append(w.diags, diags...)
	if v, err := convert.Convert(v, cty.String); err == nil && v.IsKnown() && !v.IsNull() {
		return v
	}
	if !diags.HasErrors() {
		w.errorf(at.Expr.Range(), "Invalid value", "A variable's default is a string, a number or a truth value.")
	}
	return cty.StringVal("")
}

// missing says which of the marks is a secret without a value, or returns "".
func (e *evaluator) missing(marks cty.ValueMarks) string {
	var found []string
	for m := range marks {
		if s, ok := m.(secretMark); ok && e.without[s.name] != "" {
			found = append(found, e.without[s.name])
		}
	}
	sort.Strings(found)
	return strings.Join(found, " ")
}
