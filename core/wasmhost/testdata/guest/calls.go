package main

import (
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/filter"
)

// ask calls the origin of the config for the path that follows the query's first word and pauses.
func ask(x filter.Exchange, path string) filter.Action {
	url := config.Get("origin").String("") + path
	if _, err := filter.HTTPCall(filter.Outcall{URL: url, Header: [][2]string{{"x-tenant", x.Get(filter.Tenant)}}, Timeout: 60_000}); err != nil {
		sayErr(x, err)
		return filter.Continue
	}
	x.PutState([]byte(strconv.Itoa(len(x.State())) + " " + path))
	return filter.Pause
}

// answered goes on where ask paused. The answer's body says what to do.
func answered(x filter.Exchange, r filter.Result) filter.Action {
	body := string(r.Body())
	say(x, strconv.Itoa(r.ID())+" "+strconv.Itoa(r.Status())+" "+r.Header("x-word")+" "+r.Problem()+" "+string(x.State())+" "+planted)
	planted = "answer for " + x.Get(filter.Tenant)
	verb, rest, _ := strings.Cut(body, " ")
	switch verb {
	case "again":
		return ask(x, rest)
	case "deny":
		return x.Deny("judge", rest)
	case "set": // texts may be edited as in the phase that paused
		sayErr(x, x.Text(0).Replace([]byte(rest)))
		if x.Phase() == 6 {
			return filter.Continue
		}
		sayErr(x, x.SetHeader("x-judged", rest))
	case "put": // a body in the place of the one that was shown
		x.Out([]byte(rest))
		return filter.Replace
	case "drop":
		return filter.Drop
	case "hold":
		n, _ := strconv.Atoi(rest)
		return filter.Hold(n)
	case "raw":
		tell(perform(scriptOf()))
	case "panic":
		panic("in the answer")
	case "alone":
		return filter.Pause
	}
	return filter.Continue
}

// scriptOf returns the calls that a test wants made.
func scriptOf() string {
	b, _ := filter.KVGet("script")
	return string(b)
}

// ticked does what the value under "tick" says.
func ticked() filter.Action {
	b, _ := filter.KVGet("tick")
	switch word := string(b); word {
	case "raw":
		tell(perform(scriptOf()))
	case "plant":
		planted = "secret of the tick"
	case "find":
		tell(planted)
	case "fail":
		return filter.Failed
	case "drop":
		return filter.Drop
	case "pause":
		return filter.Pause
	case "":
		filter.KVAdd("ticks", 1, 0)
	default: // a path
		if _, err := filter.HTTPCall(filter.Outcall{URL: config.Get("origin").String("") + word}); err != nil {
			tell(err.Error())
			return filter.Continue
		}
		return filter.Pause
	}
	return filter.Continue
}

func callDone(x filter.Exchange, r filter.Result) filter.Action {
	if x.Phase() > 0 {
		return answered(x, r)
	}
	tell("tick got " + strconv.Itoa(r.Status()) + " " + r.Header("x-word") + " " + string(r.Body()))
	if string(r.Body()) == "raw" {
		tell(perform(scriptOf()))
	}
	filter.KVSet("list", append([]byte(nil), r.Body()...), 0)
	return filter.Continue
}
