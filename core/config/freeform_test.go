package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/schema"
)

// loadFree loads a filter whose module has no schema.
func loadFree(t *testing.T, body string) Result {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.hcl")
	text := "secret \"s\" { env = \"S\" }\nsecret \"none\" { env = \"NONE\" }\nfilter \"f\" {\n  wasm = \"./x.wasm\"\n  sha256 = \"" + strings.Repeat("0", 64) + "\"\n" + body + "\n}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(Source{Path: path, Env: func(name string) (string, bool) { return "value of " + name, name == "S" }}, Options{
		FilterSchema: func(*Filter) (*schema.Block, error) { return &schema.Block{Opaque: true}, nil },
	})
}

func TestConfigWithoutASchema(t *testing.T) {
	for body, want := range map[string]string{
		"":          "",
		"config {}": "{}",
		"config {\n a = 1\n b = [true, null, \"x\"]\n c = { \"d-e\" = { f = 1.5 } }\n}": `{"a":1,"b":[true,null,"x"],"c":{"d-e":{"f":1.5}}}`,
		"config { key = secret.s }": `{"key":"value of S"}`,
	} {
		r := loadFree(t, body)
		if r.Config == nil {
			t.Errorf("%s: %v", body, r.Diagnostics)
			continue
		}
		got, err := r.Config.Filters[0].Config.JSON()
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", body, got, err)
		}
		var shown strings.Builder
		if r.Config.Show(&shown); strings.Contains(shown.String(), "value of") {
			t.Errorf("shown: %s", shown.String())
		}
	}
	for body, want := range map[string]string{
		"config { block {} }":                "argument",
		"config { a = nothing }":             "",
		"config { key = secret.none }":       "NONE is not set",
		"config {}\n config_text = \"x\"":    "config block",
		"grant = { clusters = { a = [1] } }": "object of strings",
	} {
		r := loadFree(t, body)
		if !r.Diagnostics.HasErrors() || !strings.Contains(r.Diagnostics.Error(), want) {
			t.Errorf("%s: %v", body, r.Diagnostics)
		}
	}
	r := loadFree(t, "config_text = \"a: 1\\n\"\n grant = { http = [\"https://a.test\"], clusters = { \"outbound|1||x\" = \"https://a.test\" } }")
	if f := r.Config.Filters[0]; f.ConfigText != "a: 1\n" || f.Clusters["outbound|1||x"] != "https://a.test" {
		t.Errorf("%+v", f)
	}
}
