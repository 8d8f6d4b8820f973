package main

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// shed is a vendor that has containers with files in them.
type shed struct {
	*httptest.Server

	mu    sync.Mutex // protects what follows
	count int
	asked []string
	sent  []string // bodies
	names map[string]string
}

func startShed(t *testing.T) *shed {
	t.Helper()
	s := &shed{names: make(map[string]string)}
	mux := http.NewServeMux()
	handle := func(pattern, answer string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			body, _ := io.ReadAll(r.Body)
			s.asked, s.sent = append(s.asked, r.Method+" "+r.URL.RequestURI()), append(s.sent, string(body))
			id := r.PathValue("id")
			if id == "" {
				s.count++
				id = fmt.Sprint("cntr_", s.count)
				_, name, _ := strings.Cut(string(body), `"name":"`)
				s.names[id], _, _ = strings.Cut(name, `"`)
			}
			if w.Header().Set("Content-Type", "application/json"); strings.HasSuffix(pattern, "content") {
				w.Header().Set("Content-Type", "application/octet-stream")
			}
			io.WriteString(w, strings.NewReplacer("%ID", id, "%NAME", s.names[id], "%FILE", r.PathValue("file")).Replace(answer))
		})
	}
	const container = `{"id":"%ID","object":"container","name":"%NAME","status":"running","created_at":1}`
	const file = `{"id":"%FILE","object":"container.file","container_id":"%ID","path":"/mnt/data/a","bytes":1,"created_at":1,"source":"user"}`
	handle("POST /v1/responses", `{"id":"resp_%ID","object":"response","status":"completed","output":[{"type":"code_interpreter_call","id":"ci_1","container_id":"%ID","code":"1"}]}`)
	handle("POST /v1/containers", container)
	handle("GET /v1/containers/{id}", container)
	handle("DELETE /v1/containers/{id}", `{"id":"%ID","object":"container.deleted","deleted":true}`)
	handle("POST /v1/containers/{id}/files", file)
	handle("GET /v1/containers/{id}/files", `{"object":"list","data":[`+file+`],"has_more":false}`)
	handle("GET /v1/containers/{id}/files/{file}", file)
	handle("DELETE /v1/containers/{id}/files/{file}", `{"id":"%FILE","object":"container.file.deleted","deleted":true}`)
	handle("GET /v1/containers/{id}/files/{file}/content", "what is in %FILE")
	mux.HandleFunc("GET /v1/containers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"object":"list","data":[{"id":"cntr_theirs","object":"container","name":"x"}],"has_more":false}`)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// TestContainers: those that were made and those in which an answer's code ran are their owners', with the files in them.
func TestContainers(t *testing.T) {
	up := startShed(t)
	hcl := strings.Replace(relay(up.URL, headersAndRate, "big"), `auth     = "none"`, "auth     = \"key\"\n  files    = provider.up", 1)
	gw := start(t, hcl)
	one, two := gw.caller(), gw.caller()
	status, text, made := one.ask("POST", "/v1/containers", `{"name":"mine","memory_limit":"1g"}`)
	if status != 200 || made != "cntr_1" || up.sent[0] != `{"name":"mine","memory_limit":"1g"}` {
		t.Fatalf("%d %s", status, text)
	}
	one.ask("POST", "/v1/containers", `{"name":"another"}`)
	if status, text, _ := one.ask("POST", "/v1/responses", `{"model":"big","input":"x"}`); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	form, kind := formOf(t, "file", "the content")
	paths := []struct{ method, rest, body, kind, want string }{
		{"GET", "", "", "", ""}, {"GET", "/files?limit=2&after=x&other=y", "", "", "/files?after=x&limit=2"}, {"POST", "/files", form, kind, ""}, {"GET", "/files/cfile_1", "", "", ""},
		{"GET", "/files/cfile_1/content", "", "", ""}, {"DELETE", "/files/cfile_1", "", "", ""}, {"DELETE", "", "", "", ""},
	}
	for _, id := range []string{made, "cntr_3"} { // in which code ran
		before := len(up.asked)
		var want []string
		for _, p := range paths {
			at := "/v1/containers/" + id
			if status, text, _ := two.ask(p.method, at+p.rest, p.body, "Content-Type", p.kind); status != 404 || !strings.Contains(text, "not yours") {
				t.Errorf("another's: %s %s: %d %s", p.method, p.rest, status, text)
			}
			if status, text, _ := one.ask(p.method, at+p.rest, p.body, "Content-Type", p.kind); status != 200 || strings.HasSuffix(p.rest, "content") && text != "what is in cfile_1" {
				t.Errorf("its own: %s %s: %d %s", p.method, p.rest, status, text)
			}
			if p.want == "" {
				p.want = p.rest
			}
			want = append(want, p.method+" "+at+p.want)
		}
		if got := up.asked[before:]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the vendor was asked\n%q, want\n%q", got, want)
		}
		if status, _, _ := one.ask("GET", "/v1/containers/"+id, ""); status != 404 {
			t.Errorf("one that is deleted: %d", status)
		}
		if id == made {
			continue
		}
		for path, want := range map[string]string{"": "[cntr_2]", "?name=another": "[cntr_2]", "?name=mine": "[]"} {
			if ids, _ := one.ids("/v1/containers" + path); fmt.Sprint(ids) != want {
				t.Errorf("%q lists %v", path, ids)
			}
		}
	}
	if ids, _ := two.ids("/v1/containers"); len(ids) != 0 {
		t.Errorf("another's list: %v", ids)
	}
	before := len(up.asked)
	for _, c := range [][2]string{{"", `{"name":"x","file_ids":["file-1"]}`}, {"", `{"name":"x","skills":[{"type":"skill_reference","skill_id":"skill_1"}]}`}, {"/cntr_2/files", `{"file_id":"file-1"}`}} {
		if status, text, _ := one.ask("POST", "/v1/containers"+c[0], c[1]); status != 404 || !strings.Contains(text, "not yours") || len(up.asked) != before {
			t.Errorf("%s: %d %s", c[1], status, text)
		}
	}
	for _, path := range []string{"/v1/containers/cntr_2/other", "/v1/containers/cntr_2/files/a/other", "/v1/vector_stores/vs_1/files"} { // which are no files of the caller's
		if status, text, _ := one.ask("GET", path, ""); status != 404 || !strings.Contains(text, "unknown path") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}

// TestFiltersSeeContainers: a file that goes into one is out of their sight, and so is one that comes from there.
func TestFiltersSeeContainers(t *testing.T) {
	up := startShed(t)
	gw := start(t, strings.Replace(relay(up.URL, sanitizing(`secrets = "redact"`), "big"), `auth     = "none"`, "auth     = \"key\"\n  files    = provider.up", 1))
	c := gw.caller()
	_, _, id := c.ask("POST", "/v1/containers", `{"name":"mine"}`)
	form, kind := formOf(t, "file", "the content")
	if status, text, _ := c.ask("POST", "/v1/containers/"+id+"/files", form, "Content-Type", kind); status != 403 || !strings.Contains(text, "file") {
		t.Errorf("%d %s", status, text)
	}
	if status, text, _ := c.ask("GET", "/v1/containers/"+id+"/files/cfile_1/content", ""); status != 403 || !strings.Contains(text, "looks at what models say") {
		t.Errorf("%d %s", status, text)
	}
	if status, text, _ := c.ask("GET", "/v1/containers/"+id+"/files", ""); status != 200 {
		t.Errorf("%d %s", status, text)
	}
}

// formOf returns form data with one file, and its content type.
func formOf(t *testing.T, name, content string) (form, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	f, err := w.CreateFormFile(name, "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, content)
	w.Close()
	return b.String(), w.FormDataContentType()
}
