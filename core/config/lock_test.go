package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/schema"
)

const (
	digestA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

var aLock = []*Locked{
	{Plugin: "./b", Kind: "telemetry", Name: "sink", Version: "2", SHA256: digestB},
	{Plugin: "./a", Kind: "provider", Name: "acme", Version: "1.2.3-${x}", SHA256: digestA, Origins: []string{"https://a.test/v1", "https://b.test"}, Calls: CallsPlugin, Connects: true, Schema: &schema.Block{
		Doc:    `says "${hello}" %{if} ` + "\n\\",
		Attrs:  []schema.Attr{{Name: "words", Kind: schema.String, Enum: []string{"a", "b"}, Default: "a"}, {Name: "limits", Kind: schema.Object, Optional: true, Fields: []schema.Attr{{Name: "n", Kind: schema.Int, Optional: true}}}},
		Blocks: map[string]*schema.Block{"rule": {Labels: []string{"name"}, Max: 3}},
	}},
}

// locked loads a configuration of one provider beside a lock file.
func locked(t *testing.T, lock []byte, provider string, o Options) Result {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.hcl")
	for name, text := range map[string][]byte{path: []byte(provider), LockPath(path): lock} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(Source{Path: path, Env: func(string) (string, bool) { return "", false }}, o)
}

func lockText(t *testing.T) []byte {
	t.Helper()
	text, err := FormatLock(aLock)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestLockIsReadAsItWasWritten: whatever a plugin says of itself comes back, and the text is the same
// whatever the order.
func TestLockIsReadAsItWasWritten(t *testing.T) {
	text := lockText(t)
	if again, err := FormatLock([]*Locked{aLock[1], aLock[0]}); err != nil || !bytes.Equal(again, text) {
		t.Errorf("%v\n%s", err, again)
	}
	if formatted, diags := Format("x.hcl", text); diags.HasErrors() || !bytes.Equal(formatted, text) {
		t.Errorf("%v\n%s", diags, text)
	}
	r := locked(t, text, "provider \"p\" {\n  plugin = \"./a\"\n  sha256 = \""+digestA+"\"\n}\n", Options{})
	if r.Config == nil {
		t.Fatal(r.Diagnostics)
	}
	if got := r.Config.Providers[0]; !reflect.DeepEqual(got.Locked, aLock[1]) || !reflect.DeepEqual(got.Reaches, aLock[1].Origins) || !got.Config.Checked() {
		t.Errorf("%+v", got.Locked)
	}
}

// TestAShapeIsTheSameBehindTheLock, also where the file says its words in other characters.
func TestAShapeIsTheSameBehindTheLock(t *testing.T) {
	said := &schema.Block{Doc: "cafe\u0301 in \u212b \x01\r\n ${a} %{b} <&>", Attrs: []schema.Attr{{Name: "a", Kind: schema.Int, Default: "7", Doc: "\u2126"}}}
	text, err := FormatLock([]*Locked{{Plugin: "./a", Kind: "provider", Name: "x", Version: "1", SHA256: digestA, Calls: CallsGateway, Schema: said}})
	if err != nil {
		t.Fatal(err)
	}
	r := locked(t, text, "provider \"p\" {\n  plugin = \"./a\"\n  sha256 = \""+digestA+"\"\n  config {\n    a = 1\n  }\n}\n", Options{})
	if r.Config == nil {
		t.Fatal(r.Diagnostics)
	}
	read := r.Config.Providers[0].Locked.Schema
	if same, err := SameShape(said, read); !same || err != nil || read.Doc == said.Doc {
		t.Errorf("%v: %q", err, read.Doc)
	}
	read.Attrs[0].Optional = true
	if same, _ := SameShape(said, read); same {
		t.Error("an attribute that may be left out is one that must be there")
	}
}

func TestLockChecksConfigs(t *testing.T) {
	provider := func(sha, config string) string {
		return "provider \"p\" {\n  plugin = \"./a\"\n  sha256 = \"" + sha + "\"\n  config {\n" + config + "\n}\n}\n"
	}
	for name, c := range map[string]struct {
		lock, provider string
		o              Options
		want           string // in the diagnostics; "" = no error and no such warning
	}{
		"what fits":             {string(lockText(t)), provider(digestA, `words = "b"`), Options{}, ""},
		"what does not":         {string(lockText(t)), provider(digestA, `words = "c"`), Options{}, "Invalid value"},
		"an unknown argument":   {string(lockText(t)), provider(digestA, `word = "c"`), Options{}, "words"},
		"another executable":    {string(lockText(t)), provider(digestB, `word = "c"`), Options{}, "Not locked"},
		"a lock that is unread": {string(lockText(t)), provider(digestB, `word = "c"`), Options{NoLock: true}, ""},
		"a function":            {"plugin \"x\" {\n kind = upper(\"a\")\n name = \"n\"\n version = \"1\"\n sha256 = \"s\"\n}\n", provider(digestA, ""), Options{}, "Function calls not allowed"},
		"something missing":     {"plugin \"x\" {\n kind = \"provider\"\n}\n", provider(digestA, ""), Options{}, "Missing required argument"},
		"no schema":             {"plugin \"x\" {\n kind = \"provider\"\n name = \"n\"\n version = \"1\"\n sha256 = \"" + digestA + "\"\n schema = { attrs = 7 }\n}\n", provider(digestA, ""), Options{}, "Invalid lock file"},
		"no word":               {"plugin \"x\" {\n kind = \"provider\"\n name = \"n\"\n version = \"1\"\n sha256 = \"" + digestA + "\"\n calls = \"nobody\"\n}\n", provider(digestA, ""), Options{}, `calls: "gateway" or "plugin" is needed`},
		"no truth":              {"plugin \"x\" {\n kind = \"provider\"\n name = \"n\"\n version = \"1\"\n sha256 = \"" + digestA + "\"\n connects = 7\n}\n", provider(digestA, ""), Options{}, "connects: json"},
		"no HCL":                {"plugin {{", provider(digestA, ""), Options{}, "gateway.lock.hcl"},
	} {
		r := locked(t, []byte(c.lock), c.provider, c.o)
		var said strings.Builder
		WriteDiagnostics(&said, r.Diagnostics, r.Files, 0, false)
		if c.want == "" && (r.Config == nil || strings.Contains(said.String(), "lock")) || !strings.Contains(said.String(), c.want) {
			t.Errorf("%s: %s", name, said.String())
		}
	}
}

// FuzzLock: no lock file crashes the loader.
// TestLockKnowsAnExecutableOnce: which of two blocks were to hold, if a merge or somebody left both?
func TestLockKnowsAnExecutableOnce(t *testing.T) {
	text := lockText(t)
	r := locked(t, append(text, text...), "provider \"p\" {\n  plugin = \"./a\"\n  sha256 = \""+digestA+"\"\n}\n", Options{})
	if r.Config != nil || !strings.Contains(r.Diagnostics.Error(), "Another block") {
		t.Errorf("%v", r.Diagnostics)
	}
}

func FuzzLock(f *testing.F) {
	text, err := FormatLock(aLock)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("plugin \"a\" {\n  origins = [1]\n  schema = null\n  kind = null\n}\n"))
	f.Add([]byte("plugin \"a\" {\n  calls = 1\n  placed = null\n  connects = \"x\"\n}\n"))
	f.Add([]byte("plugin \"a\" {\n  schema = { attrs = [{ name = \"a\", kind = [] }] }\n}\n"))
	path := filepath.Join(f.TempDir(), "gateway.hcl")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(LockPath(path), text, 0o600); err != nil {
			t.Fatal(err)
		}
		r := Load(Source{Path: path, Text: []byte("provider \"p\" {\n  plugin = \"./a\"\n  sha256 = \"" + digestA + "\"\n}\n")}, Options{})
		if r.Config == nil && !r.Diagnostics.HasErrors() {
			t.Error("neither a configuration nor an error")
		}
	})
}
