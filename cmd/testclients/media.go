package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// media adds what else than conversations an upstream has. What it says is made of what it was sent; it knows the
// model by the vendor's name only.
func media(mux *http.ServeMux) {
	type request struct {
		Model, Prompt, Input string
		Stream               bool
	}
	handle := func(path string, f func(w http.ResponseWriter, q *request, file []byte)) {
		mux.HandleFunc("POST /v1/"+path, func(w http.ResponseWriter, r *http.Request) {
			var q request
			var file []byte
			if err := r.ParseMultipartForm(1 << 20); err == nil {
				q = request{Model: r.FormValue("model"), Prompt: r.FormValue("prompt"), Stream: r.FormValue("stream") == "true"}
				for _, name := range []string{"file", "image"} {
					if f, _, err := r.FormFile(name); err == nil {
						file, _ = io.ReadAll(f)
					}
				}
			} else if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
				q.Model = err.Error()
			}
			w.Header().Set("Content-Type", "application/json")
			if q.Model != "vendors-own" {
				w.WriteHeader(http.StatusNotFound)
				fmt.Fprintf(w, `{"error":{"message":%q,"type":"invalid_request_error","param":null,"code":"model_not_found"}}`, "no model "+q.Model)
				return
			}
			if q.Stream {
				w.Header().Set("Content-Type", "text/event-stream")
			}
			f(w, &q, file)
		})
	}
	sum := func(b []byte) string {
		s := sha256.Sum256(b)
		return hex.EncodeToString(s[:])
	}
	const usage = `{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}`
	handle("completions", func(w http.ResponseWriter, q *request, _ []byte) {
		if q.Stream {
			fmt.Fprintf(w, "data: {\"id\":\"c\",\"object\":\"text_completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"text\":%q,\"finish_reason\":null,\"logprobs\":null}]}\n\n", q.Prompt)
			fmt.Fprint(w, "data: {\"id\":\"c\",\"object\":\"text_completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"text\":\"!\",\"finish_reason\":\"stop\",\"logprobs\":null}]}\n\ndata: [DONE]\n\n")
			return
		}
		fmt.Fprintf(w, `{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":%q,"finish_reason":"stop","logprobs":null}],"usage":%s}`, q.Prompt, usage)
	})
	handle("moderations", func(w http.ResponseWriter, q *request, _ []byte) {
		fmt.Fprintf(w, `{"id":"m","model":"m","results":[{"flagged":%t,"categories":{},"category_scores":{},"category_applied_input_types":{}}]}`, q.Input == "bad")
	})
	image := func(w http.ResponseWriter, b []byte) {
		fmt.Fprintf(w, `{"created":1,"data":[{"b64_json":%q}],"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}`, base64.StdEncoding.EncodeToString(b))
	}
	handle("images/generations", func(w http.ResponseWriter, q *request, _ []byte) { image(w, []byte(q.Prompt)) })
	handle("images/edits", func(w http.ResponseWriter, q *request, file []byte) { image(w, []byte(q.Prompt+" "+sum(file))) })
	handle("audio/speech", func(w http.ResponseWriter, q *request, _ []byte) {
		w.Header().Set("Content-Type", "audio/mpeg")
		w.Write([]byte("\xff\xf3" + q.Input))
	})
	heard := func(w http.ResponseWriter, q *request, file []byte) {
		if q.Stream {
			fmt.Fprintf(w, "data: {\"type\":\"transcript.text.delta\",\"delta\":%q}\n\ndata: {\"type\":\"transcript.text.done\",\"text\":%q}\n\n", sum(file), sum(file))
			return
		}
		fmt.Fprintf(w, `{"text":%q}`, sum(file))
	}
	handle("audio/transcriptions", heard)
	handle("audio/translations", heard)
}
