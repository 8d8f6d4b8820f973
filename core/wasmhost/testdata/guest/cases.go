package main

import (
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/filter"
)

var cases = map[string]func(filter.Exchange) filter.Action{
	"fields": func(x filter.Exchange) filter.Action {
		for _, f := range []filter.Field{filter.Method, filter.Path, filter.Model, filter.Route, filter.Dialect, filter.Tenant, filter.RequestID, filter.Remote, filter.Host, filter.KeyID, filter.Op, filter.Finish} {
			say(x, x.Get(f))
		}
		say(x, strconv.FormatBool(x.Stream())+strconv.FormatBool(x.TLS())+strconv.Itoa(x.Status()))
		return filter.Continue
	},
	"headers": func(x filter.Exchange) filter.Action {
		say(x, x.Header("X-A")+x.Header("authorization")+x.Header("none"))
		sayErr(x, x.SetHeader("x-a", "new"))
		sayErr(x, x.AddHeader("x-b", "2"))
		sayErr(x, x.DelHeader("x-c"))
		sayErr(x, x.SetHeader("content-length", "1"))
		sayErr(x, x.SetHeader("authorization", "mine"))
		sayErr(x, x.SetHeader("bad name", "1"))
		sayErr(x, x.SetHeader("x-d", "a\r\nb: c"))
		sayErr(x, x.SetHeader("x-d", strings.Repeat("x", 20000)))
		sayErr(x, x.SetResponseHeader("x-e", "1"))
		sayErr(x, x.SetStatus(201))
		all := ""
		x.Headers(func(n, v string) bool { all += n + "=" + v + ";"; return true })
		say(x, all)
		return filter.Continue
	},
	"response headers": func(x filter.Exchange) filter.Action {
		say(x, x.ResponseHeader("Server")+strconv.Itoa(x.Status()))
		sayErr(x, x.DelResponseHeader("server"))
		sayErr(x, x.SetResponseHeader("x-e", "1"))
		sayErr(x, x.SetStatus(203))
		sayErr(x, x.SetStatus(99))
		sayErr(x, x.SetHeader("x-a", "late"))
		return filter.Continue
	},
	"deny": func(x filter.Exchange) filter.Action { return x.Deny("test", "no") },
	"respond": func(x filter.Exchange) filter.Action {
		return x.Respond(filter.Answer{Status: 200, Header: [][2]string{{"x-a", "1"}}, Body: "hello"})
	},
	"respond badly": func(x filter.Exchange) filter.Action {
		return x.Respond(filter.Answer{Status: 200, Header: [][2]string{{"transfer-encoding", "chunked"}}})
	},
	"text text": func(x filter.Exchange) filter.Action {
		for i := range x.Texts() {
			role, kind := x.Text(i).Info()
			say(x, strconv.Itoa(int(role))+strconv.Itoa(int(kind))+string(x.Text(i).Bytes()))
		}
		sayErr(x, x.Text(0).Replace([]byte("new \"text\"")))
		sayErr(x, x.Text(1).Splice(2, 3, []byte("-")))
		sayErr(x, x.Text(1).Splice(2, 300, nil))
		sayErr(x, x.Text(9).Replace(nil))
		return filter.Continue
	},
	"text scan": func(x filter.Exchange) filter.Action {
		m, err := set.Text(x.Text(0))
		sayErr(x, err)
		for i := range m.Len() {
			say(x, strconv.Itoa(m.At(i).Rule)+":"+strconv.Itoa(m.At(i).Start)+"-"+strconv.Itoa(m.At(i).End))
		}
		h, err := set.Headers()
		say(x, strconv.Itoa(h.Len()))
		sayErr(x, err)
		_, err = filter.Compile([]byte("x"))
		sayErr(x, err)
		return filter.Continue
	},
	"state": func(x filter.Exchange) filter.Action {
		say(x, string(x.State()))
		sayErr(x, x.PutState([]byte("kept")))
		sayErr(x, x.PutState(make([]byte, 70000)))
		return filter.Continue
	},
	"done state": func(x filter.Exchange) filter.Action {
		say(x, string(x.State())+x.Get(filter.Terminal))
		return filter.Failed
	},
	"end state": func(x filter.Exchange) filter.Action {
		in, out := x.Tokens()
		say(x, strconv.Itoa(in)+"/"+strconv.Itoa(out)+x.Get(filter.Finish))
		return filter.Continue
	},
	"rate": func(x filter.Exchange) filter.Action {
		for range 3 {
			d, err := filter.Take("default", "k", 1)
			sayErr(x, err)
			if d.OK {
				d, _ = filter.Last()
			}
			say(x, strconv.FormatBool(d.OK)+" "+strconv.Itoa(d.Limit)+" "+strconv.Itoa(d.Remaining)+" "+strconv.Itoa(d.RetryAfter))
		}
		_, err := filter.Take("none", "k", 1)
		sayErr(x, err)
		return filter.Continue
	},
	"delay": func(x filter.Exchange) filter.Action {
		sayErr(x, x.Delay(1))
		return filter.Continue
	},
	"telemetry": func(x filter.Exchange) filter.Action {
		sayErr(x, filter.Count("found_total", 2))
		sayErr(x, filter.Gauge("bad name", 2))
		sayErr(x, filter.Emit("seen", []byte(`{"a":1}`)))
		sayErr(x, filter.Emit("seen", []byte(`{`)))
		filter.Log(filter.LevelWarn, "a word")
		println("printed")
		return filter.Continue
	},
	"sources": func(x filter.Exchange) filter.Action {
		a, b := make([]byte, 16), make([]byte, 16)
		sayErr(x, filter.Random(a))
		filter.Random(b)
		say(x, strconv.FormatBool(string(a) == string(b)))
		say(x, strconv.FormatBool(filter.Now() > 1_600_000_000_000_000_000))
		return filter.Continue
	},
	"kv": func(x filter.Exchange) filter.Action {
		b, _ := filter.KVGet("list")
		say(x, string(b))
		return filter.Continue
	},
	"notes": func(x filter.Exchange) filter.Action {
		for i := range 40 {
			if err := x.Annotate("n", strconv.Itoa(i)); err != nil {
				return filter.Continue
			}
		}
		return filter.Failed
	},
	"plant": func(x filter.Exchange) filter.Action {
		planted = "secret of " + x.Get(filter.Tenant)
		return filter.Continue
	},
	"find": func(x filter.Exchange) filter.Action {
		say(x, planted)
		return filter.Continue
	},
}
