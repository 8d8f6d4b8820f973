package main

// class is a kind of finding. Its name is an attribute of the config and stands in errors, events and
// metrics.
type class uint8

// The classes.
const (
	secret class = iota
	email
	card
	iban
	ssn
	phone
	ip
	custom
	prompt
	hidden
	control
	html
	links
	ansi
	canary
	sqli
	xss
	nosql
	command
	template
	ldap
	path
	crlf
	lookup
	markup
	validation
	unseen
	classCount

	none = classCount
)

var classNames = [classCount]string{
	"secrets", "email", "card", "iban", "ssn", "phone", "ip", "custom", "prompt", "hidden", "control", "html", "links", "ansi", "canary",
	"sqli", "xss", "nosql", "command", "template", "ldap", "path", "crlf", "lookup", "markup", "validation", "unseen",
}

func (c class) String() string { return classNames[c] }

// classNamed returns the class of that name, or none.
func classNamed(name string) class {
	for c, n := range classNames {
		if n == name {
			return class(c)
		}
	}
	return none
}

// restorable reports whether what was found may be given back to who sent it.
func (c class) restorable() bool { return c <= custom }

// stripped reports whether what was found is taken out without a placeholder.
func (c class) stripped() bool { return c == hidden || c == control || c == ansi }

// spoken reports whether the class is about what a user or a tool says to the model.
func (c class) spoken() bool { return c == prompt || c == hidden || c == control }

// shown reports whether the class is about what an answer does to who shows it.
func (c class) shown() bool { return c >= html && c <= canary }

// structured reports whether the class is about fields that programs read.
func (c class) structured() bool { return c >= sqli && c <= validation }

// action is what is done about a class.
type action uint8

// The actions, the mildest first.
const (
	off action = iota
	annotate
	redact
	deny
)

var actions = [...]string{"off", "annotate", "redact", "deny"}
