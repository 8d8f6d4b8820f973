package config

import (
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/ginnel/ginnel/sdk/schema"
)

// known are the schemas of the plugins and filters that the tests declare.
func known() Options {
	plugin := &schema.Block{Attrs: []schema.Attr{
		{Name: "api_key", Kind: schema.String, Optional: true, Sensitive: true},
		{Name: "organization", Kind: schema.String, Optional: true},
		{Name: "size", Kind: schema.Size, Default: "1MiB"},
	}}
	return Options{
		PluginSchema: func(name string) (*schema.Block, error) {
			if name == "late" {
				return nil, nil
			}
			return plugin, nil
		},
		FilterSchema: func(*Filter) (*schema.Block, error) {
			return &schema.Block{Attrs: []schema.Attr{{Name: "mode", Kind: schema.String, Default: "on", Enum: []string{"on", "off"}}}}, nil
		},
	}
}

// base is a small whole configuration.
const base = `
gateway {
  data_dir = "./data"
}
listener "public" {
  address = "127.0.0.1:8080"
}
secret "up" {
  env = "UP_KEY"
}
provider "up" {
  plugin = "openai"
  config {
    api_key = secret.up
  }
}
model "m" {
  target "up" {
    provider = provider.up
    model    = "m-1"
  }
}
filter "f" {
  wasm = "builtin:f"
}
pipeline "p" {
  filters = [filter.f]
}
route "r" {
  listener = listener.public
  match    = { path = "/v1/*" }
  pipeline = pipeline.p
  models   = [model.m]
}
`

// environment is what env() sees.
type environment map[string]string

func (e environment) get(name string) (string, bool) { v, ok := e[name]; return v, ok }

// TestAnEmptySecretIsNone, and its source is said to be empty, not to be missing.
func TestAnEmptySecretIsNone(t *testing.T) {
	r := load(t, base, environment{"UP_KEY": ""})
	if text := fmt.Sprint(r.Diagnostics); r.Config != nil || !strings.Contains(text, "the environment variable UP_KEY is empty") {
		t.Error(text)
	}
}

func load(t testing.TB, text string, env environment) Result {
	t.Helper()
	if env == nil {
		env = environment{"UP_KEY": "key"}
	}
	return Load(Source{Path: filepath.Join(t.TempDir(), "gateway.hcl"), Text: []byte(text), Env: env.get}, known())
}

// said is the diagnostics as an operator reads them.
func said(r Result) string {
	var b strings.Builder
	WriteDiagnostics(&b, r.Diagnostics, r.Files, 0, false)
	return b.String()
}

func must(t testing.TB, r Result) *Config {
	t.Helper()
	if r.Config == nil {
		t.Fatal(said(r))
	}
	return r.Config
}

func TestLoad(t *testing.T) {
	c := must(t, load(t, base, nil))
	p := c.Providers[0]
	json, err := p.Config.JSON()
	if err != nil || string(json) != `{"api_key":"key","size":1048576}` {
		t.Errorf("config %s, %v", json, err)
	}
	if got := p.Config.Secrets(); !slices.Equal(got, []string{"key"}) {
		t.Errorf("secrets %q", got)
	}
	r := c.Routes[0]
	if r.Listener != c.Listeners[0] || r.Models[0].Targets[0].Provider != p || r.Pipeline.Filters[0] != c.Filters[0] || r.Open || r.Path != "/v1/*" {
		t.Errorf("%+v", r)
	}
	if c.Gateway.Limits.Body != 32<<20 || c.Gateway.Limits.Drain != 30*time.Second || p.Timeouts.Idle != time.Minute {
		t.Errorf("defaults: %+v, %+v", c.Gateway.Limits, p.Timeouts)
	}
	if !filepath.IsAbs(c.Gateway.DataDir) || filepath.Base(c.Gateway.DataDir) != "data" {
		t.Errorf("data_dir %s is not beside the file", c.Gateway.DataDir)
	}
	again := must(t, load(t, base, nil))
	other := must(t, load(t, base, environment{"UP_KEY": "another"}))
	if c.Hash == other.Hash || again.Hash == "" {
		t.Error("the hash does not cover a secret")
	}
}

func TestEgressOfAProvider(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	up := httptest.NewTLSServer(nil)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: up.Certificate().Raw})
	up.Close()
	if err := os.WriteFile(path, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(base, `provider "up" {`, "provider \"up\" {\n  base_url = \"https://gpu.company.com\"\n  private = true\n  proxy = \"http://u:${secret.up}@proxy:3128\"\n  tls = { ca_file = \""+path+"\", server_name = \"gpu\" }\n", 1)
	c := must(t, load(t, text, nil))
	p := c.Providers[0]
	if p.Private == nil || !*p.Private || p.Proxy != "http://u:key@proxy:3128" {
		t.Errorf("%+v", p)
	}
	if string(p.TLS.CA) != string(ca) || p.TLS.ServerName != "gpu" {
		t.Errorf("%+v", p.TLS)
	}
	before := c.Hash
	if err := os.WriteFile(path, append(ca, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := must(t, load(t, text, nil)); again.Hash == before {
		t.Error("the hash does not cover a file's content")
	}
	if err := os.WriteFile(path, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := said(load(t, text, nil)); !strings.Contains(out, "no certificate in PEM") {
		t.Error(out)
	}
	var shown strings.Builder
	if err := c.Show(&shown); err != nil || strings.Contains(shown.String(), "u:key") {
		t.Errorf("%v: the proxy's password is shown:\n%s", err, &shown)
	}
	if p := must(t, load(t, base, nil)).Providers[0]; p.Private != nil || p.TLS.CA != nil {
		t.Errorf("by default: %+v", p)
	}
}

// TestMistakes: each is found, at its line, with what the operator needs to mend it.
func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string // in base; old "" = behind it
		at       string // on the line that the diagnostic points at; "" = any
		want     []string
	}{
		"unknown argument":     {`data_dir = "./data"`, `data_dri = "./data"`, "data_dri", []string{`"data_dri"`, `Did you mean "data_dir"?`}},
		"block as argument":    {`address = "127.0.0.1:8080"`, "address = \"127.0.0.1:8080\"\n  tls = { mode = \"off\" }", "tls", []string{"is a block here", `write tls "MODE" { ... }`}},
		"argument as block":    {`match    = { path = "/v1/*" }`, `match { path = "/v1/*" }`, "match", []string{"is an argument here", "write match = ..."}},
		"unknown block":        {`filter "f"`, `filtre "f"`, "filtre", []string{"filtre", "filter"}},
		"bare number":          {`gateway {`, "gateway {\n  limits = { drain = 30 }\n", "30", []string{"a duration with its unit"}},
		"bad unit":             {`gateway {`, "gateway {\n  limits = { body = \"5 bushels\" }\n", "bushels", []string{`"5 bushels" is not a size`, "MiB"}},
		"quoted number":        {`gateway {`, "gateway {\n  limits = { concurrent_requests = \"5\" }\n", `"5"`, []string{"without quotes"}},
		"no sessions":          {`gateway {`, "gateway {\n  limits = { tenant_sessions = 0 }\n", "0", []string{"tenant_sessions", "more than 0"}},
		"fewer than none":      {`gateway {`, "gateway {\n  limits = { concurrent_requests = -1 }\n", "-1", []string{"concurrent_requests", "more than 0"}},
		"a team's none":        {`gateway {`, "team \"t\" { limit = { uploads = 0 } }\ngateway {\n", "0", []string{"uploads", "more than 0"}},
		"unknown field":        {`{ path = "/v1/*" }`, `{ paht = "/v1/*" }`, "paht", []string{`"paht"`, `"path"`}},
		"string for reference": {`provider.up`, `"up"`, `provider = "up"`, []string{"without quotes"}},
		"wrong kind":           {`provider = provider.up`, `provider = model.m`, "provider = model.m", []string{"a provider is needed", "model.m"}},
		"no such block":        {`pipeline.p`, `pipeline.q`, "pipeline.q", []string{"pipeline.q"}},
		"type in config":       {`api_key = secret.up`, `organization = 7`, "organization", []string{"organization", "string"}},
		"enum":                 {`wasm = "builtin:f"`, "wasm = \"builtin:f\"\n  config {\n    mode = \"offf\"\n  }\n", "offf", []string{`"offf"`, `"off"`}},
		"secret shown":         {`api_key = secret.up`, `organization = secret.up`, "secret.up", []string{"secret may not stand here"}},
		"secret in a template": {`api_key = secret.up`, `organization = "x-${secret.up}"`, "secret.up", []string{"secret may not stand here"}},
		"secret in a function": {`api_key = secret.up`, `organization = upper(secret.up)`, "secret.up", []string{"secret may not stand here"}},
		"unset secret":         {`env = "UP_KEY"`, `env = "NONE"`, "secret.up", []string{"secret.up has no value", "NONE"}},
		"no such secret":       {`secret.up`, `secret.upp`, "secret.upp", []string{"upp"}},
		"missing argument":     {`address = "127.0.0.1:8080"`, ``, `listener "public"`, []string{"address"}},
		"public without tls":   {`127.0.0.1:8080`, `:8080`, ":8080", []string{"tls"}},
		"no model's name":      {`"m-1"`, `""`, `""`, []string{"model: it is the model's name at the provider"}},
		"no port":              {`127.0.0.1:8080`, `127.0.0.1`, "127.0.0.1", []string{"host:port"}},
		"unset variable":       {`"./data"`, `env("NONE")`, "NONE", []string{"NONE", "no default"}},
		"no file":              {`"./data"`, `file("none.txt")`, "none.txt", []string{"none.txt"}},
		"syntax":               {`gateway {`, `gateway {{`, "{{", nil},
		"null":                 {`"./data"`, `null`, "null", []string{"not null"}},
		"twice":                {"", "pipeline \"p\" {\n  filters = []  # again\n}\n", "", []string{`pipeline "p" stands already at`}},
		"two secrets' sources": {`env = "UP_KEY"`, "env = \"UP_KEY\"\n  file = \"x\"\n", `file = "x"`, []string{"both env and file"}},
		"bad rate":             {`wasm = "builtin:f"`, "wasm = \"builtin:f\"\n  rate \"default\" {\n    limit = \"many\"\n  }\n", "many", []string{`"many" is not a rate`}},
		"foreign without sum":  {`"builtin:f"`, `"./f.wasm"`, `filter "f"`, []string{"sha256"}},
		"half a certificate":   {`provider "up" {`, "provider \"up\" {\n  tls = { cert_file = \"c.pem\" }\n", "cert_file", []string{"cert_file and key_file belong together"}},
		"no ca file":           {`provider "up" {`, "provider \"up\" {\n  tls = { ca_file = \"none.pem\" }\n", "ca_file", []string{"none.pem"}},
		"tls without https":    {`provider "up" {`, "provider \"up\" {\n  base_url = \"http://a.test\"\n  tls = { ca_file = \"c.pem\" }\n", "ca_file", []string{"for an https base_url"}},
		"a proxy of https":     {`provider "up" {`, "provider \"up\" {\n  proxy = \"https://u:p4ssw0rd@proxy\"\n", "", []string{"proxy: http://host:port is needed"}},
		"private as a word":    {`provider "up" {`, "provider \"up\" {\n  private = \"yes\"\n", `"yes"`, []string{"true or false"}},
		"not UTF-8":            {`"./data"`, "\"\xff\"", "", nil},
	} {
		text := base + c.new
		if c.old != "" {
			if !strings.Contains(base, c.old) {
				t.Fatalf("%s: %q is not in the base", name, c.old)
			}
			text = strings.Replace(base, c.old, c.new, 1)
		}
		r := load(t, text, nil)
		out := said(r)
		if r.Config != nil || !r.Diagnostics.HasErrors() {
			t.Errorf("%s: accepted", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in:\n%s", name, want, out)
			}
		}
		if line := lineOf(text, c.at); c.at != "" && !slices.ContainsFunc(r.Diagnostics, func(d *hcl.Diagnostic) bool { return d.Subject != nil && d.Subject.Start.Line == line }) {
			t.Errorf("%s: nothing on line %d:\n%s", name, line, out)
		}
	}
}

func lineOf(text, part string) int { return strings.Count(text[:strings.Index(text, part)], "\n") + 1 }

// TestFiveMistakesAtOnce is the promise that one run shows them all.
func TestFiveMistakesAtOnce(t *testing.T) {
	secret := rand.Text()
	text := strings.NewReplacer(
		`data_dir = "./data"`, `data_dri = "./data"`,
		`plugin = "openai"`, "plugin = \"openai\"\n  timeouts = { idle = \"5 fortnights\" }",
		`provider = provider.up`, `provider = secret.up`,
		`api_key = secret.up`, "api_key = secret.up\n    size = true",
		`wasm = "builtin:f"`, "wasm = \"builtin:f\"\n  config {\n    mode = secret.up\n  }\n",
	).Replace(base)
	r := load(t, text, environment{"UP_KEY": secret})
	lines := map[int]bool{}
	for _, d := range r.Diagnostics {
		lines[d.Subject.Start.Line] = true
		if d.Summary == "" || d.Detail == "" {
			t.Errorf("%+v", d)
		}
	}
	out := said(r)
	var want []int
	for _, part := range []string{"data_dri", "fortnights", "size = true", "provider = secret.up", "mode = secret.up"} {
		want = append(want, lineOf(text, part))
	}
	if got := slices.Sorted(maps.Keys(lines)); len(r.Diagnostics) != 5 || !slices.Equal(got, want) {
		t.Errorf("%d diagnostics on lines %v:\n%s", len(r.Diagnostics), got, out)
	}
	var json strings.Builder
	WriteJSON(&json, r.Diagnostics)
	if strings.Contains(out+json.String(), secret) {
		t.Error("the secret is printed")
	}
	for line := range lines {
		if !strings.Contains(out, fmt.Sprintf("%4d: ", line)) || !strings.Contains(json.String(), fmt.Sprintf(`"line":%d`, line)) && !strings.Contains(json.String(), fmt.Sprintf(`"line": %d`, line)) {
			t.Errorf("line %d is not shown:\n%s", line, out)
		}
	}
}

// TestUnusedSecretsMayBeMissing: a secret without a value is a mistake where it is used.
func TestUnusedSecretsMayBeMissing(t *testing.T) {
	must(t, load(t, base+"secret \"spare\" { env = \"NONE\" }\n", nil))
}

func TestValues(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "name.txt"), []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.txt"), []byte("from-a-credential\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(
		`gateway {`, `
variable "drain" { default = "7s" }
variable "many" { default = 12 }
gateway {
  log      = { level = env("LOG_LEVEL", "info") }
  limits   = { drain = var.drain, concurrent_requests = env("MANY", 5), header = "${var.many}KiB", write_timeout = "2m" }
`,
		`env = "UP_KEY"`, `credential = "key.txt"`,
		`"m-1"`, `trimspace(file("name.txt"))`,
	).Replace(base)
	env := environment{"MANY": "77", "CREDENTIALS_DIRECTORY": dir, "LOG_LEVEL": "debug"}
	c := must(t, Load(Source{Path: filepath.Join(dir, "gateway.hcl"), Text: []byte(text), Env: env.get, Vars: map[string]string{"drain": "9s"}}, known()))
	l := c.Gateway.Limits
	if l.Drain != 9*time.Second || l.ConcurrentRequests != 77 || l.Header != 12<<10 || l.WriteTimeout != 2*time.Minute || c.Gateway.LogLevel.String() != "DEBUG" {
		t.Errorf("%+v, %s", l, c.Gateway.LogLevel)
	}
	if c.Models[0].Targets[0].Model != "from-a-file" {
		t.Errorf("model %q", c.Models[0].Targets[0].Model)
	}
	if raw, _ := c.Providers[0].Config.JSON(); !strings.Contains(string(raw), "from-a-credential") {
		t.Errorf("config %s", raw)
	}
	r := Load(Source{Path: filepath.Join(dir, "gateway.hcl"), Text: []byte(text), Env: env.get, Vars: map[string]string{"drian": "9s"}}, known())
	if out := said(r); r.Config != nil || !strings.Contains(out, "drain") {
		t.Errorf("an unknown --var: %s", out)
	}
}

func TestOverlay(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("gateway.hcl", strings.Replace(base, `data_dir = "./data"`, "data_dir = \"./data\"\n environment = env(\"STAGE\", \"production\")\n limits = { drain = \"5s\", body = \"1MiB\" }\n", 1))
	write("gateway.staging.hcl", `
gateway {
  limits = { drain = "6s" }
}
listener "public" {
  address = "0.0.0.0:8443"
  tls "internal" {}
}
secret "up" { env = "STAGING_KEY" }
model "extra" {
  target "up" {
    provider = provider.up
    model = "x"
  }
}
`)
	get := func(env environment) *Config {
		return must(t, Load(Source{Path: filepath.Join(dir, "gateway.hcl"), Env: env.get}, known()))
	}
	plain := get(environment{"UP_KEY": "a"})
	over := get(environment{"STAGE": "staging", "STAGING_KEY": "b"})
	if plain.Gateway.Limits.Drain != 5*time.Second || len(plain.Models) != 1 || plain.Gateway.Environment != "production" {
		t.Errorf("without: %+v", plain.Gateway)
	}
	if l := over.Gateway.Limits; l.Drain != 6*time.Second || l.Body != 1<<20 || len(over.Models) != 2 || over.Listeners[0].Address != "0.0.0.0:8443" || over.Listeners[0].TLS.Mode != "internal" {
		t.Errorf("with: %+v, %+v", l, over.Listeners[0])
	}
	if raw, _ := over.Providers[0].Config.JSON(); !strings.Contains(string(raw), `"b"`) {
		t.Errorf("config %s", raw)
	}
	// one that leads nowhere or in circles is there, and cannot be read
	overlay := filepath.Join(dir, "gateway.loop.hcl")
	if err := os.Symlink(overlay, overlay); err != nil {
		t.Fatal(err)
	}
	if r := Load(Source{Path: filepath.Join(dir, "gateway.hcl"), Env: environment{"STAGE": "loop", "UP_KEY": "a"}.get}, known()); r.Config != nil {
		t.Error("an overlay that cannot be read is left out")
	}
}

func TestJSONForm(t *testing.T) {
	text := `{
  "gateway": {"data_dir": "./data"},
  "listener": {"public": {"address": "127.0.0.1:0"}},
  "provider": {"up": {"plugin": "openai", "config": {"organization": "o"}}},
  "model": {"m": {"target": {"up": {"provider": "provider.up", "model": "x"}}}},
  "pipeline": {"p": {"filters": []}},
  "route": {"r": {"listener": "listener.public", "match": {"path": "/v1/*"}, "pipeline": "pipeline.p", "models": ["model.m"]}}
}`
	c := must(t, Load(Source{Path: "gateway.json", Text: []byte(text)}, known()))
	if c.Routes[0].Models[0].Targets[0].Provider.Name != "up" {
		t.Errorf("%+v", c.Routes[0])
	}
}

// TestLateConfig: a plugin's config whose schema is not known is checked when it is.
func TestLateConfig(t *testing.T) {
	c := must(t, load(t, strings.NewReplacer(`plugin = "openai"`, `plugin = "late"`, `api_key = secret.up`, "api_key = secret.up\n    size = \"many\"").Replace(base), nil))
	o := c.Providers[0].Config
	if o.Checked() {
		t.Fatal("it is checked already")
	}
	shape, _ := known().PluginSchema("openai")
	diags := o.Check(shape)
	if len(diags) != 1 || diags[0].Subject.Start.Line != 15 || o.Checked() {
		t.Errorf("%v", diags)
	}
}

// TestShowMasks: what is in force can be shown to anybody.
func TestShowMasks(t *testing.T) {
	secret := rand.Text()
	c := must(t, load(t, base, environment{"UP_KEY": secret}))
	var b strings.Builder
	if err := c.Show(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), secret) || !strings.Contains(b.String(), mask) || !strings.Contains(b.String(), "drain") {
		t.Errorf("%s", b.String())
	}
	s := NewSecret(secret)
	if text := fmt.Sprintf("%v %s %q %x %+v %#v %d", s, s, s, s, s, s, s); strings.Contains(text, secret) {
		t.Error("a verb prints a secret")
	}
}

func TestDurationsAndSizes(t *testing.T) {
	for s, want := range map[string]time.Duration{"30s": 30 * time.Second, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour, "0s": 0, "1.5s": 1500 * time.Millisecond} {
		if d, err := parseDuration(s); err != nil || d != want {
			t.Errorf("%s: %s, %v", s, d, err)
		}
	}
	for s, want := range map[string]int64{"1B": 1, "32MiB": 32 << 20, "1MB": 1e6, "2GiB": 2 << 30, "7kB": 7000} {
		if n, err := parseSize(s); err != nil || n != want {
			t.Errorf("%s: %d, %v", s, n, err)
		}
	}
	for _, s := range []string{"", "5", "-5s", "5 s", "s", "1e9s", "99999999999d", "d"} {
		if d, err := parseDuration(s); err == nil {
			t.Errorf("%q is %s", s, d)
		}
	}
	for _, s := range []string{"", "5", "-5B", "5 MiB", "MiB", "9999999999999TiB", "1.5MiB"} {
		if n, err := parseSize(s); err == nil {
			t.Errorf("%q is %d bytes", s, n)
		}
	}
}

// FuzzLoad: no text makes loading panic, and what is wrong is always said.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{base, "", "\xff\xfe", strings.Repeat("a {", 300), `x = [for a in b : c]`, "gateway {\n limits = { drain = 5 }\n}", `variable "a" { default = var.a }`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"gateway.hcl", "gateway.json"} {
			r := Load(Source{Path: name, Text: []byte(text), Env: environment{}.get}, known())
			if (r.Config == nil) != r.Diagnostics.HasErrors() {
				t.Errorf("config %v, %v", r.Config, r.Diagnostics)
			}
			said(r)
			if r.Config != nil {
				r.Config.Show(&strings.Builder{})
			}
		}
	})
}
