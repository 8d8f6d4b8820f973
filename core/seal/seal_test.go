package seal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "master.key")
	first, made, err := File(path)
	if err != nil || !made {
		t.Fatal(made, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	again, made, err := File(path)
	if err != nil || made || !bytes.Equal(again.Derive("x", 32), first.Derive("x", 32)) {
		t.Error("another key", made, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".master-*")); len(left) > 0 {
		t.Error("left behind", left)
	}
	os.Chmod(path, 0o644)
	if _, _, err := File(path); !errors.Is(err, ErrPublic) {
		t.Error(err)
	}
	os.Chmod(path, 0o600)
	os.WriteFile(path, []byte("abcd"), 0o600)
	if _, _, err := File(path); !errors.Is(err, ErrShort) {
		t.Error(err)
	}
}

func TestDeriveDependsOnSecretAndLabel(t *testing.T) {
	a, b := Random(), Random()
	if bytes.Equal(a.Derive("x", 32), a.Derive("y", 32)) || bytes.Equal(a.Derive("x", 32), b.Derive("x", 32)) {
		t.Error("two purposes or two masters share a key")
	}
	if _, err := New([]byte("short")); !errors.Is(err, ErrShort) {
		t.Error(err)
	}
}

func TestBox(t *testing.T) {
	m := Random()
	box := m.Box("a")
	sealed := box.Seal("name", []byte("secret"))
	if bytes.Contains(sealed, []byte("secret")) {
		t.Error("not sealed")
	}
	if plain, err := box.Open("name", sealed); err != nil || string(plain) != "secret" {
		t.Error(plain, err)
	}
	sealed2 := bytes.Clone(sealed)
	sealed2[len(sealed2)-1] ^= 1
	for what, open := range map[string]func() ([]byte, error){
		"another name":    func() ([]byte, error) { return box.Open("other", sealed) },
		"another purpose": func() ([]byte, error) { return m.Box("b").Open("name", sealed) },
		"another master":  func() ([]byte, error) { return Random().Box("a").Open("name", sealed) },
		"changed data":    func() ([]byte, error) { return box.Open("name", sealed2) },
		"cut data":        func() ([]byte, error) { return box.Open("name", sealed[:5]) },
	} {
		if _, err := open(); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
