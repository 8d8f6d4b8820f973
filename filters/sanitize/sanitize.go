// Command sanitize is the built-in filter that finds secrets in every text of requests and answers,
// and attacks in a request's structured fields, and notes, redacts or denies them.
//
// What is found depends on where it stands: SQL or script in a message is talk, in a tool's argument
// or a query it is an attack. The rules are data, in rules; the host matches them natively, over
// texts that are never copied here. Nothing of an exchange is kept between two callbacks.
package main

import (
	_ "embed"
	"errors"
	"strings"

	"github.com/ginnel/ginnel/sdk/filter"
)

// The classes of finding. They are the attributes of the config and stand in errors and events.
const (
	classSecrets = "secrets"
	classXSS     = "xss"
	classSQLi    = "sqli"
	classUnseen  = "unseen"
)

//go:embed rules/secrets.rules
var secretRules string

//go:embed rules/secrets_request.rules
var requestRules string

//go:embed rules/structured.rules
var structuredRules string

// action is what is done about a class.
type action uint8

const (
	off action = iota
	annotate
	redact
	deny
)

var actions = [...]string{"off", "annotate", "redact", "deny"}

// settings is the config.
type settings struct {
	secrets   action
	xss, sqli action
	unseen    bool // deny what no filter can see
	arguments bool // a tool's arguments are structured fields
}

// parse reads the config.
func parse(config []byte) (s settings, err error) {
	v, err := filter.Parse(config)
	if err != nil {
		return s, err
	}
	for _, class := range []struct {
		name, absent string
		to           *action
	}{{classSecrets, "redact", &s.secrets}, {classXSS, "deny", &s.xss}, {classSQLi, "deny", &s.sqli}} {
		if *class.to, err = actionOf(class.name, v.Get(class.name).String(class.absent)); err != nil {
			return s, err
		}
	}
	s.arguments = v.Get("tool_arguments").Bool(true)
	strict := max(s.secrets, s.xss, s.sqli) >= redact
	switch unseen := v.Get("unseen").String(""); unseen {
	case "":
		s.unseen = strict
	case "deny":
		s.unseen = true
	case "allow":
	default:
		return s, errors.New(`unseen is "` + unseen + `", not deny or allow`)
	}
	return s, nil
}

func actionOf(class, name string) (action, error) {
	for i, a := range actions {
		if a == name {
			return action(i), nil
		}
	}
	return off, errors.New(class + ` is "` + name + `", not off, annotate, redact or deny`)
}

// structured reports whether any structured field is looked at.
func (s *settings) structured() bool { return s.xss != off || s.sqli != off }

// of returns what is done about a class.
func (s *settings) of(class string) action {
	switch class {
	case classXSS:
		return s.xss
	case classSQLi:
		return s.sqli
	}
	return s.secrets
}

// rules is a compiled rules file with what the guest has to know of each rule.
type rules struct {
	filter.Set
	placeholders [][]byte // by rule: [REDACTED:its_id]
	classes      []string // by rule
}

const placeholder = "[REDACTED:"

func compile(text string) (rules, error) {
	set, err := filter.Compile([]byte(text))
	if err != nil {
		return rules{}, err
	}
	r := rules{Set: set}
	for len(text) > 0 {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		line = strings.TrimLeft(line, " \t")
		if id, ok := strings.CutPrefix(line, "rule "); ok {
			r.placeholders = append(r.placeholders, []byte(placeholder+id+"]"))
			r.classes = append(r.classes, "")
		} else if class, ok := strings.CutPrefix(line, "class "); ok && len(r.classes) > 0 {
			r.classes[len(r.classes)-1] = class
		}
	}
	return r, nil
}

// id returns the name of a rule.
func (r *rules) id(rule int) string {
	p := r.placeholders[rule]
	return string(p[len(placeholder) : len(p)-1])
}
