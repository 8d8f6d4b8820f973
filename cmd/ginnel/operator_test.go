package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/daemon"
	"github.com/ginnel/ginnel/filters"
)

// TestOperatorNeedsNoSecrets: a running daemon answers its operator's commands although his shell has
// none of its secrets, and although its file was broken meanwhile.
func TestOperatorNeedsNoSecrets(t *testing.T) {
	const name = "GINNEL_TEST_DAEMONS_OWN"
	dir, _ := writeConfig(t, "key")
	path := filepath.Join(dir, "gateway.hcl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(more string) {
		t.Helper()
		if err := os.WriteFile(path, append(text, more...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secret := "\nsecret \"s\" { env = \"" + name + "\" }\nprovider \"up\" {\n  plugin = \"openai\"\n  config { api_key = secret.s }\n}\n"
	write(secret)
	t.Setenv(name, madeUpToken())
	cmd, _ := startProgram(t, dir, "run")
	os.Unsetenv(name)
	answers(t, dir)
	for _, args := range []string{"status", "keys create --name a", "keys list", "reload"} {
		if s := ginnel(t, dir, strings.Fields(args)...); s.code != 0 {
			t.Errorf("ginnel %s, without the secret: %+v", args, s)
		}
	}
	if s := ginnel(t, dir, "validate"); s.code == 0 || !strings.Contains(s.err, name) {
		t.Errorf("validate: %+v", s)
	}
	write(secret + "\nnonsense {")
	if s := ginnel(t, dir, "reload"); s.code == 0 || !strings.Contains(s.err, "nonsense") || strings.Contains(s.err, name) {
		t.Errorf("reload of a broken file: %+v", s)
	}
	if s := ginnel(t, dir, "status"); s.code != 0 || !strings.Contains(s.out, "1 refused") || !strings.Contains(s.out, "has mistakes") {
		t.Errorf("status beside a broken file: %+v", s)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	for _, args := range []string{"status", "reload", "keys list"} {
		if s := ginnel(t, dir, strings.Fields(args)...); s.code == 0 {
			t.Errorf("ginnel %s, without a daemon: %+v", args, s)
		}
	}
}

// TestRefusedReloadIsExplained: who sends a signal reads in the log what is wrong.
func TestRefusedReloadIsExplained(t *testing.T) {
	gw := start(t, echoed(emptyPipeline))
	gw.write(strings.Replace(echoed(emptyPipeline), "plugin = ", "plugni = ", 1))
	gw.Reload(context.Background(), "SIGHUP")
	if log := gw.logs.String(); !strings.Contains(log, "plugni") || !strings.Contains(log, "gateway.hcl:7") {
		t.Error("the log does not say where the mistake is")
	}
}

// TestReloadChangesAllListenersOrNone: where the last one's settings cannot be used, the first one
// keeps its own.
func TestReloadChangesAllListenersOrNone(t *testing.T) {
	more := "\nlistener \"second\" { address = \"127.0.0.1:0\" }\n"
	gw := start(t, echoed(emptyPipeline, more))
	bad := strings.Replace(echoed(emptyPipeline, "\nlistener \"second\" {\n  address = \"127.0.0.1:0\"\n  tls \"files\" {\n    cert = \"none.pem\"\n    key = \"none.pem\"\n  }\n}\n"), `drain = "5s"`, `drain = "5s", body = "10B"`, 1)
	gw.write(bad)
	r := gw.Reload(context.Background(), "test")
	if r.Error == "" || !strings.Contains(r.Error, "second") {
		t.Fatalf("it was not refused by the second listener: %+v", r)
	}
	if resp, body := gw.post(ask("echo", "hello", false)); resp.StatusCode != 200 {
		t.Errorf("the refused limit is in force: %d %s", resp.StatusCode, body)
	}
}

// TestStopDuringAReload: nothing of what a reload makes outlives a daemon that was told to stop
// meanwhile.
func TestStopDuringAReload(t *testing.T) {
	gw := start(t, echoed(emptyPipeline))
	building, release := make(chan struct{}), make(chan struct{})
	gw.Module = func(name string) []byte {
		close(building)
		<-release
		return filters.Module(name)
	}
	filter := "filter \"f\" { wasm = \"builtin:headers\" }\npipeline \"p\" { filters = [filter.f] }\n"
	next := strings.Replace(echoed(filter), `{ plugin = "echo" }`, "{\n  plugin   = \"echo\"\n  timeouts = { idle = \"7s\" }\n}", 1)
	gw.write(strings.Replace(next, "127.0.0.1:0", freePort(t), 1))
	reloaded := make(chan daemon.ReloadResult, 1)
	go func() { reloaded <- gw.Reload(context.Background(), "test") }()
	select {
	case <-building:
	case r := <-reloaded:
		t.Fatalf("it was not built: %+v", r)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- gw.Stop(context.Background()) }()
	gw.wait("the stop", func() bool { return gw.Status().Draining })
	close(release)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if r := <-reloaded; r.Error == "" {
		t.Errorf("it was applied: %+v", r)
	}
	if s := gw.Status(); len(s.Plugins) > 0 || len(s.Listeners) > 0 {
		t.Errorf("left behind: %+v %+v", s.Plugins, s.Listeners)
	}
}

// TestHangupAtTheStart: a reload that is asked for while the daemon starts does not end it.
func TestHangupAtTheStart(t *testing.T) {
	dir, _ := writeConfig(t, "none")
	cmd, _ := startProgram(t, dir, "run")
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "data", "state.db")); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it does not start")
		}
	}
	cmd.Process.Signal(syscall.SIGHUP)
	answers(t, dir)
}

// TestDevEndsWithItsTerminal: it has no file to read again, and nobody sees it any more.
func TestDevEndsWithItsTerminal(t *testing.T) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // under nohup the program would ignore its terminal, as these tests do
	defer signal.Stop(hangups)
	cmd, out := startProgram(t, t.TempDir(), "dev", "--json", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	line, err := out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready devReady
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGHUP)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(ready.DataDir); !os.IsNotExist(err) {
		t.Errorf("its state is left in %s", ready.DataDir)
	}
}

// TestKilledDaemonLeavesNoSockets: the next start takes away what the last one could not.
func TestKilledDaemonLeavesNoSockets(t *testing.T) {
	dir, _ := writeConfig(t, "none")
	link := filepath.Join(dir, "data", "sockets")
	sockets := func() string {
		t.Helper()
		at, err := os.Readlink(link)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	cmd, _ := startProgram(t, dir, "run")
	answers(t, dir)
	first := sockets()
	cmd.Process.Kill()
	cmd.Wait()
	cmd, _ = startProgram(t, dir, "run")
	answers(t, dir)
	second := sockets()
	if _, err := os.Stat(first); !os.IsNotExist(err) || first == second {
		t.Errorf("%s is left, the next is %s", first, second)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if _, err := os.Stat(second); !os.IsNotExist(err) {
		t.Errorf("%s is left", second)
	}
	if _, err := os.Lstat(link); !os.IsNotExist(err) {
		t.Errorf("%s is left", link)
	}
}

// TestRefusedRequestsAreCounted: what never becomes an exchange is in the metrics all the same.
func TestRefusedRequestsAreCounted(t *testing.T) {
	gw := start(t, strings.Replace(echoed(emptyPipeline, "\nlistener \"admin\" {\n  address = \"127.0.0.1:0\"\n  serve = [\"metrics\"]\n}\n"), `drain = "5s"`, `drain = "5s", body = "10B"`, 1))
	if resp, _ := gw.post(ask("echo", "hello", false)); resp.StatusCode != 413 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	resp, err := http.Get("http://" + gw.Addresses()["admin"] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(text), `ginnel_listener_refused_total{listener="public"} 1`) {
		t.Errorf("%v: %s", err, text)
	}
}
