package mockllm

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestGeminiStreamsAreOneArrayWithoutAlt(t *testing.T) {
	m := Start(t, Options{})
	const path = "/v1beta/models/mock:streamGenerateContent"
	for fault, want := range map[string]bool{"": true, "sse-noise": true, "sse-split": true, "sse-error": true, "sse-bad": false, "sse-cut": false} {
		resp, body, err := send(t, m, path, `{}`, "X-Mock-Fault", fault, "X-Mock-Chunks", "6")
		if err != nil || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") || json.Valid([]byte(body)) != want {
			t.Errorf("%q: %v, %v: %s", fault, resp, err, body)
		}
		if strings.Contains(body, `"error"`) != (fault == "sse-error") {
			t.Errorf("%q: %s", fault, body)
		}
	}
	for fault, want := range map[string]int{"429": 429, "500": 500} {
		if resp, body, err := send(t, m, path, `{}`, "X-Mock-Fault", fault); err != nil || resp.StatusCode != want || !strings.HasPrefix(body, `[{"error":`) || !json.Valid([]byte(body)) {
			t.Errorf("%s: %v, %v: %s", fault, resp, err, body)
		}
	}
}

func TestGeminiAnswers(t *testing.T) {
	m := Start(t, Options{RequireKey: "right"})
	for _, c := range []struct {
		path, body, key, want string
		status                int
	}{
		{":batchEmbedContents", `{"requests":[{},{},{}]}`, "right", `"embeddings"`, 200},
		{":generateContent", `{}`, "wrong", `API_KEY_INVALID`, 400},
		{":predict", `{}`, "right", ``, 404},
	} {
		resp, body, err := send(t, m, "/v1beta/models/mock"+c.path, c.body, "x-goog-api-key", c.key)
		if err != nil || resp.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %v, %v: %s", c.path, resp, err, body)
		}
		if n := strings.Count(body, `"values"`); c.status == 200 && n != 3 {
			t.Errorf("%d vectors", n)
		}
	}
	resp, err := http.Get(m.URL + "/v1beta/models?key=right")
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("models: %v, %v", resp, err)
	}
}
