package scan

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The contexts of a rule.
const (
	ContextMessage    = "message"
	ContextOutput     = "output"
	ContextStructured = "structured"
)

// Bounds of a rules file; it may come from a third party.
const (
	maxFile  = 1 << 20
	maxRules = 4096

	maxWeight = 1000
)

// Rule is one rule as it is written.
type Rule struct {
	ID, Class, Context string
	Pattern, After     string
	Keywords           []string
	Trigger            string
	Back               string
	BackMax            int
	Tail, Until, Check string
	Detect             string
	Unless             string
	Fold               string
	Weight             int      // 0 = not said
	Yes, No            []string // examples, with their placeholders
	Line               int      // of the id
}

// LineError is a mistake in a rules file.
type LineError struct {
	Line int
	Err  error
}

func (e *LineError) Error() string { return "line " + strconv.Itoa(e.Line) + ": " + e.Err.Error() }

func (e *LineError) Unwrap() error { return e.Err }

// Parse reads a rules file. The error joins a LineError for every mistake.
func Parse(text []byte) ([]Rule, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("rules of %d bytes, more than %d", len(text), maxFile)
	}
	var (
		rules []Rule
		errs  []error
		n     int
		seen  = map[string]int{}
	)
	for line := range strings.SplitSeq(string(text), "\n") {
		n++
		line = strings.TrimLeft(strings.TrimSuffix(line, "\r"), " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		word, value, _ := strings.Cut(line, " ")
		if word == "rule" {
			if at, ok := seen[value]; ok {
				errs = append(errs, &LineError{n, fmt.Errorf("rule %s stands at line %d already", value, at)})
			}
			seen[value] = n
			rules = append(rules, Rule{ID: value, Context: ContextMessage, Line: n})
			if !isName(value) {
				errs = append(errs, &LineError{n, fmt.Errorf("%q is no name: letters, digits and _", value)})
			}
			continue
		}
		if len(rules) == 0 {
			errs = append(errs, &LineError{n, fmt.Errorf("%q before the first rule", word)})
			continue
		}
		if err := rules[len(rules)-1].put(word, value); err != nil {
			errs = append(errs, &LineError{n, err})
		}
	}
	if len(rules) > maxRules {
		errs = append(errs, fmt.Errorf("%d rules, more than %d", len(rules), maxRules))
	}
	for i := range rules {
		if err := rules[i].validate(); err != nil {
			errs = append(errs, &LineError{rules[i].Line, fmt.Errorf("rule %s: %w", rules[i].ID, err)})
		}
	}
	return rules, errors.Join(errs...)
}

// put takes one line of a rule.
func (r *Rule) put(word, value string) error {
	once := map[string]*string{
		"class": &r.Class, "pattern": &r.Pattern, "after": &r.After, "trigger": &r.Trigger,
		"tail": &r.Tail, "until": &r.Until, "check": &r.Check, "detect": &r.Detect, "fold": &r.Fold, "unless": &r.Unless,
	}
	switch word {
	case "keyword":
		r.Keywords = append(r.Keywords, value)
	case "yes":
		r.Yes = append(r.Yes, value)
	case "no":
		r.No = append(r.No, value)
	case "context":
		r.Context = value
	case "weight":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > maxWeight {
			return fmt.Errorf("weight %q: want a number from 1 to %d", value, maxWeight)
		}
		r.Weight = n
	case "back":
		n, class, _ := strings.Cut(value, " ")
		most, err := strconv.Atoi(n)
		if err != nil || most < 1 || most > MaxWindow || class == "" {
			return fmt.Errorf("back %q: want a number from 1 to %d and a class", value, MaxWindow)
		}
		r.Back, r.BackMax = class, most
	default:
		to, ok := once[word]
		if !ok {
			return fmt.Errorf("unknown word %q", word)
		}
		if *to != "" {
			return fmt.Errorf("a second %s", word)
		}
		*to = value
	}
	if value == "" {
		return fmt.Errorf("%s without a value", word)
	}
	return nil
}

func (r *Rule) validate() error {
	switch r.Context {
	case ContextMessage, ContextOutput, ContextStructured:
	default:
		return fmt.Errorf("unknown context %q", r.Context)
	}
	structured := r.Context == ContextStructured
	switch {
	case r.Class == "":
		return errors.New("no class")
	case (r.Pattern == "") == (r.Detect == ""):
		return errors.New("want either pattern or detect")
	case r.Detect != "" && !structured:
		return errors.New("detect needs the context structured")
	case (r.Trigger == "mark" || r.Trigger == "word") && !structured:
		return fmt.Errorf("trigger %s needs the context structured", r.Trigger)
	case r.Fold != "" && (r.Fold != "ascii" || r.Context != ContextMessage):
		return errors.New("fold is ascii, in the context message")
	case r.Unless != "" && (r.Unless != "command" || !structured):
		return errors.New("unless is command, in the context structured")
	case r.Until != "" && r.Tail == "":
		return errors.New("until without tail")
	case r.Trigger != "" && len(r.Keywords) > 0:
		return errors.New("both keyword and trigger")
	}
	return nil
}

func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '_' && !(c-'0' < 10) && !(c|0x20-'a' < 26) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
