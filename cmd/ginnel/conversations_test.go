package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestConversations: they are their owners', where files are; what is in them is what a call may say, and calls in them
// go there.
func TestConversations(t *testing.T) {
	up := startArchive(t, "a")
	elsewhere := startArchive(t, "b")
	hcl := strings.Replace(holding(up, headersAndRate), `auth     = "key"`, "auth     = \"key\"\n  files    = provider.up", 1) + fmt.Sprintf("provider \"other\" {\n  plugin = \"openai\"\n  base_url = %q\n}\n", elsewhere.URL+"/v1")
	hcl = strings.Replace(hcl, `  retry = { attempts = 1 }`, "  target \"there\" {\n    provider = provider.other\n    model = \"x\"\n  }", 1)
	gw := start(t, hcl)
	one, two := gw.caller(), gw.caller()
	_, _, response := two.answer("")
	status, text, id := one.ask("POST", "/v1/conversations", `{"metadata":{"a":"b"},"items":[{"type":"message","role":"user","content":"hello"}]}`)
	if status != 200 || !strings.HasPrefix(id, "conv_") || up.calls[len(up.calls)-1] != `{"metadata":{"a":"b"},"items":[{"type":"message","role":"user","content":"hello"}]}` {
		t.Fatalf("%d %s", status, text)
	}
	paths := []struct{ method, rest, body string }{
		{"GET", "", ""}, {"POST", "", `{"metadata":{}}`}, {"GET", "/items?limit=2&after=x&stream=true", ""}, {"POST", "/items?include[]=a", `{"items":[]}`}, {"GET", "/items/msg_1", ""}, {"DELETE", "/items/msg_1", ""}, {"DELETE", "", ""},
	}
	before := len(up.asked)
	for _, p := range paths {
		if status, text, _ := two.ask(p.method, "/v1/conversations/"+id+p.rest, p.body); status != 404 || !strings.Contains(text, "not yours") {
			t.Errorf("another's: %s %s: %d %s", p.method, p.rest, status, text)
		}
	}
	for _, named := range []string{`"` + id + `"`, `{"id":"` + id + `"}`} {
		if status, text, _ := two.answer(`,"conversation":` + named); status != 404 || !strings.Contains(text, "not yours") {
			t.Errorf("another's: %d %s", status, text)
		}
		for range 10 {
			if status, text, made := one.answer(`,"conversation":` + named); status != 200 || !strings.HasPrefix(made, "resp_a") {
				t.Fatalf("its own: %d %s", status, text)
			}
		}
	}
	if status, text, _ := one.answer(`,"conversation":"conv_made_elsewhere"`); status != 404 {
		t.Errorf("nobody's: %d %s", status, text)
	}
	for _, item := range []string{`{"type":"item_reference","id":"msg_` + response[5:] + `"}`, `{"role":"user","content":[{"type":"input_file","file_id":"f"}]}`, `{"type":"reasoning","id":"rs_` + response[5:] + `","summary":[]}`} {
		for _, path := range []string{"/v1/conversations", "/v1/conversations/" + id + "/items"} {
			if status, text, _ := one.ask("POST", path, `{"items":[`+item+`]}`); status != 404 || !strings.Contains(text, "not yours") {
				t.Errorf("%s of another: %d %s", item, status, text)
			}
		}
	}
	if len(up.asked) != before {
		t.Errorf("the vendor was asked %q", up.asked[before:])
	}
	for _, p := range paths {
		if status, text, _ := one.ask(p.method, "/v1/conversations/"+id+p.rest, p.body); status != 200 {
			t.Errorf("%s %s: %d %s", p.method, p.rest, status, text)
		}
	}
	at := " /v1/conversations/" + id
	want := []string{"GET" + at, "POST" + at, "GET" + at + "/items?after=x&limit=2", "POST" + at + "/items?include%5B%5D=a", "GET" + at + "/items/msg_1", "DELETE" + at + "/items/msg_1", "DELETE" + at}
	if got := up.asked[before:]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the vendor was asked\n%q, want\n%q", got, want)
	}
	if status, _, _ := one.answer(`,"conversation":"` + id + `"`); status != 404 {
		t.Errorf("one that is deleted: %d", status)
	}
	if status, text, _ := one.ask("POST", "/v1/conversations", ""); status != 200 {
		t.Errorf("without a body: %d %s", status, text)
	}
	none := start(t, holding(up, headersAndRate)).caller()
	if status, text, _ := none.ask("POST", "/v1/conversations", "{}"); status != 404 || !strings.Contains(text, "names no provider") {
		t.Errorf("where nothing is kept: %d %s", status, text)
	}
}

// TestFiltersSeeConversations: what goes into one is looked at, and what cannot be is not served.
func TestFiltersSeeConversations(t *testing.T) {
	up := startArchive(t, "a")
	gw := start(t, strings.Replace(holding(up, sanitizing(`secrets = "redact"`)), `auth     = "key"`, "auth     = \"key\"\n  files    = provider.up", 1))
	c := gw.caller()
	token := madeUpToken()
	status, text, id := c.ask("POST", "/v1/conversations", `{"items":[{"type":"message","role":"user","content":"my token is `+token+`, keep it"}]}`)
	if sent := up.calls[0]; status != 200 || strings.Contains(sent, token[4:]) || !strings.Contains(sent, ", keep it") {
		t.Errorf("%d %s: %s", status, text, strings.ReplaceAll(sent, token, "THE TOKEN"))
	}
	for body, want := range map[string]int{
		`{"items":[{"role":"user","content":"hi"}]}`: 200, `{"items":[{"type":"item_reference","id":"msg_1"}]}`: 403, `{"items":[],"ITEMS":[]}`: 400, `[]`: 400,
	} {
		if status, text, _ := c.ask("POST", "/v1/conversations/"+id+"/items", body); status != want {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	for _, rest := range []string{"/items", "/items/msg_1"} {
		if status, text, _ := c.ask("GET", "/v1/conversations/"+id+rest, ""); status != 403 || !strings.Contains(text, "looks at what models say") {
			t.Errorf("%s: %d %s", rest, status, text)
		}
	}
}

// TestThreads: a thread of Anthropic's, and the container that its code ran in, go on for whom they began.
func TestThreads(t *testing.T) {
	var calls atomic.Int64
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := calls.Add(1)
		message := fmt.Sprintf(`{"id":"msg_%d","type":"message","role":"assistant","model":"m","content":[],"container":{"id":"container_%d"},"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}`, n, n)
		if !strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, strings.Replace(message, `"stop_reason":null`, `"stop_reason":"end_turn"`, 1))
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":%s}\n\n", message)
		io.WriteString(w, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":1}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
	}))
	t.Cleanup(up.Close)
	gw := start(t, strings.Replace(anthropicAPI.relay(up.URL, headersAndRate, "big"), `auth     = "none"`, `auth     = "key"`, 1))
	one, two := gw.caller(), gw.caller()
	ask := func(c caller, members string) (int, string) {
		status, text, _ := c.ask("POST", "/v1/messages", `{"model":"big","max_tokens":9,"messages":[{"role":"user","content":"x"}]`+members+`}`, anthropicAPI.header...)
		return status, text
	}
	for _, how := range []string{"", `,"stream":true`} {
		for members, kept := range map[string]bool{`,"thread":{"type":"create"}`: true, "": false} {
			if status, text := ask(one, members+how); status != 200 {
				t.Fatalf("%d %s", status, text)
			}
			n := calls.Load()
			on := fmt.Sprintf(`,"thread":{"type":"continue","previous_message_id":"msg_%d"}`, n)
			status, text := ask(two, on)
			if status != 404 || !strings.Contains(text, "not_found_error") {
				t.Errorf("another's: %d %s", status, text)
			}
			if status, text = ask(two, fmt.Sprintf(`,"container":"container_%d"`, n)); status != 404 || calls.Load() != n {
				t.Errorf("another's container: %d %s, %d calls", status, text, calls.Load()-n)
			}
			if status, text = ask(one, on); (status == 200) != kept {
				t.Errorf("%s%s: its own: %d %s", members, how, status, text)
			}
			if status, text = ask(one, fmt.Sprintf(`,"container":{"id":"container_%d"}`, n)); status != 200 {
				t.Errorf("%s%s: its own container: %d %s", members, how, status, text)
			}
		}
	}
}
