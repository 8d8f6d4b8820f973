package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// modelVendor notes the model that a vendor reads in form data.
type modelVendor struct {
	*httptest.Server
	mu    sync.Mutex
	model []string
	kind  []string
	enc   []string
}

func startModelVendor(t *testing.T) *modelVendor {
	v := new(modelVendor)
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.kind, v.enc = append(v.kind, r.Header.Get("Content-Type")), append(v.enc, r.Header.Get("Content-Encoding"))
		r.ParseMultipartForm(1 << 20)
		v.model = append(v.model, r.FormValue("model"))
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"text":"x","id":"file-1"}`)
	}))
	t.Cleanup(v.Close)
	return v
}

// TestNoFieldGoesOnInAHole: what is short is in memory whole, so that nobody takes the beginning of a field for all of it.
func TestNoFieldGoesOnInAHole(t *testing.T) {
	up := startModelVendor(t)
	gw := start(t, relay(up.URL, emptyPipeline, "gpt-4o"))
	const tail = "-audio-preview-of-another-price"
	var b bytes.Buffer
	b.WriteString("--bnd\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n")
	b.Write(bytes.Repeat([]byte{'x'}, 1<<20+1000))
	b.WriteString("\r\n--bnd")
	head := "\r\nContent-Disposition: form-data; name=\"model\"\r\nX-Pad: %s\r\n\r\n"
	pad := 64<<10 - len(fmt.Sprintf(head, "")) - len("gpt-4o")
	b.WriteString(fmt.Sprintf(head, strings.Repeat("p", pad)) + "gpt-4o" + tail + "\r\n--bnd--\r\n")
	gw.do(gw.requestTo(context.Background(), "POST", "/v1/audio/transcriptions", b.String(), "Content-Type", "multipart/form-data; boundary=bnd"))
	for _, m := range up.model {
		if m != "gpt-4o" {
			t.Errorf("the vendor is asked for a model that the route does not have: %q", m)
		}
	}
}

// TestOneBoundary: for all readers, or none.
func TestOneBoundary(t *testing.T) {
	up := startModelVendor(t)
	gw := start(t, relay(up.URL, emptyPipeline, "gpt-4o"))
	for _, kind := range []string{
		`multipart/form-data; boundary=x; boundary*=utf-8''y`,
		`multipart/form-data; boundary*=utf-8''y; boundary=x`,
		`multipart/form-data; boundary*0=y; boundary=x`,
		`multipart/form-data; boundary="\y"`,
	} {
		body := "--y\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-4o\r\n--y\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n" +
			"--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nforbidden\r\n--x--\r\n" + "\r\n--y\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nxx\r\n--y--\r\n"
		up.kind = nil
		resp, _ := gw.do(gw.requestTo(context.Background(), "POST", "/v1/audio/transcriptions", body, "Content-Type", kind))
		if resp.StatusCode == 200 {
			t.Errorf("%s passed", kind)
		}
	}
}

// TestEncodedUploadsAreRefused: as other bodies are.
func TestEncodedUploadsAreRefused(t *testing.T) {
	up := startModelVendor(t)
	hcl := strings.Replace(relay(up.URL, emptyPipeline, "m"), "  models ", "  files = provider.up\n  models ", 1)
	gw := start(t, hcl)
	body, kind := upload(t, []byte("x"), "purpose", "user_data")
	resp, _ := gw.do(gw.requestTo(context.Background(), "POST", "/v1/files", body, "Content-Type", kind, "Content-Encoding", "deflate"))
	if resp.StatusCode == 200 {
		t.Errorf("the vendor is told content-encoding %q", up.enc)
	}
}

// TestEncodedPartsAreRefused: a line that is judged is the one that the vendor reads.
func TestEncodedPartsAreRefused(t *testing.T) {
	up := startVault(t)
	gw := start(t, filing(up.URL, headersAndRate))
	c := gw.caller("m0")
	line := `{"custom_id":"1","method":"POST","url":"/v1/chat/completions","x":"=22,=22body=22:{=22model=22:=22forbidden=22}}=0A","body":{"model":"m0","messages":[{"role":"user","content":"x"}]}}`
	line = strings.ReplaceAll(line, "m0", "big")
	body := "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + line + "\r\n--b--\r\n"
	_, _, id := c.ask("POST", "/v1/files", body, "Content-Type", "multipart/form-data; boundary=b")
	if strings.Contains(up.sent(id), `"model":"forbidden"`) {
		t.Error("the vendor reads a call of a model that was not judged")
	}
}

// TestOutputsOfAListedBatch: are its owner's.
func TestOutputsOfAListedBatch(t *testing.T) {
	up := startVault(t)
	gw := start(t, filing(up.URL, headersAndRate))
	c := gw.caller()
	_, _, file := c.send("batch", fmt.Sprintf(batchLine, 1, "big", "x"))
	_, _, batch := c.ask("POST", "/v1/batches", fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/chat/completions","completion_window":"24h"}`, file))
	up.mu.Lock()
	up.objects[batch]["status"] = "completed"
	up.objects[batch]["output_file_id"] = up.keep(map[string]any{"object": "file", "purpose": "batch_output"}, []byte("the answers\n"))["id"]
	out := up.objects[batch]["output_file_id"].(string)
	up.mu.Unlock()
	c.ask("GET", "/v1/batches", "")
	status, text, _ := c.ask("GET", "/v1/files/"+out+"/content", "")
	if status != 200 {
		t.Errorf("its output is %d %s", status, text)
	}
}

// TestURLsOfABatch: are plain paths: what is judged as a chat is one for the vendor.
func TestURLsOfABatch(t *testing.T) {
	up := startVault(t)
	gw := start(t, filing(up.URL, headersAndRate))
	c := gw.caller()
	for _, url := range []string{"/v1/responses?x=/chat/completions", "/v1/responses#/chat/completions", "/v1/images/generations/../../chat/completions", "http://other/v1/responses;/chat/completions", "/v1/audio/speech /chat/completions"} {
		status, _, id := c.send("batch", strings.Replace(fmt.Sprintf(batchLine, 1, "big", "x"), "/v1/chat/completions", url, 1))
		if status == 200 {
			t.Errorf("%s passes as a chat: %s", url, strings.TrimSpace(up.sent(id)))
		}
	}
}

// TestLongFilesToHTTP10: come whole or not at all: their end cannot be told from a cut.
func TestLongFilesToHTTP10(t *testing.T) {
	up := startVault(t)
	gw := start(t, filing(up.URL, headersAndRate))
	c := gw.caller()
	_, _, id := c.send("user_data", strings.Repeat("0123456789abcdef", 20<<16))
	get := func() (int, int) {
		r := raw10(t, gw, "/v1/files/"+id+"/content", c.key)
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return 0, len(b)
		}
		return r.StatusCode, len(b)
	}
	if status, n := get(); status == 200 && n != 20<<20 {
		t.Errorf("200 with %d bytes of %d", n, 20<<20)
	}
	_, _, id = c.send("user_data", "short")
	up.mu.Lock()
	up.cut = true
	up.mu.Unlock()
	if status, n := get(); status == 200 {
		t.Errorf("a file that broke off: 200 with %d bytes", n)
	}
}

// TestStrangersAreNotAskedForBodies: who has no key is refused before a body has come.
func TestStrangersAreNotAskedForBodies(t *testing.T) {
	gw := start(t, filing(startVault(t).URL, headersAndRate))
	for _, rest := range []string{"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n", "Content-Length: 30000000\r\n\r\n{"} {
		c, err := net.Dial("tcp", strings.TrimPrefix(gw.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer nobody\r\n%s", rest)
		br := bufio.NewReader(c)
		if line, err := br.Peek(12); err != nil || string(line) != "HTTP/1.1 401" {
			t.Fatalf("%q %v", line, err)
		}
		r, err := http.ReadResponse(br, nil)
		if err != nil || !r.Close {
			t.Fatalf("%+v %v", r, err)
		}
		if text, _ := io.ReadAll(r.Body); !strings.Contains(string(text), "invalid_api_key") {
			t.Errorf("%s", text)
		}
	}
}

// raw10 asks as HTTP/1.0 does.
func raw10(t *testing.T, gw *running, path, key string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(gw.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "GET %s HTTP/1.0\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n", path, key)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
