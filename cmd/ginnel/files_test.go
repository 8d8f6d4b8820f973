package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/daemon"
)

// filing declares a route that keeps files, whose models m0 and m1 are the vendor's big and small, and a third one
// that is elsewhere.
func filing(upstream, pipeline string) string {
	text := relay(upstream, pipeline, "big", "small", "elsewhere")
	text = strings.Replace(text, `auth     = "none"`, "auth     = \"key\"\n  files    = provider.up", 1)
	text = strings.Replace(text, `model = "big"`, `model = "vendors-big"`, 1)
	at := strings.LastIndex(text, "provider.up")
	return text[:at] + "provider.other" + text[at+len("provider.up"):] + fmt.Sprintf("provider \"other\" {\n  plugin = \"openai\"\n  base_url = %q\n}\n", upstream+"/v1")
}

// caller is who holds a key.
type caller struct {
	*running
	key string
}

func (r *running) caller(models ...string) caller {
	r.t.Helper()
	key, err := r.CreateKey(daemon.NewKey{Name: "a", Models: models})
	if err != nil {
		r.t.Fatal(err)
	}
	return caller{r, key.Text}
}

// ask makes a request and returns the answer's status and body; the id is what an object's is.
func (c caller) ask(method, path, body string, header ...string) (status int, text, id string) {
	c.t.Helper()
	resp, text := c.do(c.requestTo(context.Background(), method, path, body, append([]string{"Authorization", "Bearer " + c.key}, header...)...))
	var o struct{ ID string }
	json.Unmarshal([]byte(text), &o)
	return resp.StatusCode, text, o.ID
}

// send uploads a file.
func (c caller) send(purpose, content string) (status int, text, id string) {
	c.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	w.WriteField("purpose", purpose)
	f, err := w.CreateFormFile("file", "a.jsonl")
	if err != nil {
		c.t.Fatal(err)
	}
	io.WriteString(f, content)
	w.Close()
	return c.ask("POST", "/v1/files", b.String(), "Content-Type", w.FormDataContentType())
}

// ids are those of a list.
func (c caller) ids(path string) (ids []string, more bool) {
	c.t.Helper()
	status, text, _ := c.ask("GET", path, "")
	var page struct {
		Data    []struct{ ID string }
		LastID  *string `json:"last_id"`
		HasMore bool    `json:"has_more"`
	}
	if err := json.Unmarshal([]byte(text), &page); err != nil || status != 200 {
		c.t.Fatalf("%s: %d %s", path, status, text)
	}
	for _, d := range page.Data {
		ids = append(ids, d.ID)
	}
	if len(ids) > 0 && *page.LastID != ids[len(ids)-1] {
		c.t.Errorf("the last id is %s of %v", *page.LastID, ids)
	}
	return ids, page.HasMore
}

// TestFilesAreTheirOwners: what one key sends, another one does not see, nor what else the account has.
func TestFilesAreTheirOwners(t *testing.T) {
	up := startVault(t)
	gw := start(t, filing(up.URL, headersAndRate))
	one, two := gw.caller(), gw.caller()
	foreign := up.keep(map[string]any{"object": "file", "purpose": "user_data"}, []byte("nobody's business"))["id"].(string)
	var mine []string
	for i := range 7 {
		status, text, id := one.send("user_data", fmt.Sprintf("content %d\x00\xff", i))
		if status != 200 || id == "" || up.sent(id) != fmt.Sprintf("content %d\x00\xff", i) {
			t.Fatalf("%d %s", status, text)
		}
		mine = append(mine, id)
		if i%2 == 0 {
			up.mu.Lock()
			up.keep(map[string]any{"object": "file", "purpose": "user_data"}, nil) // of others
			up.mu.Unlock()
		}
	}
	if got := up.header.Get("Authorization"); got == "" || strings.Contains(got, one.key) {
		t.Error("the vendor saw the client's key")
	}
	_, _, theirs := two.send("user_data", "x")
	for _, id := range []string{foreign, theirs, "file-none", "..", "a%2fb"} {
		for _, c := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"GET", "/content"}} {
			if status, text, _ := one.ask(c[0], "/v1/files/"+id+c[1], ""); status != 404 && status != 400 || strings.Contains(text, "business") {
				t.Errorf("%s %s%s: %d %s", c[0], id, c[1], status, text)
			}
		}
	}
	if up.sent(theirs) != "x" {
		t.Error("somebody else's file is gone")
	}
	slices.Reverse(mine) // the newest first
	if ids, more := one.ids("/v1/files"); fmt.Sprint(ids) != fmt.Sprint(mine) || more {
		t.Errorf("%v, %t, want %v", ids, more, mine)
	}
	first, more := one.ids("/v1/files?limit=4")
	rest, no := one.ids("/v1/files?limit=4&after=" + first[3])
	if !more || no || fmt.Sprint(append(first, rest...)) != fmt.Sprint(mine) {
		t.Errorf("%v and %v", first, rest)
	}
	if status, _, _ := one.ask("GET", "/v1/files?after="+theirs, ""); status != 404 {
		t.Errorf("behind somebody else's: %d", status)
	}
	if status, text, _ := one.ask("GET", "/v1/files/"+mine[3]+"/content", ""); status != 200 || text != "content 3\x00\xff" {
		t.Errorf("%d %q", status, text)
	}
	if status, text, id := one.ask("GET", "/v1/files/"+mine[3], ""); status != 200 || id != mine[3] {
		t.Errorf("%d %s", status, text)
	}
	up.mu.Lock()
	up.objects[mine[3]]["error"] = map[string]any{"code": "invalidPayload", "message": "no line is a call"} // as Azure's has
	up.mu.Unlock()
	if status, text, id := one.ask("GET", "/v1/files/"+mine[3], ""); status != 200 || id != mine[3] || !strings.Contains(text, "invalidPayload") {
		t.Errorf("one that failed: %d %s", status, text)
	}
	if status, text, _ := one.ask("DELETE", "/v1/files/"+mine[3], ""); status != 200 || !strings.Contains(text, "true") {
		t.Errorf("%d %s", status, text)
	}
	if status, _, _ := one.ask("GET", "/v1/files/"+mine[3], ""); status != 404 {
		t.Errorf("a file that is gone: %d", status)
	}
}

// TestFilesBehindMany: a tenant lists all its own, however many of others' the vendor lists before them, and without what
// the vendor has no more.
func TestFilesBehindMany(t *testing.T) {
	up := startVault(t)
	gw := start(t, filing(up.URL, headersAndRate))
	c := gw.caller()
	var mine []string
	for i := range 9 {
		purpose := "user_data"
		if i == 4 {
			purpose = "vision"
		}
		_, _, id := c.send(purpose, fmt.Sprint(i))
		mine = append(mine, id)
	}
	up.mu.Lock()
	for range 200 { // more than fifty of its pages
		up.keep(map[string]any{"object": "file", "purpose": "user_data"}, nil)
	}
	delete(up.objects, mine[2])
	up.mu.Unlock()
	_, _, last := c.send("user_data", "the last")
	mine = append(mine, last)
	seen := slices.DeleteFunc(slices.Clone(mine), func(id string) bool { return id == mine[2] })
	slices.Reverse(seen)
	asked := func() (int, int) {
		up.mu.Lock()
		defer up.mu.Unlock()
		return up.lists, up.singles
	}
	lists, singles := asked()
	if ids, more := c.ids("/v1/files"); fmt.Sprint(ids) != fmt.Sprint(seen) || more {
		t.Errorf("%v, %t, want %v", ids, more, seen)
	}
	if l, s := asked(); l-lists > len(mine) || s-singles > len(mine) {
		t.Errorf("the vendor was asked for %d lists and %d files", l-lists, s-singles)
	}
	var all []string
	for after := ""; ; after = "&after=" + all[len(all)-1] {
		ids, more := c.ids("/v1/files?limit=2" + after)
		if all = append(all, ids...); !more {
			break
		}
	}
	if fmt.Sprint(all) != fmt.Sprint(seen) {
		t.Errorf("page by page: %v, want %v", all, seen)
	}
	if ids, _ := c.ids("/v1/files?purpose=vision"); fmt.Sprint(ids) != fmt.Sprint(mine[4:5]) {
		t.Errorf("of a purpose: %v", ids)
	}
	slices.Reverse(seen)
	if ids, _ := c.ids("/v1/files?order=asc&limit=3"); fmt.Sprint(ids) != fmt.Sprint(seen[:3]) {
		t.Errorf("the oldest first: %v", ids)
	}
	if status, text, _ := c.ask("GET", "/v1/files/"+mine[2], ""); status != 404 || !strings.Contains(text, "No such object") {
		t.Errorf("the vendor's own word, since it is not forgotten at once: %d %s", status, text)
	}
	if ids, more := gw.caller().ids("/v1/files"); len(ids) != 0 || more {
		t.Errorf("another's: %v", ids)
	}
}

const batchLine = `{"custom_id": "%d", "method": "POST", "url": "/v1/chat/completions", "body": {"model": %q, "messages": [{"role": "user", "content": %q}]}}` + "\n"

// TestBatches: a batch's calls are held to what a call is held to, and what it used is counted once.
func TestBatches(t *testing.T) {
	up := startVault(t)
	gw := start(t, filing(up.URL, strings.Replace(fullPipeline, `unseen = "allow"`, `unseen = "deny"`, 1)))
	plain := start(t, filing(up.URL, headersAndRate))
	c := gw.caller()
	secret := madeUpToken()
	content := fmt.Sprintf(batchLine, 1, "big", "my token is "+secret) + "\n" + fmt.Sprintf(batchLine, 2, "small", "hello") +
		`{"custom_id":"3","method":"POST","url":"/v1/embeddings","body":{"input":["x"],"model":"big"}}`
	status, text, id := c.send("batch", content)
	if status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	sent := up.sent(id)
	want := strings.ReplaceAll(strings.ReplaceAll(content, `"model": "big"`, `"model": "vendors-big"`), `"model":"big"`, `"model":"vendors-big"`)
	if strings.Contains(sent, secret) || len(strings.Split(sent, "\n")) != 4 || !strings.Contains(sent, strings.Split(want, "\n")[2]) || !strings.HasSuffix(sent, strings.Split(want, "\n")[3]) || !strings.Contains(sent, `"vendors-big", "messages"`) {
		t.Errorf("the vendor has\n%s", sent)
	}
	for _, separator := range []string{"\u2028", "\u2029", "\u0085"} { // for some they end lines
		_, text, id := c.send("batch", fmt.Sprintf(batchLine, 1, "big", "x"+separator+`{\"y\":1}`))
		if sent := up.sent(id); strings.Contains(sent, separator) || !strings.Contains(sent, `x\u20`) && !strings.Contains(sent, `x\u0085`) {
			t.Errorf("%q: %s: the vendor has %s", separator, text, sent)
		}
	}
	for name, bad := range map[string]struct{ content, says string }{
		"a model that is none":     {fmt.Sprintf(batchLine, 1, "big", "x") + fmt.Sprintf(batchLine, 2, "none", "x"), "line 2: the model `none`"},
		"a model of another place": {fmt.Sprintf(batchLine, 1, "elsewhere", "x"), "line 1: the model `elsewhere` is not at the provider"},
		"the vendor's own name":    {fmt.Sprintf(batchLine, 1, "vendors-big", "x"), "`vendors-big`"},
		"no JSON":                  {"hello\n", "line 1"},
		"another method":           {strings.Replace(fmt.Sprintf(batchLine, 1, "big", "x"), "POST", "GET", 1), "method POST"},
		"another address":          {strings.Replace(fmt.Sprintf(batchLine, 1, "big", "x"), "/v1/chat/completions", "/v1/files", 1), "`/v1/files`"},
		"two bodies":               {strings.Replace(fmt.Sprintf(batchLine, 1, "big", "x"), `"body"`, `"body":{},"body"`, 1), "line 1"},
		"a body that is none":      {`{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":"x"}`, "line 1"},
		"a line end for others":    {strings.Replace(fmt.Sprintf(batchLine, 1, "big", "x"), `"body"`, "\"x\":\r"+strings.TrimSpace(fmt.Sprintf(batchLine, 2, "none", "x"))+"\r,\"body\"", 1), "line 1: a line end"},
		"a control character":      {fmt.Sprintf(batchLine, 1, "big", "x\x0by"), "line 1"},
		"two models":               {strings.Replace(fmt.Sprintf(batchLine, 1, "big", "x"), `"model"`, `"model":"small","model"`, 1), "line 1"},
	} {
		if status, text, _ := c.send("batch", bad.content); status != 400 || !strings.Contains(text, bad.says) {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	if status, text, _ := c.send("user_data", "a secret nobody sees"); status != 403 || !strings.Contains(text, "file") {
		t.Errorf("a file that no filter sees: %d %s", status, text)
	}

	// the batch itself, at a route whose filters look at no texts
	owner, narrow, other := plain.caller(), plain.caller("m1"), plain.caller()
	_, _, input := owner.send("batch", fmt.Sprintf(batchLine, 1, "big", "x"))
	_, _, notes := owner.send("user_data", "x")
	create := func(c caller, file string) (int, string, string) {
		return c.ask("POST", "/v1/batches", fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/chat/completions","completion_window":"24h"}`, file))
	}
	for name, bad := range map[string]struct {
		c      caller
		file   string
		status int
	}{
		"somebody else's file": {other, input, 404}, "no file": {owner, "file-none", 404}, "a file of another purpose": {owner, notes, 400}, "a file that is missing": {owner, "", 400},
	} {
		if status, text, _ := create(bad.c, bad.file); status != bad.status {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	if status, text, _ := owner.ask("POST", "/v1/batches", fmt.Sprintf(`{"input_file_id":%q,"INPUT_FILE_ID":"file-1"}`, input)); status != 400 {
		t.Errorf("two files: %d %s", status, text)
	}
	if status, text, _ := narrow.send("batch", fmt.Sprintf(batchLine, 1, "big", "x")); status != 400 || !strings.Contains(text, "`big`") {
		t.Errorf("a model that the key may not use: %d %s", status, text)
	}
	status, text, batch := create(owner, input)
	if status != 200 || batch == "" {
		t.Fatalf("%d %s", status, text)
	}
	if status, _, _ := other.ask("GET", "/v1/batches/"+batch, ""); status != 404 {
		t.Errorf("somebody else's batch: %d", status)
	}
	if status, _, _ := other.ask("POST", "/v1/batches/"+batch+"/cancel", ""); status != 404 {
		t.Errorf("somebody else's batch: %d", status)
	}
	var output string
	for range 3 {
		status, text, _ := owner.ask("GET", "/v1/batches/"+batch, "")
		var b struct {
			Output string `json:"output_file_id"`
		}
		if json.Unmarshal([]byte(text), &b); status != 200 || b.Output == "" {
			t.Fatalf("%d %s", status, text)
		}
		output = b.Output
	}
	if status, text, _ := owner.ask("GET", "/v1/files/"+output+"/content", ""); status != 200 || text != "the answers\n" {
		t.Errorf("%d %q", status, text)
	}
	if status, _, _ := other.ask("GET", "/v1/files/"+output+"/content", ""); status != 404 {
		t.Errorf("somebody else's answers: %d", status)
	}
	if status, _, _ := owner.ask("POST", "/v1/batches/"+batch+"/cancel", ""); status != 200 {
		t.Errorf("cancel: %d", status)
	}
	if ids, _ := owner.ids("/v1/batches"); len(ids) != 1 || ids[0] != batch {
		t.Errorf("%v", ids)
	}
	if ids, _ := other.ids("/v1/batches"); len(ids) != 0 {
		t.Errorf("%v", ids)
	}
	plain.wait("the tokens", func() bool {
		n := int64(0)
		for _, e := range plain.events() {
			if e.TokensIn != nil {
				n += *e.TokensIn
			}
		}
		return n == 11
	})

	up.mu.Lock()
	up.cut = true
	up.mu.Unlock()
	resp, err := http.DefaultClient.Do(owner.requestTo(context.Background(), "GET", "/v1/files/"+output+"/content", "", "Authorization", "Bearer "+owner.key))
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("a content that broke off ended in good order")
	}
}

// TestBatchesCountAgainstLimits: the calls of a batch are requests of its team, or have a limit of their own, and what a
// batch used is counted by the filters once.
func TestBatchesCountAgainstLimits(t *testing.T) {
	up := startVault(t)
	gw := start(t, filing(up.URL, strings.Replace(headersAndRate, `rate "default" { limit = "1000000/1m" }`, "rate \"default\" { limit = \"30/1h\" }\n  config { cost = \"tokens\" }", 1))+`
team "one" { limit = { requests = "10/1h" } }
team "two" { limit = { requests = "10/1h", batch_calls = "20/1h" } }
`)
	of := func(team string) caller {
		key, err := gw.CreateKey(daemon.NewKey{Name: "a", Team: team})
		if err != nil {
			t.Fatal(err)
		}
		return caller{gw, key.Text}
	}
	lines := func(n int) string { return strings.Repeat(fmt.Sprintf(batchLine, 1, "big", "x")+"\n", n) }
	create := func(c caller, file string) (int, string, string) {
		t.Helper()
		return c.ask("POST", "/v1/batches", fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/chat/completions","completion_window":"24h"}`, file))
	}
	one := of("one")
	if status, text, _ := one.send("batch", lines(11)); status != 400 || !strings.Contains(text, "11 calls, and the team's limit is never more than 10") {
		t.Errorf("more than there can be: %d %s", status, text)
	}
	_, _, file := one.send("batch", lines(3)) // two requests by now
	up.mu.Lock()
	up.full = true
	up.mu.Unlock()
	if status, text, _ := create(one, file); status != 404 {
		t.Errorf("%d %s", status, text)
	}
	up.mu.Lock()
	up.full = false
	up.mu.Unlock()
	if status, text, _ := create(one, file); status != 200 { // the one that was not made gave its calls back
		t.Errorf("%d %s", status, text)
	}
	if status, text, _ := create(one, file); status != 429 || !strings.Contains(text, "the batch has 3 calls, and 2 are left") { // one is this request
		t.Errorf("%d %s", status, text)
	}
	two := of("two")
	_, _, file = two.send("batch", lines(15))
	if status, text, _ := create(two, file); status != 200 {
		t.Errorf("with a limit of their own: %d %s", status, text)
	}
	if status, text, _ := create(two, file); status != 429 || !strings.Contains(text, "15 calls, and 5 are left") {
		t.Errorf("%d %s", status, text)
	}
	if status, text, _ := two.ask("GET", "/v1/files/"+file, ""); status != 200 {
		t.Errorf("requests are left: %d %s", status, text)
	}
	free := gw.caller()
	_, _, file = free.send("batch", lines(40))
	_, _, batch := create(free, file)
	for range 5 { // its 18 tokens of 30 are counted once
		if status, text, _ := free.ask("GET", "/v1/batches/"+batch, ""); status != 200 {
			t.Errorf("%d %s", status, text)
		}
	}
	_, _, batch = create(free, file)
	up.mu.Lock()
	up.answer(up.objects[batch])
	up.mu.Unlock()
	free.ids("/v1/batches") // nobody has looked at the second one by itself
	gw.wait("the tokens of both", func() bool {
		n := int64(0)
		for _, e := range gw.events() {
			if e.TokensIn != nil {
				n += *e.TokensIn
			}
		}
		return n == 22
	})
}

// TestFilesAreRefused where the route keeps none, and content where a filter could not see it.
func TestFilesAreRefused(t *testing.T) {
	up := startVault(t)
	none := start(t, relay(up.URL, emptyPipeline, "big"))
	if resp, body := none.do(none.requestTo(context.Background(), "GET", "/v1/files", "")); resp.StatusCode != 404 || !strings.Contains(body, "names no provider") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	filtered := start(t, filing(up.URL, fullPipeline)) // unseen = "allow"
	c := filtered.caller()
	_, _, id := c.send("user_data", "x")
	if status, text, _ := c.ask("GET", "/v1/files/"+id+"/content", ""); status != 403 || !strings.Contains(text, "looks at what models say") {
		t.Errorf("%d %s", status, text)
	}
	_, _, input := c.send("batch", fmt.Sprintf(batchLine, 1, "big", "x"))
	_, _, batch := c.ask("POST", "/v1/batches", fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/chat/completions","completion_window":"24h"}`, input))
	var b struct {
		Output string `json:"output_file_id"`
		Errors string `json:"error_file_id"`
	}
	_, text, _ := c.ask("GET", "/v1/batches/"+batch, "")
	json.Unmarshal([]byte(text), &b)
	for _, id := range []string{b.Output, b.Errors, input} {
		for _, query := range []string{"", "?x=y"} {
			if status, text, _ := c.ask("GET", "/v1/files/"+id+"/content"+query, ""); status != 403 || !strings.Contains(text, "looks at what models say") {
				t.Errorf("%q: %d %s", id, status, text)
			}
		}
		if status, text, got := c.ask("GET", "/v1/files/"+id, ""); status != 200 || got != id {
			t.Errorf("what it is: %d %s", status, text)
		}
		for _, path := range []string{"/v1/files/" + id + "/Content", "/v1/files/" + id + "/content/", "/v1/batches/" + id + "/content", "/v1/files/" + id + "%2Fcontent"} {
			if status, text, _ := c.ask("GET", path, ""); status != 404 && status != 400 || strings.Contains(text, "the answers") {
				t.Errorf("%s: %d %s", path, status, text)
			}
		}
	}
	for _, body := range []string{"", "{}", "--X\r\n"} {
		if status, text, _ := c.ask("POST", "/v1/files", body, "Content-Type", "multipart/form-data; boundary=X"); status != 400 {
			t.Errorf("%q: %d %s", body, status, text)
		}
	}
	// what a vendor refuses is its answer
	up.mu.Lock()
	delete(up.objects, id)
	up.mu.Unlock()
	if status, text, _ := c.ask("GET", "/v1/files/"+id, ""); status != 404 || !strings.Contains(text, "No such object") {
		t.Errorf("%d %s", status, text)
	}
	// an SDK of another vendor has files of its own
	if status, _, _ := c.ask("GET", "/v1/files", "", "anthropic-version", "2023-06-01"); status != 404 {
		t.Errorf("another vendor's files: %d", status)
	}
}

// headersAndRate is a pipeline whose filters look at no text.
const headersAndRate = `
filter "headers" {
  wasm   = "builtin:headers"
  limits = { time = "20s" }
}
filter "ratelimit" {
  wasm   = "builtin:ratelimit"
  limits = { time = "20s" }
  rate "default" { limit = "1000000/1m" }
}
pipeline "p" { filters = [filter.headers, filter.ratelimit] }
`
