package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// labelled is a text of a corpus.
type labelled struct {
	Label, Category, Text string
	Spans                 [][3]any // of personal data: type, first and last character
}

// read reads a file of the security corpus.
func (s *score) read(name string) (rows []labelled, err error) {
	f, err := os.Open(filepath.Join(s.corpus, "security", name))
	if err != nil {
		return nil, fmt.Errorf("no corpus (set GINNEL_CORPUS): %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var r labelled
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		rows = append(rows, r)
	}
	return rows, lines.Err()
}

// each calls do with every index below n, several at a time, until one fails.
func (s *score) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wait sync.WaitGroup
	for range s.parallel {
		wait.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wait.Wait()
	return context.Cause(ctx)
}

// note keeps a row that went wrong, if anybody wants to look at it.
func (s *score) note(what, category, text string) {
	if s.misses != nil {
		fmt.Fprintf(s.misses, "%s\t%s\t%q\n", what, category, text)
	}
}
