package main

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// asGinnel is the environment variable that makes this test's binary the program itself.
const asGinnel = "GINNEL_TEST_MAIN"

// program returns a command that runs the program in a directory.
func program(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), asGinnel+"=1")
	return cmd
}

// said is what a finished program said.
type said struct {
	out, err string
	code     int
}

// ginnel runs the program to its end.
func ginnel(t testing.TB, dir string, args ...string) said {
	t.Helper()
	cmd := program(dir, args...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	if failed := cmd.Run(); failed != nil && cmd.ProcessState == nil {
		t.Fatal(failed)
	}
	return said{out.String(), err.String(), cmd.ProcessState.ExitCode()}
}
