package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/filter"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

const (
	arguments  = int32(filter.KindArguments) << abi.KindShift
	structText = int32(filter.KindStructured) << abi.KindShift
)

// scanner finds SECRET and LATER by the first two rules for secrets, ATTACK by the first structured
// rule, and BUDGET costs too much.
func scanner(rules []byte, _ uint32, text string) (ms []filter.Match) {
	words := []string{"SECRET", "LATER"}
	if strings.Contains(string(rules), "structured") {
		words = []string{"ATTACK"}
	}
	for rule, word := range words {
		for at := 0; ; {
			i := strings.Index(text[at:], word)
			if i < 0 {
				break
			}
			ms = append(ms, filter.Match{Rule: rule, Start: at + i, End: at + i + len(word)})
			at += i + len(word)
		}
	}
	return ms
}

func host(t *testing.T, config string, f *filter.Fake) *filter.Fake {
	t.Helper()
	if f.Scanner == nil {
		f.Scanner = scanner
	}
	filter.Use(f)
	if err := filter.Configure(config); err != nil {
		t.Fatal(err)
	}
	return f
}

func configured(t *testing.T, text string) (settings, error) {
	t.Helper()
	v, err := filter.Parse([]byte(text))
	if err != nil {
		return settings{}, err
	}
	return parse(v)
}

func TestConfig(t *testing.T) {
	standard := map[class]action{
		secret: redact, email: redact, ip: redact, custom: off, prompt: annotate, hidden: redact, control: annotate, html: annotate, ansi: annotate,
		canary: off, sqli: deny, markup: deny, validation: deny, unseen: deny,
	}
	for text, differs := range map[string]map[class]action{
		`{}`: {},
		`{"secrets":"deny","xss":"off","sqli":"annotate"}`:            {secret: deny, xss: off, sqli: annotate},
		`{"pii":"off","phone":"deny","output":"redact","html":"off"}`: {email: off, ip: off, phone: deny, html: off, ansi: redact, links: redact},
		`{"structured":"annotate","path":"deny"}`:                     {sqli: annotate, path: deny, markup: annotate},
		`{"canaries":["a canary that sings"],"rule":{"a":{}}}`:        {canary: redact, custom: redact},
		`{"unseen":"allow","tool_arguments":false,"xss":null}`:        {unseen: off},
		`{"secrets":"annotate","pii":"off","structured":"annotate","hidden":"annotate","validation":"off"}`: {
			secret: annotate, email: off, ip: off, sqli: annotate, markup: annotate, hidden: annotate, validation: off, unseen: off,
		},
	} {
		got, err := configured(t, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		for c, want := range standard {
			if a, ok := differs[c]; ok {
				want = a
			}
			if got.action[c] != want {
				t.Errorf("%s: %s is %s, want %s", text, c, actions[got.action[c]], actions[want])
			}
		}
		for c, want := range differs {
			if got.action[c] != want {
				t.Errorf("%s: %s is %s, want %s", text, c, actions[got.action[c]], actions[want])
			}
		}
	}
	for _, text := range []string{`{"secrets":"yes"}`, `{"pii":"maybe"}`, `{"unseen":"no"}`, `{"prompt_roles":["king"]}`, `{`} {
		if _, err := configured(t, text); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
	filter.Use(&filter.Fake{})
	for _, text := range []string{`{"canaries":["short"]}`, `{"rule":{"a":{"class":"moon","pattern":"x"}}}`, `{"rule":{"a":{"pattern":"x\ny"}}}`, `{"rules":"rule a\n class moon\n"}`} {
		if filter.Configure(text) == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func TestRequestTexts(t *testing.T) {
	for _, c := range []struct {
		name, config string
		texts        []string
		infos        []int32
		want         []string
		denied       string // the class
	}{
		{"nothing", `{}`, []string{"hello"}, nil, []string{"hello"}, ""},
		{"redact", `{}`, []string{"a SECRET b LATER", "SECRET"}, nil,
			[]string{"a [REDACTED:openai_key] b [REDACTED:anthropic_key]", "[REDACTED:openai_key]"}, ""},
		{"annotate", `{"secrets":"annotate"}`, []string{"a SECRET b"}, nil, []string{"a SECRET b"}, ""},
		{"deny", `{"secrets":"deny"}`, []string{"a SECRET b"}, nil, []string{"a SECRET b"}, "secrets"},
		{"off", `{"secrets":"off","pii":"off"}`, []string{"a SECRET b"}, nil, []string{"a SECRET b"}, ""},
		{"an attack in a message is talk", `{}`, []string{"ATTACK"}, nil, []string{"ATTACK"}, ""},
		{"an attack in arguments", `{}`, []string{"ATTACK"}, []int32{arguments}, []string{"ATTACK"}, "sqli"},
		{"arguments left alone", `{"tool_arguments":false}`, []string{"ATTACK"}, []int32{arguments}, []string{"ATTACK"}, ""},
		{"an attack in metadata", `{}`, []string{"fine", "ATTACK"}, []int32{0, structText}, []string{"fine", "ATTACK"}, "sqli"},
		{"redacted arguments", `{"sqli":"redact"}`, []string{"ATTACK"}, []int32{arguments}, []string{`{"redacted":"sqli"}`}, ""},
		{"redacted metadata", `{"sqli":"redact"}`, []string{"ATTACK"}, []int32{structText}, []string{"[REDACTED:sqli]"}, ""},
		{"annotated metadata", `{"sqli":"annotate"}`, []string{"ATTACK"}, []int32{structText}, []string{"ATTACK"}, ""},
		{"structured off", `{"structured":"off","validation":"off"}`, []string{"ATTACK"}, []int32{structText}, []string{"ATTACK"}, ""},
	} {
		f := host(t, c.config, &filter.Fake{Texts: c.texts, Infos: c.infos})
		a := filter.Call(abi.RequestText, nil)
		if !slices.Equal(f.Texts, c.want) {
			t.Errorf("%s: %q, want %q", c.name, f.Texts, c.want)
		}
		if c.denied == "" {
			if f.Answer != nil || a != filter.Continue {
				t.Errorf("%s: action %d, answer %+v", c.name, a, f.Answer)
			}
			continue
		}
		if f.Answer == nil || f.Answer.Class != c.denied || f.Answer.Status != 403 || f.Answer.Code != "denied" {
			t.Errorf("%s: answer %+v", c.name, f.Answer)
		}
		if f.Answer != nil && strings.Contains(f.Answer.Body, "ATTACK") {
			t.Errorf("%s: the answer says what was found: %q", c.name, f.Answer.Body)
		}
	}
}

func TestRequestHeadAndModel(t *testing.T) {
	for field, event := range map[filter.Field]int32{
		filter.Path: abi.RequestHead, filter.Query: abi.RequestHead, filter.Model: abi.RequestText,
	} {
		f := host(t, `{}`, &filter.Fake{Fields: map[filter.Field]string{field: "x ATTACK y"}})
		filter.Call(event, nil)
		if f.Answer == nil || f.Answer.Class != "sqli" {
			t.Errorf("field %d: %+v", field, f.Answer)
		}
	}
}

func TestHeaders(t *testing.T) {
	f := host(t, `{}`, &filter.Fake{Header: [][2]string{{"user-agent", "ATTACK"}}})
	filter.Call(abi.RequestHead, nil)
	if f.Answer == nil || f.Answer.Class != "sqli" {
		t.Errorf("%+v", f.Answer)
	}
}

func TestWhatCannotBeSeen(t *testing.T) {
	for config, denied := range map[string]bool{
		`{}`: true, `{"unseen":"allow"}`: false, `{"secrets":"annotate","pii":"off","structured":"off","hidden":"off","validation":"off"}`: false,
	} {
		f := host(t, config, &filter.Fake{Fields: map[filter.Field]string{filter.Unseen: "previous_response_id"}})
		filter.Call(abi.RequestText, nil)
		if (f.Answer != nil) != denied {
			t.Errorf("%s: %+v", config, f.Answer)
		}
		if denied && f.Answer.Class != "unseen" {
			t.Errorf("class %q", f.Answer.Class)
		}
	}
}

func TestFindingsAreNotedWithoutWhatTheyMatched(t *testing.T) {
	f := host(t, `{}`, &filter.Fake{Texts: []string{"SECRET SECRET LATER"}})
	filter.Call(abi.RequestText, nil)
	if n := f.Notes["sanitize.secrets"]; n != "redact 3 in the request" {
		t.Errorf("note %q", n)
	}
	if f.Metrics["secrets_found"] != 3 {
		t.Errorf("metrics %v", f.Metrics)
	}
	want := `sanitize {"class":"secrets","action":"redact","where":"request","count":3,"rules":["openai_key","anthropic_key"]}`
	if len(f.Events) != 1 || f.Events[0] != want {
		t.Errorf("events %q", f.Events)
	}
}

// window is a delta callback whose scan gives the matches and an open end.
func window(t *testing.T, config, text string, open int, ms ...filter.Match) (*filter.Fake, filter.Action) {
	t.Helper()
	f := host(t, config, &filter.Fake{Texts: []string{text}, Scanner: func(_ []byte, _ uint32, text string) []filter.Match {
		last := filter.Match{Rule: -1, Start: len(text) - open, End: len(text)}
		return append(slices.Clone(ms), last)
	}})
	return f, filter.Call(abi.Delta, nil)
}

func TestDeltas(t *testing.T) {
	match := func(from, to int, flags uint32) filter.Match {
		return filter.Match{Start: from, End: to, Flags: flags}
	}
	for _, c := range []struct {
		name, config, text string
		open               int
		ms                 []filter.Match
		want               string
		action             filter.Action
	}{
		{"nothing", `{}`, "hello", 0, nil, "hello", filter.Continue},
		{"held", `{}`, "hello sk-", 3, nil, "hello sk-", filter.Hold(3)},
		{"redacted", `{}`, "a SECRET b s", 1, []filter.Match{match(2, 8, 0)}, "a [REDACTED:openai_key] b s", filter.Hold(1)},
		{"growing", `{}`, "a SECRET", 0, []filter.Match{match(2, 8, abi.GrowingFlag)}, "a [REDACTED:openai_key]", filter.Continue},
		{"grown", `{}`, "more b", 0, []filter.Match{match(0, 4, abi.ContinuedFlag)}, " b", filter.Continue},
		{"grown into the open end", `{}`, "moresk-", 3, []filter.Match{match(0, 7, abi.ContinuedFlag|abi.GrowingFlag)}, "", filter.Continue},
		{"two that overlap", `{}`, "a SECRETLATER b", 0, []filter.Match{match(2, 9, 0), {Rule: 1, Start: 8, End: 13}}, "a [REDACTED:openai_key] b", filter.Continue},
		{"annotated", `{"secrets":"annotate","pii":"annotate"}`, "a SECRET sk-", 3, []filter.Match{match(2, 8, 0)}, "a SECRET sk-", filter.Continue},
		{"off", `{"secrets":"off","pii":"off","output":"off"}`, "a SECRET", 3, []filter.Match{match(2, 8, 0)}, "a SECRET", filter.Continue},
	} {
		f, a := window(t, c.config, c.text, c.open, c.ms...)
		if f.Texts[0] != c.want || a != c.action {
			t.Errorf("%s: %q %d, want %q %d", c.name, f.Texts[0], a, c.want, c.action)
		}
	}
	f, _ := window(t, `{"secrets":"deny"}`, "a SECRET", 0, match(2, 8, 0))
	if f.Answer == nil || f.Answer.Class != "secrets" {
		t.Errorf("denied: %+v", f.Answer)
	}
}

func TestEveryRuleHasItsPlaceholderAndClass(t *testing.T) {
	host(t, `{"canaries":["a canary that sings"]}`, &filter.Fake{})
	for _, set := range []*rules{&texts, &answers, &whole, &fields} {
		if len(set.all) < 15 {
			t.Fatalf("%d rules", len(set.all))
		}
		for _, r := range set.all {
			if r.class == none || r.id == "" || r.weight < 1 || (len(r.placeholder) == 0) != r.class.stripped() {
				t.Errorf("rule %+v", r)
			}
			if set != &fields == r.class.structured() || set != &texts && r.class.spoken() || set == &texts && r.class.shown() {
				t.Errorf("rule %s of class %s is in the wrong set", r.id, r.class)
			}
		}
	}
}
