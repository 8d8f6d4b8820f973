// Command sanitize is the built-in filter that finds secrets, personal data, hidden text and attacks
// in requests and answers, and notes, redacts or denies them.
//
// What is found depends on where it stands: SQL or script in a message is talk, in a tool's argument
// or a query it is an attack. The rules are data, in rules; the host matches them natively, over
// texts that are never copied here. Nothing of an exchange is kept between two callbacks but what
// the answer shall be given back, which the host keeps.
package main

import (
	"errors"

	"github.com/ginnel/ginnel/sdk/filter"
)

// settings is the config.
type settings struct {
	action    [classCount]action
	arguments bool // a tool's arguments are structured fields
	restore   bool // placeholders are numbered and replaced in the answer
	words     bool // an answer's words wait for an at sign
	threshold int  // of the score of class prompt
	roles     [filter.RoleTool + 1]bool
	header    string // what tells the upstream, or ""
	limits    limits
}

// groups are the attributes that set several classes at once.
var groups = [...]struct {
	name        string
	standard    action
	first, last class
}{
	{"pii", redact, email, ip},
	{"output", annotate, html, ansi},
	{"structured", deny, sqli, markup},
}

// parse reads the config.
func parse(v filter.Value) (s settings, err error) {
	for c, a := range map[class]action{secret: redact, custom: redact, prompt: annotate, hidden: redact, control: annotate, canary: redact, validation: deny} {
		s.action[c] = a
	}
	for _, g := range groups {
		a := g.standard
		if err := actionOf(v, g.name, &a); err != nil {
			return s, err
		}
		for c := g.first; c <= g.last; c++ {
			s.action[c] = a
		}
	}
	for c, name := range classNames {
		if class(c) == unseen {
			continue
		}
		if err := actionOf(v, name, &s.action[c]); err != nil {
			return s, err
		}
	}
	if len(v.Get("canaries").Strings()) == 0 {
		s.action[canary] = off
	}
	if !v.Get("rules").Exists() && !v.Get("rule").Exists() {
		s.action[custom] = off
	}
	s.arguments = v.Get("tool_arguments").Bool(true)
	s.restore = v.Get("restore").Bool(false)
	s.words = v.Get("hold_words").Bool(false)
	s.threshold = int(v.Get("prompt_threshold").Int(100))
	s.header = v.Get("header").String("")
	s.limits = parseLimits(v.Get("limits"))
	if err := s.roleNames(v); err != nil {
		return s, err
	}
	return s, s.unseen(v)
}

// actionOf reads the action under a name, which stays where there is none.
func actionOf(v filter.Value, name string, to *action) error {
	text := v.Get(name).String("")
	if text == "" {
		return nil
	}
	for i, a := range actions {
		if a == text {
			*to = action(i)
			return nil
		}
	}
	return errors.New(name + ` is "` + text + `", not off, annotate, redact or deny`)
}

// roleNames reads whose words class prompt judges.
func (s *settings) roleNames(v filter.Value) error {
	names := v.Get("prompt_roles").Strings()
	if len(names) == 0 {
		names = []string{"system", "user", "tool"}
	}
	for _, name := range names {
		switch name {
		case "system":
			s.roles[filter.RoleSystem] = true
		case "user":
			s.roles[filter.RoleUser] = true
		case "tool":
			s.roles[filter.RoleTool] = true
		case "assistant":
			s.roles[filter.RoleAssistant] = true
		default:
			return errors.New(`prompt_roles has "` + name + `", not system, user, tool or assistant`)
		}
	}
	return nil
}

// unseen decides about content that no filter can see: where something is to be redacted or denied in
// texts, what stands elsewhere is denied unless the operator allows it.
func (s *settings) unseen(v filter.Value) error {
	switch text := v.Get("unseen").String(""); text {
	case "":
		if a, _ := s.strictest(func(class) bool { return true }); a >= redact {
			s.action[unseen] = deny
		}
	case "deny":
		s.action[unseen] = deny
	case "allow":
	default:
		return errors.New(`unseen is "` + text + `", not deny or allow`)
	}
	return nil
}

// strictest returns the strictest action on a class that satisfies is, and the class.
func (s *settings) strictest(is func(class) bool) (a action, c class) {
	c = none
	for i, b := range s.action {
		if b > a && is(class(i)) {
			a, c = b, class(i)
		}
	}
	return a, c
}
