package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
)

// vault is an upstream that keeps files and makes batches of calls, whose output is their input.
type vault struct {
	mu      sync.Mutex // protects what follows
	objects []*object  // in their order
}

type object struct {
	ID       string `json:"id"`
	Object   string `json:"object"`
	Created  int64  `json:"created_at"`
	Filename string `json:"filename,omitempty"`
	Purpose  string `json:"purpose,omitempty"`
	Bytes    int    `json:"bytes,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Status   string `json:"status,omitempty"`
	Input    string `json:"input_file_id,omitempty"`
	Output   string `json:"output_file_id,omitempty"`

	content []byte
}

// add keeps an object under an id of its own. The caller holds mu.
func (v *vault) add(o *object) *object {
	o.ID = fmt.Sprintf("%s-%d", o.Object, len(v.objects))
	v.objects = append(v.objects, o)
	return o
}

// handler serves it, under an API's version.
func (v *vault) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(r *http.Request, o *object) any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v.mu.Lock()
			defer v.mu.Unlock()
			var o *object
			if id := r.PathValue("id"); id != "" {
				at := slices.IndexFunc(v.objects, func(o *object) bool { return o.ID == id && o.Object != "" })
				if at < 0 {
					http.Error(w, `{"error":{"message":"there is none","type":"invalid_request_error","param":null,"code":null}}`, http.StatusNotFound)
					return
				}
				o = v.objects[at]
			}
			out := f(r, o)
			if raw, ok := out.([]byte); ok {
				w.Header().Set("Content-Type", "application/octet-stream")
				w.Write(raw)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(out)
		})
	}
	list := func(kind string) func(*http.Request, *object) any {
		return func(r *http.Request, _ *object) any {
			data := []*object{}
			for i, o := range v.objects {
				if after := r.URL.Query().Get("after"); o.Object == kind && (after == "" || slices.IndexFunc(v.objects, func(o *object) bool { return o.ID == after }) < i) {
					data = append(data, o)
				}
			}
			return map[string]any{"object": "list", "data": data, "has_more": false}
		}
	}
	one := func(_ *http.Request, o *object) any { return o }
	handle("GET /v1/files", list("file"))
	handle("GET /v1/files/{id}", one)
	handle("GET /v1/files/{id}/content", func(_ *http.Request, o *object) any { return o.content })
	handle("GET /v1/batches", list("batch"))
	handle("GET /v1/batches/{id}", one)
	handle("POST /v1/batches/{id}/cancel", one)
	handle("DELETE /v1/files/{id}", func(_ *http.Request, o *object) any {
		o.Object = ""
		return map[string]any{"id": o.ID, "object": "file", "deleted": true}
	})
	mux.HandleFunc("POST /v1/files", func(w http.ResponseWriter, r *http.Request) {
		f, h, err := r.FormFile("file")
		if err != nil {
			http.Error(w, `{"error":{"message":"there is no file"}}`, http.StatusBadRequest)
			return
		}
		content, _ := io.ReadAll(f)
		v.mu.Lock()
		defer v.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v.add(&object{Object: "file", Filename: h.Filename, Purpose: r.FormValue("purpose"), Bytes: len(content), Status: "processed", content: content}))
	})
	mux.HandleFunc("POST /v1/batches", func(w http.ResponseWriter, r *http.Request) {
		var o object
		json.NewDecoder(r.Body).Decode(&o)
		v.mu.Lock()
		defer v.mu.Unlock()
		o.Object, o.Status = "batch", "completed"
		for _, f := range v.objects {
			if f.ID == o.Input {
				o.Output = v.add(&object{Object: "file", Purpose: "batch_output", content: f.content}).ID
			}
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v.add(&o))
	})
	mux.HandleFunc("GET /v1/realtime", session)
	media(mux)
	stored(mux)
	return mux
}
