package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// step is a command block of a guide and what the block after it says comes out.
type step struct {
	line   int
	sh     string
	expect []string
}

var fence = regexp.MustCompile("(?ms)^```(sh|text)\n(.*?)^```$")

// steps returns the commands of a page in order.
func steps(t *testing.T, page string) (all []step) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, page))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range fence.FindAllSubmatchIndex(text, -1) {
		body := string(text[m[4]:m[5]])
		if string(text[m[2]:m[3]]) == "sh" {
			all = append(all, step{line: 1 + bytes.Count(text[:m[0]], []byte("\n")), sh: body})
			continue
		}
		if len(all) == 0 || all[len(all)-1].expect != nil {
			t.Fatalf("%s: a block of output without a command", page)
		}
		all[len(all)-1].expect = strings.Split(strings.TrimSpace(body), "\n")
	}
	return all
}

// missing returns the first line that is expected and does not stand in the output, or "". Dots stand
// for anything within a line.
func missing(expect []string, output string) string {
	for _, line := range expect {
		var parts []string
		for part := range strings.SplitSeq(strings.TrimSpace(line), "...") {
			parts = append(parts, regexp.QuoteMeta(strings.TrimSpace(part)))
		}
		if !regexp.MustCompile("(?m)" + strings.Join(parts, `[^\n]*`)).MatchString(output) {
			return line
		}
	}
	return ""
}

// shell runs a guide's blocks, each in a shell of its own that begins where the last one ended.
type shell struct {
	t   *testing.T
	dir string
	env []string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	home := t.TempDir()
	sdk, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	wrapper := fmt.Sprintf("#!/bin/sh\n%s=1 exec %q \"$@\"\n", asGinnel, self)
	if err := os.WriteFile(filepath.Join(home, "ginnel"), []byte(wrapper), 0o755); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(home, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	return &shell{t, work, append(os.Environ(), "PATH="+home+":"+os.Getenv("PATH"), sdkVariable+"="+sdk)}
}

func (s *shell) command(script string) *exec.Cmd {
	cmd := exec.Command("bash", "-ec", script)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

// run runs a block to its end.
func (s *shell) run(block string) (output string, err error) {
	where := filepath.Join(s.t.TempDir(), "where")
	cmd := s.command("trap 'pwd > " + where + "' EXIT\n" + block)
	out, err := cmd.CombinedOutput()
	if dir, readErr := os.ReadFile(where); readErr == nil {
		s.dir = strings.TrimSpace(string(dir))
	}
	return string(out), err
}

// start starts a block that goes on in the background until the test ends.
func (s *shell) start(block string) *safeBuffer {
	s.t.Helper()
	cmd := s.command("exec " + strings.TrimSuffix(strings.TrimSpace(block), "&"))
	out := &safeBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if s.t.Failed() {
			s.t.Log(out.String())
		}
	})
	return out
}

// TestGuide does what the guide says, command for command.
func TestGuide(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds, compiles and runs a filter")
	}
	for _, tool := range []string{"bash", "curl", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the guide uses %s, which is not here", tool)
		}
	}
	s := newShell(t)
	public, admin := freePort(t), freePort(t)
	all := steps(t, "docs/guides/filters.md")
	if len(all) < 10 {
		t.Fatalf("only %d steps were found", len(all))
	}
	for _, st := range all {
		block := strings.NewReplacer("127.0.0.1:8080", public, "ginnel dev ", "ginnel dev --listen "+public+" --admin "+admin+" ").Replace(st.sh)
		var output func() (string, error)
		switch {
		case strings.HasSuffix(strings.TrimSpace(block), "&"):
			log := s.start(block)
			output = func() (string, error) { return log.String(), nil }
		case strings.HasPrefix(block, "curl "): // what was changed comes when it is built and compiled, which takes this process a minute with -race
			output = func() (string, error) { return s.run(block) }
		default:
			out, err := s.run(block)
			output = func() (string, error) { return out, err }
		}
		begin := time.Now()
		for {
			out, err := output()
			wrong := missing(st.expect, out)
			if wantFail := len(st.expect) > 0 && strings.HasPrefix(st.expect[0], "FAIL"); wrong == "" && wantFail == (err != nil) {
				break
			}
			if time.Since(begin) > 10*patience || !strings.HasPrefix(block, "curl ") && !strings.HasSuffix(strings.TrimSpace(block), "&") {
				t.Fatalf("docs/guides/filters.md:%d: %s\n%v\n%s\nthe guide says: %s", st.line, block, err, out, wrong)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}
