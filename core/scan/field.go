package scan

import (
	"bytes"
	"strings"
	"unsafe"

	"github.com/corazawaf/libinjection-go"
	"github.com/ginnel/ginnel/sdk/dialect"
)

// rounds is how many layers of escapes are taken off a field, and one more of a URL's query, which is
// escaped by nature.
const rounds = 2

// detector is a rule that a native detector decides.
type detector struct {
	index  int32
	detect func(string) bool
}

// detectors are the native detectors that a rule may name.
var detectors = map[string]func(string) bool{"sqli": sqli, "xss": xss}

func (b *builder) detector(index int32, name string) {
	b.e.detect = append(b.e.detect, detector{index, detectors[name]})
}

// sqli asks libinjection, whose fingerprints also fit prose with quotes and capitals: what holds no
// sign that SQL needs is left alone.
func sqli(v string) bool {
	if !strings.ContainsAny(v, "=<>()#;@|") && !strings.Contains(v, "/*") && !hasVerb(v) && !breaksOut(v) &&
		!(strings.Contains(v, "--") && strings.ContainsAny(v, "'\"`")) {
		return false
	}
	if !strings.ContainsFunc(v, func(r rune) bool { return r == '\'' || r == '"' || r == '`' || r|0x20 >= 'a' && r|0x20 <= 'z' }) {
		return false // sums of numbers
	}
	if isStatement(v) {
		return false
	}
	found, _ := libinjection.IsSQLi(v)
	return found
}

// isStatement reports whether v is a whole query, as a tool that speaks SQL is given: it begins with
// its verb and neither a comment nor a second statement follows. Nothing is injected into one; the
// rules for what attacks ask for see it all the same.
func isStatement(v string) bool {
	v = strings.TrimRight(strings.TrimSpace(v), ";")
	verb, _, _ := strings.Cut(v, " ")
	for _, w := range [...]string{"select", "with", "insert", "update", "delete"} {
		if strings.EqualFold(verb, w) {
			return !strings.ContainsAny(v, ";#@") && !strings.Contains(v, "--") && !strings.Contains(v, "/*")
		}
	}
	return false
}

// breaksOut reports whether a quote of v is followed by "or" or "and".
func breaksOut(v string) bool {
	for i := range len(v) {
		if v[i] != '\'' && v[i] != '"' && v[i] != '`' {
			continue
		}
		rest := strings.TrimLeft(v[i+1:], " \t\r\n+")
		if len(rest) > 2 && strings.EqualFold(rest[:2], "or") && !isWord(rest[2]) ||
			len(rest) > 3 && strings.EqualFold(rest[:3], "and") && !isWord(rest[3]) {
			return true
		}
	}
	return false
}

// hasVerb reports whether a word of v begins a SQL clause.
func hasVerb(v string) bool {
	for i := range len(v) {
		for _, verb := range verbs[v[i]|' '] {
			if len(v)-i >= len(verb) && strings.EqualFold(v[i:i+len(verb)], verb) {
				return true
			}
		}
	}
	return false
}

// verbs are what clauses begin with, by its first letter.
var verbs = [256][]string{'d': {"delete"}, 'g': {"group by"}, 'h': {"having"}, 'i': {"insert"}, 'o': {"order by"}, 's': {"select"}, 'u': {"union", "update"}}

// fields runs the structured rules on the values that read finds in a text.
func (s *Set) fields(w *work, dst []Match, text []byte, read func(*work, []byte) error) ([]Match, error) {
	if len(w.seen) < len(s.infos) {
		w.seen = make([]bool, len(s.infos))
	}
	clear(w.seen)
	err := read(w, text)
	for i, hit := range w.seen {
		if hit {
			dst = append(dst, Match{int32(i), 0, len(text)})
		}
	}
	return dst, err
}

// ScanQuery is Scan for a URL's query: each name and value of it is read as a structured field of its
// own, '+' as a space. Rules for messages see the query as it stands.
func (s *Set) ScanQuery(dst []Match, query []byte) ([]Match, error) {
	return s.scan(dst, query, s.query)
}

// ScanLines is Scan for values that stand one per line: structured rules read each as a field of its
// own.
func (s *Set) ScanLines(dst []Match, text []byte) ([]Match, error) {
	return s.scan(dst, text, s.lines)
}

// lines reads each line of a text.
func (s *Set) lines(w *work, text []byte) error {
	for len(text) > 0 {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte("\n"))
		if err := s.value(w, line, rounds); err != nil {
			return err
		}
	}
	return nil
}

// query reads the names and values of a URL's query.
func (s *Set) query(w *work, query []byte) error {
	for len(query) > 0 {
		n := bytes.IndexAny(query, "&=;")
		part := query
		if n < 0 {
			query = nil
		} else {
			part, query = query[:n], query[n+1:]
		}
		w.field = w.field[:0]
		for _, c := range part {
			if c == '+' {
				c = ' '
			}
			w.field = append(w.field, c)
		}
		if err := s.value(w, w.field, rounds+1); err != nil {
			return err
		}
	}
	return nil
}

// strings reads every string of a JSON text, or the text itself.
func (s *Set) strings(w *work, text []byte) error {
	if !isJSON(text) {
		return s.program(w, text)
	}
	for at := 0; ; {
		var raw []byte
		if raw, at = nextString(text, at); at < 0 {
			return nil
		}
		if dialect.Escaped(raw) {
			w.field = dialect.AppendUnquoted(w.field[:0], raw)
			raw = w.field
		}
		if err := s.program(w, raw); err != nil {
			return err
		}
	}
}

// program is value for what may be a whole command.
func (s *Set) program(w *work, v []byte) error {
	w.whole = isCommand(v)
	err := s.value(w, v, rounds)
	w.whole = false
	return err
}

// tools are what a whole command begins with, or a program that a tool is given to run. What attackers
// look around with is not among them.
var tools = [...]string{
	"python", "python3", "pip", "pip3", "pytest", "uv", "node", "npm", "npx", "yarn", "pnpm", "deno", "go", "cargo", "rustc", "java", "javac", "mvn", "gradle", "make", "cmake", "gcc", "dotnet",
	"git", "gh", "docker", "kubectl", "helm", "terraform", "aws", "gcloud", "az", "psql", "sqlite3", "jq", "rg", "grep", "find", "sed", "awk", "xargs", "sort", "diff", "patch", "tar", "unzip", "zip",
	"ls", "cd", "cat", "head", "tail", "wc", "echo", "printf", "mkdir", "cp", "mv", "rm", "touch", "chmod", "tree", "export", "source", "bash", "sh", "curl", "wget", "apt", "apt-get", "brew",
	"ruby", "bundle", "php", "composer", "perl", "import", "from", "def", "class", "async", "const", "let", "function", "#!/bin/bash", "#!/bin/sh", "#!/usr/bin/env", "apply_patch",
}

// isCommand reports whether v is a whole command or program, as a tool that runs one is given: it
// begins with the name of a tool and goes on. Nothing is injected into one, as nothing is into a whole
// SQL statement; the files and hosts that attacks ask for are seen by other rules all the same.
func isCommand(v []byte) bool {
	v = bytes.TrimLeft(v, " \t\r\n")
	n := bytes.IndexAny(v, " \t\n")
	if n < 0 {
		return false
	}
	for _, t := range tools {
		if string(v[:n]) == t {
			return true
		}
	}
	return false
}

// value marks the rules that match a value in one of its readings: as it stands and unescaped.
func (s *Set) value(w *work, v []byte, layers int) error {
	for n := 0; ; n++ {
		if err := s.reading(w, v); err != nil || n == layers || !bytes.ContainsAny(v, `%&\`) {
			return err
		}
		// v may lie in spare already: decoding never writes beyond what it has read.
		w.spare = unescape(w.spare[:0], v)
		if len(w.spare) == len(v) {
			return nil
		}
		v = w.spare
	}
}

func (s *Set) reading(w *work, v []byte) error {
	e := s.field
	if len(e.rules) > 0 {
		w.begin(len(v))
		var err error
		if w.out, err = e.advance(w, w.out[:0], v, 0, true); err != nil {
			return err
		}
		for _, m := range w.out {
			if !w.whole || !s.unless[m.Rule] {
				w.seen[m.Rule] = true
			}
		}
	}
	str := unsafe.String(unsafe.SliceData(v), len(v))
	for _, d := range e.detect {
		if !w.seen[d.index] && d.detect(str) {
			w.seen[d.index] = true
		}
	}
	return nil
}

// isJSON reports whether a text is an object or an array, as far as its letters outside strings
// tell, and what follows a brace. What is not is read as one value.
func isJSON(t []byte) bool {
	t = bytes.TrimLeft(t, " \t\r\n")
	if len(t) == 0 || t[0] != '{' && t[0] != '[' {
		return false
	}
	brace := false // only a brace and spaces stand before t[i]
	for i := 0; i < len(t); i++ {
		if brace && bytes.IndexByte([]byte(" \t\r\n\"}"), t[i]) < 0 {
			return false
		}
		brace = t[i] == '{' || brace && t[i] != '"' && t[i] != '}'
		if t[i] == '"' {
			raw, next := nextString(t, i)
			if next < 0 || bytes.IndexByte(raw, '\n') >= 0 {
				return false
			}
			i = next - 1
			continue
		}
		if bytes.IndexByte([]byte("{}[]:, \t\r\n0123456789+-.eEtrufalsn"), t[i]) < 0 {
			return false
		}
	}
	return true
}

// nextString returns the raw content of the first JSON string from at on, and where it ends; -1
// where there is none.
func nextString(t []byte, at int) ([]byte, int) {
	from := bytes.IndexByte(t[at:], '"')
	if from < 0 {
		return nil, -1
	}
	from += at + 1
	for i := from; i < len(t); i++ {
		switch t[i] {
		case '\\':
			i++
		case '"':
			return t[from:i], i + 1
		}
	}
	return nil, -1
}
