package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestRustHasTheNumbers holds the Rust library to sdk/filter/abi.
func TestRustHasTheNumbers(t *testing.T) {
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, to))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is not what %s says: run `make generate`", to, from)
	}
}

func TestSnake(t *testing.T) {
	for name, want := range map[string]string{"RequestHead": "REQUEST_HEAD", "RequestID": "REQUEST_ID", "TLS": "TLS", "KeyID": "KEY_ID", "HTTPCall": "HTTP_CALL", "Open": "OPEN"} {
		if got := snake(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
