package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// many returns a configuration with the providers p0, p1 and so on, each with a body of its own, and a model of each.
func many(bodies ...string) string {
	var s strings.Builder
	s.WriteString("gateway { data_dir = \"%DATA%\" }\nlistener \"public\" { address = \"127.0.0.1:0\" }\npipeline \"p\" { filters = [] }\n")
	var models []string
	for i, body := range bodies {
		fmt.Fprintf(&s, "provider \"p%d\" {\n%s\n}\nmodel \"m%d\" {\n  target \"t\" {\n    provider = provider.p%d\n    model = \"any\"\n  }\n}\n", i, body, i, i)
		models = append([]string{fmt.Sprintf("model.m%d", i)}, models...) // not in the order of the file
	}
	fmt.Fprintf(&s, "route \"r\" {\n  listener = listener.public\n  match = { path = \"/v1/*\" }\n  auth = \"none\"\n  pipeline = pipeline.p\n  models = [%s]\n}\n", strings.Join(models, ", "))
	return s.String()
}

// processes returns how many children this process has.
func processes(t *testing.T) (n int) {
	t.Helper()
	of, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(of) == 0 {
		t.Skip("the kernel does not tell a process's children")
	}
	for _, path := range of {
		raw, _ := os.ReadFile(path) // a thread may have ended
		n += len(strings.Fields(string(raw)))
	}
	return n
}

// TestManyPluginsOfWhichSomeFail: each mistake is told, in the order of the file, and nothing is left of what did start.
func TestManyPluginsOfWhichSomeFail(t *testing.T) {
	good := `  plugin = "echo"`
	gw := start(t, many(good))
	before := processes(t)
	missing := filepath.Join(gw.data, "missing")
	bad := fmt.Sprintf("  plugin = \"echo\"\n  process = { read = [%q] }", missing)
	gw.write(many(good, bad, good, good, bad, good, bad, good))
	r := gw.Reload(context.Background(), "test")
	var told []string
	for line := range strings.SplitSeq(r.Error, "\n") {
		name, what, _ := strings.Cut(line, ": ")
		told = append(told, name)
		if !strings.Contains(what, missing) {
			t.Errorf("%q does not say what is wrong", line)
		}
	}
	if got := strings.Join(told, ", "); r.Changed || got != "provider p1, provider p4, provider p6" {
		t.Errorf("told are: %s\n%+v", got, r)
	}
	for end := time.Now().Add(patience); processes(t) != before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d processes, before there were %d", processes(t), before)
		}
	}
	if s := gw.Status(); len(s.Plugins) != 1 || len(s.Degraded) != 0 {
		t.Errorf("%+v", s)
	}
}
