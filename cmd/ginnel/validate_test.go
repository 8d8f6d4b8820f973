package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mistaken has five mistakes, each marked by a comment at its line's end.
const mistaken = `gateway {
  data_dri = "./data" # mistake
}
listener "public" {
  address = "127.0.0.1:0"
}
secret "up" {
  env = "UP_KEY"
}
provider "up" {
  plugin   = "openai"
  base_url = "http://127.0.0.1:9/v1"
  timeouts = { idle = "5 fortnights" } # mistake
  config {
    api_key      = secret.up
    organization = 7 # mistake
  }
}
model "m" {
  target "up" {
    provider = secret.up # mistake
    model    = "m"
  }
}
pipeline "p" {
  filters = []
}
route "all" {
  listener = listener.public
  match    = { path = "/v1/*" }
  pipeline = pipeline.p
  models   = [model.m]
}
telemetry "file" {
  plugin = "jsonl"
  config {
    path = secret.up # mistake
  }
}
`

// TestValidateShowsAllMistakes: one run of the command shows five mistakes with their lines, for
// people and for programs, and no secret.
func TestValidateShowsAllMistakes(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gateway.hcl"), []byte(mistaken), 0o600); err != nil {
		t.Fatal(err)
	}
	secret := madeUpToken()
	t.Setenv("UP_KEY", secret)
	people, programs := ginnel(t, dir, "validate"), ginnel(t, dir, "validate", "--json")
	if people.code != 1 || programs.code != 1 || strings.Count(people.err, "Error: ") != 5 {
		t.Errorf("%d, %d:\n%s", people.code, programs.code, people.err)
	}
	var found struct {
		Diagnostics []struct {
			Summary, Detail string
			Range           struct{ Start struct{ Line int } }
		}
	}
	if err := json.Unmarshal([]byte(programs.out), &found); err != nil {
		t.Fatalf("%v: %s", err, programs.out)
	}
	lines := map[int]bool{}
	for _, d := range found.Diagnostics {
		lines[d.Range.Start.Line] = d.Summary != "" && d.Detail != ""
	}
	for i, line := range strings.Split(mistaken, "\n") {
		if strings.Contains(line, "# mistake") != lines[i+1] {
			t.Errorf("line %d: %s", i+1, line)
		}
		if strings.Contains(line, "# mistake") && !strings.Contains(people.err, line) {
			t.Errorf("not shown: %s", line)
		}
	}
	if strings.Contains(people.err+people.out+programs.out+programs.err, secret) {
		t.Error("the secret is printed")
	}
}

// TestValidateMissesAPlace: a port that there is not, and an address that ends as the plugin's own paths begin, have
// their line, and what a plugin says of its config is said in words alone.
func TestValidateMissesAPlace(t *testing.T) {
	for _, c := range []struct{ plugin, base, config, want string }{ // want "" = it is valid
		{"openai", "https://api.example.com:99999/v1", "", "port"},
		{"azure", "https://a.openai.azure.com/openai/v1", "", "base_url ends with /openai/v1"},
		{"azure", "https://a.openai.azure.com/openai/", "surface = \"deployments\"", "base_url ends with /openai"},
		{"azure", "https://a.services.ai.azure.com/models", "surface = \"models\"", "base_url ends with /models"},
		{"openai", "https://api.openai.com/v1/chat/completions", "", "base_url ends with /chat/completions"},
		{"anthropic", "https://api.anthropic.com/v1/messages", "", "base_url ends with /messages"},
		{"gemini", "https://generativelanguage.googleapis.com/v1beta/models", "", "base_url ends with /models"},
		{"bedrock", "", "region = \"nowhere\"\n    api_key = \"none\"", "\n\nconfig: region: not the name of one"},
		{"azure", "https://a.openai.azure.com", "", ""},
		{"openai", "https://a.services.ai.azure.com/models", "", ""},
		{"openai", "http://127.0.0.1:8000/v1/openai", "", ""},
		{"vertex", "https://proxy.example.com/v1", "auth_token = \"a\"\n    project = \"p\"", ""},
	} {
		dir := t.TempDir()
		text := "gateway { data_dir = \"./data\" }\nprovider \"up\" {\n  plugin = \"" + c.plugin + "\"\n"
		if c.base != "" {
			text += "  base_url = \"" + c.base + "\"\n"
		}
		if err := os.WriteFile(filepath.Join(dir, "gateway.hcl"), []byte(text+"  config {\n    "+c.config+"\n  }\n}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if s := ginnel(t, dir, "validate"); s.code == 0 != (c.want == "") || !strings.Contains(s.err, c.want) || c.want != "" && !strings.Contains(s.err, `provider "up"`) {
			t.Errorf("%s at %s: %+v", c.plugin, c.base, s)
		}
	}
}

// TestValidateTellsInvokedPlugins where and how they make their calls: what they cannot be told, or do not take, has
// its line before anything is launched.
func TestValidateTellsInvokedPlugins(t *testing.T) {
	block := func(plugin, place, config string) string {
		return "gateway { data_dir = \"./data\" }\nprovider \"up\" {\n  plugin = \"" + plugin + "\"\n  " + place + "\n  config {\n    " + config + "\n  }\n}\n"
	}
	const aws = "region = \"eu-central-1\"\n    api_key = \"none\""
	for name, c := range map[string]struct{ text, want string }{ // want "" = it is valid
		"it makes no calls":  {block("echo", `proxy = "http://proxy:3128"`, ""), "proxy: it makes its calls itself and does not say that it can be told"},
		"of no place":        {block("echo", "", ""), ""},
		"private":            {block("bedrock", "base_url = \"https://127.0.0.1:1\"\n  private = false", aws), "127.0.0.1 is a private address"},
		"what it is told":    {block("bedrock", "base_url = \"https://127.0.0.1:1\"\n  private = true\n  proxy = \"http://proxy:3128\"\n  tls = { server_name = \"a\" }", aws), ""},
		"its own config too": {block("bedrock", "", "region = \"nowhere\"\n    api_key = \"none\""), "region: not the name of one"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "gateway.hcl"), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := ginnel(t, dir, "validate")
		if s.code == 0 != (c.want == "") || !strings.Contains(s.err, c.want) || c.want != "" && !strings.Contains(s.err, `provider "up"`) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
