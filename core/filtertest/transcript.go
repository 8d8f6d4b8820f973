// Package filtertest runs a filter's module against transcripts: text files that say what a client
// asks, what the model answers and what is to come of it. It also measures a filter on them.
//
// The module runs in the sandbox and the gateway of the daemon; only the client and the provider are
// played. How a module is built is not its business, nor is a filter's logic outside of the sandbox
// (package sdk/filter has a fake host for that).
package filtertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The sections of a transcript. What is asked and answered:
const (
	secFilter   = "filter"   // the inside of the filter's block in gateway.hcl
	secClient   = "client"   // who asks
	secRequest  = "request"  // method and path, header, blank line, body
	secAnswer   = "answer"   // the model's words, a JSON string for each delta
	secResponse = "response" // the provider's whole answer: status, header, blank line, body
	secStream   = "stream"   // the provider's streamed answer: server-sent events, after a head or without
	secCall     = "call"     // an answer to the filter's own calls: "call http://judge.test/v1"
)

// What is to come of it, each after the word "expect" and, where they differ, before the word
// "unary" or "streamed".
const (
	expRequest  = "request"  // as the provider gets it
	expAnswer   = "answer"   // the words that the client gets
	expResponse = "response" // the whole answer that the client gets
	expStream   = "stream"   // the streamed one
	expCall     = "call"     // the filter's own calls
	expRecord   = "record"   // how the exchange ended, and what the filter left
)

var (
	given    = []string{secFilter, secClient, secRequest, secAnswer, secResponse, secStream}
	expected = []string{expRequest, expAnswer, expResponse, expStream, expCall, expRecord}
)

// maxTranscript bounds a file, in bytes.
const maxTranscript = 16 << 20

// ErrTranscript is the error of a text that is no transcript. Its message has file and line.
var ErrTranscript = errors.New("transcript")

// Transcript is one file: cases that share a filter block.
type Transcript struct {
	Path  string
	head  []string // the free text before anything else, its last blank lines included
	block []section
	Cases []*Case
}

// Case is one exchange, and what is to come of it.
type Case struct {
	Name     string
	Line     int
	comment  []string
	sections []section
	path     string
	shared   []section // of the whole file
}

// section is what stands under one header line.
type section struct {
	name string
	line int    // of the header
	text string // without the blank lines at its end
}

// Parse reads a transcript.
func Parse(path string, text []byte) (*Transcript, error) {
	p := &parser{t: &Transcript{Path: path}}
	if len(text) > maxTranscript {
		return nil, fmt.Errorf("%w: %s: %d bytes, at most %d", ErrTranscript, path, len(text), maxTranscript)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if err := p.take(i+1, strings.TrimRight(line, "\r")); err != nil {
			return nil, err
		}
	}
	p.end()
	for _, c := range p.t.Cases {
		if err := c.check(); err != nil {
			return nil, err
		}
	}
	if len(p.t.Cases) == 0 {
		return nil, p.errorf(1, "it has no case: a case begins with a line such as `== it lets hello pass ==`")
	}
	return p.t, nil
}

type parser struct {
	t     *Transcript
	now   *Case
	open  bool // in a section
	line  int
	name  string
	lines []string
}

func (p *parser) errorf(line int, format string, a ...any) error {
	return fmt.Errorf("%w: %s:%d: %s", ErrTranscript, p.t.Path, line, fmt.Sprintf(format, a...))
}

func (p *parser) take(n int, line string) error {
	if name, ok := between(line, "== ", " =="); ok {
		p.end()
		for _, c := range p.t.Cases {
			if c.Name == name {
				return p.errorf(n, "the case %q stands in line %d already", name, c.Line)
			}
		}
		p.now = &Case{Name: name, Line: n, path: p.t.Path}
		p.t.Cases = append(p.t.Cases, p.now)
		return nil
	}
	if name, ok := between(line, "-- ", " --"); ok {
		p.end()
		if !known(name) {
			return p.errorf(n, "there is no section %q", name)
		}
		if p.now == nil && name != secFilter && name != secClient {
			return p.errorf(n, "the section %q belongs to a case: write a line such as `== it lets hello pass ==` before", name)
		}
		p.open, p.line, p.name = true, n, name
		return nil
	}
	switch {
	case p.open:
		p.lines = append(p.lines, unescape(line))
	case p.now != nil:
		p.now.comment = append(p.now.comment, line)
	default:
		p.t.head = append(p.t.head, line)
	}
	return nil
}

// end closes the section at hand.
func (p *parser) end() {
	if !p.open {
		return
	}
	s := section{name: p.name, line: p.line, text: trimBlank(p.lines)}
	if p.now == nil {
		p.t.block = append(p.t.block, s)
	} else {
		p.now.sections = append(p.now.sections, s)
	}
	p.open, p.lines = false, nil
	if p.now != nil {
		p.now.shared = p.t.block
	}
}

func trimBlank(lines []string) string { return strings.TrimRight(strings.Join(lines, "\n"), blank) }

// blank is what does not count at the end of a text.
const blank = "\n \t\r"

func between(line, before, after string) (string, bool) {
	line = strings.TrimRight(line, " \t")
	if len(line) < len(before)+len(after)+1 || !strings.HasPrefix(line, before) || !strings.HasSuffix(line, after) {
		return "", false
	}
	inside := strings.TrimSpace(line[len(before) : len(line)-len(after)])
	return inside, inside != ""
}

// A line of a section that looks like a header is written with a backslash before it.
func unescape(line string) string {
	if rest := strings.TrimLeft(line, `\`); rest != line && headerLike(rest) {
		return line[1:]
	}
	return line
}

func escape(line string) string {
	if headerLike(strings.TrimLeft(line, `\`)) {
		return `\` + line
	}
	return line
}

func headerLike(line string) bool {
	_, section := between(line, "-- ", " --")
	_, name := between(line, "== ", " ==")
	return section || name
}

// known reports whether there is a section of that name.
func known(name string) bool {
	if rest, ok := strings.CutPrefix(name, "expect "); ok {
		kind, way, _ := strings.Cut(rest, " ")
		return slices.Contains(expected, kind) && (way == "" || way == unary.String() || way == streamed.String())
	}
	return slices.Contains(given, name) || strings.HasPrefix(name, secCall+" ")
}

func (c *Case) errorf(line int, format string, a ...any) error {
	return fmt.Errorf("%w: %s:%d: %s", ErrTranscript, c.path, line, fmt.Sprintf(format, a...))
}

// check finds what makes a case impossible.
func (c *Case) check() error {
	seen := map[string]int{}
	answers := 0
	for _, s := range c.sections {
		if first := seen[s.name]; first > 0 && !strings.HasPrefix(s.name, secCall) {
			return c.errorf(s.line, "the section %q stands in line %d already", s.name, first)
		}
		seen[s.name] = s.line
		switch s.name {
		case secAnswer, secResponse, secStream:
			if answers++; answers > 1 {
				return c.errorf(s.line, "one of answer, response and stream is enough")
			}
		}
	}
	if seen[secRequest] == 0 {
		return c.errorf(c.Line, "the case has no request")
	}
	return nil
}

// section returns the section of a name, the case's own or the file's.
func (c *Case) section(name string) (section, bool) {
	for _, all := range [][]section{c.sections, c.shared} {
		for _, s := range all {
			if s.name == name {
				return s, true
			}
		}
	}
	return section{}, false
}

// expectation returns what is expected of a run, if anything is.
func (c *Case) expectation(kind string, w way) (section, bool) {
	if s, ok := c.section("expect " + kind + " " + w.String()); ok {
		return s, true
	}
	return c.section("expect " + kind)
}

// expects reports whether the case expects anything at all.
func (c *Case) expects() bool {
	return slices.ContainsFunc(c.sections, func(s section) bool { return strings.HasPrefix(s.name, "expect ") })
}

// Format returns the file's text.
func (t *Transcript) Format() []byte {
	var b strings.Builder
	for _, line := range t.head {
		b.WriteString(line + "\n")
	}
	write := func(all []section) {
		for _, s := range all {
			b.WriteString("-- " + s.name + " --\n")
			if s.text != "" {
				for line := range strings.SplitSeq(s.text, "\n") {
					b.WriteString(escape(line) + "\n")
				}
			}
			b.WriteString("\n")
		}
	}
	write(t.block)
	for _, c := range t.Cases {
		b.WriteString("== " + c.Name + " ==\n")
		for _, line := range c.comment {
			b.WriteString(line + "\n")
		}
		write(c.sections)
	}
	return []byte(strings.TrimRight(b.String(), "\n") + "\n")
}
