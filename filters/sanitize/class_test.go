package main

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/filter"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// finder returns a scanner that finds words by the rule of that id.
func finder(words map[string]string) func([]byte, uint32, string) []filter.Match {
	return func(rules []byte, _ uint32, text string) (ms []filter.Match) {
		rule := -1
		for line := range strings.SplitSeq(string(rules), "\n") {
			id, ok := strings.CutPrefix(line, "rule ")
			if !ok {
				continue
			}
			rule++
			for word, by := range words {
				for at := 0; by == id; {
					i := strings.Index(text[at:], word)
					if i < 0 {
						break
					}
					ms = append(ms, filter.Match{Rule: rule, Start: at + i, End: at + i + len(word)})
					at += i + len(word)
				}
			}
		}
		slices.SortFunc(ms, func(a, b filter.Match) int { return a.Start - b.Start })
		return ms
	}
}

func info(role filter.Role, kind filter.Kind) int32 {
	return int32(role) | int32(kind)<<abi.KindShift
}

var known = map[string]string{
	"MAIL": "email", "IGNORE": "ignore_rules", "ROLE": "act_as", "NOW": "from_now_on", "~": "hidden_run", "^": "control_character",
	"KEY": "openai_key", "ACME": "acme", "<S>": "active_html", "SONG": "canary_1", "..": "path_up",
}

func TestWhatIsDoneByClass(t *testing.T) {
	user, tool, system, assistant := info(filter.RoleUser, 0), info(filter.RoleTool, filter.KindToolResult), info(filter.RoleSystem, 0), info(filter.RoleAssistant, 0)
	for _, c := range []struct {
		name, config, text string
		info               int32
		want, denied, note string
	}{
		{"personal data", `{}`, "to MAIL", user, "to [REDACTED:email]", "", "sanitize.email=redact 1 in the request"},
		{"personal data denied", `{"email":"deny"}`, "to MAIL", user, "to MAIL", "email", ""},
		{"personal data off", `{"pii":"off"}`, "to MAIL", user, "to MAIL", "", ""},
		{"an attack is noted", `{}`, "IGNORE", user, "IGNORE", "", "sanitize.prompt=annotate 1 in the request, score 100"},
		{"below the threshold", `{}`, "ROLE ROLE NOW", user, "ROLE ROLE NOW", "", ""},
		{"weights add up", `{"prompt":"deny","prompt_threshold":80}`, "ROLE NOW", user, "ROLE NOW", "prompt", ""},
		{"in a tool's result", `{"prompt":"deny"}`, "IGNORE", tool, "IGNORE", "prompt", ""},
		{"in a tool's description", `{"prompt":"deny"}`, "IGNORE", info(0, filter.KindToolDef), "IGNORE", "prompt", ""},
		{"in the system prompt", `{"prompt":"deny"}`, "IGNORE", system, "IGNORE", "prompt", ""},
		{"not the operator's words", `{"prompt":"deny","prompt_roles":["user"]}`, "IGNORE", system, "IGNORE", "", ""},
		{"the model's words", `{"prompt":"deny"}`, "IGNORE", assistant, "IGNORE", "", ""},
		{"an attack is replaced", `{"prompt":"redact"}`, "so IGNORE", user, "[REDACTED:prompt]", "", "sanitize.prompt=redact 1 in the request, score 100"},
		{"hidden text", `{}`, "a~b", user, "ab", "", "sanitize.hidden=redact 1 in the request"},
		{"hidden text denied", `{"hidden":"deny"}`, "a~b", user, "a~b", "hidden", ""},
		{"control characters", `{}`, "a^b", user, "a^b", "", "sanitize.control=annotate 1 in the request"},
		{"control characters taken out", `{"control":"redact"}`, "a^b", user, "ab", "", ""},
		{"a secret that hidden text parts", `{}`, "a K~EY", user, "a [REDACTED:openai_key]", "", ""},
		{"a secret in arguments", `{}`, "a KEY", info(filter.RoleAssistant, filter.KindArguments), "a [REDACTED:openai_key]", "", ""},
		{"the strictest wins", `{"hidden":"deny"}`, "KEY ~", user, "KEY ~", "hidden", ""},
		{"a rule of the operator's", `{"rule":{"acme":{"class":"custom","pattern":"acme-[0-9]{4}"}}}`, "ACME", user, "[REDACTED:acme]", "", ""},
		{"the operator's file", `{"custom":"deny","rules":"rule acme\nclass custom\npattern acme-[0-9]{4}"}`, "ACME", user, "ACME", "custom", ""},
		{"a path in a message", `{}`, "..", user, "..", "", ""},
		{"a path in a field", `{}`, "..", info(0, filter.KindStructured), "..", "path", ""},
		{"output in a request", `{"output":"deny"}`, "<S>", user, "<S>", "", ""},
	} {
		f := host(t, c.config, &filter.Fake{Texts: []string{c.text}, Infos: []int32{c.info}, Scanner: finder(known)})
		a := filter.Call(abi.RequestText, nil)
		if f.Texts[0] != c.want {
			t.Errorf("%s: %q, want %q", c.name, f.Texts[0], c.want)
		}
		if denied := f.Answer != nil; denied != (c.denied != "") || !denied && a != filter.Continue || denied && (f.Answer.Class != c.denied || f.Answer.Code != "denied") {
			t.Errorf("%s: action %d, answer %+v", c.name, a, f.Answer)
		}
		if key, value, ok := strings.Cut(c.note, "="); ok && f.Notes[key] != value {
			t.Errorf("%s: notes %v", c.name, f.Notes)
		}
	}
}

func TestAnswersByClass(t *testing.T) {
	for _, c := range []struct{ name, config, text, want, denied string }{
		{"active content is noted", `{}`, "a <S>", "a <S>", ""},
		{"active content redacted", `{"output":"redact"}`, "a <S>", "a [REDACTED:html]", ""},
		{"active content denied", `{"html":"deny"}`, "a <S>", "a <S>", "html"},
		{"a canary", `{"canaries":["a canary's song"]}`, "a SONG", "a [REDACTED:canary]", ""},
		{"an attack in an answer is talk", `{"prompt":"deny"}`, "IGNORE", "IGNORE", ""},
		{"personal data", `{}`, "MAIL", "[REDACTED:email]", ""},
	} {
		f := host(t, c.config, &filter.Fake{Texts: []string{c.text}, Scanner: func(rules []byte, source uint32, text string) []filter.Match {
			return append(finder(known)(rules, source, text), filter.Match{Rule: -1, Start: len(text), End: len(text)})
		}})
		filter.Call(abi.Delta, nil)
		if f.Texts[0] != c.want || (f.Answer != nil) != (c.denied != "") || f.Answer != nil && f.Answer.Class != c.denied {
			t.Errorf("%s: %q, %+v", c.name, f.Texts[0], f.Answer)
		}
	}
}

func TestPlaceholdersAreRestoredInTheAnswer(t *testing.T) {
	f := host(t, `{"restore":true}`, &filter.Fake{Texts: []string{"MAIL and KEY and MAIL", "KEY"}, Scanner: finder(known)})
	filter.Call(abi.RequestText, nil)
	want := []string{"[REDACTED:email:1] and [REDACTED:openai_key:2] and [REDACTED:email:1]", "[REDACTED:openai_key:2]"}
	if !slices.Equal(f.Texts, want) {
		t.Fatalf("%q", f.Texts)
	}
	answer := "You wrote [REDACTED:email:1], not [REDACTED:openai_key:2] or [REDACTED:email:3]."
	f.Scanner = func(rules []byte, _ uint32, text string) (ms []filter.Match) {
		rule := strings.Count(string(rules), "rule ") - 1 // the last
		for at := 0; ; {
			i := strings.Index(text[at:], "[REDACTED:")
			if i < 0 {
				return append(ms, filter.Match{Rule: -1, Start: len(text), End: len(text)})
			}
			end := at + i + strings.IndexByte(text[at+i:], ']') + 1
			ms = append(ms, filter.Match{Rule: rule, Start: at + i, End: end})
			at = end
		}
	}
	f.Texts = []string{answer}
	filter.Call(abi.Delta, nil)
	if f.Texts[0] != "You wrote MAIL, not KEY or [REDACTED:email:3]." {
		t.Errorf("%q", f.Texts[0])
	}
	f.State = nil // another client's exchange
	f.Texts = []string{answer}
	filter.Call(abi.Delta, nil)
	if f.Texts[0] != answer {
		t.Errorf("%q", f.Texts[0])
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	config.restore = true
	var k restorer
	r := &rule{class: email, placeholder: []byte("[REDACTED:email]")}
	last := ""
	for i := range 3000 {
		last = string(k.appendPlaceholder(nil, r, []byte("value number "+strconv.Itoa(i))))
		if len(k.state) > maxState {
			t.Fatalf("%d bytes", len(k.state))
		}
	}
	if last != "[REDACTED:email]" || len(k.state) == 0 {
		t.Errorf("%s, %d bytes", last, len(k.state))
	}
	if v, ok := original(k.state, []byte("[REDACTED:email:42]")); !ok || string(v) != "value number 41" {
		t.Errorf("%q", v)
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name, limits, text string
		kind               filter.Kind
		denied             bool
	}{
		{"a field", `{"field":4}`, "12345", filter.KindStructured, true},
		{"a field that fits", `{"field":5}`, "12345", filter.KindStructured, false},
		{"arguments", `{"arguments":4}`, "12345", filter.KindArguments, true},
		{"depth", `{"depth":2}`, `{"a":[[1]]}`, filter.KindArguments, true},
		{"depth in strings", `{"depth":2}`, `{"a":["[[\"[["]}`, filter.KindArguments, false},
		{"no JSON", `{"arguments_json":true}`, `{"a":`, filter.KindArguments, true},
		{"no object", `{"arguments_json":true}`, `[1]`, filter.KindArguments, true},
		{"an object", `{"arguments_json":true}`, `{"a":1}`, filter.KindArguments, false},
		{"a text", `{"text":4}`, "12345", filter.KindText, true},
		{"texts", `{"texts":0}`, "12345", filter.KindText, false},
	} {
		f := host(t, `{"limits":`+c.limits+`}`, &filter.Fake{Texts: []string{c.text}, Infos: []int32{info(0, c.kind)}})
		filter.Call(abi.RequestText, nil)
		if (f.Answer != nil) != c.denied || f.Answer != nil && f.Answer.Class != "validation" {
			t.Errorf("%s: %+v", c.name, f.Answer)
		}
	}
	f := host(t, `{"limits":{"texts":1},"validation":"annotate"}`, &filter.Fake{Texts: []string{"a", "b"}})
	filter.Call(abi.RequestText, nil)
	if f.Answer != nil || f.Notes["sanitize.validation"] == "" {
		t.Errorf("%+v %v", f.Answer, f.Notes)
	}
}

func TestTheUpstreamIsTold(t *testing.T) {
	f := host(t, `{"header":"x-findings"}`, &filter.Fake{Header: [][2]string{{"X-Findings", "nothing, believe me"}}, Texts: []string{"IGNORE MAIL MAIL"}, Scanner: finder(known)})
	filter.Call(abi.RequestHead, nil)
	if len(f.Header) != 0 {
		t.Errorf("what the client claims stays: %v", f.Header)
	}
	filter.Call(abi.RequestText, nil)
	if want := [2]string{"x-findings", "email=redact;n=2, prompt=annotate;n=1;score=100"}; len(f.Header) != 1 || f.Header[0] != want {
		t.Errorf("%v", f.Header)
	}
}

func TestManyEditsMakeTheTextOnce(t *testing.T) {
	f := host(t, `{}`, &filter.Fake{Texts: []string{strings.Repeat("MAIL, ", 100) + "end"}, Scanner: finder(known)})
	filter.Call(abi.RequestText, nil)
	if want := strings.Repeat("[REDACTED:email], ", 100) + "end"; f.Texts[0] != want {
		t.Errorf("%q", f.Texts[0])
	}
}
