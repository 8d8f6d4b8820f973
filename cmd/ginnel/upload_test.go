package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
)

// upload writes the form of a file with the given fields.
func upload(t *testing.T, file []byte, fields ...string) (body, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", "a.wav")
	if err != nil {
		t.Fatal(err)
	}
	part.Write(file)
	for i := 0; i < len(fields); i += 2 {
		w.WriteField(fields[i], fields[i+1])
	}
	w.Close()
	return b.String(), w.FormDataContentType()
}

// TestUploadsAreRelayed: a file reaches a provider byte for byte, under the model's name there.
func TestUploadsAreRelayed(t *testing.T) {
	up := newVendor(t)
	sound := make([]byte, 1<<20)
	rand.Read(sound)
	hcl := strings.Replace(relay(up.URL, emptyPipeline, "m"), `model = "m"`, `model = "whisper-there"`, 1)
	gw := start(t, hcl)
	for _, c := range []struct{ path, kind, answer, usage string }{
		{"/v1/audio/transcriptions", "application/json", `{"text":"it was said","usage":{"type":"tokens","input_tokens":14,"output_tokens":3,"total_tokens":17}}`, `"tokens_in":14,"tokens_out":3`},
		{"/v1/audio/transcriptions", "text/plain; charset=utf-8", "it was said\n", ""},
		{"/v1/audio/transcriptions", "text/event-stream", "data: {\"type\":\"transcript.text.delta\",\"delta\":\"it\"}\n\ndata: {\"type\":\"transcript.text.done\",\"text\":\"it\",\"usage\":{\"input_tokens\":14,\"output_tokens\":3,\"total_tokens\":17}}\n\n", `"tokens_in":14,"tokens_out":3`},
		{"/v1/audio/translations", "application/json", `{"text":"it was said"}`, ""},
		{"/v1/images/edits", "application/json", `{"created":1,"data":[{"b64_json":"QQ=="}],"usage":{"input_tokens":5,"output_tokens":100,"total_tokens":105}}`, `"tokens_in":5,"tokens_out":100`},
		{"/v1/images/variations", "application/json", `{"created":1,"data":[{"b64_json":"QQ=="}]}`, ""},
	} {
		up.says(200, c.kind, []byte(c.answer))
		stream := "false"
		if c.kind == "text/event-stream" {
			stream = "true"
		}
		body, kind := upload(t, sound, "model", "m", "stream", stream)
		resp, text := gw.do(gw.requestTo(context.Background(), "POST", c.path, body, "Content-Type", kind))
		if resp.StatusCode != 200 || text != c.answer {
			t.Errorf("%s: %d %s", c.path, resp.StatusCode, text)
		}
		_, params, _ := mime.ParseMediaType(kind)
		f, err := multipart.NewReader(bytes.NewReader(up.asked), params["boundary"]).ReadForm(4 << 20)
		if err != nil || f.Value["model"][0] != "whisper-there" || len(f.File["file"]) != 1 {
			t.Fatalf("%s: %v, %+v", c.path, err, f)
		}
		file, _ := f.File["file"][0].Open()
		sent := new(bytes.Buffer)
		sent.ReadFrom(file)
		if !bytes.Equal(sent.Bytes(), sound) {
			t.Errorf("%s: the file is another", c.path)
		}
		id := resp.Header.Get("X-Request-Id")
		gw.event(id)
		for line := range strings.SplitSeq(gw.logs.String(), "\n") {
			if strings.Contains(line, id) && strings.Contains(line, `"terminal"`) && (!strings.Contains(line, `"completed"`) || !strings.Contains(line, c.usage)) {
				t.Errorf("%s: %s", c.path, line)
			}
		}
	}
	// What the gateway does not let pass, and what the vendor does not.
	body, kind := upload(t, sound[:9], "model", "none")
	if resp, text := gw.do(gw.requestTo(context.Background(), "POST", "/v1/audio/transcriptions", body, "Content-Type", kind)); resp.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown model: %d %s", resp.StatusCode, text)
	}
	if resp, text := gw.do(gw.requestTo(context.Background(), "POST", "/v1/audio/transcriptions", body)); resp.StatusCode != 400 || !strings.Contains(text, "form") {
		t.Errorf("another content type: %d %s", resp.StatusCode, text)
	}
	body, kind = upload(t, sound[:9], "model", "m", "model", "n")
	if resp, text := gw.do(gw.requestTo(context.Background(), "POST", "/v1/audio/transcriptions", body, "Content-Type", kind)); resp.StatusCode != 400 || !strings.Contains(text, "twice") {
		t.Errorf("two models: %d %s", resp.StatusCode, text)
	}
	body, kind = upload(t, sound[:9], "model", "m")
	up.says(200, "text/event-stream", []byte("data: {\"type\":\"transcript.text.delta\",\"delta\":\"it\"}\n\n"))
	if _, text := gw.do(gw.requestTo(context.Background(), "POST", "/v1/audio/transcriptions", body, "Content-Type", kind)); !strings.Contains(text, `"error"`) {
		t.Errorf("a cut stream: %s", text)
	}
	up.says(429, "application/json", []byte(`{"error":{"message":"slower"}}`))
	if resp, text := gw.do(gw.requestTo(context.Background(), "POST", "/v1/audio/transcriptions", body, "Content-Type", kind)); resp.StatusCode != 429 || !strings.Contains(text, "slower") {
		t.Errorf("a limit: %d %s", resp.StatusCode, text)
	}
	// A filter that would have to look inside refuses it, unless it is told not to.
	for config, want := range map[string]int{`secrets = "redact"`: 403, "secrets = \"redact\"\nunseen = \"allow\"": 200} {
		gw := start(t, relay(up.URL, sanitizing(config), "m"))
		up.says(200, "application/json", []byte(`{"text":"it was said"}`))
		if resp, text := gw.do(gw.requestTo(context.Background(), "POST", "/v1/audio/transcriptions", body, "Content-Type", kind)); resp.StatusCode != want {
			t.Errorf("%s: %d %s", config, resp.StatusCode, text)
		}
	}
}
