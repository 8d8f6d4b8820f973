package main

import "github.com/ginnel/ginnel/sdk/filter"

// The config and the compiled rules, set once by Init.
var (
	config     settings
	secrets    rules // for requests
	answers    rules
	structured rules
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

func setup(raw []byte) (err error) {
	if config, err = parse(raw); err != nil {
		return err
	}
	if config.secrets != off {
		if secrets, err = compile(secretRules + "\n" + requestRules); err != nil {
			return err
		}
		if answers, err = compile(secretRules); err != nil {
			return err
		}
	}
	if config.structured() {
		structured, err = compile(structuredRules)
	}
	return err
}
