package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/cmd/internal/filterdir"
	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/filtertest"
	"github.com/ginnel/ginnel/core/wasmhost"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
)

// transcriptExt is how the names of transcripts end.
const transcriptExt = ".transcript"

// subject is a filter that is tested or measured, with its transcripts.
type subject struct {
	name        string // what was named on the command line
	wasm        []byte
	builtin     bool
	transcripts []string // files
}

// findSubject reads what the arguments name: a directory, which is built first, or a module, then
// transcripts other than those beside it.
func findSubject(ctx context.Context, args []string, say io.Writer) (*subject, error) {
	s := &subject{name: "."}
	if len(args) > 0 && filepath.Ext(args[0]) != transcriptExt {
		s.name, args = args[0], args[1:]
	}
	s.transcripts = args
	s.builtin = strings.HasPrefix(s.name, config.BuiltinPrefix)
	beside := filepath.Dir(s.name)
	file := s.name
	if info, err := os.Stat(s.name); !s.builtin && err == nil && info.IsDir() {
		beside = s.name
		b, err := filterdir.Build(ctx, filterdir.Options{Dir: s.name, Output: say})
		if err != nil {
			return nil, err
		}
		file = b.File
	}
	var err error
	if s.wasm, err = moduleOf(file); err != nil {
		return nil, err
	}
	if len(s.transcripts) == 0 && !s.builtin {
		if s.transcripts, err = filepath.Glob(filepath.Join(beside, "*"+transcriptExt)); err != nil {
			return nil, err
		}
		slices.Sort(s.transcripts)
	}
	if len(s.transcripts) == 0 {
		return nil, fmt.Errorf("there is no transcript: no file *%s in %s, and none was named", transcriptExt, beside)
	}
	return s, nil
}

// runner returns a runner of the subject's module; done frees it.
func (s *subject) runner(ctx context.Context) (_ *filtertest.Runner, done func(), err error) {
	dir, _ := compileCache() // without one it compiles again
	host, err := wasmhost.New(ctx, wasmhost.Config{Dir: dir})
	if err != nil {
		return nil, nil, err
	}
	module, err := host.Open(ctx, s.wasm)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", s.name, err), host.Close(ctx))
	}
	r, err := filtertest.New(filtertest.Needs{Host: host, Codecs: codecs.All(), Module: module, Builtin: s.builtin})
	if err != nil {
		return nil, nil, errors.Join(err, module.Close(ctx), host.Close(ctx))
	}
	return r, func() {
		r.Close()
		module.Close(ctx)
		host.Close(ctx)
	}, nil
}

func filterTestCommand() *cobra.Command {
	var update, verbose bool
	cmd := &cobra.Command{
		Use: "test [DIR|MODULE] [TRANSCRIPT...]", Short: "Run a filter against its transcripts",
		Long: "Run a filter in the real sandbox and gateway against transcripts: files *" + transcriptExt + " that say what a client asks, what the model answers, and what is to come of it. A directory (the current one by default) is built first; MODULE, a .wasm file or builtin:NAME, is tested as it is. The format is in docs/reference/filter-test.md.\n\nThe exit status is 1 if anything came otherwise than expected.",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := findSubject(cmd.Context(), args, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			r, done, err := s.runner(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			t := examination{out: cmd.OutOrStdout(), runner: r, verbose: verbose}
			for _, file := range s.transcripts {
				if update {
					err = t.update(cmd.Context(), file)
				} else {
					err = t.test(cmd.Context(), file)
				}
				if err != nil {
					return err
				}
			}
			return t.sum()
		},
	}
	cmd.Flags().BoolVar(&update, "update", false, "write what comes into the transcripts")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "name the cases that pass, and show what the filter logs")
	return cmd
}

// examination writes what comes of transcripts.
type examination struct {
	out            io.Writer
	runner         *filtertest.Runner
	verbose        bool
	passed, failed int
	updated        bool
}

func (t *examination) update(ctx context.Context, file string) error {
	tr, err := readTranscript(file)
	if err != nil {
		return err
	}
	t.updated = true
	changed, err := t.runner.Update(ctx, tr)
	if err != nil || !changed {
		return err
	}
	fmt.Fprintln(t.out, "updated", file)
	return replaceFile(file, tr.Format(), 0o644)
}

func (t *examination) test(ctx context.Context, file string) error {
	tr, err := readTranscript(file)
	if err != nil {
		return err
	}
	results, err := t.runner.Test(ctx, tr)
	for i := range results {
		t.show(file, &results[i])
	}
	return err
}

func (t *examination) show(file string, r *filtertest.Result) {
	if r.OK() {
		t.passed++
		if t.verbose {
			fmt.Fprintf(t.out, "ok    %s\n", r.Case)
			t.logs(r)
		}
		return
	}
	t.failed++
	fmt.Fprintf(t.out, "FAIL  %s\n", r.Case)
	for _, d := range r.Diffs {
		fmt.Fprintf(t.out, "      %s:%d: %s\n", file, d.Line, d.Section)
		for line := range strings.SplitSeq(strings.TrimSuffix(d.Text, "\n"), "\n") {
			fmt.Fprintf(t.out, "        %s\n", line)
		}
	}
	t.logs(r)
}

func (t *examination) logs(r *filtertest.Result) {
	for line := range strings.SplitSeq(strings.TrimSuffix(r.Logs, "\n"), "\n") {
		if line != "" {
			fmt.Fprintf(t.out, "      log: %s\n", line)
		}
	}
}

func (t *examination) sum() error {
	if t.updated {
		return nil
	}
	fmt.Fprintf(t.out, "%d passed, %d failed\n", t.passed, t.failed)
	if t.failed > 0 {
		return errSilent
	}
	return nil
}

func readTranscript(file string) (*filtertest.Transcript, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return filtertest.Parse(file, text)
}
