package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/daemon"
)

const repository = "../.."

// TestReference holds the reference page to the schemas: `make generate` writes it.
func TestReference(t *testing.T) {
	var want bytes.Buffer
	if err := writeReference(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(repository, "docs/reference/configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/reference/configuration.md is not what the schemas say: run `make generate`")
	}
}

// anyEnv has every variable, so that secrets have values.
func anyEnv(name string) (string, bool) {
	if name == "VERTEX_KEY" {
		return serviceAccount(), true
	}
	if strings.HasSuffix(name, "_KEY") {
		return "none", true
	}
	return "", false
}

// serviceAccount is the key of one that there is not.
var serviceAccount = sync.OnceValue(func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	out, _ := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "p", "client_email": "gateway@p.example", "token_uri": "https://oauth2.example/token", "private_key": string(text),
	})
	return string(out)
})

func mustLoad(t *testing.T, name, path string, text []byte) {
	t.Helper()
	r := config.Load(config.Source{Path: path, Text: text, Env: anyEnv}, options())
	if r.Config == nil {
		var said strings.Builder
		config.WriteDiagnostics(&said, r.Diagnostics, r.Files, 0, false)
		t.Errorf("%s:\n%s", name, said.String())
	}
	if formatted, diags := config.Format(path, text); diags.HasErrors() || !bytes.Equal(formatted, text) {
		t.Errorf("%s is not in the one format", name)
	}
}

// TestDocumentedConfigurations loads every hcl block of every page and every example: each is whole.
func TestDocumentedConfigurations(t *testing.T) {
	fenced := regexp.MustCompile("(?ms)^```hcl\n(.*?)^```$")
	blocks := 0
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && len(name) > 2 && (name[0] == '.' || name == "bin" || name == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".md" && filepath.Ext(path) != ".hcl" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if filepath.Ext(path) == ".hcl" {
			blocks++
			mustLoad(t, path, path, text)
			return nil
		}
		for i, block := range fenced.FindAllSubmatch(text, -1) {
			blocks++
			mustLoad(t, fmt.Sprintf("%s, block %d", path, i+1), filepath.Join(filepath.Dir(path), "gateway.hcl"), block[1])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if blocks < 4 {
		t.Errorf("only %d configurations were found", blocks)
	}
}

// TestShippedConfiguration runs the repository's gateway.hcl as it comes, and as its environment
// variables bend it.
func TestShippedConfiguration(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "gateway.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"GINNEL_LISTEN": "127.0.0.1:0", "GINNEL_ADMIN": "127.0.0.1:0", "RATE_LIMIT_MAX": "2", "LOG_LEVEL": "debug", "MAX_CONCURRENT_REQUESTS": "7"} {
		t.Setenv(name, value)
	}
	gw := start(t, string(text))
	key, err := gw.CreateKey(daemon.NewKey{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	codes := map[int]int{}
	for range 4 {
		req := gw.request(context.Background(), ask("echo", "hello", false))
		req.Header.Set("Authorization", "Bearer "+key.Text)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		codes[resp.StatusCode]++
	}
	if codes[200] != 2 || codes[429] != 2 {
		t.Errorf("RATE_LIMIT_MAX=2: %v", codes)
	}
	var shown strings.Builder
	r := config.Load(config.Source{Path: gw.path}, options())
	if r.Config == nil {
		t.Fatal("it does not load")
	}
	r.Config.Show(&shown)
	if l := r.Config.Gateway.Limits; l.ConcurrentRequests != 7 || r.Config.Gateway.LogLevel.String() != "DEBUG" || shown.Len() == 0 {
		t.Errorf("%+v", r.Config.Gateway)
	}
}
