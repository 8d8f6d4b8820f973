package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/daemon"
)

// counted returns the tokens that exchanges took in, by the key's id.
func (r *running) counted() map[string][]int64 {
	all := map[string][]int64{}
	for _, e := range r.events() {
		if e.TokensIn != nil {
			all[e.Key] = append(all[e.Key], *e.TokensIn)
		}
	}
	return all
}

// TestDeletedBackgroundUsage: what a response used that is deleted before its end was seen is counted then, and one whose use
// cannot be learned stays.
func TestDeletedBackgroundUsage(t *testing.T) {
	up := startArchive(t, "a")
	for name, c := range map[string]struct {
		prepare func(o map[string]any) // what becomes of it unseen
		asked   []string
		status  int
		counted bool
	}{
		"ended":               {up.finish, []string{"GET ", "DELETE "}, 200, true},
		"is still being made": {func(map[string]any) {}, []string{"GET ", "POST /cancel", "DELETE "}, 200, true},
		"nothing is said of":  {func(map[string]any) { up.silent = true }, []string{"GET ", "POST /cancel", "GET ", "DELETE "}, 200, false},
		"failed":              {func(o map[string]any) { o["status"] = "failed" }, []string{"GET ", "DELETE "}, 200, false},
		"is gone":             {func(o map[string]any) { delete(up.kept, o["id"].(string)) }, []string{"GET ", "DELETE "}, 404, false},
		"cannot be looked at": {func(map[string]any) { up.down = true }, []string{"GET "}, 503, false},
		"was told of already": {func(o map[string]any) { up.finish(o); o["seen"] = true }, []string{"GET ", "DELETE "}, 200, true},
	} {
		t.Run(name, func(t *testing.T) {
			gw := start(t, holding(up, headersAndRate))
			one := gw.caller()
			_, _, id := one.answer(`,"background":true`)
			up.mu.Lock()
			o := up.kept[id]
			up.silent, up.down, up.asked = false, false, nil
			c.prepare(o)
			up.mu.Unlock()
			if o["seen"] == true {
				one.ask("GET", "/v1/responses/"+id, "")
			}
			status, text, _ := one.ask("DELETE", "/v1/responses/"+id, "")
			if status != c.status {
				t.Errorf("%d %s", status, text)
			}
			up.mu.Lock()
			for i, asked := range up.asked {
				up.asked[i] = strings.Replace(asked, "/v1/responses/"+id, "", 1)
			}
			if fmt.Sprint(up.asked) != fmt.Sprint(c.asked) {
				t.Errorf("the vendor was asked %q, want %q", up.asked, c.asked)
			}
			up.mu.Unlock()
			n := 2
			if c.counted { // as an exchange of its own, or when it was seen
				n++
			}
			gw.wait("the ends", func() bool { return len(gw.events()) == n })
			got := gw.counted()
			if len(got) > 1 || len(got) == 1 != c.counted {
				t.Errorf("counted are %v", got)
			}
			for _, tokens := range got {
				if fmt.Sprint(tokens) != "[11]" {
					t.Errorf("counted are %v", got)
				}
			}
			if unknown := strings.Contains(gw.logs.String(), "is not known"); unknown != (!c.counted && status == 200) {
				t.Errorf("the log says of what is not known: %t", unknown)
			}
			if status, _, _ := one.ask("GET", "/v1/responses/"+id, ""); c.status == 503 && status == 404 {
				t.Error("one that could not be looked at is gone")
			}
		})
	}
}

// TestWhoHangsUpOnADelete pays all the same for what he deletes, once: it is counted before the vendor is asked.
func TestWhoHangsUpOnADelete(t *testing.T) {
	up := startArchive(t, "a")
	gw := start(t, holding(up, headersAndRate))
	one := gw.caller()
	_, _, id := one.answer(`,"background":true`)
	ctx, hangUp := context.WithCancel(t.Context())
	up.mu.Lock()
	up.finish(up.kept[id])
	up.deleted = func(r *http.Request) {
		hangUp()
		<-r.Context().Done()
	}
	up.mu.Unlock()
	if resp, err := http.DefaultClient.Do(one.requestTo(ctx, "DELETE", "/v1/responses/"+id, "", "Authorization", "Bearer "+one.key)); err == nil {
		resp.Body.Close()
		t.Errorf("%d", resp.StatusCode)
	}
	gw.wait("the ends", func() bool { return len(gw.events()) == 3 })
	if status, text, _ := one.ask("DELETE", "/v1/responses/"+id, ""); status != 404 {
		t.Errorf("again: %d %s", status, text)
	}
	gw.wait("the end", func() bool { return len(gw.events()) == 4 })
	if got := fmt.Sprint(gw.counted()); !strings.HasSuffix(got, ":[11]]") {
		t.Errorf("counted are %s", got)
	}
}

// TestALeftBackgroundStreamIsCounted when it ends at the vendor, though nobody asks for it: its stream broke off. One that has
// not ended when the gateway does is told of in the log.
func TestALeftBackgroundStreamIsCounted(t *testing.T) {
	up := startArchive(t, "a")
	gw := start(t, holding(up, headersAndRate))
	one := gw.caller()
	one.answer(`,"background":true,"stream":true`)
	gw.wait("the end", func() bool { return len(gw.counted()) == 1 })
	if got := fmt.Sprint(gw.counted()); !strings.HasSuffix(got, ":[11]]") {
		t.Errorf("counted are %s", got)
	}
	_, _, id := one.answer(`,"background":true,"stream":true`)
	gw.wait("the look at it", func() bool {
		up.mu.Lock()
		defer up.mu.Unlock()
		return up.kept[id]["status"] != "queued"
	})
	if err := gw.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	told := strings.Contains(gw.logs.String(), "the gateway ends")
	if got := fmt.Sprint(gw.counted()); told == strings.HasSuffix(got, ":[11 11]]") { // on a machine that stands still for long
		t.Errorf("counted are %s; that %s is not known is told: %t", got, id, told)
	}
}

// TestUsageIsWhoMadeIts: what a background response used is who made it's, in the log and against limits, whoever sees its
// end or deletes it.
func TestUsageIsWhoMadeIts(t *testing.T) {
	counting := strings.Replace(headersAndRate, `rate "default" { limit = "1000000/1m" }`, "rate \"default\" { limit = \"19/1h\" }\n  config {\n    cost = \"tokens\"\n    by = \"key\"\n  }", 1)
	for _, shared := range []bool{true, false} {
		for _, way := range []string{"GET", "DELETE"} {
			up := startArchive(t, "a")
			hcl := strings.Replace(holding(up, counting), "provider \"up\" {", fmt.Sprintf("provider \"up\" {\n  shared_files = %t", shared), 1) + "\nteam \"t\" {}\n"
			gw := start(t, hcl)
			key := func(team string) (caller, string) {
				if shared {
					team = "" // else keys of a team may fetch what one of them made
				}
				key, err := gw.CreateKey(daemon.NewKey{Name: "a", Team: team})
				if err != nil {
					t.Fatal(err)
				}
				return caller{gw, key.Text}, key.ID
			}
			one, maker := key("t")
			two, _ := key("t")
			_, _, id := one.answer(`,"background":true`)
			up.mu.Lock()
			up.finish(up.kept[id])
			up.mu.Unlock()
			for range 2 { // the second time it is known, or gone
				two.ask(way, "/v1/responses/"+id, "")
			}
			if status, text, _ := one.answer(""); status != 429 {
				t.Errorf("shared %t, %s: who made it has used what it may: %d %s", shared, way, status, text)
			}
			if status, text, _ := two.answer(`,"background":true`); status != 200 {
				t.Errorf("shared %t, %s: who saw its end has not: %d %s", shared, way, status, text)
			}
			gw.wait("the ends", func() bool { return len(gw.events()) == 6 })
			for _, e := range gw.events() {
				if strings.HasSuffix(e.RequestID, "-made") != (e.Key == maker && e.TokensIn != nil) || e.Terminal == "" || e.Provider != "up" && e.Status < 400 {
					t.Errorf("%+v", e)
				}
			}
			if got := gw.counted(); fmt.Sprint(got) != fmt.Sprint(map[string][]int64{maker: {11}}) {
				t.Errorf("shared %t, %s: counted are %v, and %s made it", shared, way, got, maker)
			}
		}
	}
}

// TestAListThatFails counts nothing: what a batch in it used is counted, and taken from limits, by the next one.
func TestAListThatFails(t *testing.T) {
	up := startVault(t)
	gw := start(t, filing(up.URL, strings.Replace(headersAndRate, `rate "default" { limit = "1000000/1m" }`, "rate \"default\" { limit = \"20/1h\" }\n  config { cost = \"tokens\" }", 1)))
	c := gw.caller()
	_, _, file := c.send("batch", fmt.Sprintf(batchLine, 1, "big", "x"))
	var made []string
	for range 2 {
		_, _, id := c.ask("POST", "/v1/batches", fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/chat/completions","completion_window":"24h"}`, file))
		made = append(made, id)
		up.mu.Lock()
		for range 3 { // behind which the first one is in no page
			up.keep(map[string]any{"object": "batch", "status": "completed"}, nil)
		}
		up.mu.Unlock()
	}
	up.mu.Lock()
	up.answer(up.objects[made[1]])
	up.ids = append(up.ids, made[1]) // the newest
	up.down = true
	up.mu.Unlock()
	if status, text, _ := c.ask("GET", "/v1/batches", ""); status != 503 {
		t.Errorf("%d %s", status, text)
	}
	up.mu.Lock()
	up.down = false
	up.mu.Unlock()
	if ids, _ := c.ids("/v1/batches?limit=1"); fmt.Sprint(ids) != fmt.Sprint(made[1:]) {
		t.Errorf("%v of %v", ids, made)
	}
	if status, text, _ := c.ask("GET", "/v1/files/"+file, ""); status != 429 {
		t.Errorf("what the batch used is taken from the limit: %d %s", status, text)
	}
	gw.wait("the ends", func() bool { return len(gw.events()) == 6 })
	if got := fmt.Sprint(gw.counted()); !strings.HasSuffix(got, ":[11]]") {
		t.Errorf("counted are %s", got)
	}
}
