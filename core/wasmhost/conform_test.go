package wasmhost

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/limit"
	"github.com/ginnel/ginnel/core/store"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/filter/abi"
	"github.com/ginnel/ginnel/sdk/llm"
)

// conformance is a call of an import as the guest writes it, and what it must give. The guest puts
// garbage into the upper half of every parameter. See perform in testdata/guest for how parameters and
// results are written.
type conformance struct {
	at   string // the event; "init" and "tick" are outside of exchanges
	call string // an import and its parameters, separated by spaces; a space in a text is written \x20
	want string
}

// conformances are, for each import, what it does, its limits, its wrong phases, buffers that are too
// small and pointers outside of the memory. Each runs in a fresh exchange unless it begins with "+",
// which goes on where the one before it ended.
var conformances = []conformance{
	{"request_head", `log 0 "a\x20line"`, "0"},
	{"request_head", `log 9 "an\x20unknown\x20level"`, "0"},
	{"request_head", `log 3 !64`, "0"},
	{"tick", `log 1 "a\x20line"`, "0"},

	{"request_head", `get 2 "" @64`, `20="/v1/chat/completions"`},
	{"request_head", `get 2 "" @20`, `20="/v1/chat/completions"`},
	{"request_head", `get 2 "" @19`, `20=""`},
	{"request_head", `get 2 "" !64`, "-3"},
	{"request_head", `get 2 "" !0`, "20"},
	{"request_head", `get 4 "X-A" @8`, `1="1"`},
	{"request_head", `get 4 "authorization" @8`, `-1=""`},
	{"request_head", `get 4 !8 @8`, `-3=""`},
	{"request_head", `get 4 "none" @8`, `-1=""`},
	{"request_head", `get 5 "x-a" @8`, `-5=""`},
	{"request_head", `get 63 "" @8`, `-1=""`},
	{"request_head", `get 200 "" @8`, `-1=""`},
	{"request_head", `get 67 "" @8`, `1=""`},
	{"request_head", `get 72 "" @8`, `-5=""`},
	{"request_head", `get 76 "" @8`, `-5=""`},
	{"request_head", `get 22 "" @8`, `-5=""`},
	{"end", `get 68 "" @8`, `3=""`},
	{"delta", `get 74 "" @8`, `0=""`},
	{"delta", `get 72 "" @8`, `2=""`},
	{"init", `get 2 "" @8`, `-5=""`},
	{"tick", `get 2 "" @8`, `-5=""`},
	{"call_done", `get 77 "" @8`, `200=""`},
	{"call_done", `get 76 "" @8`, `1=""`},
	{"call_done", `get 21 "X-WORD" @8`, `5="for t"`},
	{"call_done", `get 21 "X-WORD" @4`, `5=""`},
	{"call_done", `get 22 "" @8`, `-1=""`},
	{"call_done", `get 67 "" @8`, `1=""`},
	{"tick_done", `get 77 "" @8`, `200=""`},
	{"tick_done", `get 67 "" @8`, `-5=""`},

	{"request_head", `set 4 "x-a" "2"`, "0"},
	{"+request_head", `get 4 "x-a" @8`, `1="2"`},
	{"request_head", `set 260 "x-a" "3"`, "0"},
	{"request_head", `set 4 "x-a" "a\r\nb:\x20c"`, "-3"},
	{"request_head", `set 4 "x\x20a" "1"`, "-3"},
	{"request_head", `set 4 "" "1"`, "-3"},
	{"request_head", `set 4 !8 "1"`, "-3"},
	{"request_head", `set 4 "x-a" !8`, "-3"},
	{"request_head", `set 4 "content-length" "1"`, "-2"},
	{"request_head", `set 4 "Authorization" "1"`, "-2"},
	{"request_head", `set 2 "" "/other"`, "-3"},
	{"request_head", `set 5 "x-a" "1"`, "-5"},
	{"request_head", `set 64 "" "201"`, "-5"},
	{"response_head", `set 64 "" "201"`, "0"},
	{"response_head", `set 64 "" "99"`, "-3"},
	{"response_head", `set 5 "x-a" "1"`, "0"},
	{"response_head", `set 4 "x-a" "1"`, "-5"},
	{"delta", `set 5 "x-a" "1"`, "-5"},
	{"init", `set 4 "x-a" "1"`, "-5"},
	{"tick", `set 4 "x-a" "1"`, "-5"},
	{"call_done", `set 4 "x-a" "1"`, "0"},

	{"request_head", `del 4 "X-A"`, "0"},
	{"+request_head", `get 4 "x-a" @8`, `-1=""`},
	{"request_head", `del 4 "host"`, "-2"},
	{"request_head", `del 4 !8`, "-3"},
	{"request_head", `del 5 "x-a"`, "-5"},
	{"init", `del 4 "x-a"`, "-5"},

	{"request_head", `list 4 @64`, `6="x-a\x001\x00"`},
	{"request_head", `list 4 @5`, `6=""`},
	{"request_head", `list 4 !64`, "-3"},
	{"request_head", `list 5 @64`, `-5=""`},
	{"request_head", `list 2 @64`, `-3=""`},
	{"request_head", `list 21 @64`, `-5=""`},
	{"tick", `list 4 @64`, `-5=""`},
	{"call_done", `list 21 !8000`, "-3"},

	{"request_body", `out "some"`, "0"},
	{"request_body", `out !8`, "-3"},
	{"request_body", `out !0`, "0"},

	{"request_body", `json_get "/a/1" @8`, `3="\"v\""`},
	{"request_body", `json_get "/a/1" @2`, `3=""`},
	{"request_body", `json_get "/a/9" @8`, `-1=""`},
	{"request_body", `json_get "a" @8`, `-1=""`},
	{"request_body", `json_get !8 @8`, `-3=""`},
	{"request_body", `json_get "/a/1" !8`, "-3"},
	{"tick", `json_get "/a/1" @8`, `-5=""`},

	{"request_body", `json_set "/a/0" "[true]"`, "0"},
	{"+request_body", `json_get "/a/0" @8`, `1="1"`}, // what was read stays what is seen
	{"request_body", `json_set "/a/0" "["`, "-3"},
	{"request_body", `json_set "/a/9" "1"`, "-1"},
	{"request_body", `json_set "/model" "1"`, "-2"},
	{"request_body", `json_set !8 "1"`, "-3"},
	{"request_body", `json_set "/a/0" !8`, "-3"},
	{"request_head", `json_set "/a/0" "1"`, "-5"},
	{"tick", `json_set "/a/0" "1"`, "-5"},

	{"request_head", `respond 200 "x-a\x001\x00" "body"`, "0"},
	{"request_head", `respond 403 ":code\x00denied\x00:class\x00c\x00" "no"`, "0"},
	{"request_head", `respond 199 "" ""`, "-3"},
	{"request_head", `respond 600 "" ""`, "-3"},
	{"request_head", `respond 200 "x-a\x00a\nb\x00" ""`, "-3"},
	{"request_head", `respond 200 "content-length\x001\x00" ""`, "-2"},
	{"request_head", `respond 200 !8 ""`, "-3"},
	{"request_head", `respond 200 "" !8`, "-3"},
	{"end", `respond 200 "" ""`, "-5"},
	{"tick", `respond 200 "" ""`, "-5"},

	{"request_text", `text_count`, "2"},
	{"delta", `text_count`, "1"},
	{"request_head", `text_count`, "-5"},
	{"init", `text_count`, "-5"},
	{"tick", `text_count`, "-5"},

	{"request_text", `text_get 0 @8`, `3="one"`},
	{"request_text", `text_get 0 @2`, `3=""`},
	{"request_text", `text_get 0 !8`, "-3"},
	{"request_text", `text_get 2 @8`, `-1=""`},
	{"request_text", `text_get 0xffffffff @8`, `-1=""`},
	{"delta", `text_get 0 @8`, `4="text"`},
	{"request_head", `text_get 0 @8`, `-5=""`},

	{"request_text", `text_set 0 "new"`, "0"},
	{"+request_text", `text_get 0 @8`, `3="new"`},
	{"request_text", `text_set 0 !8`, "-3"},
	{"request_text", `text_set 9 "new"`, "-1"},
	{"delta", `text_set 0 "new"`, "0"},
	{"request_head", `text_set 0 "new"`, "-5"},

	{"request_text", `text_splice 0 1 2 "-"`, "0"},
	{"+request_text", `text_get 0 @8`, `3="o-e"`},
	{"request_text", `text_splice 0 3 3 ""`, "0"},
	{"request_text", `text_splice 0 3 4 ""`, "-3"},
	{"request_text", `text_splice 0 2 1 ""`, "-3"},
	{"request_text", `text_splice 0 0 0xffffffff ""`, "-3"},
	{"request_text", `text_splice 0 0 1 !8`, "-3"},
	{"request_text", `text_splice 9 0 0 ""`, "-1"},
	{"tick", `text_splice 0 0 0 ""`, "-5"},

	{"request_text", `text_info 0`, fmt.Sprint(int(dialect.RoleUser))},
	{"request_text", `text_info 9`, "-1"},
	{"delta", `text_info 0`, fmt.Sprint(abi.KeyBit)},
	{"delta", `text_info 1`, "-1"},
	{"request_head", `text_info 0`, "-5"},

	{"init", `scan_compile "rule\x20w\n\x20\x20class\x20test\n\x20\x20pattern\x20other[0-9]{4}\n"`, "0"},
	{"init", `scan_compile "nonsense"`, `-3: line 1: "nonsense" before the first rule`},
	{"init", `scan_compile !8`, "-3"},
	{"request_head", `scan_compile "rule"`, "-5"},
	{"tick", `scan_compile "rule"`, "-5"},

	{"request_text", `scan 0 0 1 @32`, `16="\x00\x00\x00\x00\x03\x00\x00\x00\r\x00\x00\x00\x00\x00\x00\x00"`},
	{"request_text", `scan 0 0 1 @15`, `16=""`},
	{"request_text", `scan 0 0 1 !32`, "-3"},
	{"request_text", `scan 0 0 0 @32`, `0=""`},
	{"request_text", `scan 7 0 0 @32`, `-1=""`},
	{"request_text", `scan 0 0 9 @32`, `-1=""`},
	{"request_text", `scan 0 9 0 @32`, `-3=""`},
	{"request_text", `scan 0 1 0 @32`, `-5=""`},
	{"request_text", `scan 0 2 2 @32`, `0=""`},
	{"request_text", `scan 0 2 63 @32`, `-1=""`},
	{"delta", `scan 0 1 0 @32`, `16="\xff\xff\xff\xff\x04\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00"`},
	{"tick", `scan 0 0 0 @32`, `-5=""`},

	{"request_head", `annotate "k" "v"`, "0"},
	{"+request_head", `get 18 "k" @8`, `1="v"`},
	{"request_head", `annotate "" "v"`, "-3"},
	{"request_head", `annotate !8 "v"`, "-3"},
	{"request_head", `annotate "k" !8`, "-3"},
	{"request_head", `annotate "k" *1025`, "-4"},
	{"request_head", `annotate *65 "v"`, "-4"},
	{"tick", `annotate "k" "v"`, "-5"},
	{"init", `annotate "k" "v"`, "-5"},

	{"request_head", `state_put "kept"`, "0"},
	{"+request_head", `state_get @8`, `4="kept"`},
	{"+request_head", `state_get @3`, `4=""`},
	{"+request_head", `state_get !8`, "-3"},
	{"request_head", `state_put !8`, "-3"},
	{"request_head", `state_put *65537`, "-4"},
	{"tick", `state_put "kept"`, "-5"},
	{"init", `state_get @8`, `-5=""`},

	{"request_head", `kv_set "k" "value" 60000`, "0"},
	{"+request_head", `kv_get "k" @8`, `5="value"`},
	{"+request_head", `kv_get "k" @4`, `5=""`},
	{"+request_head", `kv_get "k" !8`, "-3"},
	{"+tick", `kv_get "k" @8`, `-1=""`}, // it is the tenant's
	{"+request_head", `kv_incr "k" 1 0`, "-3"},
	{"+request_head", `kv_incr "n" 5 60000`, "5"},
	{"+request_head", `kv_incr "n" -2 0`, "3"},
	{"+request_head", `kv_incr "n" -9 0`, "-6"},
	{"+request_head", `kv_get "n" @8`, `1="3"`},
	{"request_head", `kv_get "none" @8`, `-1=""`},
	{"request_head", `kv_get !8 @8`, `-3=""`},
	{"request_head", `kv_set !8 "v" 0`, "-3"},
	{"request_head", `kv_set "k" !8 0`, "-3"},
	{"request_head", `kv_set *257 "v" 0`, "-4"},
	{"request_head", `kv_set "k" *65537 0`, "-4"},
	{"request_head", `kv_incr !8 1 0`, "-3"},
	{"request_head", `kv_incr *257 1 0`, "-4"},
	{"tick", `kv_set "own" "value" 0`, "0"},
	{"+request_head", `kv_get "own" @8`, `5="value"`},
	{"init", `kv_get "k" @8`, `-5=""`},
	{"init", `kv_set "k" "v" 0`, "-5"},
	{"init", `kv_incr "k" 1 0`, "-5"},

	{"request_head", `rate_take "default" "a" 1`, "0"},
	{"request_head", `rate_take "default" "b" 9`, "-6"},
	{"request_head", `rate_take "none" "a" 1`, "-1"},
	{"request_head", `rate_take !8 "a" 1`, "-3"},
	{"request_head", `rate_take "default" !8 1`, "-3"},
	{"request_head", `rate_take "default" *1025 1`, "-4"},
	{"tick", `rate_take "default" "a" 1`, "-5"},

	{"request_head", "rate_take \"default\" \"c\" 1\nrate_tell", "0\n0"},
	{"request_head", `rate_tell`, "-1"},
	{"response_head", `rate_tell`, "-5"},
	{"tick", `rate_tell`, "-5"},

	{"request_head", `delay 0`, "0"},
	{"end", `delay 0`, "-5"},
	{"tick", `delay 0`, "-5"},

	{"request_head", `http_call ":url\x00ORIGIN/good\x00\x00" 1000`, "1"},
	{"request_head", `http_call ":url\x00ORIGIN/good\x00:method\x00PUT\x00x-a\x001\x00\x00a\x00body" 0`, "1"},
	{"request_head", `http_call ":url\x00http://elsewhere.test/\x00\x00" 0`, "-2"},
	{"request_head", `http_call ":url\x00ORIGIN@elsewhere.test/\x00\x00" 0`, "-3"},
	{"request_head", `http_call ":url\x00ORIGIN/good\x00" 0`, "-3"},
	{"request_head", `http_call ":url\x00ORIGIN/good\x00x-a\x00\r\n\x00\x00" 0`, "-3"},
	{"request_head", `http_call ":url\x00ORIGIN/good\x00:other\x00a\x00\x00" 0`, "-3"},
	{"request_head", `http_call "\x00" 0`, "-3"},
	{"request_head", `http_call "" 0`, "-3"},
	{"request_head", `http_call !8 0`, "-3"},
	{"request_head", `http_call *1048577":url\x00ORIGIN/good\x00\x00" 0`, "-4"},
	{"done", `http_call ":url\x00ORIGIN/good\x00\x00" 1000`, "1"},
	{"tick", `http_call ":url\x00ORIGIN/good\x00\x00" 1000`, "1"},
	{"init", `http_call ":url\x00ORIGIN/good\x00\x00" 1000`, "-5"},

	{"request_head", `metric 0 "n_total" ~1.5`, "0"},
	{"request_head", `metric 3 "n" ~1`, "-3"},
	{"request_head", `metric 0 "N" ~1`, "-3"},
	{"request_head", `metric 0 "" ~1`, "-3"},
	{"request_head", `metric 0 *65 ~1`, "-3"},
	{"request_head", `metric 0 !8 ~1`, "-3"},
	{"tick", `metric 1 "n" ~1`, "0"},

	{"request_head", `event "n" "{\"a\":1}"`, "0"},
	{"request_head", `event "n" ""`, "0"},
	{"request_head", `event "n" "{"`, "-3"},
	{"request_head", `event "N" "{}"`, "-3"},
	{"request_head", `event !8 "{}"`, "-3"},
	{"request_head", `event "n" !8`, "-3"},
	{"tick", `event "n" "{}"`, "0"},
	{"init", `event "n" "{}"`, "-5"},

	{"request_head", `now`, "1"}, // 1e18 ns since 1970
	{"tick", `now`, "1"},

	{"request_head", `random @0`, `0=""`},
	{"request_head", `random !8`, "-3"},
	{"request_head", `random !0`, "0"},
	{"tick", `random !8`, "-3"},
}

// heard takes the results that the guest tells.
type heard struct{ results []string }

func (h *heard) Metric(string, int, string, float64) {}

func (h *heard) Event(_ *exchange.Exchange, _, name string, fields []byte) {
	var s string
	if name == "raw" && json.Unmarshal(fields, &s) == nil {
		h.results = append(h.results, s)
	}
}

func TestConformance(t *testing.T) {
	j, kv, told := newJudge(t), newKV(t), &heard{}
	spec := Spec{KV: kv, Observer: told, Rates: map[string]limit.Rate{"default": {Limit: 2, Per: time.Hour}}, Grant: Grant{HTTP: []string{j.URL}}}
	spec.Config = fmt.Appendf(nil, `{"origin":%q,"rules":"rule word\n  class test\n  pattern secret[0-9]{4}\n"}`, j.URL)
	f := newGuest(t, spec)
	x := conforming()
	for _, c := range conformances {
		at, more := strings.CutPrefix(c.at, "+")
		if !more {
			x = conforming()
		}
		script := strings.ReplaceAll(strings.ReplaceAll(c.call, "ORIGIN", j.URL), " ", "\t")
		got := ""
		if at == "init" {
			got = conformInit(t, spec, script)
		} else if kv.Set(own+"\x00test", "script", []byte(script), 0) != nil {
			t.Fatal(c.call)
		} else if told.results = nil; conformAt(t, f, kv, x, at) && len(told.results) > 0 {
			got = told.results[len(told.results)-1]
		}
		if got != c.want {
			t.Errorf("%s: %s: %s, want %s", c.at, c.call, got, c.want)
		}
	}
	if n := f.Stats().Failures; n != 0 {
		t.Errorf("%d failures", n)
	}
}

// conforming is the exchange that the cases are about.
func conforming() *exchange.Exchange {
	x := newExchange("raw")
	x.Request.Header = llm.Header{{Name: "x-a", Value: "1"}, {Name: "Authorization", Value: "hidden"}}
	x.Request.Body = bodyOf(`{"a":[1,"v"],"model":"m","t":"«one»","u":"«my secret0042»"}`)
	x.Response = exchange.Message{Status: 200}
	x.Usage, x.End = &llm.Usage{InputTotal: 3}, exchange.Completed
	return x
}

// conformAt makes the guest run the script at an event.
func conformAt(t *testing.T, f *Filter, kv *store.KV, x *exchange.Exchange, at string) bool {
	t.Helper()
	switch at {
	case "tick":
		kv.Set(own+"\x00test", "tick", []byte("raw"), 0)
		f.tick(t.Context())
	case "tick_done":
		kv.Set(own+"\x00test", "tick", []byte("/raw"), 0)
		f.tick(t.Context())
	case "call_done":
		x.Query = "ask /raw"
		run(t, f, exchange.PhaseRequestHead, x)
	case "delta":
		x.Stream, x.Query = true, ""
		flow := exchange.NewPipeline("p", f).Flow(x)
		if _, err := flow.Request(t.Context()); err != nil {
			t.Fatal(err)
		}
		x.Query = "raw"
		text := dialect.Text{Span: dialect.Span{Start: 0, End: 4}, Channel: dialect.Channel{Choice: 2}, Key: true}
		e := &exchange.Event{Body: exchange.NewBody([]byte("text"), []dialect.Text{text})}
		if _, err := flow.Event(t.Context(), e, func(*exchange.Event) {}); err != nil {
			t.Fatal(err)
		}
	default:
		run(t, f, phaseNamed(at), x)
	}
	return true
}

// conformInit makes a guest run the script in its init and refuse its config with the result.
func conformInit(t *testing.T, spec Spec, script string) string {
	t.Helper()
	h, m := guest(t)
	config, err := json.Marshal(map[string]string{"script": script})
	if err != nil {
		t.Fatal(err)
	}
	spec.Name, spec.Module, spec.Config, spec.Limits = "test", m, config, patient
	_, err = h.NewFilter(allowed(t, spec))
	if err == nil {
		t.Fatal("it accepts its config")
	}
	_, got, _ := strings.Cut(err.Error(), "it refuses its config: ")
	return got
}

// TestEveryImportIsTested: each has a case in which it works, one for every kind of parameter that can
// be wrong, and one outside of its events.
func TestEveryImportIsTested(t *testing.T) {
	always := []string{"log", "out", "random", "now", "metric"} // right in every event
	for _, f := range hostFuncs() {
		works, pointer, phase := false, false, false
		for _, c := range conformances {
			last := c.call[strings.LastIndexByte(c.call, '\n')+1:]
			if name, params, _ := strings.Cut(last, " "); name == f.name {
				works = works || c.want[0] != '-'
				pointer = pointer || strings.Contains(params, "!") && c.want == "-3" || f.name == "log" && strings.Contains(params, "!")
				phase = phase || strings.HasPrefix(c.want, "-5")
			}
		}
		if !works || !pointer && len(f.params) > 1 || !phase && !slices.Contains(always, f.name) {
			t.Errorf("%s: works %v, a bad pointer %v, a wrong phase %v", f.name, works, pointer, phase)
		}
	}
}
