package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// vault is a vendor that keeps files and makes batches, under one account.
type vault struct {
	*httptest.Server

	mu      sync.Mutex // protects what follows
	count   int
	ids     []string
	files   map[string][]byte
	objects map[string]map[string]any
	header  http.Header // of the last request
	cut     bool        // a content breaks off
	full    bool        // there are no more batches
	down    bool        // it answers each look at a batch with an error
	lists   int         // how often it was asked for a list
	singles int         // and for one file
	called  []string    // the bodies of chats
}

func startVault(t *testing.T) *vault {
	t.Helper()
	v := &vault{files: make(map[string][]byte), objects: make(map[string]map[string]any)}
	mux := http.NewServeMux()
	handle := func(pattern string, f func(w http.ResponseWriter, r *http.Request) any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.header = r.Header.Clone()
			switch out := f(w, r).(type) {
			case nil:
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(404)
				io.WriteString(w, `{"error":{"message":"No such object","type":"invalid_request_error","param":"id","code":null}}`)
			case failure:
				w.WriteHeader(int(out))
			case []byte:
				w.Header().Set("Content-Type", "application/octet-stream")
				if v.cut {
					w.Header().Set("Content-Length", strconv.Itoa(len(out)+1))
				}
				w.Write(out)
			default:
				w.Header().Set("Content-Type", "application/json")
				json.NewEncoder(w).Encode(out)
			}
		})
	}
	one := func(_ http.ResponseWriter, r *http.Request) any {
		if o := v.objects[r.PathValue("id")]; o != nil {
			return o
		}
		return nil
	}
	handle("POST /v1/files", func(_ http.ResponseWriter, r *http.Request) any {
		f, h, err := r.FormFile("file")
		if err != nil {
			return nil
		}
		content, _ := io.ReadAll(f)
		return v.keep(map[string]any{"object": "file", "filename": h.Filename, "purpose": r.FormValue("purpose"), "bytes": len(content)}, content)
	})
	handle("GET /v1/files", v.list("file"))
	handle("GET /v1/files/{id}", func(w http.ResponseWriter, r *http.Request) any {
		v.singles++
		return one(w, r)
	})
	handle("DELETE /v1/files/{id}", func(_ http.ResponseWriter, r *http.Request) any {
		id := r.PathValue("id")
		delete(v.objects, id)
		return map[string]any{"id": id, "object": "file", "deleted": true}
	})
	handle("GET /v1/files/{id}/content", func(_ http.ResponseWriter, r *http.Request) any {
		if b, ok := v.files[r.PathValue("id")]; ok {
			return b
		}
		return nil
	})
	handle("POST /v1/batches", func(_ http.ResponseWriter, r *http.Request) any {
		var q map[string]any
		if json.NewDecoder(r.Body).Decode(&q); v.full {
			return nil
		}
		return v.keep(map[string]any{"object": "batch", "status": "validating", "input_file_id": q["input_file_id"], "output_file_id": nil}, nil)
	})
	handle("GET /v1/batches", v.list("batch"))
	handle("GET /v1/batches/{id}", func(w http.ResponseWriter, r *http.Request) any {
		if v.down {
			return failure(503)
		}
		o := v.objects[r.PathValue("id")]
		if o != nil && o["output_file_id"] == nil {
			v.answer(o)
		}
		return o
	})
	handle("POST /v1/batches/{id}/cancel", one)
	handle("POST /v1/chat/completions", func(_ http.ResponseWriter, r *http.Request) any {
		body, _ := io.ReadAll(r.Body)
		v.called = append(v.called, string(body))
		return map[string]any{"id": "c", "object": "chat.completion", "model": "m", "choices": []any{map[string]any{"index": 0, "finish_reason": "stop", "message": map[string]any{"role": "assistant", "content": "read"}}}}
	})
	v.Server = httptest.NewServer(mux)
	t.Cleanup(v.Close)
	return v
}

// list answers with a page of what is kept of a kind, the newest first.
func (v *vault) list(kind string) func(http.ResponseWriter, *http.Request) any {
	return func(_ http.ResponseWriter, r *http.Request) any {
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		after, purpose := r.URL.Query().Get("after"), r.URL.Query().Get("purpose")
		data, more := []any{}, false
		ids := slices.Clone(v.ids)
		if r.URL.Query().Get("order") != "asc" {
			slices.Reverse(ids)
		}
		for v.lists++; len(ids) > 0; ids = ids[1:] {
			id := ids[0]
			switch o := v.objects[id]; {
			case o == nil || purpose != "" && o["purpose"] != purpose:
			case after != "":
				if id == after {
					after = ""
				}
			case o["object"] == kind:
				if more = len(data) == min(limit, 3); more { // pages are smaller than what is asked for
					return map[string]any{"object": "list", "data": data, "has_more": true}
				}
				data = append(data, o)
			}
		}
		return map[string]any{"object": "list", "data": data, "has_more": more}
	}
}

// answer ends a batch. The caller holds mu.
func (v *vault) answer(batch map[string]any) {
	written := func(content string) any {
		return v.keep(map[string]any{"object": "file", "purpose": "batch_output"}, []byte(content))["id"]
	}
	batch["status"], batch["output_file_id"], batch["error_file_id"] = "completed", written("the answers\n"), written("the errors\n")
	batch["usage"] = map[string]any{"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
}

// keep stores an object. The caller holds mu, or nobody else knows v.
func (v *vault) keep(o map[string]any, content []byte) map[string]any {
	v.count++
	id := fmt.Sprintf("%s-%d", cmp.Or(o["object"], any("x")), v.count)
	o["id"] = id
	v.ids = append(v.ids, id)
	v.objects[id], v.files[id] = o, content
	return o
}

// sent returns the content of a file as the vendor has it.
func (v *vault) sent(id string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return string(v.files[id])
}
