package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// holding declares a route with keys to a vendor that keeps responses, whose model is "big".
func holding(a *archive, pipeline string) string {
	return strings.Replace(relay(a.URL, pipeline, "big"), `auth     = "none"`, `auth     = "key"`, 1)
}

// answer asks for a response.
func (c caller) answer(members string) (status int, text, id string) {
	c.t.Helper()
	status, text, id = c.ask("POST", "/v1/responses", `{"model":"big","input":"x"`+members+`}`)
	if strings.Contains(members, `"stream":true`) && status == 200 {
		_, rest, _ := strings.Cut(text, `"id":"resp_`)
		name, _, _ := strings.Cut(rest, `"`)
		id = "resp_" + name
	}
	return status, text, id
}

// TestStoredResponsesAreTheirOwners: what an answer left at the vendor is named, fetched and removed by the key that got it.
func TestStoredResponsesAreTheirOwners(t *testing.T) {
	up := startArchive(t, "a")
	gw := start(t, holding(up, headersAndRate))
	one, two := gw.caller(), gw.caller()
	for _, how := range []string{"", `,"stream":true`, `,"background":true`, `,"background":true,"stream":true`} {
		t.Run(how, func(t *testing.T) {
			status, text, id := one.answer(how)
			if status != 200 || !strings.HasPrefix(id, "resp_") {
				t.Fatalf("%d %s", status, text)
			}
			if strings.Contains(how, "background") { // it ends while it is looked at
				for range 2 {
					if status, text, _ := one.ask("GET", "/v1/responses/"+id, ""); status != 200 {
						t.Fatalf("%d %s", status, text)
					}
				}
			}
			name := strings.TrimPrefix(id, "resp_")
			naming := []string{
				`,"previous_response_id":"` + id + `"`, `,"tools":[{"type":"code_interpreter","container":"cntr_` + name + `"}]`,
				`,"tools":[{"type":"shell","environment":{"type":"container_reference","container_id":"cntr_` + name + `"}}]`,
			}
			items := []string{`{"type":"item_reference","id":"msg_` + name + `"}`, `{"id":"ci_` + name + `"}`, `{"type":"reasoning","id":"rs_` + name + `","summary":[]}`,
				`{"type":"reasoning","id":"rs_` + name + `","summary":[{"type":"summary_text","text":"x"}],"content":[{"type":"reasoning_text","text":"y"}]}`,
				`{"type":"code_interpreter_call","id":"ci_` + name + `","code":"1","container_id":"cntr_` + name + `","status":"completed","outputs":null}`,
				`{"type":"code_interpreter_call","id":"ci_0","code":"1","container_id":"cntr_` + name + `","status":"completed","outputs":[{"type":"logs","logs":"x"}]}`}
			for _, item := range items {
				naming = append(naming, `,"input":[`+item+`,{"role":"user","content":"x"}]`)
			}
			for _, members := range naming {
				body := `{"model":"big"` + members + `}`
				if status, text, _ := one.ask("POST", "/v1/responses", body); status != 200 {
					t.Errorf("its own: %s: %d %s", members, status, text)
				}
				up.mu.Lock()
				before := len(up.calls)
				up.mu.Unlock()
				status, text, _ := two.ask("POST", "/v1/responses", body)
				code := "invalid_request"
				if strings.Contains(members, "previous") {
					code = "previous_response_not_found"
				}
				if status != 404 || !strings.Contains(text, "not yours") || !strings.Contains(text, `"`+code+`"`) {
					t.Errorf("another's: %s: %d %s", members, status, text)
				}
				if len(up.calls) != before {
					t.Errorf("the vendor was called with %s", members)
				}
			}
			up.mu.Lock()
			before := len(up.asked)
			up.mu.Unlock()
			for _, c := range [][2]string{{"GET", ""}, {"GET", "?stream=true"}, {"GET", "/input_items"}, {"POST", "/cancel"}, {"DELETE", ""}} {
				if status, text, _ := two.ask(c[0], "/v1/responses/"+id+c[1], ""); status != 404 || !strings.Contains(text, "not yours") {
					t.Errorf("another's: %s %s: %d %s", c[0], c[1], status, text)
				}
			}
			if len(up.asked) != before {
				t.Errorf("the vendor was asked %q", up.asked[before:])
			}
			if status, text, got := one.ask("GET", "/v1/responses/"+id+"?include=a&include[]=b&model=x", ""); status != 200 || got != id || !strings.Contains(text, `"said"`) {
				t.Errorf("%d %s", status, text)
			}
			if status, text, _ := one.ask("GET", "/v1/responses/"+id+"?stream=true&starting_after=0", ""); status != 200 || !strings.HasPrefix(text, "event: response.created") || !strings.Contains(text, "event: response.completed") {
				t.Errorf("%d %s", status, text)
			}
			if status, text, _ := one.ask("GET", "/v1/responses/"+id+"/input_items?limit=1&after=x&stream=true", ""); status != 200 || !strings.Contains(text, "msg_in") {
				t.Errorf("%d %s", status, text)
			}
			if status, text, got := one.ask("POST", "/v1/responses/"+id+"/cancel", "{}"); status != 200 || got != id {
				t.Errorf("%d %s", status, text)
			}
			if status, text, _ := one.ask("DELETE", "/v1/responses/"+id, ""); status != 200 || !strings.Contains(text, `"deleted":true`) {
				t.Errorf("%d %s", status, text)
			}
			want := []string{"GET /v1/responses/" + id + "?include=a&include%5B%5D=b", "GET /v1/responses/" + id + "?starting_after=0&stream=true",
				"GET /v1/responses/" + id + "/input_items?after=x&limit=1", "POST /v1/responses/" + id + "/cancel", "DELETE /v1/responses/" + id}
			if got := up.asked[before:]; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("the vendor was asked\n%q, want\n%q", got, want)
			}
			if status, _, _ := one.ask("GET", "/v1/responses/"+id, ""); status != 404 {
				t.Errorf("one that is deleted: %d", status)
			}
			if status, _, _ := one.answer(`,"previous_response_id":"` + id + `"`); status != 404 {
				t.Errorf("on from one that is deleted: %d", status)
			}
		})
	}
}

// TestUnstoredResponses: where nothing is stored nobody can name anything, but for the container that code ran in, and its
// call, which a client says again without what came of it.
func TestUnstoredResponses(t *testing.T) {
	up := startArchive(t, "a")
	gw := start(t, holding(up, headersAndRate))
	c, two := gw.caller(), gw.caller()
	for _, how := range []string{`,"store":false`, `,"store":false,"stream":true`} {
		_, text, id := c.answer(how)
		name := strings.TrimPrefix(id, "resp_")
		again := `{"model":"big","store":false,"input":[{"type":"code_interpreter_call","id":"ci_` + name + `","code":"1","container_id":"cntr_` + name + `","status":"completed"},{"role":"user","content":"x"}]}`
		for of, want := range map[caller]int{c: 200, two: 404} {
			if status, text, _ := of.ask("POST", "/v1/responses", again); status != want {
				t.Errorf("%s, the call once more: %d %s", how, status, text)
			}
		}
		for members, want := range map[string]int{
			`,"previous_response_id":"` + id + `"`:                                   404,
			`,"tools":[{"type":"code_interpreter","container":"cntr_` + name + `"}]`: 200,
		} {
			if status, text, _ := c.answer(members); status != want {
				t.Errorf("%s, %s: %d %s", how, members, status, text)
			}
		}
		if status, _, _ := c.ask("GET", "/v1/responses/"+id, ""); status != 404 {
			t.Errorf("%s: %d after %s", how, status, text)
		}
	}
}

// TestSharedResponses: what is shared is everybody's, and what nobody made through the gateway is so, too.
func TestSharedResponses(t *testing.T) {
	up := startArchive(t, "a")
	up.kept["resp_old"] = map[string]any{"id": "resp_old", "object": "response", "status": "completed", "output": []any{}}
	shared := start(t, strings.Replace(holding(up, headersAndRate), "provider \"up\" {", "provider \"up\" {\n  shared_files = true", 1))
	one, two := shared.caller(), shared.caller()
	_, _, id := one.answer("")
	for _, id := range []string{id, "resp_old"} {
		if status, text, _ := two.answer(`,"previous_response_id":"` + id + `"`); status != 200 {
			t.Errorf("%d %s", status, text)
		}
		if status, text, got := two.ask("GET", "/v1/responses/"+id, ""); status != 200 || got != id {
			t.Errorf("%d %s", status, text)
		}
	}
	if status, text, _ := two.ask("GET", "/v1/responses/resp_none", ""); status != 404 || !strings.Contains(text, "Response not found") {
		t.Errorf("the vendor's own: %d %s", status, text)
	}
	nothing := start(t, relay(startVault(t).URL, headersAndRate, "big")) // a vendor that has no such thing
	if status, text, _ := (caller{running: nothing}).ask("GET", "/v1/responses/resp_1", ""); status != 404 || strings.Contains(text, "model_not_found") {
		t.Errorf("%d %s", status, text)
	}
	strict := start(t, strings.Replace(relay(up.URL, headersAndRate, "big"), "provider \"up\" {", "provider \"up\" {\n  shared_files = false", 1))
	c := caller{running: strict}
	_, _, id = c.answer("")
	for id, want := range map[string]int{id: 200, "resp_old": 404} {
		if status, text, _ := c.answer(`,"previous_response_id":"` + id + `"`); status != want {
			t.Errorf("without keys, not shared: %s: %d %s", id, status, text)
		}
	}
}

// TestStoredResponsesChooseTargets: a conversation goes on at the provider that has what it goes on from.
func TestStoredResponsesChooseTargets(t *testing.T) {
	a, b := startArchive(t, "a"), startArchive(t, "b")
	hcl := holding(a, headersAndRate) + fmt.Sprintf("provider \"other\" {\n  plugin = \"openai\"\n  base_url = %q\n}\n", b.URL+"/v1")
	hcl = strings.Replace(hcl, `  retry = { attempts = 1 }`, "  retry = { attempts = 3 }\n  target \"there\" {\n    provider = provider.other\n    model = \"x\"\n  }", 1)
	gw := start(t, hcl)
	c := gw.caller()
	seen := map[string]int{}
	for range 40 {
		_, _, id := c.answer("")
		where := id[:len("resp_a")]
		seen[where]++
		_, text, next := c.answer(`,"previous_response_id":"` + id + `"`)
		if !strings.HasPrefix(next, where) {
			t.Fatalf("%s is gone on from by %s", id, text)
		}
		if status, text, got := c.ask("GET", "/v1/responses/"+next, ""); status != 200 || got != next {
			t.Fatalf("%d %s", status, text)
		}
	}
	if len(seen) != 2 {
		t.Errorf("all began at %v", seen)
	}
	_, _, first := c.answer("")
	for range 100 {
		_, _, second := c.answer("")
		if second[:6] == first[:6] {
			continue
		}
		status, text, _ := c.ask("POST", "/v1/responses", `{"model":"big","input":[{"type":"item_reference","id":"msg_`+first[5:]+`"},{"type":"item_reference","id":"msg_`+second[5:]+`"}]}`)
		if status != 404 {
			t.Errorf("items of two providers: %d %s", status, text)
		}
		return
	}
	t.Error("one target takes all calls")
}

// TestBackgroundUsage: what a response used that was only begun is counted when its end is first seen, once.
func TestBackgroundUsage(t *testing.T) {
	up := startArchive(t, "a")
	for _, hcl := range []string{holding(up, headersAndRate), relay(up.URL, headersAndRate, "big")} {
		gw := start(t, hcl)
		c := caller{running: gw}
		if strings.Contains(hcl, `"key"`) {
			c = gw.caller()
		}
		_, _, id := c.answer(`,"background":true`)
		var status string
		n := 0
		for ; status != "completed" && n < 10; n++ {
			_, text, _ := c.ask("GET", "/v1/responses/"+id, "")
			var o struct{ Status string }
			json.Unmarshal([]byte(text), &o)
			status = o.Status
		}
		for _, how := range []string{"", "?stream=true", "?stream=true", ""} {
			c.ask("GET", "/v1/responses/"+id+how, "")
		}
		_, _, whole := c.answer("")
		c.ask("GET", "/v1/responses/"+whole, "")
		c.ask("GET", "/v1/responses/"+whole+"?stream=true", "")
		gw.wait("the ends", func() bool { return len(gw.events()) == n+8 })
		var counted []int64
		for _, e := range gw.events() {
			if e.Provider != "up" || e.Terminal != "completed" {
				t.Errorf("%+v", e)
			}
			if e.TokensIn != nil {
				counted = append(counted, *e.TokensIn)
			}
		}
		if fmt.Sprint(counted) != "[11 11]" { // that of both
			t.Errorf("%v of %v", counted, gw.events())
		}
	}
}

// TestFailedResponses: one that failed is fetched as what it is.
func TestFailedResponses(t *testing.T) {
	up := startArchive(t, "a")
	gw := start(t, holding(up, headersAndRate))
	c := gw.caller()
	_, _, id := c.answer(`,"background":true`)
	up.mu.Lock()
	up.kept[id]["status"], up.kept[id]["error"] = "failed", map[string]any{"code": "server_error", "message": "it broke"}
	up.mu.Unlock()
	if status, text, got := c.ask("GET", "/v1/responses/"+id, ""); status != 200 || got != id || !strings.Contains(text, "it broke") {
		t.Errorf("%d %s", status, text)
	}
	if status, text, _ := c.ask("GET", "/v1/responses/"+id+"?stream=true", ""); status != 200 || !strings.Contains(text, "upstream_cut") { // which has no end
		t.Errorf("%d %s", status, text)
	}
	up.mu.Lock()
	delete(up.kept, id)
	up.mu.Unlock()
	if status, text, _ := c.ask("GET", "/v1/responses/"+id, ""); status != 404 || !strings.Contains(text, "Response not found") {
		t.Errorf("one that the vendor has removed: %d %s", status, text)
	}
}

// TestFiltersSeeStoredResponses: a response that is fetched is looked at as one that is made, and what they cannot look at
// is not served.
func TestFiltersSeeStoredResponses(t *testing.T) {
	up := startArchive(t, "a")
	gw := start(t, holding(up, sanitizing(`secrets = "redact"`)))
	c := gw.caller()
	token := madeUpToken()
	up.words = "here it is: " + token + " and that was it"
	_, made, id := c.answer("")
	for _, how := range []string{"", "?stream=true"} {
		status, text, _ := c.ask("GET", "/v1/responses/"+id+how, "")
		if status != 200 || strings.Contains(text, token) || !strings.Contains(text, "and that was it") {
			t.Errorf("%s: %d %s", how, status, strings.ReplaceAll(text, token, "THE TOKEN"))
		}
		if how == "" && text != made {
			t.Errorf("made:\n%s\nfetched:\n%s", made, text)
		}
	}
	if status, text, _ := c.ask("GET", "/v1/responses/"+id+"/input_items", ""); status != 403 || !strings.Contains(text, "looks at what models say") {
		t.Errorf("%d %s", status, text)
	}
	if status, text, _ := c.ask("GET", "/v1/responses/"+id+"?stream=true&starting_after=2", ""); status != 403 || !strings.Contains(text, "from its middle") {
		t.Errorf("%d %s", status, text)
	}
	if status, text, _ := c.ask("GET", "/v1/responses/"+id+"?include=message.output_text.logprobs", ""); status != 403 || !strings.Contains(text, "logprobs") {
		t.Errorf("%d %s", status, text)
	}
	if status, text, _ := c.answer(`,"previous_response_id":"` + id + `"`); status != 403 || !strings.Contains(text, "previous_response_id") {
		t.Errorf("content that no filter sees: %d %s", status, text)
	}
}

// TestTranslatedResponses leave nothing at a vendor that knows no responses, and what they repeat is said to it.
func TestTranslatedResponses(t *testing.T) {
	up := startVault(t)
	gw := start(t, strings.Replace(filing(up.URL, headersAndRate), "config { api_key = secret.up }", "config {\n    api_key = secret.up\n    dialects = [\"openai\"]\n  }", 1))
	c := gw.caller()
	status, text, id := c.answer("")
	if status != 200 || id == "" {
		t.Fatalf("%d %s", status, text)
	}
	for members, want := range map[string]int{
		`,"previous_response_id":"` + id + `"`: 404,
		`,"input":[{"role":"user","content":"x"},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"y"}]},{"role":"user","content":"z"}]`: 200,
		`,"input":[{"type":"item_reference","id":"rs_1"}]`: 404,
	} {
		if status, text, _ := c.ask("POST", "/v1/responses", `{"model":"big"`+members+`}`); status != want {
			t.Errorf("%s: %d %s", members, status, text)
		}
	}
	if status, _, _ := c.ask("GET", "/v1/responses/"+id, ""); status != 404 {
		t.Errorf("fetched: %d", status)
	}
}

// TestKilledDaemonKnowsWhose: what a client had the end of is its own after kill -9, too.
func TestKilledDaemonKnowsWhose(t *testing.T) {
	up := startArchive(t, "a")
	dir, address := writeConfig(t, "key")
	hcl := strings.NewReplacer("%DATA%", "./data", "127.0.0.1:0", address).Replace(holding(up, emptyPipeline))
	if err := os.WriteFile(filepath.Join(dir, "gateway.hcl"), []byte(hcl), 0o600); err != nil {
		t.Fatal(err)
	}
	one, two := strings.TrimSpace(ginnel(t, dir, "keys", "create", "--name", "one").out), strings.TrimSpace(ginnel(t, dir, "keys", "create", "--name", "two").out)
	cmd, _ := startProgram(t, dir, "run")
	answers(t, dir)
	as := func(key string) caller { return caller{&running{t: t, url: "http://" + address}, key} }
	var ids []string
	for _, how := range []string{"", `,"stream":true`, `,"background":true`} {
		status, text, id := as(one).answer(how)
		if status != 200 || id == "" {
			t.Fatalf("%d %s", status, text)
		}
		ids = append(ids, id)
	}
	cmd.Process.Kill()
	cmd.Wait()
	startProgram(t, dir, "run")
	answers(t, dir)
	for _, id := range ids {
		for key, want := range map[string]int{one: 200, two: 404} {
			if status, text, _ := as(key).answer(`,"previous_response_id":"` + id + `"`); status != want {
				t.Errorf("%s: %d %s", id, status, text)
			}
			if status, text, _ := as(key).ask("GET", "/v1/responses/"+id, ""); status != want {
				t.Errorf("%s: %d %s", id, status, text)
			}
		}
	}
}
