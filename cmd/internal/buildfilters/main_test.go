package main

import (
	"os"
	"testing"

	"github.com/ginnel/ginnel/core/wasmhost"
	"github.com/ginnel/ginnel/filters"
)

func TestTheRegistryHoldsEveryFilter(t *testing.T) {
	t.Chdir("../../..")
	if err := run(true, true, nil); err != nil {
		t.Error(err)
	}
	found, err := builtins()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		m, err := wasmhost.ReadManifest(filters.Module(name))
		if err != nil || m.Name != name {
			t.Errorf("%s: manifest %+v, %v", name, m, err)
		}
	}
}

func TestCompareNoticesADifference(t *testing.T) {
	path := t.TempDir() + "/f"
	if compare(path, nil) == nil {
		t.Error("a missing file passes")
	}
	if err := os.WriteFile(path, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if compare(path, []byte("b")) == nil || compare(path, []byte("a")) != nil {
		t.Error("compare does not compare")
	}
}
