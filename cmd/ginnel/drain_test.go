package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// TestDrainTellsStreams: a daemon that goes down lets streams end, and tells those that do not.
func TestDrainTellsStreams(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	gw := start(t, relay(up.URL, fullPipeline, "mock+gap=100ms+chunks=10", "mock+fault=sse-stall"))
	type ended struct {
		text string
		err  error
		id   string
	}
	open := func(model string) (<-chan ended, *http.Response) {
		resp, err := http.DefaultClient.Do(gw.request(context.Background(), ask(model, "hello", true)))
		if err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReader(resp.Body)
		if _, err := br.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		done := make(chan ended, 1)
		go func() {
			text, err := io.ReadAll(br)
			resp.Body.Close()
			done <- ended{string(text), err, resp.Header.Get("X-Request-Id")}
		}()
		return done, resp
	}
	whole, _ := open("mock+gap=100ms+chunks=10")
	told, _ := open("mock+fault=sse-stall")
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- gw.Stop(ctx) }()
	if e := <-whole; e.err != nil || lastData(e.text) != "[DONE]" || gw.event(e.id).Terminal != "completed" {
		t.Errorf("the stream that could end: %v, %s", e.err, e.text)
	}
	e := <-told
	if e.err != nil || gw.event(e.id).Terminal != "drained" {
		t.Errorf("the stream that could not: %v, %+v", e.err, gw.event(e.id))
	}
	checkError(t, lastData(e.text), "", e.id)
	if strings.Contains(e.text, "[DONE]") {
		t.Error("it ends as if it were whole")
	}
	if _, err := http.DefaultClient.Do(gw.request(context.Background(), ask("mock", "hello", false))); err == nil {
		t.Error("a request was taken while the daemon goes down")
	}
	if err := <-stopped; err != nil {
		t.Logf("stop: %v", err)
	}
}
