// Command guest is a filter that does one of everything that a transcript can show. It holds one byte
// of its placeholder back, no more, so a stream that is cut inside of it comes out otherwise.
package main

import (
	"bytes"

	"github.com/ginnel/ginnel/sdk/filter"
)

var word = []byte("secret")

var _ = register()

func register() bool {
	filter.Register(filter.Filter{
		Init: func(config []byte) error {
			v, err := filter.Parse(config)
			if err == nil {
				word = []byte(v.Get("word").String("secret"))
			}
			return err
		},
		RequestHead: func(x filter.Exchange) filter.Action {
			switch x.Header("x-case") {
			case "deny":
				return x.Deny("case", "the case says no")
			case "fail":
				filter.Log(filter.LevelError, "as asked")
				return filter.Failed
			case "loop":
				for {
				}
			case "body":
				return x.Respond(filter.Answer{Status: 299, Header: [][2]string{{"x-own", "1"}}, Body: "its own"})
			}
			x.SetHeader("x-tenant", x.Get(filter.Tenant))
			return filter.Continue
		},
		RequestText: func(x filter.Exchange) filter.Action {
			for i := range x.Texts() {
				t := x.Text(i)
				if at := bytes.Index(t.Bytes(), word); at >= 0 {
					t.Splice(at, at+len(word), []byte("[1]"))
					x.Annotate("hidden", "1")
				}
			}
			return filter.Continue
		},
		ResponseHead: func(x filter.Exchange) filter.Action {
			x.SetResponseHeader("x-seen", "yes")
			filter.Gauge("status", float64(x.Status()))
			return filter.Continue
		},
		Delta: func(x filter.Exchange, w filter.Window) filter.Action {
			filter.Count("deltas", 1)
			if bytes.Contains(w.Bytes(), []byte("stop")) {
				return filter.Close
			}
			if !w.Final() && bytes.HasSuffix(w.Bytes(), []byte("[")) {
				return filter.Hold(1)
			}
			if at := bytes.Index(w.Bytes(), []byte("[1]")); at >= 0 {
				w.Splice(at, at+3, word)
				filter.Emit("restored", []byte(`{"n":1}`))
			}
			return filter.Continue
		},
	})
	return true
}

func main() {}
