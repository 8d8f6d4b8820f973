package main

import (
	"bytes"
	"os"
	"testing"
)

// The committed registry is what the directories say: a new plugin touches no shared file by hand.
func TestRegistryIsCurrent(t *testing.T) {
	want, err := registry("../../plugins")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../ginnel/plugins_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("cmd/ginnel/plugins_gen.go is not what go generate makes of plugins/")
	}
}
