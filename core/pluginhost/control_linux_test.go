package pluginhost_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
		before := sockets(t)
		p := launched(t, h, pluginhost.ProviderSpec{Plugin: name})
		path := ""
		for _, s := range sockets(t) {
			if !slices.Contains(before, s) && strings.HasPrefix(s, h.Dir) && !strings.HasSuffix(s, ".sock") {
				path = s
			}
		}
		if path == "" {
			t.Fatalf("%s has no control socket among %v", name, sockets(t))
		}
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

// sockets returns the paths of the unix sockets on which somebody listens.
func sockets(t *testing.T) (paths []string) {
	t.Helper()
	raw, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) == 8 && f[3] == "00010000" {
			paths = append(paths, f[7])
		}
	}
	return paths
}
