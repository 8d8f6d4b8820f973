// Command conformance plays recorded exchanges with vendors through a running gateway: each recording is
// its own upstream, and is called by a client of every dialect that can express its request. It prints,
// by provider and client, how many kept the text, the tool calls, the finish reason, the usage and the
// grammar of the stream, and lists every miss with its reason.
//
// It changes nothing and judges only what arrives at the client; why is for the packages' tests.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
	"github.com/ginnel/ginnel/sdk/sdktest/replay"
)

func main() {
	binary := flag.String("ginnel", "bin/ginnel", "the binary under test")
	corpus := flag.String("corpus", recorded.Corpus("."), "the recordings")
	flag.Parse()
	if err := run(*binary, *corpus); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(binary, corpus string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	all, err := recorded.All(corpus, "*.json")
	if err != nil {
		return err
	}
	played := replay.Conversations(all)
	up := httptest.NewServer(replay.Handler(played))
	defer up.Close()
	dir, err := os.MkdirTemp("", "ginnel-conformance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	gw, err := startGateway(ctx, binary, dir, up.URL, played)
	if err != nil {
		return err
	}
	defer gw.stop()
	t := newTable()
	for i, x := range played {
		for _, client := range dialects {
			t.add(x, client, gw.play(ctx, i, x, client))
		}
	}
	t.rest(all, len(played))
	kept, had := t.write(os.Stdout)
	switch {
	case t.lost > 0:
		return fmt.Errorf("%d features were lost without a word", t.lost)
	case kept*100 < had*target:
		return fmt.Errorf("less than %d %% of the features were kept", target)
	}
	return nil
}
