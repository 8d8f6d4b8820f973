package main

import (
	_ "embed"
	"errors"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/filter"
)

// The rules files. Those in request.rules begin before what tells them, which no stream can wait for.
var (
	//go:embed rules/secrets.rules
	secretRules string
	//go:embed rules/request.rules
	requestRules string
	//go:embed rules/answer.rules
	answerRules string
	//go:embed rules/pii.rules
	piiRules string
	//go:embed rules/prompt.rules
	promptRules string
	//go:embed rules/hidden.rules
	hiddenRules string
	//go:embed rules/output.rules
	outputRules string
	//go:embed rules/structured.rules
	structuredRules string
	//go:embed rules/fields.rules
	fieldRules string
	//go:embed rules/injection.rules
	injectionRules string
)

const (
	placeholder = "[REDACTED:"
	// numbered is the rule that finds placeholders which may be given back.
	numbered = "rule placeholder\n  class restore\n  pattern \\[REDACTED:[a-z0-9_]{1,40}:\\d{1,4}\\]\n  yes [REDACTED:email:12]\n"
)

// rule is what the guest has to know of a rule.
type rule struct {
	id          string
	class       class // none: a placeholder to be restored
	weight      int
	placeholder []byte // empty where the match is taken out
}

// rules is a compiled rules file.
type rules struct {
	filter.Set
	all []rule
}

// where is which texts a set is for.
type where uint8

const (
	inTexts  where = iota // the conversation
	inAnswer              // an answer that comes in pieces
	inWhole               // an answer that is there as a whole
	inFields              // structured fields
)

// setup compiles the sets that the config asks for.
func setup(raw []byte) error {
	v, err := filter.Parse(raw)
	if err != nil {
		return err
	}
	if config, err = parse(v); err != nil {
		return err
	}
	strictest, _ = config.strictest(func(c class) bool { return !c.structured() && !c.spoken() && c != unseen })
	own, err := operatorRules(v)
	if err != nil {
		return err
	}
	later := answerRules
	if config.words {
		later = requestRules
	}
	canaries, err := canaryRules(v.Get("canaries").Strings())
	if err != nil {
		return err
	}
	seen := piiRules + "\n" + outputRules + "\n" + canaries
	for _, s := range []struct {
		to   *rules
		at   where
		text string
	}{
		{&texts, inTexts, strings.Join([]string{secretRules, requestRules, piiRules, promptRules, hiddenRules, own}, "\n")},
		{&answers, inAnswer, strings.Join([]string{secretRules, later, seen, own}, "\n")},
		{&whole, inWhole, strings.Join([]string{secretRules, requestRules, seen, own}, "\n")},
		{&fields, inFields, strings.Join([]string{structuredRules, injectionRules, fieldRules, own}, "\n")},
	} {
		if *s.to, err = compile(s.text, s.at); err != nil {
			return err
		}
	}
	return nil
}

// compile compiles those rules of a file that belong somewhere and whose class is not off.
func compile(text string, at where) (r rules, err error) {
	var kept strings.Builder
	for _, block := range blocks(text) {
		one, context := describe(block)
		if one.class == none {
			return r, errors.New("rule " + one.id + ": its class is none of this filter's")
		}
		if config.action[one.class] == off || !belongs(one.class, context, at) {
			continue
		}
		kept.WriteString(block)
		r.all = append(r.all, one)
	}
	if config.restore && (at == inAnswer || at == inWhole) {
		kept.WriteString(numbered)
		r.all = append(r.all, rule{id: "placeholder", class: none})
	}
	if len(r.all) == 0 {
		return r, nil
	}
	if r.Set, err = filter.Compile([]byte(kept.String())); err != nil {
		return r, errors.New("rules: " + err.Error())
	}
	return r, nil
}

// belongs reports whether a rule is for texts of that place.
func belongs(c class, context string, at where) bool {
	switch {
	case at == inFields:
		return context == "structured"
	case context == "structured":
		return false
	case at == inTexts:
		return context != "output" && !c.shown()
	}
	return context == "output" || !c.spoken()
}

// blocks cuts a rules file before each rule; what stands before the first is left out.
func blocks(text string) (all []string) {
	var b strings.Builder
	for len(text) > 0 {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		line = strings.TrimLeft(strings.TrimSuffix(line, "\r"), " \t")
		if strings.HasPrefix(line, "rule ") && b.Len() > 0 {
			all = append(all, b.String())
			b.Reset()
		}
		if line == "" || line[0] == '#' || b.Len() == 0 && !strings.HasPrefix(line, "rule ") {
			continue
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	if b.Len() > 0 {
		all = append(all, b.String())
	}
	return all
}

// describe reads what the guest has to know of a block.
func describe(block string) (r rule, context string) {
	r.class, r.weight, context = none, 100, "message"
	for len(block) > 0 {
		var line string
		line, block, _ = strings.Cut(block, "\n")
		word, value, _ := strings.Cut(line, " ")
		switch word {
		case "rule":
			r.id = value
		case "class":
			r.class = classNamed(value)
		case "context":
			context = value
		case "weight":
			r.weight, _ = strconv.Atoi(value)
		}
	}
	switch {
	case r.class == none || r.class.stripped():
	case r.class == secret || r.class == custom:
		r.placeholder = []byte(placeholder + r.id + "]")
	default:
		r.placeholder = []byte(placeholder + r.class.String() + "]")
	}
	return r, context
}

// canaryRules makes a rule of each canary: a token that an answer must never hold.
func canaryRules(canaries []string) (string, error) {
	var b strings.Builder
	for i, c := range canaries {
		if len(c) < 8 || len(c) > 200 || strings.ContainsAny(c, "\r\n") {
			return "", errors.New("a canary has 8 to 200 bytes and no line end")
		}
		b.WriteString("rule canary_" + strconv.Itoa(i+1) + "\nclass canary\ncontext output\npattern " + quote(c) + "\n")
	}
	return b.String(), nil
}

// quote makes a pattern of a literal.
func quote(literal string) string {
	var b strings.Builder
	for i := range len(literal) {
		if strings.IndexByte(`\.+*?()|[]{}^$`, literal[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(literal[i])
	}
	return b.String()
}

// operatorRules returns the operator's own rules: a file's text and the rule blocks.
func operatorRules(v filter.Value) (string, error) {
	var b strings.Builder
	b.WriteString(v.Get("rules").String(""))
	b.WriteByte('\n')
	var err error
	put := func(word, value string) {
		if value == "" {
			return
		}
		if strings.ContainsAny(value, "\r\n") {
			err = errors.New("a rule's " + word + " has a line end; write it as \\n")
		}
		b.WriteString(word + " " + value + "\n")
	}
	v.Get("rule").Members(func(id string, r filter.Value) bool {
		put("rule", id)
		for _, word := range [...]string{"class", "context", "pattern", "after", "trigger", "back", "tail", "until", "check"} {
			put(word, r.Get(word).String(""))
		}
		if r.Get("fold").Bool(false) {
			put("fold", "ascii")
		}
		if r.Get("weight").Exists() {
			put("weight", strconv.FormatInt(r.Get("weight").Int(0), 10))
		}
		for _, list := range [...][2]string{{"keywords", "keyword"}, {"yes", "yes"}, {"no", "no"}} {
			for _, value := range r.Get(list[0]).Strings() {
				put(list[1], value)
			}
		}
		return true
	})
	return b.String(), err
}
