// Command headers is the built-in filter that adds, sets, removes, requires and checks header fields
// on requests and answers of a route.
//
// Headers that every answer must carry, also those that never reach a pipeline, are the listener's.
package main

import (
	"errors"
	"strings"

	"github.com/ginnel/ginnel/sdk/filter"
)

// edits is what is done to one side's header, in this order.
type edits struct {
	require []string
	checks  []check
	rename  [][2]string
	remove  []string
	set     []field
	add     []field
	absent  []field // set where there is none
}

// field is a header field whose value may name parts of the exchange.
type field struct {
	name, value string
	parts       []part // nil: the value as it stands
}

// part is a literal and what follows it.
type part struct {
	literal string
	is      filter.Field // 0: nothing follows
}

// check is what a field that is there must be.
type check struct {
	name           string
	oneOf          []string
	prefix, suffix string
	longest        int
}

// rules is the config.
type rules struct{ request, response edits }

// header is one side's header, as the edits see it.
type header interface {
	get(name string) string
	has(name string) bool
	put(name, value string, beside bool) error // beside the fields of that name, or in their place
	del(name string) error
}

// parse reads the config.
func parse(config []byte) (r rules, err error) {
	v, err := filter.Parse(config)
	if err != nil {
		return r, err
	}
	if r.request, err = side(v.Get("request")); err != nil {
		return r, err
	}
	r.response, err = side(v.Get("response"))
	return r, err
}

func side(v filter.Value) (e edits, err error) {
	e.require, e.remove = v.Get("require").Strings(), v.Get("remove").Strings()
	for _, list := range []struct {
		name string
		to   *[]field
	}{{"set", &e.set}, {"add", &e.add}, {"default", &e.absent}} {
		for _, p := range pairs(v.Get(list.name)) {
			f, err := newField(p[0], p[1])
			if err != nil {
				return e, err
			}
			*list.to = append(*list.to, f)
		}
	}
	e.rename = pairs(v.Get("rename"))
	v.Get("check").Members(func(name string, c filter.Value) bool {
		e.checks = append(e.checks, check{
			name: c.Get("header").String(name), oneOf: c.Get("one_of").Strings(), prefix: c.Get("prefix").String(""), suffix: c.Get("suffix").String(""),
			longest: int(c.Get("max_length").Int(0)),
		})
		return true
	})
	return e, e.named()
}

func pairs(v filter.Value) (all [][2]string) {
	v.Members(func(name string, value filter.Value) bool {
		all = append(all, [2]string{name, value.String("")})
		return true
	})
	return all
}

// named refuses fields without a name.
func (e *edits) named() error {
	names := append(append([]string(nil), e.remove...), e.require...)
	for _, list := range [][]field{e.set, e.add, e.absent} {
		for _, f := range list {
			names = append(names, f.name)
		}
	}
	for _, r := range e.rename {
		names = append(names, r[0], r[1])
	}
	for _, c := range e.checks {
		names = append(names, c.name)
	}
	for _, name := range names {
		if name == "" {
			return errors.New("a header's name is empty")
		}
	}
	return nil
}

// known are the parts of an exchange that a value may name.
var known = map[string]filter.Field{
	"request_id": filter.RequestID, "route": filter.Route, "listener": filter.Listener, "model": filter.Model, "team": filter.Tenant,
	"key": filter.KeyID, "address": filter.Remote, "dialect": filter.Dialect, "host": filter.Host, "path": filter.Path,
}

// newField reads a value: {request_id} and the like stand for a part of the exchange, {{ for a brace.
func newField(name, value string) (field, error) {
	f := field{name: name, value: value}
	if !strings.Contains(value, "{") {
		return f, nil
	}
	literal := ""
	for rest := value; ; {
		before, after, ok := strings.Cut(rest, "{")
		literal += before
		if !ok {
			f.parts = append(f.parts, part{literal: literal})
			return f, nil
		}
		if strings.HasPrefix(after, "{") {
			literal, rest = literal+"{", after[1:]
			continue
		}
		what, tail, closed := strings.Cut(after, "}")
		is, ok := known[what]
		if !closed || !ok {
			return f, errors.New("header " + name + ": {" + what + "} stands for nothing; {{ is a brace")
		}
		f.parts = append(f.parts, part{literal, is})
		literal, rest = "", tail
	}
}

// text returns the value for an exchange.
func (f *field) text(x filter.Exchange) string {
	if f.parts == nil {
		return f.value
	}
	var b strings.Builder
	for _, p := range f.parts {
		b.WriteString(p.literal)
		if p.is != 0 {
			b.Write(x.Bytes(p.is))
		}
	}
	return b.String()
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

// wrong returns the first field that is there and not what it must be, or "".
func (e *edits) wrong(h header) string {
	for i := range e.checks {
		c := &e.checks[i]
		if h.has(c.name) && !c.holds(h.get(c.name)) {
			return c.name
		}
	}
	return ""
}

func (c *check) holds(value string) bool {
	if c.longest > 0 && len(value) > c.longest || !strings.HasPrefix(value, c.prefix) || !strings.HasSuffix(value, c.suffix) {
		return false
	}
	for _, v := range c.oneOf {
		if v == value {
			return true
		}
	}
	return len(c.oneOf) == 0
}

// apply edits a header. An error names the field that the host refuses.
func (e *edits) apply(x filter.Exchange, h header) error {
	refused := func(name string, err error) error { return errors.New("header " + name + ": " + err.Error()) }
	for _, r := range e.rename {
		if !h.has(r[0]) {
			continue
		}
		if err := h.put(r[1], h.get(r[0]), false); err != nil {
			return refused(r[1], err)
		}
		if err := h.del(r[0]); err != nil {
			return refused(r[0], err)
		}
	}
	for _, name := range e.remove {
		if err := h.del(name); err != nil {
			return refused(name, err)
		}
	}
	for i := range e.set {
		if err := h.put(e.set[i].name, e.set[i].text(x), false); err != nil {
			return refused(e.set[i].name, err)
		}
	}
	for i := range e.add {
		if err := h.put(e.add[i].name, e.add[i].text(x), true); err != nil {
			return refused(e.add[i].name, err)
		}
	}
	for i := range e.absent {
		if h.has(e.absent[i].name) {
			continue
		}
		if err := h.put(e.absent[i].name, e.absent[i].text(x), false); err != nil {
			return refused(e.absent[i].name, err)
		}
	}
	return nil
}
