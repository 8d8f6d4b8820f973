package wasmhost

import (
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/limit"
	"github.com/ginnel/ginnel/sdk/llm"
)

// notices keeps what a filter reports.
type notices struct{ all []string }

func (n *notices) Metric(filter string, kind int, name string, value float64) {
	n.all = append(n.all, filter+" "+name)
}

func (n *notices) Event(_ *exchange.Exchange, filter, name string, fields []byte) {
	n.all = append(n.all, filter+" "+name+string(fields))
}

func TestImports(t *testing.T) {
	seen := &notices{}
	f := newGuest(t, Spec{
		Config:   []byte(`{"rules":"rule word\n  class test\n  pattern secret[0-9]{4}\n"}`),
		Rates:    map[string]limit.Rate{"default": {Limit: 2, Per: time.Hour}},
		Observer: seen,
	})
	for _, c := range []struct {
		query string
		phase exchange.Phase
		set   func(*exchange.Exchange)
		want  string
	}{
		{"fields", exchange.PhaseRequestHead, func(x *exchange.Exchange) { x.Stream = true },
			"POST|/v1/chat/completions|m|r|openai|t|req-1|192.0.2.7|gw.test|k|chat||truefalse0"},
		{"headers", exchange.PhaseRequestHead, func(x *exchange.Exchange) {
			x.Request.Header = llm.Header{{Name: "x-A", Value: "1"}, {Name: "Authorization", Value: "hidden"}, {Name: "X-C", Value: "3"}}
		}, "1|ok|ok|ok|denied|denied|invalid|invalid|too large|wrong phase|wrong phase|x-A=new;x-b=2;"},
		{"headers", exchange.PhaseResponseHead, func(x *exchange.Exchange) {
			x.Response = exchange.Message{Status: 200, Header: llm.Header{{Name: "Server", Value: "s"}}}
		}, "s200|ok|ok|ok|invalid|wrong phase"},
		{"text", exchange.PhaseRequestText, func(x *exchange.Exchange) {
			x.Request.Body = bodyOf(`{"a":"«one\u0021»","b":"«two»"}`)
		}, "20one!|20two|ok|ok|invalid|not found"},
		{"scan", exchange.PhaseRequestText, func(x *exchange.Exchange) {
			x.Request.Header = llm.Header{{Name: "x", Value: "secret1234"}}
			x.Request.Body = bodyOf(`{"a":"«my secret0042, secret1»"}`)
		}, "ok|0:3-13|1|ok|wrong phase"},
		{"json", exchange.PhaseRequestBody, func(x *exchange.Exchange) {
			x.Request.Body = exchange.NewBody([]byte(`{"a":[1,{"b/c":"v"}],"model":"m"}`), nil)
		}, `"v"|ok|not found|ok|invalid|denied`},
		{"state", exchange.PhaseRequestHead, func(*exchange.Exchange) {}, "not said"},
		{"rate", exchange.PhaseRequestHead, nil, "ok|true 2 1 0|ok|true 2 0 0|ok|false 2 0 1800000|not found"},
		{"delay", exchange.PhaseRequestHead, nil, "ok"},
		{"telemetry", exchange.PhaseRequestHead, nil, "ok|invalid|ok|invalid"},
		{"sources", exchange.PhaseRequestHead, nil, "ok|false|true"},
		{"state", exchange.PhaseEnd, func(x *exchange.Exchange) { x.Usage, x.Finish = &llm.Usage{InputTotal: 3, OutputTotal: 4}, "stop" }, "3/4stop"},
	} {
		x := newExchange(c.query)
		if c.set != nil {
			c.set(x)
		}
		run(t, f, c.phase, x)
		got := said(x)
		if c.want == "not said" {
			c.want = "|ok|too large"
		}
		if c.query == "rate" { // the time that passes between two calls
			got = strings.Replace(got, "1799999", "1800000", 1)
		}
		if got != c.want {
			t.Errorf("%s in %s: %s\nwant %s", c.query, c.phase, got, c.want)
		}
	}
	if got := strings.Join(seen.all, "|"); got != `test found_total|test seen{"a":1}` {
		t.Errorf("observed %s", got)
	}
}

func TestEditsReachTheBody(t *testing.T) {
	f := newGuest(t, Spec{})
	x := newExchange("text")
	x.Request.Body = bodyOf(`{"a":"«one\u0021»", "b":"«tw\u006f»"}`)
	run(t, f, exchange.PhaseRequestText, x)
	if got, want := string(x.Request.Body.Bytes()), `{"a":"new \"text\"", "b":"tw-"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	x = newExchange("json")
	x.Request.Body = exchange.NewBody([]byte(`{"a": [1,{"b/c":"v"}]}`), nil)
	run(t, f, exchange.PhaseRequestBody, x)
	if got, want := string(x.Request.Body.Bytes()), `{"a": [{"new":true},{"b/c":"v"}]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	x = newExchange("replace")
	x.Request.Body = exchange.NewBody([]byte(`[1]`), nil)
	run(t, f, exchange.PhaseRequestBody, x)
	if got, want := string(x.Request.Body.Bytes()), `{"was":[1]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAnswers(t *testing.T) {
	f := newGuest(t, Spec{})
	v := run(t, f, exchange.PhaseRequestHead, newExchange("deny"))
	if v.Action != exchange.Respond || v.Reply.Error.Code != llm.CodeDenied || v.Reply.Class != "test" || v.Reply.Error.Message != "no" {
		t.Errorf("%+v", v)
	}
	v = run(t, f, exchange.PhaseRequestHead, newExchange("respond"))
	if v.Action != exchange.Respond || v.Reply.Status != 200 || string(v.Reply.Body) != "hello" || v.Reply.Header.Get("X-A") != "1" {
		t.Errorf("%+v", v)
	}
	if _, err := f.Run(t.Context(), exchange.PhaseRequestHead, newExchange("respond badly")); err == nil {
		t.Error("a framing header passes")
	}
}

func TestStateStaysWithTheExchange(t *testing.T) {
	f := newGuest(t, Spec{})
	x := newExchange("state")
	run(t, f, exchange.PhaseRequestHead, x)
	x.End = exchange.Completed
	if _, err := f.Run(t.Context(), exchange.PhaseDone, x); err == nil { // the guest fails on purpose
		t.Error("a failure in done is silent")
	}
	if got := said(x); got != "|ok|too large|keptcompleted" {
		t.Errorf("%s", got)
	}
}

func TestUndeclaredPhasesAreNotDelivered(t *testing.T) {
	f := newGuest(t, Spec{})
	before := f.Stats().Callbacks
	if v := run(t, f, exchange.PhaseEvent, newExchange("fail")); v != (exchange.Verdict{}) || f.Stats().Callbacks != before {
		t.Errorf("%+v", v)
	}
}

func TestNotesAndLogsAreBounded(t *testing.T) {
	f := newGuest(t, Spec{})
	x := newExchange("notes")
	run(t, f, exchange.PhaseRequestHead, x)
	if len(x.Notes) != maxNotes {
		t.Errorf("%d notes", len(x.Notes))
	}
	run(t, f, exchange.PhaseRequestHead, newExchange("logs"))
}
