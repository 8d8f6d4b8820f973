package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDataDirIsKnownBesideMistakes: what is wrong elsewhere does not hide where the daemon is, and
// what may be wrong with the directory itself does.
func TestDataDirIsKnownBesideMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		want     string // "" = it cannot be told
	}{
		"right":                  {"", "", "data"},
		"no secret":              {`env = "UP_KEY"`, `env = "NOT_SET"`, "data"},
		"mistake elsewhere":      {`plugin = "openai"`, `plugin_ = "openai"`, "data"},
		"syntax elsewhere":       {`models   = [model.m]`, `models = [`, "data"},
		"default":                {`data_dir = "./data"`, `environment = "x"` + "\n nonsense_ = 1", ""},
		"unset, mistake further": {`data_dir = "./data"` + "\n}", "}\nnonsense {}", "data"},
		"misspelt":               {`data_dir = "./data"`, `data_dri = "./elsewhere"`, ""},
		"another type":           {`data_dir = "./data"`, `data_dir = ["./data"]`, ""},
		"no such function":       {`data_dir = "./data"`, `data_dir = where()`, ""},
		"a variable":             {`data_dir = "./data"`, `data_dir = "./${var.d}"` + "\n}\nnonsense {}\nvariable \"d\" {\n default = \"other\"", "other"},
		"a variable without":     {`data_dir = "./data"`, `data_dir = "./${var.d}"` + "\n}\nvariable \"d\" {", ""},
		"syntax before it":       {`gateway {`, `gateway { {`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			text := strings.Replace(base, c.old, c.new, 1)
			if c.old != "" && text == base {
				t.Fatal("nothing was replaced")
			}
			r := Load(Source{Path: filepath.Join(dir, "gateway.hcl"), Text: []byte(text), Env: environment{"UP_KEY": "a"}.get}, known())
			want := ""
			if c.want != "" {
				want = filepath.Join(dir, c.want)
			}
			if r.DataDir != want || (r.Config == nil) != (name != "right") {
				t.Errorf("%q, want %q, config %t: %s", r.DataDir, want, r.Config != nil, said(r))
			}
		})
	}
}

func TestDataDirOfAnOverlay(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gateway.hcl")
	text := strings.Replace(base, `data_dir = "./data"`, "data_dir = \"./data\"\n environment = \"staging\"", 1)
	if err := os.WriteFile(filepath.Join(dir, "gateway.staging.hcl"), []byte("gateway {\n data_dir = \"./staged\"\n}\nnonsense {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := Load(Source{Path: path, Text: []byte(text), Env: environment{}.get}, known())
	if want := filepath.Join(dir, "staged"); r.Config != nil || r.DataDir != want {
		t.Errorf("%q, want %q", r.DataDir, want)
	}
}
