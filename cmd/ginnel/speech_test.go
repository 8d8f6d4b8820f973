package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestSpeechIsHeardWhileItIsSpoken: the first sound is there before the vendor goes on; what breaks off has no clean end,
// and nobody speaks on to a client that has left.
func TestSpeechIsHeardWhileItIsSpoken(t *testing.T) {
	for name, c := range map[string]struct {
		then     func(cancel func(), goOn chan<- string)
		text     string
		clean    bool
		terminal string
	}{
		"whole":   {func(_ func(), goOn chan<- string) { goOn <- "b"; close(goOn) }, "ab", true, "completed"},
		"cut":     {func(_ func(), goOn chan<- string) { goOn <- "" }, "a", false, "upstream_cut"},
		"hung up": {func(cancel func(), _ chan<- string) { cancel() }, "a", false, "client_cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			goOn, left := make(chan string), make(chan struct{})
			up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "audio/mpeg")
				for piece, ok := "a", true; ok; {
					if piece == "" {
						panic(http.ErrAbortHandler)
					}
					io.WriteString(w, piece)
					w.(http.Flusher).Flush()
					select {
					case piece, ok = <-goOn:
					case <-r.Context().Done():
						close(left)
						return
					}
				}
			}))
			t.Cleanup(up.Close)
			gw := start(t, relay(up.URL, emptyPipeline, "m"))
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			resp, err := http.DefaultClient.Do(gw.requestTo(ctx, "POST", "/v1/audio/speech", `{"model":"m","input":"a word","voice":"alloy"}`))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text := make([]byte, 1)
			if _, err := io.ReadFull(resp.Body, text); err != nil || resp.Header.Get("Content-Type") != "audio/mpeg" {
				t.Fatalf("%d %s: %v", resp.StatusCode, resp.Header.Get("Content-Type"), err)
			}
			c.then(cancel, goOn)
			rest, err := io.ReadAll(resp.Body)
			if text = append(text, rest...); string(text) != c.text || (err == nil) != c.clean {
				t.Errorf("%s: %v", text, err)
			}
			if c.terminal == "client_cancelled" {
				<-left
			}
			if e := gw.event(resp.Header.Get("X-Request-Id")); e.Terminal != c.terminal {
				t.Errorf("ended %s", e.Terminal)
			}
		})
	}
}
