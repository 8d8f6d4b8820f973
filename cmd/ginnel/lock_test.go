package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/config"
)

// TestLock: the executable runs when it is locked, and not when the configuration is validated, which
// finds the mistakes in its config all the same.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	binary, err := os.ReadFile(build(t, "provider-constant", "constant"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte, mode os.FileMode) {
		t.Helper()
		if err := replaceFile(filepath.Join(dir, name), text, mode); err != nil {
			t.Fatal(err)
		}
	}
	hcl := fmt.Sprintf("provider \"constant\" {\n  plugin = \"./constant\"\n  sha256 = \"%x\"\n  config { words = \"all is well\" }\n}\n", sha256.Sum256(binary))
	write("constant", binary, 0o755)
	write("gateway.hcl", []byte(hcl), 0o600)
	if s := ginnel(t, dir, "validate"); s.code != 0 || !strings.Contains(s.out, "plugins lock") {
		t.Errorf("before: %+v", s)
	}
	if s := ginnel(t, dir, "plugins", "lock"); s.code != 0 || !strings.Contains(s.out, "constant 1.0.0") {
		t.Fatalf("%+v", s)
	}
	first, err := os.ReadFile(filepath.Join(dir, "gateway.lock.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	if s := ginnel(t, dir, "plugins", "lock"); s.code != 0 {
		t.Errorf("again: %+v", s)
	}
	if again, err := os.ReadFile(filepath.Join(dir, "gateway.lock.hcl")); err != nil || string(again) != string(first) {
		t.Errorf("the same plugins have another lock: %v\n%s", err, again)
	}

	if text := string(first); !strings.Contains(text, `calls    = "plugin"`) || !strings.Contains(text, "connects = false") {
		t.Errorf("the lock does not say who makes its calls:\n%s", text)
	}

	// a daemon holds the plugin to it
	const echo = `  plugin = "echo"`
	gw := start(t, many(echo))
	constant := many(echo, fmt.Sprintf("  plugin = %q\n  sha256 = \"%x\"\n  config { words = \"all is well\" }", filepath.Join(dir, "constant"), sha256.Sum256(binary)))
	for _, c := range []struct{ is, says, want string }{
		{`"plugin"`, `"gateway"`, "the lock file that the gateway makes its calls"},
		{`"1.0.0"`, `"2.0.0"`, "it is constant 1.0.0, and the lock file that it is constant 2.0.0"},
		{`"forty-two"`, `"forty-three"`, "the shape of its config block is another one"},
		{"", "", ""},
	} {
		if err := os.WriteFile(config.LockPath(gw.path), []byte(strings.Replace(string(first), c.is, c.says, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		gw.write(constant)
		if r := gw.Reload(context.Background(), "test"); r.Changed != (c.want == "") || !strings.Contains(r.Error, c.want) {
			t.Errorf("a lock that says %s, and not %s: %+v", c.says, c.is, r)
		}
	}

	// what stands there now tells whether it was run
	write("constant", []byte("#!/bin/sh\ntouch "+filepath.Join(dir, "executed")+"\n"), 0o755)
	if s := ginnel(t, dir, "validate"); s.code != 0 || !strings.Contains(s.out, "the plugin itself") {
		t.Errorf("locked: %+v", s)
	}
	write("gateway.hcl", []byte(strings.Replace(hcl, `words = "all is well"`, "words = 7", 1)), 0o600)
	if s := ginnel(t, dir, "validate"); s.code != 1 || !strings.Contains(s.err, "gateway.hcl line 4") {
		t.Errorf("a mistake in its config: %+v", s)
	}
	write("gateway.hcl", []byte(strings.Replace(hcl, "  config", "  private = true\n  config", 1)), 0o600)
	if s := ginnel(t, dir, "validate"); s.code != 1 || !strings.Contains(s.err, "private: it makes its calls itself") {
		t.Errorf("what it cannot be told: %+v", s)
	}
	if s := ginnel(t, dir, "plugins", "lock"); s.code != 1 || !strings.Contains(s.err, "sha256") {
		t.Errorf("another executable is locked: %+v", s)
	}
	if kept, err := os.ReadFile(filepath.Join(dir, "gateway.lock.hcl")); err != nil || string(kept) != string(first) {
		t.Errorf("what failed changed the lock: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "executed")); err == nil {
		t.Error("the executable ran")
	}
}

// TestLockOfASink, which a daemon holds it to.
func TestLockOfASink(t *testing.T) {
	sink := build(t, "telemetry-count", "count")
	binary, err := os.ReadFile(sink)
	if err != nil {
		t.Fatal(err)
	}
	const echo = `  plugin = "echo"`
	gw := start(t, many(echo))
	gw.write(many(echo) + fmt.Sprintf("telemetry \"count\" {\n  plugin = %q\n  sha256 = \"%x\"\n}\n", sink, sha256.Sum256(binary)))
	if s := ginnel(t, ".", "plugins", "lock", "-c", gw.path); s.code != 0 || !strings.Contains(s.out, "count 1.0.0") {
		t.Fatalf("%+v", s)
	}
	lock, err := os.ReadFile(config.LockPath(gw.path))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ is, says, want string }{
		{`"1.0.0"`, `"0.9.0"`, "it is count 1.0.0, and the lock file that it is count 0.9.0"},
		{`"sent"`, `"send"`, "the shape of its config block is another one"},
		{"", "", ""},
	} {
		if err := os.WriteFile(config.LockPath(gw.path), []byte(strings.Replace(string(lock), c.is, c.says, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := gw.Reload(context.Background(), "test"); r.Changed != (c.want == "") || !strings.Contains(r.Error, c.want) {
			t.Errorf("a lock that says %s, and not %s: %+v", c.says, c.is, r)
		}
	}
}

func TestVerify(t *testing.T) {
	plugin, written := build(t, "provider-constant", "constant"), t.TempDir()
	for _, c := range []struct {
		args string
		code int
		want []string
	}{
		{plugin, 0, []string{"constant 1.0.0", "describe    ok", "unary       ok", "stream      ok", "drain       ok", "skipped: it does not relay", "sha256 "}},
		{`--settings {"api_key":"any"} ` + build(t, "provider-relay", "acme"), 0, []string{"acme 1.0.0", "relay       ok", "unary       skipped", "sha256 "}},
		{"azure", 0, []string{"relay       ok", "stream      skipped"}},
		{"openai", 0, []string{"relay       ok"}}, // no preset has all that the plugin knows
		{`--settings {"words":7} ` + plugin, 1, []string{"configure   FAILED", "words must be a string"}},
		{"--settings { " + plugin, 1, []string{"no JSON"}},
		{"/bin/true", 1, []string{"plugin /bin/true"}},
		{"jsonl", 1, []string{"configure   FAILED", "path is missing"}},
		{"--write " + written + ` --settings {"path":"` + written + `/events"} jsonl`, 0, []string{"jsonl ", "describe    ok", "configure   ok", "export      ok"}},
		{build(t, "telemetry-count", "count"), 0, []string{"count 1.0.0", "describe    ok", "configure   ok", "export      ok", "permanent   skipped", "sha256 "}},
		{`--settings {"label":7} ` + build(t, "telemetry-count", "count"), 1, []string{"configure   FAILED", "label must be a string"}},
		{"none", 1, []string{"there is no built-in plugin of that name"}},
		{"./none", 1, []string{"none"}},
	} {
		s := ginnel(t, t.TempDir(), append([]string{"plugins", "verify"}, strings.Fields(c.args)...)...)
		for _, want := range c.want {
			if s.code != c.code || !strings.Contains(s.out+s.err, want) {
				t.Errorf("%s: %s is not in %+v", c.args, want, s)
			}
		}
	}
}
