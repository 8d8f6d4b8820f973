package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// archive is a vendor that keeps the responses that it makes, under one account.
type archive struct {
	*httptest.Server
	name string // by which its ids are told from another's

	mu     sync.Mutex // protects what follows
	kept   map[string]map[string]any
	count  int
	words  string   // that it answers with
	down   bool     // it answers each look at a response with an error
	silent bool     // it says of none that is cancelled what it used
	asked  []string // the requests that came, without those for a model
	calls  []string // the bodies of those for one

	deleted func(*http.Request) // is called when one is gone, before that is answered; nil = nothing
}

// failure is the status of an answer that says nothing.
type failure int

func startArchive(t *testing.T, name string) *archive {
	t.Helper()
	k := &archive{name: name, kept: make(map[string]map[string]any), words: "said"}
	mux := http.NewServeMux()
	handle := func(pattern string, f func(r *http.Request) any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			k.mu.Lock()
			defer k.mu.Unlock()
			out := f(r)
			if status, failed := out.(failure); failed {
				w.WriteHeader(int(status))
				return
			}
			switch o, _ := out.(map[string]any); {
			case o == nil:
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(404)
				io.WriteString(w, `{"error":{"message":"Response not found","type":"invalid_request_error","param":null,"code":null}}`)
			case o["stream"] == true || r.URL.Query().Get("stream") == "true":
				delete(o, "stream")
				w.Header().Set("Content-Type", "text/event-stream")
				io.WriteString(w, eventsOf(o))
			default:
				w.Header().Set("Content-Type", "application/json")
				json.NewEncoder(w).Encode(o)
			}
		})
	}
	handle("POST /v1/responses", func(r *http.Request) any {
		body, _ := io.ReadAll(r.Body)
		k.calls = append(k.calls, string(body))
		var q struct {
			Store              *bool
			Stream, Background bool
		}
		json.Unmarshal(body, &q)
		return k.make(q.Store == nil || *q.Store, q.Stream, q.Background)
	})
	handle("POST /v1/responses/compact", k.compact)
	one := func(f func(r *http.Request, o map[string]any) any) func(*http.Request) any {
		return func(r *http.Request) any {
			k.asked = append(k.asked, r.Method+" "+r.URL.RequestURI())
			if o := k.kept[r.PathValue("id")]; o != nil {
				return f(r, o)
			}
			return nil
		}
	}
	handle("GET /v1/responses/{id}", one(func(_ *http.Request, o map[string]any) any {
		if k.down {
			return failure(503)
		}
		if o["status"] == "queued" {
			o["status"] = "in_progress"
		} else if o["status"] == "in_progress" {
			k.finish(o)
		}
		return o
	}))
	handle("DELETE /v1/responses/{id}", one(func(r *http.Request, _ map[string]any) any {
		delete(k.kept, r.PathValue("id"))
		if k.deleted != nil {
			k.deleted(r)
		}
		return map[string]any{"id": r.PathValue("id"), "object": "response.deleted", "deleted": true}
	}))
	handle("POST /v1/responses/{id}/cancel", one(func(_ *http.Request, o map[string]any) any {
		if o["status"] != "completed" {
			o["status"] = "cancelled"
		}
		if !k.silent {
			o["usage"] = map[string]any{"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
		}
		return o
	}))
	handle("GET /v1/responses/{id}/input_items", one(func(_ *http.Request, o map[string]any) any {
		return map[string]any{"object": "list", "data": []any{map[string]any{"id": "msg_in", "type": "message", "role": "user"}}, "has_more": false}
	}))
	k.conversations(handle, one)
	k.Server = httptest.NewServer(mux)
	t.Cleanup(k.Close)
	return k
}

// compact says a conversation in less: it repeats items that have an id, and adds a compaction. The caller holds mu.
func (k *archive) compact(r *http.Request) any {
	body, _ := io.ReadAll(r.Body)
	k.calls = append(k.calls, string(body))
	k.count++
	var q struct{ Input any }
	json.Unmarshal(body, &q)
	var output []any
	items, _ := q.Input.([]any)
	for _, item := range items {
		if o, _ := item.(map[string]any); o["id"] != nil {
			output = append(output, item)
		}
	}
	output = append(output, map[string]any{"type": "message", "id": "msg_1", "role": "user", "status": "completed", "content": []any{map[string]any{"type": "input_text", "text": k.words}}},
		map[string]any{"type": "compaction", "id": fmt.Sprint("cmp_", k.name, k.count), "encrypted_content": "sealed"})
	return map[string]any{"id": fmt.Sprint("resp_", k.name, k.count), "object": "response.compaction", "created_at": 1, "usage": map[string]any{"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}, "output": output}
}

// conversations adds the paths of conversations.
func (k *archive) conversations(handle func(string, func(*http.Request) any), one func(func(*http.Request, map[string]any) any) func(*http.Request) any) {
	handle("POST /v1/conversations", func(r *http.Request) any {
		body, _ := io.ReadAll(r.Body)
		k.calls = append(k.calls, string(body))
		k.count++
		o := map[string]any{"id": fmt.Sprint("conv_", k.name, k.count), "object": "conversation", "metadata": map[string]any{}, "created_at": 1}
		k.kept[o["id"].(string)] = o
		return o
	})
	for _, pattern := range []string{"GET /v1/conversations/{id}", "POST /v1/conversations/{id}", "DELETE /v1/conversations/{id}/items/{item}"} {
		handle(pattern, one(func(_ *http.Request, o map[string]any) any { return o }))
	}
	handle("DELETE /v1/conversations/{id}", one(func(_ *http.Request, o map[string]any) any {
		return map[string]any{"id": o["id"], "object": "conversation.deleted", "deleted": true}
	}))
	for _, pattern := range []string{"GET /v1/conversations/{id}/items", "POST /v1/conversations/{id}/items"} {
		handle(pattern, one(func(_ *http.Request, o map[string]any) any {
			return map[string]any{"object": "list", "data": []any{}, "first_id": "msg_1", "last_id": "msg_1", "has_more": false}
		}))
	}
	handle("GET /v1/conversations/{id}/items/{item}", one(func(r *http.Request, _ map[string]any) any {
		return map[string]any{"id": r.PathValue("item"), "type": "message", "role": "user", "content": []any{}}
	}))
}

// make makes a response. The caller holds mu.
func (k *archive) make(store, stream, background bool) map[string]any {
	k.count++
	id := fmt.Sprintf("%s_%d", k.name, k.count)
	o := map[string]any{"id": "resp_" + id, "object": "response", "status": "queued", "model": "m", "store": store, "output": []any{}, "usage": nil, "error": nil, "background": background}
	if !background {
		k.finish(o)
	}
	if store || background {
		k.kept["resp_"+id] = o
	}
	if !stream {
		return o
	}
	streamed := map[string]any{"stream": true}
	for key, v := range o {
		streamed[key] = v
	}
	return streamed
}

// finish gives a response its output. The caller holds mu.
func (k *archive) finish(o map[string]any) {
	id := strings.TrimPrefix(o["id"].(string), "resp_")
	o["status"], o["usage"] = "completed", map[string]any{"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
	o["output"] = []any{
		map[string]any{"type": "reasoning", "id": "rs_" + id, "summary": []any{}},
		map[string]any{"type": "code_interpreter_call", "id": "ci_" + id, "container_id": "cntr_" + id, "code": "1", "status": "completed"},
		map[string]any{"type": "message", "id": "msg_" + id, "role": "assistant", "status": "completed", "content": []any{map[string]any{"type": "output_text", "text": k.words, "annotations": []any{}}}},
	}
}

// eventsOf returns the stream of a response.
func eventsOf(o map[string]any) string {
	var b strings.Builder
	say := func(kind string, members map[string]any) {
		members["type"] = kind
		raw, _ := json.Marshal(members)
		fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", kind, raw)
	}
	say("response.created", map[string]any{"response": map[string]any{"id": o["id"], "object": "response", "status": "in_progress", "output": []any{}, "store": o["store"]}})
	for i, item := range o["output"].([]any) {
		say("response.output_item.added", map[string]any{"output_index": i, "item": item})
	}
	if last, _ := o["status"].(string); last == "completed" {
		say("response.completed", map[string]any{"response": o})
	}
	return b.String()
}
