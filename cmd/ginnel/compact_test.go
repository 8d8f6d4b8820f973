package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestCompacting: to say a conversation in less is a call of a model: it is named, seen, counted and held to what is its
// caller's as another one.
func TestCompacting(t *testing.T) {
	up := startArchive(t, "a")
	gw := start(t, strings.Replace(holding(up, sanitizing(`secrets = "redact"`)), `model = "big"`, `model = "vendors-big"`, 1))
	c := gw.caller()
	token := madeUpToken()
	up.words = "my token is " + token + ", keep it"
	status, text, _ := c.ask("POST", "/v1/responses/compact", `{"model":"big","instructions":"be brief","input":[{"role":"user","content":"`+up.words+`"}]}`)
	if sent := up.calls[0]; status != 200 || !strings.Contains(sent, `"model":"vendors-big"`) || !strings.Contains(sent, ", keep it") || strings.Contains(sent, token) {
		t.Errorf("%d %s: the vendor was sent %s", status, text, strings.ReplaceAll(sent, token, "THE TOKEN"))
	}
	if strings.Contains(text, token) || !strings.Contains(text, ", keep it") || !strings.Contains(text, `"encrypted_content":"sealed"`) {
		t.Errorf("what came back: %s", strings.ReplaceAll(text, token, "THE TOKEN"))
	}
	if status, text, _ := c.ask("POST", "/v1/responses/compact", `{"model":"none","input":"x"}`); status != 404 || !strings.Contains(text, "model_not_found") {
		t.Errorf("%d %s", status, text)
	}
	gw.wait("the ends", func() bool { return len(gw.events()) == 2 })
	if got := fmt.Sprint(gw.counted()); !strings.HasSuffix(got, ":[11]]") {
		t.Errorf("counted are %s", got)
	}

	plain := start(t, holding(up, headersAndRate))
	one, two := plain.caller(), plain.caller()
	_, _, id := one.answer("")
	if status, text, _ := one.ask("POST", "/v1/responses/compact", `{"model":"big","input":"x","background":true}`); status != 200 { // which means nothing here
		t.Errorf("%d %s", status, text)
	}
	plain.wait("the ends", func() bool { return len(plain.events()) == 2 })
	if got := fmt.Sprint(plain.counted()); !strings.HasSuffix(got, ":[11 11]]") {
		t.Errorf("counted are %s", got)
	}
	up.mu.Lock()
	before := len(up.calls)
	up.mu.Unlock()
	for _, named := range []string{`"previous_response_id":"` + id + `"`, `"input":[{"type":"item_reference","id":"msg_` + id[5:] + `"}]`, `"input":[{"type":"reasoning","id":"rs_` + id[5:] + `","summary":[]}]`} {
		body := `{"model":"big",` + named + `}`
		if status, text, _ := two.ask("POST", "/v1/responses/compact", body); status != 404 || !strings.Contains(text, "not yours") || len(up.calls) != before {
			t.Errorf("another's: %s: %d %s", named, status, text)
		}
		if status, text, _ := one.ask("POST", "/v1/responses/compact", body); status != 200 {
			t.Errorf("its own: %s: %d %s", named, status, text)
		}
		before++
	}
	if status, text, _ := one.ask("POST", "/v1/responses", `{"model":"big","input":[{"type":"message","id":"msg_1","role":"user","content":[{"type":"input_text","text":"x"}]},{"type":"compaction","id":"cmp_1","encrypted_content":"sealed"}]}`); status != 200 {
		t.Errorf("on from what it was compacted to: %d %s", status, text)
	}
	elsewhere := start(t, strings.Replace(relay(startVault(t).URL, headersAndRate, "big"), "config { api_key = secret.up }", "config {\n    api_key = secret.up\n    dialects = [\"openai\"]\n  }", 1))
	if status, text, _ := (caller{running: elsewhere}).ask("POST", "/v1/responses/compact", `{"model":"big","input":"x"}`); status != 400 || !strings.Contains(text, "does not offer compact") {
		t.Errorf("where there is none: %d %s", status, text)
	}
}

// TestACompactionMakesNothingOnesOwn but what it makes: it repeats what it was asked, with ids that the client chose.
func TestACompactionMakesNothingOnesOwn(t *testing.T) {
	up := startArchive(t, "a")
	gw := start(t, holding(up, headersAndRate))
	one, two := gw.caller(), gw.caller()
	_, _, id := one.answer("")
	_, text, made := one.ask("POST", "/v1/responses/compact", `{"model":"big","input":"x"}`)
	compaction := "cmp_" + strings.TrimPrefix(made, "resp_")
	if !strings.Contains(text, compaction) {
		t.Fatal(text)
	}
	asks := func(c caller, path, item string) int {
		status, _, _ := c.ask("POST", path, `{"model":"big","input":[`+item+`,{"role":"user","content":"x"}]}`)
		return status
	}
	name := id[len("resp_"):]
	for _, c := range []struct{ chosen, named string }{
		{`{"type":"message","id":"msg_` + name + `","role":"user","content":[{"type":"input_text","text":"x"}]}`, `{"type":"item_reference","id":"msg_` + name + `"}`},
		{`{"type":"function_call_output","id":"rs_` + name + `","call_id":"c","output":"x"}`, `{"type":"reasoning","id":"rs_` + name + `","summary":[]}`},
		{`{"type":"compaction","id":"\u0063` + compaction[1:] + `","encrypted_content":"sealed"}`, `{"type":"compaction","id":"` + compaction + `"}`},
	} {
		if status := asks(two, "/v1/responses/compact", c.chosen); status != 200 {
			t.Errorf("%s: %d", c.chosen, status)
		}
		if status := asks(two, "/v1/responses", c.named); status != 404 {
			t.Errorf("another's, which %s names: %d", c.chosen, status)
		}
		if status := asks(one, "/v1/responses", c.named); status != 200 {
			t.Errorf("its own: %s: %d", c.named, status)
		}
	}
}
