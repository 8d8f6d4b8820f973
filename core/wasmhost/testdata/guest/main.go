// Command guest is the filter of the host's tests: what it does in a callback, the request's query
// names.
package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/filter"
)

var (
	planted string // survives a callback, must not survive a tenant
	set     filter.Set
	sink    [][]byte
	config  filter.Value
)

// registered makes the filter known before anything is called.
var registered = register()

func register() bool {
	filter.Register(filter.Filter{
		Init:         start,
		RequestHead:  func(x filter.Exchange) filter.Action { return act(x, "") },
		RequestBody:  func(x filter.Exchange, raw []byte) filter.Action { return body(x, raw) },
		RequestText:  func(x filter.Exchange) filter.Action { return act(x, "text ") },
		ResponseHead: func(x filter.Exchange) filter.Action { return act(x, "response ") },
		ResponseBody: func(x filter.Exchange, raw []byte) filter.Action { return shown(x, "answer ", raw) },
		Delta:        delta,
		Event:        func(x filter.Exchange, raw []byte) filter.Action { return shown(x, "event ", raw) },
		End:          func(x filter.Exchange) filter.Action { return act(x, "end ") },
		Done:         func(x filter.Exchange) filter.Action { return act(x, "done ") },
		CallDone:     callDone,
		Tick:         ticked,
	})
	return true
}

func main() {}

func start(raw []byte) (err error) {
	if config, err = filter.Parse(append([]byte(nil), raw...)); err != nil {
		return err
	}
	if m := config.Get("refuse").String(""); m != "" {
		return errors.New(m)
	}
	if config.Get("loop").Bool(false) {
		spin()
	}
	if script := config.Get("script").String(""); script != "" {
		return errors.New(perform(script))
	}
	if rules := config.Get("rules").String(""); rules != "" {
		set, err = filter.Compile([]byte(rules))
	}
	return err
}

func act(x filter.Exchange, prefix string) filter.Action {
	query := asked(x)
	if path, ok := strings.CutPrefix(query, prefix+"ask "); ok {
		return ask(x, path)
	}
	if query == "raw" {
		tell(perform(scriptOf()))
		return filter.Continue
	}
	name := prefix + query
	if f := hostile[name]; f != nil {
		return f(x)
	}
	if f := cases[name]; f != nil {
		return f(x)
	}
	return filter.Continue
}

// asked is the query, which a client cannot write with spaces.
func asked(x filter.Exchange) string {
	return strings.ReplaceAll(x.Get(filter.Query), "%20", " ")
}

// say leaves a result for the test.
func say(x filter.Exchange, v string) { x.Annotate("said", v) }

func sayErr(x filter.Exchange, err error) {
	if err == nil {
		say(x, "ok")
		return
	}
	say(x, err.Error())
}

// shown asks about raw bytes, if the query wants that.
func shown(x filter.Exchange, prefix string, _ []byte) filter.Action {
	if path, ok := strings.CutPrefix(asked(x), prefix+"ask "); ok {
		return ask(x, path)
	}
	return filter.Continue
}

func body(x filter.Exchange, raw []byte) filter.Action {
	if path, ok := strings.CutPrefix(asked(x), "body ask "); ok {
		return ask(x, path)
	}
	switch x.Get(filter.Query) {
	case "raw":
		tell(perform(scriptOf()))
	case "replace":
		x.Out([]byte(`{"was":`))
		x.Out(raw)
		x.Out([]byte(`}`))
		return filter.Replace
	case "replace nothing":
		return filter.Replace
	case "json":
		v, err := x.JSON("/a/1/b~1c")
		say(x, string(v.Raw()))
		sayErr(x, err)
		_, err = x.JSON("/none")
		sayErr(x, err)
		sayErr(x, x.SetJSON("/a/0", []byte(`{"new":true}`)))
		sayErr(x, x.SetJSON("/a/0", []byte(`{`)))
		sayErr(x, x.SetJSON("/model", []byte(`"x"`)))
	}
	return filter.Continue
}

func delta(x filter.Exchange, w filter.Window) filter.Action {
	query := asked(x)
	if path, ok := strings.CutPrefix(query, "delta ask "); ok {
		return ask(x, path)
	}
	switch query {
	case "raw":
		tell(perform(scriptOf()))
	case "upper":
		b := append([]byte(nil), w.Bytes()...)
		for i, c := range b {
			if 'a' <= c && c <= 'z' {
				b[i] = c - 32
			}
		}
		x.Out(b)
		return filter.Replace
	case "redact":
		return redact(w)
	case "info":
		choice, block := w.Channel()
		role, kind := w.Info()
		say(x, strconv.Itoa(choice)+" "+strconv.Itoa(block)+" "+strconv.Itoa(int(role))+" "+strconv.Itoa(int(kind))+" "+strconv.FormatBool(w.Final())+" "+strconv.Itoa(w.Fresh())+" "+strconv.Itoa(w.Len()))
	case "hold too much":
		return filter.HoldAll
	case "drop":
		return filter.Drop
	case "deny":
		return x.Deny("test", "no more")
	}
	return filter.Continue
}

// redact replaces what the rules find, from the last match to the first.
func redact(w filter.Window) filter.Action {
	m, open, err := set.Window()
	if err != nil {
		return filter.Failed
	}
	last := -1
	for i := m.Len() - 1; i >= 0; i-- {
		f := m.At(i)
		if last >= 0 && f.End > last {
			continue
		}
		last = f.Start
		with := []byte("[x]")
		if f.Continued() {
			with = nil
		}
		if w.Splice(f.Start, f.End, with) != nil {
			return filter.Failed
		}
	}
	return filter.Hold(open)
}
