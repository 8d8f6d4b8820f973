package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ginnel/ginnel/sdk/schema"
)

// mask is what stands wherever a secret would.
const mask = "(secret)"

// maxSecret bounds a secret's file, in bytes.
const maxSecret = 64 << 10

// Secret is a value that is printed nowhere: every way to turn it into text gives a mask, but
// Reveal.
type Secret struct{ value string }

var (
	_ fmt.Formatter  = Secret{}
	_ json.Marshaler = Secret{}
	_ slog.LogValuer = Secret{}
)

// NewSecret returns the secret that holds value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the secret itself. Whoever calls it answers for where it goes.
func (s Secret) Reveal() string { return s.value }

// Empty reports whether there is no secret.
func (s Secret) Empty() bool { return s.value == "" }

// Format writes the mask, for every verb.
func (s Secret) Format(f fmt.State, _ rune) { f.Write([]byte(mask)) }

// String returns the mask.
func (s Secret) String() string { return mask }

// MarshalJSON returns the mask.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(mask) }

// LogValue returns the mask.
func (s Secret) LogValue() slog.Value { return slog.StringValue(mask) }

// secretMark marks the values of secrets on their way through expressions.
type secretMark struct{ name string }

func secretShape() *schema.Block {
	return &schema.Block{
		Doc:    "A secret, named once and referred to as `secret.NAME` by the arguments that take one. It is printed nowhere. Exactly one of its arguments says where it comes from.",
		Labels: []string{"name"},
		Attrs: []schema.Attr{
			{Name: "env", Kind: schema.String, Optional: true, Doc: "The environment variable that holds it."},
			{Name: "file", Kind: schema.String, Optional: true, Doc: "The file that holds it; a final line end is not part of it."},
			{Name: "credential", Kind: schema.String, Optional: true, Doc: "The systemd credential that holds it (`LoadCredential=`)."},
		},
	}
}

// secret evaluates a secret block. A source that has nothing makes a secret without a value, which
// is a mistake only where something uses it.
func (e *evaluator) secret(w *walker, b *hcl.Block) cty.Value {
	name := b.Labels[0]
	n := w.walk("secret", b.Labels, b.DefRange, b.Body, secretShape())
	var source string
	for _, kind := range []string{"env", "file", "credential"} {
		at := n.attrs[kind]
		if at == nil {
			continue
		}
		if source != "" {
			w.errorf(at.rng, "Too many sources", "secret %q says both %s and %s.", name, source, kind)
		}
		source = kind
	}
	if source == "" {
		w.errorf(b.DefRange, "Missing argument", "secret %q says none of env, file and credential.", name)
	}
	value, why := e.fetch(source, get[string](n, source))
	if why != "" {
		e.without[name] = fmt.Sprintf("secret.%s has no value: %s.", name, why)
	}
	return cty.StringVal(value).Mark(secretMark{name})
}

// fetch returns a secret from its source, or why there is none.
func (e *evaluator) fetch(source, name string) (value, why string) {
	switch source {
	case "env":
		v, ok := e.env(name)
		switch {
		case !ok:
			return "", "the environment variable " + name + " is not set"
		case v == "":
			return "", "the environment variable " + name + " is empty"
		}
		return v, ""
	case "credential":
		dir, ok := e.env("CREDENTIALS_DIRECTORY")
		if !ok {
			return "", "there is no CREDENTIALS_DIRECTORY: systemd passes credentials to a service only"
		}
		if name != filepath.Base(name) {
			return "", "a credential's name has no path"
		}
		return readSecret(filepath.Join(dir, name))
	case "file":
		return readSecret(e.path(name))
	}
	return "", "it has no source"
}

func readSecret(path string) (value, why string) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxSecret {
		return "", fmt.Sprintf("%s is larger than %d bytes", path, maxSecret)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err.Error()
	}
	value = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if value == "" {
		return "", path + " is empty"
	}
	return value, ""
}
