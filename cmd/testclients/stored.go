package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
)

// shelf is an upstream's store of responses and conversations. It answers with the words that it was asked, behind those
// of what it goes on from. One that is made in the background is done when it is looked at for the second time.
type shelf struct {
	mu   sync.Mutex // protects all
	kept map[string]map[string]any
}

// stored adds a store of responses to an upstream, which knows the model by the vendor's name only.
func stored(mux *http.ServeMux) {
	s := &shelf{kept: make(map[string]map[string]any)}
	mux.HandleFunc("POST /v1/responses", s.make)
	mux.HandleFunc("GET /v1/responses/{id}", s.one(func(r *http.Request, o map[string]any) any {
		if next := map[any]string{"queued": "in_progress", "in_progress": "completed"}[o["status"]]; next != "" {
			o["status"] = next
		}
		return o
	}))
	mux.HandleFunc("POST /v1/conversations", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		o := map[string]any{"id": fmt.Sprint("conv_", len(s.kept)), "object": "conversation", "created_at": 1, "metadata": map[string]any{}, "asked": "before"}
		s.kept[o["id"].(string)] = o
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(o)
	})
	mux.HandleFunc("GET /v1/conversations/{id}", s.one(func(_ *http.Request, o map[string]any) any { return o }))
	mux.HandleFunc("GET /v1/conversations/{id}/items", s.one(asked))
	mux.HandleFunc("POST /v1/conversations/{id}/items", s.one(asked))
	mux.HandleFunc("DELETE /v1/conversations/{id}", s.one(func(_ *http.Request, o map[string]any) any {
		return map[string]any{"id": o["id"], "object": "conversation.deleted", "deleted": true}
	}))
	mux.HandleFunc("DELETE /v1/responses/{id}", s.one(func(_ *http.Request, o map[string]any) any {
		delete(s.kept, o["id"].(string))
		return map[string]any{"id": o["id"], "object": "response", "deleted": true}
	}))
	mux.HandleFunc("POST /v1/responses/{id}/cancel", s.one(func(_ *http.Request, o map[string]any) any {
		o["status"] = "cancelled"
		return o
	}))
	mux.HandleFunc("GET /v1/responses/{id}/input_items", s.one(asked))
}

// asked lists what a response was asked.
func asked(_ *http.Request, o map[string]any) any {
	item := map[string]any{"id": "msg_in", "type": "message", "role": "user", "status": "completed", "content": []any{map[string]any{"type": "input_text", "text": o["asked"]}}}
	return map[string]any{"object": "list", "data": []any{item}, "first_id": "msg_in", "last_id": "msg_in", "has_more": false}
}

func (s *shelf) make(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Model, Input string
		Previous     string `json:"previous_response_id"`
		Conversation string
		Background   bool
	}
	json.NewDecoder(r.Body).Decode(&q)
	s.mu.Lock()
	defer s.mu.Unlock()
	words := q.Input
	if before := s.kept[cmp.Or(q.Previous, q.Conversation)]; before != nil {
		words = fmt.Sprint(before["asked"], " ", q.Input)
	}
	if q.Model != "vendors-own" {
		http.Error(w, `{"error":{"message":"no such model","type":"invalid_request_error","param":null,"code":"model_not_found"}}`, http.StatusNotFound)
		return
	}
	n := len(s.kept)
	o := map[string]any{
		"id": fmt.Sprint("resp_", n), "object": "response", "created_at": 1, "model": q.Model, "status": "completed", "background": q.Background, "asked": words, "store": true, "error": nil,
		"parallel_tool_calls": true, "tool_choice": "auto", "tools": []any{},
		"output": []any{map[string]any{"id": fmt.Sprint("msg_", n), "type": "message", "role": "assistant", "status": "completed", "content": []any{map[string]any{"type": "output_text", "text": words, "annotations": []any{}}}}},
		"usage":  map[string]any{"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "input_tokens_details": map[string]any{"cached_tokens": 0}, "output_tokens_details": map[string]any{"reasoning_tokens": 0}},
	}
	if q.Background {
		o["status"] = "queued"
	}
	s.kept[o["id"].(string)] = o
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(o)
}

// one answers with what f returns for a response that is kept: where it is asked for so, as the events of one that ends.
func (s *shelf) one(f func(*http.Request, map[string]any) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		o := s.kept[r.PathValue("id")]
		if o == nil {
			http.Error(w, `{"error":{"message":"Response not found","type":"invalid_request_error","param":null,"code":null}}`, http.StatusNotFound)
			return
		}
		out := f(r, o)
		if r.URL.Query().Get("stream") != "true" {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(out)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for i, kind := range []string{"response.created", "response.completed"} {
			raw, _ := json.Marshal(map[string]any{"type": kind, "sequence_number": i, "response": out})
			if r.URL.Query().Get("starting_after") == "" || i > 0 {
				fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, raw)
			}
		}
	}
}
