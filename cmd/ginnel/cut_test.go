package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
	"github.com/ginnel/ginnel/sdk/sdktest/replay"
)

// shortened writes the beginning of an answer, and ends it as if that were all.
type shortened struct {
	http.ResponseWriter
	hundredths int
}

func (s shortened) Write(b []byte) (int, error) {
	_, err := s.ResponseWriter.Write(b[:len(b)*s.hundredths/100])
	return len(b), err
}

// ended reports whether the first bytes of a stream are a whole one by its vendor's own dialect: some give a reason to
// end with every event.
func ended(x *recorded.Exchange, size int) bool {
	var cut recorded.Exchange = *x
	cut.Response.RawB64, cut.Response.Raw, cut.Response.Body = "", string(x.Answer()[:size]), nil
	text, err := cut.Events()
	if err != nil {
		return false
	}
	codec := codecs.OfUpstream(x.Dialect())
	var ending dialect.Ending
	replay.Events(text, func(payload []byte) error {
		var e dialect.Event
		if err := codec.Event(llm.OpChat, payload, &e); err != nil {
			return err
		}
		ending.Add(&e)
		return nil
	})
	return codec.Complete(ending)
}

// TestRecordedStreamsThatEndEarly: a recorded stream of any vendor that ends before its end, without an error of the
// connection, is an error for a client of any dialect.
func TestRecordedStreamsThatEndEarly(t *testing.T) {
	var all []*recorded.Exchange
	for _, x := range replay.Conversations(recorded.Of(t, repository, "*.json")) {
		if replay.Streamed(x) && x.Response.Status == 200 {
			if _, failure, err := replay.Said(x); err == nil && failure == nil {
				all = append(all, x)
			}
		}
	}
	var share atomic.Int64 // of an answer that comes, in hundredths
	answers := replay.Handler(all)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers.ServeHTTP(shortened{w, int(share.Load())}, r)
	}))
	defer up.Close()
	blocks, models := replay.Declare(all, up.URL, `"none"`)
	gw := start(t, fmt.Sprintf("gateway {\n  data_dir = \"%%DATA%%\"\n  limits   = { drain = \"5s\" }\n}\nlistener \"public\" { address = \"127.0.0.1:0\" }\n%s\n%s\nroute \"all\" {\n  listener = listener.public\n  match    = { path = \"/*\" }\n  auth     = \"none\"\n  pipeline = pipeline.p\n  models   = [%s]\n}\n",
		emptyPipeline, blocks, strings.Join(models, ", ")))
	played := 0
	for _, hundredths := range []int64{3, 20, 45, 70, 90} {
		share.Store(hundredths)
		for i, x := range all {
			if ended(x, len(x.Answer())*int(hundredths)/100) {
				continue
			}
			for from, client := range translatable() {
				resp, body := client.send(gw, replay.Name(i), "hello", true)
				if played++; resp.StatusCode >= 400 && strings.Contains(body, `"error"`) {
					continue
				}
				if failed, err := client.read(body); err != nil || !failed {
					t.Errorf("%s, %d %% of it, for %s: %d %v: %.600s", x.Name, hundredths, from, resp.StatusCode, err, body[max(len(body)-600, 0):])
				}
			}
		}
	}
	if t.Logf("%d streams", played); played < 1000 {
		t.Errorf("%d streams were played", played)
	}
}
