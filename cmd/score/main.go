// Command score measures the sanitize filter as a client meets it: it starts a gateway whose echo
// model answers with the client's words, sends the labelled texts of a corpus and generated values
// over HTTP, and prints what was denied, redacted or let through, beside the goals.
//
// It judges nothing itself and knows no rules: a verdict is the gateway's answer. Attacks stand where
// such values stand, as a tool's argument, metadata or a query; prompts, chat and secrets stand in
// messages.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	s := &score{}
	flag.StringVar(&s.ginnel, "ginnel", "bin/ginnel", "the gateway")
	flag.StringVar(&s.corpus, "corpus", corpusDir(), "the corpora; $GINNEL_CORPUS by default")
	flag.IntVar(&s.count, "n", 500, "generated values of each type")
	flag.IntVar(&s.parallel, "parallel", 4, "requests at a time")
	flag.StringVar(&s.wrong, "wrong", "", "a file for the rows that went wrong, to look at")
	limit := flag.Duration("limit", 15*time.Minute, "how long it may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "score:", err)
		os.Exit(1)
	}
}

func corpusDir() string {
	if dir := os.Getenv("GINNEL_CORPUS"); dir != "" {
		return dir
	}
	return filepath.Join("..", "shared", "corpus")
}

// score is one run.
type score struct {
	ginnel, corpus, wrong string
	count, parallel       int

	gateway *gateway
	misses  *os.File
	table   table
}

func (s *score) run(ctx context.Context) (err error) {
	if s.wrong != "" {
		if s.misses, err = os.Create(s.wrong); err != nil {
			return err
		}
		defer s.misses.Close()
	}
	if s.gateway, err = start(ctx, s.ginnel); err != nil {
		return err
	}
	defer func() {
		s.gateway.stop()
		if log := s.gateway.stderr.String(); err != nil && log != "" {
			err = fmt.Errorf("%w\nThe gateway said:\n%s", err, log[max(0, len(log)-4000):])
		}
	}()
	begin := time.Now()
	for _, part := range []func(context.Context) error{s.structured, s.prompts, s.secrets, s.personal, s.hiddenText, s.answers, s.chat} {
		if err = part(ctx); err != nil {
			return err
		}
	}
	s.table.print(os.Stdout)
	fmt.Printf("\n%d requests in %s.\n", s.gateway.requests.Load(), time.Since(begin).Round(time.Second))
	return nil
}
