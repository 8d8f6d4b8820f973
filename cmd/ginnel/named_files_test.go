package main

import (
	"fmt"
	"strings"
	"testing"
)

const withFile = `{"model": %q, "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": %q}}]}]}`

// TestFilesInCalls: a call names the files that its own key has sent, and no others.
func TestFilesInCalls(t *testing.T) {
	up := startVault(t)
	hcl := filing(up.URL, headersAndRate)
	gw := start(t, hcl)
	one, two := gw.caller(), gw.caller()
	_, _, mine := one.send("user_data", "x")
	_, _, theirs := two.send("user_data", "y")
	foreign := up.keep(map[string]any{"object": "file", "purpose": "user_data"}, nil)["id"].(string)
	named := func(c caller, model, id string) (int, string) {
		status, text, _ := c.ask("POST", "/v1/chat/completions", fmt.Sprintf(withFile, model, id))
		return status, text
	}
	if status, text := named(one, "big", mine); status != 200 || len(up.called) != 1 || !strings.Contains(up.called[0], mine) {
		t.Fatalf("its own: %d %s", status, text)
	}
	for what, c := range map[string][2]string{"another key's": {"big", theirs}, "nobody's": {"big", foreign}, "none": {"big", ""}, "at a provider that does not have it": {"elsewhere", mine}} {
		if status, text := named(one, c[0], c[1]); status != 404 || !strings.Contains(text, "not yours") || strings.Contains(text, "model_not_found") {
			t.Errorf("%s: %d %s", what, status, text)
		}
	}
	line := func(id string) string {
		return `{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":` + fmt.Sprintf(withFile, "big", id) + "}\n"
	}
	if status, text, _ := one.send("batch", line(mine)); status != 200 {
		t.Errorf("its own in a batch: %d %s", status, text)
	}
	if status, text, _ := one.send("batch", line(mine)+line(theirs)); status != 400 || !strings.Contains(text, "line 2: there is no `"+theirs+"`") {
		t.Errorf("another key's in a batch: %d %s", status, text)
	}
	for _, names := range []string{`"previous_response_id":"resp_1"`, `"input":[{"type":"reasoning","id":"rs_1","summary":[]}]`} {
		line := `{"custom_id":"1","method":"POST","url":"/v1/responses","body":{"model":"big",` + names + "}}\n"
		if status, text, _ := one.send("batch", line); status != 400 || !strings.Contains(text, "line 1: there is no `r") {
			t.Errorf("an answer in a batch: %d %s", status, text)
		}
	}
	if one.ask("DELETE", "/v1/files/"+mine, ""); len(up.called) != 1 {
		t.Errorf("the vendor was called with %q", up.called)
	}
	if status, _ := named(one, "big", mine); status != 404 {
		t.Errorf("one that is deleted: %d", status)
	}

	open := start(t, strings.Replace(hcl, `auth     = "key"`, `auth     = "none"`, 1))
	if status, text := named(caller{running: open}, "big", foreign); status != 200 {
		t.Errorf("where nobody is told from another: %d %s", status, text)
	}
	shared := start(t, strings.Replace(hcl, "provider \"up\" {", "provider \"up\" {\n  shared_files = true", 1))
	c := shared.caller()
	if status, text := named(c, "big", foreign); status != 200 {
		t.Errorf("shared: %d %s", status, text)
	}
	if status, _ := named(c, "elsewhere", foreign); status != 404 {
		t.Errorf("at a provider that shares nothing: %d", status)
	}
	if status, text, _ := c.send("batch", line(foreign)); status != 200 {
		t.Errorf("shared, in a batch: %d %s", status, text)
	}
}

// TestFilesChooseTargets: a call that names files goes to the targets whose provider has them, and a failure there
// is no reason to go elsewhere.
func TestFilesChooseTargets(t *testing.T) {
	up, other := startVault(t), startVault(t)
	hcl := strings.Replace(filing(up.URL, headersAndRate), fmt.Sprintf("plugin = \"openai\"\n  base_url = %q", up.URL+"/v1"), fmt.Sprintf("plugin = \"openai\"\n  base_url = %q", other.URL+"/v1"), 1)
	hcl = strings.Replace(hcl, `  retry = { attempts = 1 }`, "  retry = { attempts = 3 }\n  fallback = [model.m2]\n  target \"there\" {\n    provider = provider.other\n    model = \"x\"\n  }", 1)
	gw := start(t, hcl)
	c := gw.caller()
	_, _, mine := c.send("user_data", "x")
	for range 20 {
		if status, text, _ := c.ask("POST", "/v1/chat/completions", fmt.Sprintf(withFile, "big", mine)); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
	}
	up.Close()
	if status, text, _ := c.ask("POST", "/v1/chat/completions", fmt.Sprintf(withFile, "big", mine)); status < 500 {
		t.Errorf("where nobody has it: %d %s", status, text)
	}
	if len(other.called) > 0 || len(up.called) != 20 {
		t.Errorf("calls: %d, and elsewhere %d", len(up.called), len(other.called))
	}
	if status, text, _ := c.ask("POST", "/v1/chat/completions", ask("big", "x", false)); status != 200 || len(other.called) != 1 {
		t.Errorf("without files: %d %s", status, text)
	}
}

// TestFilesNamedInOtherWays: whichever way a call has to name what the vendor keeps, it does not come to the vendor.
func TestFilesNamedInOtherWays(t *testing.T) {
	up := startVault(t)
	hcl := filing(up.URL, headersAndRate)
	gw := start(t, hcl)
	one, two := gw.caller(), gw.caller()
	_, _, mine := one.send("user_data", "x")
	_, _, lines := one.send("batch", `{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":`+ask("big", "x", false)+"}\n")
	_, _, theirs := two.send("user_data", "y")
	chat := func(part string) string {
		return `{"model":"big","messages":[{"role":"user","content":[` + part + `]}]}`
	}
	for _, c := range []struct{ path, body string }{
		{"chat/completions", chat(`{"type":"file","file":{"file_id":"` + mine + `"}},{"type":"file","file":{"file_id":"` + theirs + `"}}`)},
		{"chat/completions", chat(`{"type":"file","file":{"file_id":"` + strings.Replace(theirs, "-", `\u002d`, 1) + `"}}`)},
		{"chat/completions", chat(`{"type":"file","file":{"file_id":"` + mine + `","File_ID":"` + theirs + `"}}`)},
		{"chat/completions", chat(`{"type":"file","file":{"file_id":"` + mine + `","file_id":"` + theirs + `"}}`)},
		{"chat/completions", chat(`{"type":"file","file":{"file_id":["` + theirs + `"]}}`)},
		{"chat/completions", chat(`{"type":"file","file":{"file_id":{"id":"` + theirs + `"}}}`)},
		{"chat/completions", chat(`{"type":"file","file":"` + theirs + `"}`)},
		{"chat/completions", chat(`{"type":"file","file_id":"` + theirs + `"}`)},
		{"chat/completions", chat(`{"type":"file","file":{"file_id":" ` + mine + `"}}`)},
		{"chat/completions", `{"model":"big","messages":[],"data_sources":[{"type":"azure_search"}]}`},
		{"chat/completions", `{"model":"big","messages":[],"extra_body":{"google":{"cached_content":"cachedContents/1"}}}`},
		{"responses", `{"model":"big","input":[{"role":"user","content":[{"type":"input_file","file_id":"` + theirs + `"}]}]}`},
		{"responses", `{"model":"big","input":"x","tools":[{"type":"file_search","vector_store_ids":"` + mine + `","vector_store_ids":["v"]}]}`},
		{"images/edits", `{"model":"big","prompt":"x","images":[{"file_id":"` + theirs + `"}]}`},
		{"images/edits", `{"model":"big","prompt":"x","image":{"file_id":"` + theirs + `"}}`},
		{"images/generations", `{"model":"big","prompt":"x","mask":{"file_id":"` + theirs + `"}}`},
		{"moderations", `{"model":"big","input":[{"type":"image_url","image_url":{"url":"gs://b/a"}}]}`},
		{"audio/transcriptions", `{"model":"big","file_id":"` + theirs + `"}`},
		{"batches", `{"input_file_id":"` + theirs + `","INPUT_FILE_ID":"` + lines + `","endpoint":"/v1/chat/completions","completion_window":"24h"}`},
		{"batches", `{"input_file_id":"` + lines + `","input_blob":null,"output_folder":{"url":"https://a.example.org/b"},"endpoint":"/v1/chat/completions","completion_window":"24h"}`},
		{"batches", `{"input_file_id":"` + lines + `","input_blob":"https://a.example.org/b","endpoint":"/v1/chat/completions","completion_window":"24h"}`},
		{"batches", `{"input_file_id":"` + theirs + `","input_file_id":"` + lines + `","endpoint":"/v1/chat/completions","completion_window":"24h"}`},
	} {
		if status, text, _ := one.ask("POST", "/v1/"+c.path, c.body); (status != 404 || !strings.Contains(text, "not yours")) && (status != 400 || !strings.Contains(text, "the key")) {
			t.Errorf("%s: %d %s", c.body, status, text)
		}
	}
	form := "--X\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nbig\r\n--X\r\nContent-Disposition: form-data; name=\"file_id\"\r\n\r\n" + theirs + "\r\n--X--\r\n"
	if status, text, _ := one.ask("POST", "/v1/audio/transcriptions", form, "Content-Type", "multipart/form-data; boundary=X"); status != 404 || !strings.Contains(text, "not yours") {
		t.Errorf("form data: %d %s", status, text)
	}
	if len(up.called) > 0 {
		t.Errorf("the vendor was called with %q", up.called)
	}
	for _, want := range []int{200, 404} { // what is shared can be so no longer
		text := hcl
		if want == 200 {
			text = strings.Replace(hcl, "provider \"up\" {", "provider \"up\" {\n  shared_files = true", 1)
		}
		gw.write(text)
		if r := gw.Reload(t.Context(), "test"); !r.Changed {
			t.Fatal(r.Error)
		}
		if status, text, _ := one.ask("POST", "/v1/chat/completions", fmt.Sprintf(withFile, "big", theirs)); status != want {
			t.Errorf("after the change: %d %s, want %d", status, text, want)
		}
	}
}
