package main

import "github.com/ginnel/ginnel/sdk/filter"

// The config and the compiled rules, set once by Init.
var (
	config  settings
	texts   rules
	answers rules // for answers in pieces
	whole   rules // for answers that are there as a whole
	fields  rules

	strictest action // on what an answer may hold
)

func init() {
	filter.Register(filter.Filter{
		Init:        setup,
		RequestHead: requestHead,
		RequestText: requestText,
		Delta:       delta,
	})
}

func main() {}
