// Command headers is the built-in filter that adds, sets, removes and requires header fields on
// requests and answers of a route.
//
// Headers that every answer must carry, also those that never reach a pipeline, are the listener's.
package main

import (
	"errors"

	"github.com/ginnel/ginnel/sdk/filter"
)

// edits is what is done to one side's header, in this order.
type edits struct {
	remove  []string
	set     [][2]string
	add     [][2]string
	require []string
}

// rules is the config.
type rules struct{ request, response edits }

// header is one side's header, as the edits see it.
type header interface {
	has(name string) bool
	set(name, value string) error
	add(name, value string) error
	del(name string) error
}

// parse reads the config.
func parse(config []byte) (rules, error) {
	v, err := filter.Parse(config)
	if err != nil {
		return rules{}, err
	}
	r := rules{side(v.Get("request")), side(v.Get("response"))}
	return r, r.check()
}

func side(v filter.Value) edits {
	return edits{
		remove:  v.Get("remove").Strings(),
		set:     pairs(v.Get("set")),
		add:     pairs(v.Get("add")),
		require: v.Get("require").Strings(),
	}
}

func pairs(v filter.Value) [][2]string {
	var all [][2]string
	v.Members(func(name string, value filter.Value) bool {
		all = append(all, [2]string{name, value.String("")})
		return true
	})
	return all
}

func (r rules) check() error {
	for _, e := range []edits{r.request, r.response} {
		for _, name := range append(append([]string(nil), e.remove...), e.require...) {
			if name == "" {
				return errors.New("a header's name is empty")
			}
		}
		for _, f := range append(append([][2]string(nil), e.set...), e.add...) {
			if f[0] == "" {
				return errors.New("a header's name is empty")
			}
		}
	}
	return nil
}

// missing returns the first required field that is not there, or "".
func (e *edits) missing(h header) string {
	for _, name := range e.require {
		if !h.has(name) {
			return name
		}
	}
	return ""
}

// apply edits a header. An error names the field that the host refuses.
func (e *edits) apply(h header) error {
	for _, name := range e.remove {
		if err := h.del(name); err != nil {
			return errors.New("header " + name + ": " + err.Error())
		}
	}
	for _, f := range e.set {
		if err := h.set(f[0], f[1]); err != nil {
			return errors.New("header " + f[0] + ": " + err.Error())
		}
	}
	for _, f := range e.add {
		if err := h.add(f[0], f[1]); err != nil {
			return errors.New("header " + f[0] + ": " + err.Error())
		}
	}
	return nil
}
