package main

import (
	"os"

	"github.com/ginnel/ginnel/sdk/filter"
)

// hostile is what a guest must not get away with.
var hostile = map[string]func(filter.Exchange) filter.Action{
	"loop": func(filter.Exchange) filter.Action { spin(); return filter.Continue },
	"memory": func(filter.Exchange) filter.Action {
		for {
			sink = append(sink, make([]byte, 1<<20))
		}
	},
	"recurse": func(filter.Exchange) filter.Action { recurse(0); return filter.Continue },
	"calls": func(x filter.Exchange) filter.Action {
		for {
			filter.Now()
		}
	},
	"output": func(x filter.Exchange) filter.Action {
		b := make([]byte, 1<<16)
		for {
			x.Out(b)
		}
	},
	"logs": func(filter.Exchange) filter.Action {
		for range 100 {
			filter.Log(filter.LevelError, "flood")
		}
		return filter.Continue
	},
	"panic":  func(filter.Exchange) filter.Action { panic("on purpose") },
	"exit":   func(filter.Exchange) filter.Action { os.Exit(3); return filter.Continue },
	"fail":   func(filter.Exchange) filter.Action { return filter.Failed },
	"pause":  func(filter.Exchange) filter.Action { return 6 },
	"action": func(filter.Exchange) filter.Action { return 77 },
	"drop":   func(filter.Exchange) filter.Action { return filter.Drop },
}

var spun int

func spin() {
	for {
		spun++
	}
}

func recurse(n int) int {
	if n < 0 {
		return n
	}
	return recurse(n+1) + spun
}
