package pluginhost_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/sdk/plugin"
	"github.com/ginnel/ginnel/sdk/provider"
)

// TestNobodyElseControlsAPlugin: not a process of the same user, which may connect to all of its sockets. The older ones ask
// for a certificate, the others look who it is.
func TestNobodyElseControlsAPlugin(t *testing.T) {
	h, _ := start(t, nil)
	for _, name := range []string{"words", "first"} {
		before := controls(t, h)
		p := launched(t, h, pluginhost.ProviderSpec{Plugin: name})
		after := slices.DeleteFunc(controls(t, h), func(path string) bool { return slices.Contains(before, path) })
		if len(after) != 1 {
			t.Fatalf("%s has the control sockets %v", name, after)
		}
		path := after[0]
		// The host's own process may, where it knows how: so what is refused below is so for who asks.
		if _, err := described(t, path, grpc.WithTransportCredentials(plugin.OnlyPeer(p.PID))); (err == nil) != (name == "words") {
			t.Errorf("%s, asked by its host: %v", name, err)
		}
		other := launched(t, h, pluginhost.ProviderSpec{Name: "other", Plugin: "words", Limits: pluginhost.Limits{Open: true}})
		if got, err := said(t, other, "do", "describe "+path); err != nil || !strings.HasPrefix(got, "no: ") || strings.Contains(got, "no such file") {
			t.Errorf("%s tells another plugin what it is: %q, %v", name, got, err)
		}
	}
}

// TestAnotherAnswersForAPlugin: who calls looks who answers, too.
func TestAnotherAnswersForAPlugin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.Creds(plugin.OnlyPeer(os.Getpid)))
	if err := (&provider.Plugin{Provider: &words{}}).GRPCServer(nil, s); err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	defer s.Stop()
	if info, err := described(t, path, grpc.WithTransportCredentials(plugin.OnlyPeer(os.Getpid))); err != nil || info.Name != "words" {
		t.Fatalf("%+v, %v", info, err)
	}
	if _, err := described(t, path, grpc.WithTransportCredentials(plugin.OnlyPeer(os.Getppid))); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("the error is %v", err)
	}
}

// The environment of a plugin that has another answer for it: the other's control socket, the version of the protocol that
// it says it speaks, and whether it makes the socket its own by a link.
const (
	envVictim  = "GINNEL_TEST_VICTIM"
	envVersion = "GINNEL_TEST_VERSION"
	envLinked  = "GINNEL_TEST_LINKED"
)

// pose shakes hands with the socket of another plugin, and the certificate that this one shows where it has one.
func pose(victim, version string, linked bool) {
	shown := ""
	if c, err := tls.Dial("unix", victim, &tls.Config{InsecureSkipVerify: true}); err == nil {
		shown = base64.RawStdEncoding.EncodeToString(c.ConnectionState().PeerCertificates[0].Raw)
		c.Close()
	}
	if linked {
		mine := filepath.Join(os.Getenv(goplugin.EnvUnixSocketDir), "mine")
		if err := os.Link(victim, mine); err != nil {
			panic(err)
		}
		victim = mine
	}
	os.Stdout.WriteString("1|" + version + "|unix|" + victim + "|grpc|" + shown + "\n")
	time.Sleep(time.Hour)
}

// TestAPluginHasNoOtherAnswerForIt: neither by another's socket, nor by a link to that; whether that one asks for a
// certificate or looks who asks.
func TestAPluginHasNoOtherAnswerForIt(t *testing.T) {
	var victim, version, linked string
	h, log := start(t, func(n *pluginhost.Needs) {
		command := n.Command
		n.Command = func(name string) *exec.Cmd {
			cmd := command(name)
			cmd.Env = []string{envVictim + "=" + victim, envVersion + "=" + version, envLinked + "=" + linked}
			return cmd
		}
	})
	for name, speaks := range map[string]string{"first": "1", "words": "3"} {
		before := controls(t, h)
		launched(t, h, pluginhost.ProviderSpec{Plugin: name})
		after := slices.DeleteFunc(controls(t, h), func(path string) bool { return slices.Contains(before, path) })
		if len(after) != 1 {
			t.Fatalf("%s has the control sockets %v", name, after)
		}
		victim, version = after[0], speaks
		for _, linked = range []string{"", "yes"} {
			p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: "impostor", Plugin: "impostor", Limits: pluginhost.Limits{Open: true}})
			if err == nil {
				p.Close(within(t))
			}
			want := "not in the directory"
			if linked != "" {
				want = map[string]string{"first": "connection error", "words": "another process is at the other end"}[name] // the older one hangs up
			}
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(log.String(), "panic") {
				t.Errorf("%s, linked %q: %v\n%s", name, linked, err, log)
			}
		}
	}
}

// described asks the plugin behind a socket what it is.
func described(t testing.TB, path string, o ...grpc.DialOption) (*provider.Info, error) {
	t.Helper()
	return askedWhat(within(t), path, o...)
}

func askedWhat(ctx context.Context, path string, o ...grpc.DialOption) (*provider.Info, error) {
	c, err := grpc.NewClient("unix:"+path, o...)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return provider.NewClient(c).Describe(ctx)
}

// tellsWhat tries to be a plugin's host, without TLS as the newest would.
func tellsWhat(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	_, err := askedWhat(ctx, path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return err
}

// controls returns the paths of the control sockets.
func controls(t *testing.T, h *pluginhost.Host) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(h.Dir, "*.control"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// held is a file that a plugin has made where it makes its socket.
var held *os.File

// squat makes what it can in the directory of its control socket, keeps a file and says how it went.
func squat() {
	dir := os.Getenv(goplugin.EnvUnixSocketDir)
	path := filepath.Join(dir, "held")
	tell := func(what string, err error) {
		slog.New(slog.NewJSONHandler(os.Stderr, nil)).Info("made", "what", what, "error", fmt.Sprint(err))
	}
	var err error
	held, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	tell("a file", err)
	tell("content", grown())
	tell("a directory", os.Mkdir(filepath.Join(dir, "d"), 0o700))
	tell("a symlink", os.Symlink("/etc", filepath.Join(dir, "l")))
	tell("a fifo", unix.Mkfifo(filepath.Join(dir, "f"), 0o600))
	os.Remove(path)
}

// grown writes to the file that is held, and takes room behind its end.
func grown() error {
	if _, err := held.Write([]byte("x")); err == nil {
		return nil
	}
	if err := held.Truncate(1 << 20); err == nil {
		return nil
	}
	return unix.Fallocate(int(held.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, 1<<20)
}

// made returns what can be made in a directory.
func made(dir string) error {
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err == nil {
		l.Close()
	}
	for what, err := range map[string]error{
		"a socket": err, "a directory": os.Mkdir(filepath.Join(dir, "d"), 0o700), "a symlink": os.Symlink("/etc", filepath.Join(dir, "l")),
		"a fifo": unix.Mkfifo(filepath.Join(dir, "f"), 0o600), "a file": os.WriteFile(filepath.Join(dir, "x"), nil, 0o600),
	} {
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%s: %w, for another reason than it should be", what, err)
		}
	}
	return fs.ErrPermission
}

// TestAPluginWritesNowhere: before it shakes hands it makes empty files, and has to take them away again; from then on nothing.
// What it holds open stays empty.
func TestAPluginWritesNowhere(t *testing.T) {
	h, log := start(t, nil)
	p := launched(t, h, pluginhost.ProviderSpec{Plugin: "squatter"})
	if !strings.HasPrefix(p.State().Contained, "contained by Landlock") || !strings.Contains(p.State().Contained, "seccomp") {
		t.Skip("the plugin is ", p.State().Contained)
	}
	await(t, "all attempts", func() bool { return strings.Contains(log.String(), `"plugin_what":"a fifo"`) })
	for line := range strings.Lines(log.String()) {
		var said struct{ What, Error string }
		if json.Unmarshal([]byte(strings.ReplaceAll(line, `"plugin_`, `"`)), &said); said.What == "" {
			continue
		}
		if want := said.What == "a file"; (said.Error == "<nil>") != want {
			t.Errorf("%s: %s", said.What, said.Error)
		}
	}
	for _, what := range []string{"make " + h.Dir, "make /tmp", "grow what is held"} {
		if got, err := said(t, p, "do", what); err != nil || !strings.HasPrefix(got, "no: ") || strings.Contains(got, "another reason") {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(h.Dir, "plugin-dir*")); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
	if got, err := said(t, p, "do", "make where its socket was"); err != nil || !strings.HasPrefix(got, "no: ") {
		t.Errorf("%q, %v", got, err)
	}
	out := t.TempDir()
	may := launched(t, h, pluginhost.ProviderSpec{Name: "may", Plugin: "words", Limits: pluginhost.Limits{Write: []string{out}}})
	if got, err := said(t, may, "do", "write "+filepath.Join(out, "file")); err != nil || got != "done" {
		t.Errorf("where it may: %q, %v", got, err)
	}
}

// TestAPluginThatLeavesMoreThanASocket is not used, nor one whose socket is none.
func TestAPluginThatLeavesMoreThanASocket(t *testing.T) {
	h, _ := start(t, nil)
	for name, want := range map[string]string{"litterer": "more than its socket", "decoy": "no socket"} {
		p, err := h.Provider(within(t), pluginhost.ProviderSpec{Name: name, Plugin: name})
		if err == nil {
			p.Close(within(t))
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
