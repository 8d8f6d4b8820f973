package scan

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"

	"github.com/ginnel/ginnel/core/scan/automaton"
	"github.com/ginnel/ginnel/core/scan/keyword"
	"github.com/ginnel/ginnel/core/scan/literal"
)

// minGap is the narrowest [class]{0,n} that is walked; automata of wide counted gaps explode.
const minGap = 12

// Errors of rules.
var (
	ErrEmpty = errors.New("the pattern matches the empty text")
	ErrLong  = errors.New("a match may be longer than the window; use tail")
)

// Compile reads a rules file and builds the set. The error joins a LineError for every mistake;
// patterns that cannot be bounded are mistakes, and so are examples that do not do what they shall.
func Compile(rules []byte) (*Set, error) { return new(Compiler).Compile(rules) }

// build makes the set of rules that are compiled already.
func build(parsed []Rule, compiled []*compiled) (*Set, error) {
	s := &Set{}
	text, folding, field := newBuilder(), newBuilder(), newBuilder()
	for i := range parsed {
		r := &parsed[i]
		s.infos = append(s.infos, Info{r.ID, r.Class, r.Context})
		s.unless = append(s.unless, r.Unless != "")
		b := text
		if r.Context == ContextStructured {
			b = field
		}
		if r.Detect != "" {
			b.detector(int32(i), r.Detect)
			continue
		}
		b.add(int32(i), compiled[i])
		if r.Fold != "" {
			folding.add(int32(i), compiled[i])
		}
	}
	var err error
	if s.text, err = text.engine(); err != nil {
		return nil, err
	}
	if s.field, err = field.engine(); err != nil {
		return nil, err
	}
	if s.folding, err = folding.engine(); err != nil {
		return nil, err
	}
	s.pool.New = func() any { return newWork(s.text, s.folding, s.field) }
	return s, s.try(parsed)
}

// builder gathers the rules of one engine.
type builder struct {
	e    *engine
	keys []string
	ids  map[string]int
}

func newBuilder() *builder { return &builder{e: &engine{}, ids: map[string]int{}} }

func (b *builder) engine() (*engine, error) {
	if len(b.e.rules) == 0 && b.e.detect == nil {
		return nil, nil
	}
	var err error
	b.e.keys, err = keyword.New(b.keys)
	for n, k := range b.keys {
		for _, r := range b.e.byKey[n] {
			for _, c := range [2]byte{k[0], upper(k[0])} {
				if heads := &b.e.byHead[c]; b.e.rules[r.rule].reach == 0 && !slices.Contains(*heads, r.rule) {
					*heads = append(*heads, r.rule)
				}
			}
		}
	}
	return b.e, err
}

func upper(c byte) byte {
	if c-'a' < 26 {
		return c &^ 0x20
	}
	return c
}

// add registers a rule under its index in the file.
func (b *builder) add(index int32, from *compiled) {
	c := from.rule
	c.index = index
	b.wake(&c, from.trigger, from.wakers)
	b.e.rules = append(b.e.rules, c)
}

// extras compiles what surrounds the pattern of a rule.
func (c *rule) extras(r *Rule) (err error) {
	if r.Back != "" {
		if c.back, err = automaton.Class(r.Back); err != nil {
			return fmt.Errorf("back: %w", err)
		}
	}
	if r.Tail != "" {
		if c.tail, err = automaton.Class(r.Tail); err != nil {
			return fmt.Errorf("tail: %w", err)
		}
	}
	if r.Until != "" {
		if c.until, err = compilePattern(r.Until); err != nil {
			return fmt.Errorf("until: %w", err)
		}
	}
	if r.Check != "" {
		if c.check = checks[r.Check]; c.check == nil {
			return fmt.Errorf("unknown check %q", r.Check)
		}
	}
	return nil
}

func compilePattern(pattern string) (*automaton.Automaton, error) {
	re, err := automaton.Parse(pattern)
	if err != nil {
		return nil, err
	}
	switch lo, hi := automaton.Width(re); {
	case lo == 0:
		return nil, ErrEmpty
	case hi > MaxWindow:
		return nil, ErrLong
	}
	return automaton.Compile(re)
}

// wakers returns the literals that wake a rule without a trigger.
func wakers(r *Rule, re *syntax.Regexp) (keys []literal.Key, err error) {
	if r.Trigger != "" {
		if kindOf(r.Trigger) == 0 {
			return nil, fmt.Errorf("unknown trigger %q", r.Trigger)
		}
		return nil, nil
	}
	if len(r.Keywords) == 0 {
		keys, err = literal.Required(re)
	}
	for _, k := range r.Keywords {
		keys = append(keys, literal.Key{Text: keyword.Lower(k)})
	}
	for _, k := range keys {
		if len(k.Text) < keyword.MinLen || len(k.Text) > keyword.MaxLen {
			return nil, fmt.Errorf("keyword %q: its length must be %d to %d bytes", k.Text, keyword.MinLen, keyword.MaxLen)
		}
	}
	return keys, err
}

// wake registers what wakes a rule and works out how far before its waker a match may begin.
func (b *builder) wake(c *rule, trigger string, wakers []literal.Key) {
	id := uint16(len(b.e.rules))
	if kind := kindOf(trigger); kind != 0 {
		b.e.kinds |= kind
		b.fires(kind, id, c)
	}
	c.reach = c.backMax
	for _, k := range wakers {
		n, ok := b.ids[k.Text]
		if !ok {
			n = len(b.keys)
			b.ids[k.Text] = n
			b.keys = append(b.keys, k.Text)
			b.e.byKey = append(b.e.byKey, nil)
		}
		b.e.byKey[n] = append(b.e.byKey[n], ref{id, uint16(k.Min), uint16(k.Max)})
		if back := max(k.Max, c.backMax); back > 0 {
			c.reach = max(c.reach, back+len(k.Text)-1)
		}
	}
	if c.reach == 0 {
		return
	}
	b.e.reach = max(b.e.reach, c.reach)
	heads := c.parts[0].a.Heads()
	for i := range b.e.headed {
		if heads.Has(byte(i)) {
			b.e.headed[i], b.e.far[i] = append(b.e.headed[i], id), max(b.e.far[i], c.reach)
		}
	}
}

// fires registers a rule under the bytes that its trigger is fired by: where a match begins with that
// byte, under those alone with which one may.
func (b *builder) fires(k kind, id uint16, c *rule) {
	at := &b.e.byKind[kindIndex(k)]
	if *at == nil {
		*at = new([256][]ref)
	}
	heads := c.parts[0].a.Heads()
	for i, kinds := range kindsOf {
		if kinds&k != 0 && (c.back != nil || heads.Has(byte(i))) {
			(*at)[i] = append((*at)[i], ref{rule: id})
		}
	}
}

// split cuts a pattern at its wide gaps and compiles the parts.
func split(re *syntax.Regexp) ([]part, error) {
	var (
		parts []part
		piece []*syntax.Regexp
	)
	end := func() error {
		a, err := automaton.Compile(&syntax.Regexp{Op: syntax.OpConcat, Sub: piece})
		if err != nil {
			return err
		}
		parts, piece = append(parts, part{a: a}), nil
		return nil
	}
	seq := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		seq = re.Sub
	}
	for i, s := range seq {
		wide := s.Op == syntax.OpRepeat && s.Min == 0 && s.Max >= minGap && s.Sub[0].Op == syntax.OpCharClass
		if !wide || len(piece) == 0 || i == len(seq)-1 {
			piece = append(piece, s)
			continue
		}
		if err := end(); err != nil {
			return nil, err
		}
		a, err := automaton.Compile(s.Sub[0])
		if err != nil {
			return nil, err
		}
		p := &parts[len(parts)-1]
		heads := a.Heads()
		p.gap, p.set = s.Max, &heads
	}
	return parts, end()
}
