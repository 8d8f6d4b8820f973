package filterdir

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/ginnel/ginnel/sdk/schema"
)

// SDKModule is the module that holds the Go SDK.
const SDKModule = "github.com/ginnel/ginnel"

// templates are the files of a new filter, by language. Their names end in .tmpl, so that no
// toolchain takes them for its own.
//
//go:embed all:template
var templates embed.FS

// Start says what to begin.
type Start struct {
	Dir      string // to make; its parent must exist
	Name     string
	Language string
	SDK      string // a checkout of Ginnel to build against; "" means the published one
	Version  string // of the published one, such as v1.2.0; "" where this program has none
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

func validName(name string) bool { return nameForm.MatchString(name) }

// New writes the directory of a new filter and returns its files. It overwrites nothing.
func New(s Start) ([]string, error) {
	if !validName(s.Name) {
		return nil, fmt.Errorf("%q is no name for a filter: use lower-case letters, digits and hyphens, a letter first", s.Name)
	}
	if s.Language != Go && s.Language != Rust {
		return nil, fmt.Errorf("the language %q is not %s or %s: any other that compiles to WebAssembly will do with `ginnel filter attach`", s.Language, Go, Rust)
	}
	if s.SDK != "" {
		abs, err := filepath.Abs(s.SDK)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(filepath.Join(abs, "sdk", "filter")); err != nil {
			return nil, fmt.Errorf("%s is no checkout of Ginnel: %w", s.SDK, err)
		}
		s.SDK = filepath.ToSlash(abs)
	}
	if err := os.Mkdir(s.Dir, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("%s is there already; nothing was written", s.Dir)
		}
		return nil, err
	}
	return s.write()
}

func (s *Start) write() (written []string, err error) {
	for _, root := range []string{"template/common", "template/" + s.Language} {
		err := fs.WalkDir(templates, root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			out, err := s.fill(name)
			if err != nil {
				return err
			}
			file := filepath.Join(s.Dir, filepath.FromSlash(strings.TrimSuffix(strings.TrimPrefix(name, root+"/"), ".tmpl")))
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return err
			}
			written = append(written, file)
			return os.WriteFile(file, out, 0o644)
		})
		if err != nil {
			return nil, err
		}
	}
	return written, nil
}

func (s *Start) fill(name string) ([]byte, error) {
	text, err := templates.ReadFile(name)
	if err != nil {
		return nil, err
	}
	t, err := template.New(path.Base(name)).Delims("<<", ">>").Parse(string(text))
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	err = t.Execute(&b, s)
	return []byte(b.String()), err
}

// sample returns a value of an attribute for a block that a person goes on with.
func sample(a *schema.Attr) string {
	v := a.Default
	switch a.Kind {
	case schema.Int, schema.Float, schema.Bool:
		if v == "" {
			return map[schema.Kind]string{schema.Int: "1", schema.Float: "1.0", schema.Bool: "true"}[a.Kind]
		}
		return v
	case schema.Strings:
		return "[" + quoteAll(v) + "]"
	case schema.Map, schema.Object:
		return "{}"
	}
	if v == "" && len(a.Enum) > 0 {
		v = a.Enum[0]
	}
	if v == "" {
		v = map[schema.Kind]string{schema.Duration: "1s", schema.Size: "1KiB", schema.Ratio: "50%", schema.Rate: "600/1m"}[a.Kind]
	}
	return fmt.Sprintf("%q", v)
}

// quoteAll writes a default of a list, words with commas between, as HCL.
func quoteAll(list string) string {
	var out []string
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.Trim(strings.TrimSpace(word), `[]"`); word != "" {
			out = append(out, fmt.Sprintf("%q", word))
		}
	}
	return strings.Join(out, ", ")
}
