package mockllm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// request is what the upstream reads of a request.
type request struct {
	Model      string          `json:"model"`
	Stream     bool            `json:"stream"`
	Encoding   string          `json:"encoding_format"`
	Dimensions int             `json:"dimensions"`
	Input      json.RawMessage `json:"input"`
	Requests   json.RawMessage `json:"requests"`
	Tools      json.RawMessage `json:"tools"`
	Reasoning  json.RawMessage `json:"reasoning"`
	Thinking   struct {
		Type string `json:"type"`
	} `json:"thinking"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// streamKey names a stream's events, which are the same for every request.
type streamKey struct {
	surface string
	chunks  int
	usage   bool
	calls   bool
	thinks  bool
	reasons bool
}

// inputs counts the texts to embed: a string, a list of strings, or a list of lists of tokens; one
// list of tokens is one text.
func (q *request) inputs() int {
	var list []json.RawMessage
	if json.Unmarshal(q.Input, &list) != nil || len(list) == 0 || list[0][0] != '"' && list[0][0] != '[' {
		return 1
	}
	return len(list)
}

func (m *Mock) serve(s *surface) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		m.count.requests.Add(1)
		m.count.inFlight.Add(1)
		defer m.count.inFlight.Add(-1)
		var q request
		if !m.read(w, r, s, &q) {
			return
		}
		k := m.knobs(r, q.Model)
		if !sleep(r.Context(), k.delay) {
			m.count.cancelled.Add(1)
			return
		}
		if k.fault != "" && m.fault(w, r, s, k) {
			return
		}
		if s.events != nil && (q.Stream || s.streams) {
			m.stream(w, r, s, k, m.events(s, &q, k.chunks))
			return
		}
		body := s.answer(&q)
		h := w.Header()
		h["Content-Type"] = []string{"application/json"}
		h[s.vendor.requestID()] = []string{"req_mock"}
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
		w.Write(body)
		m.count.completed.Add(1)
	}
}

// read reads a request and refuses, as the vendors do, what it cannot read, a wrong key and a model
// that does not exist.
func (m *Mock) read(w http.ResponseWriter, r *http.Request, s *surface, q *request) bool {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	m.count.bytesIn.Add(int64(len(body)))
	if err != nil {
		m.count.cancelled.Add(1)
		return false
	}
	if m.options.Record {
		m.last.Store(&Recorded{r.Method, r.URL.RequestURI(), r.Proto, r.Header.Clone(), string(body)})
	}
	if m.options.RequireKey != "" && key(r) != m.options.RequireKey {
		s.refuse(w, 401, "Incorrect API key provided")
		return false
	}
	if len(bytes.TrimSpace(body)) > 0 {
		if err := json.Unmarshal(body, q); err != nil {
			s.refuse(w, 400, "could not parse the JSON body")
			return false
		}
	}
	if call := r.PathValue("call"); call != "" {
		q.Model = call[:max(strings.LastIndexByte(call, ':'), 0)]
	}
	if strings.HasPrefix(q.Model, "nope") {
		s.refuse(w, 404, "The model `"+q.Model+"` does not exist")
		return false
	}
	return true
}

// key returns the key of a request, wherever a vendor's library puts it.
func key(r *http.Request) string {
	for _, k := range []string{strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), r.Header.Get("X-Api-Key"), r.Header.Get("X-Goog-Api-Key")} {
		if k != "" {
			return k
		}
	}
	return r.URL.Query().Get("key")
}

// fault breaks an answer before it begins and reports whether that was all of it.
func (m *Mock) fault(w http.ResponseWriter, r *http.Request, s *surface, k knobs) bool {
	m.count.faults.Add(1)
	kind, value, _ := strings.Cut(k.fault, ":")
	status, err := strconv.Atoi(kind)
	switch {
	case err == nil && status >= 400 && status <= 599:
		if status == 429 {
			w.Header().Set("Retry-After", "1")
			w.Header().Set("X-Ratelimit-Remaining-Requests", "0")
		}
		s.refuse(w, status, "mock error "+kind)
	case kind == "reset":
		reset(w)
	case kind == "html500":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(500)
		io.WriteString(w, "<html><body>oops</body></html>")
	case kind == "badjson":
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"x","choices":[{"mess`)
	case kind == "cut": // in the middle of its body, of which it says the length
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, `{"id":"x","choices":[{"mess`)
	case kind == "empty":
		w.Header().Set("Content-Type", "application/json")
	case kind == "hang":
		<-r.Context().Done()
		m.count.cancelled.Add(1)
	case kind == "slowfirst":
		wait := 2 * time.Second
		duration(&wait, value)
		w.Header().Set("Content-Type", cmp.Or(s.kind, "text/event-stream"))
		http.NewResponseController(w).Flush()
		if sleep(r.Context(), wait) {
			return false
		}
		m.count.cancelled.Add(1)
	default:
		return false // one inside a stream
	}
	return true
}

// events returns a stream's events; they are made once.
func (m *Mock) events(s *surface, q *request, chunks int) [][]byte {
	k := streamKey{s.name, chunks, q.StreamOptions.IncludeUsage, q.calls(), q.thinks(), q.reasons()}
	if have, ok := m.streams.Load(k); ok {
		return have.([][]byte)
	}
	out := s.events(q, chunks)
	m.streams.Store(k, out)
	return out
}

// stream sends the events one by one and breaks them half-way where it was asked to.
func (m *Mock) stream(w http.ResponseWriter, r *http.Request, s *surface, k knobs, events [][]byte) {
	m.count.streams.Add(1)
	h := w.Header()
	h.Set("Content-Type", cmp.Or(s.kind, "text/event-stream; charset=utf-8"))
	h.Set("Cache-Control", "no-cache")
	h.Set(s.vendor.requestID(), "req_mock")
	rc := http.NewResponseController(w)
	for i, e := range events {
		if i > 0 && !sleep(r.Context(), k.gap) {
			m.count.cancelled.Add(1)
			return
		}
		if i == len(events)/2 {
			var more bool
			if e, more = m.midway(w, r, s, k.fault, e); !more {
				return
			}
		}
		step := len(e)
		if k.fault == "sse-split" {
			step = 1
		}
		for ; len(e) > 0; e = e[min(step, len(e)):] {
			_, err := w.Write(e[:min(step, len(e))])
			if err != nil || rc.Flush() != nil || r.Context().Err() != nil {
				m.count.cancelled.Add(1)
				return
			}
		}
	}
	m.count.completed.Add(1)
}

// midway applies a fault to the event in the middle and reports whether the stream goes on.
func (m *Mock) midway(w http.ResponseWriter, r *http.Request, s *surface, fault string, e []byte) ([]byte, bool) {
	switch fault {
	case "sse-bad":
		return []byte(s.vendor.broken), true
	case "sse-noise": // all of it legal: who reads a stream has to skip it
		return append([]byte(cmp.Or(s.vendor.noise, ": ping\r\n\r\nevent: ping\r\ndata: {}\r\n\r\n")), e...), true
	case "sse-cut":
		return nil, false
	case "sse-reset":
		http.NewResponseController(w).Flush()
		reset(w)
		return nil, false
	case "sse-error":
		io.WriteString(w, s.vendor.failed)
		return nil, false
	case "sse-stall":
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		m.count.cancelled.Add(1)
		return nil, false
	}
	return e, true
}

// refuse answers with an error in the vendor's shape.
func (s *surface) refuse(w http.ResponseWriter, status int, message string) {
	kind, ok := s.vendor.kinds[status]
	switch {
	case status == 401 && s.vendor.badKey != "":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(400)
		io.WriteString(w, s.vendor.badKey)
		return
	case ok:
	case status == 529:
		kind = "overloaded_error"
	case status < 500:
		kind = "invalid_request_error"
	default:
		kind = "server_error"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(s.vendor.requestID(), "req_mock")
	w.WriteHeader(status)
	io.WriteString(w, s.vendor.refuse(status, kind, message))
}

func (v *vendor) requestID() string {
	if v.id != "" {
		return v.id
	}
	return "X-Request-Id"
}

// reset closes the client's connection with a TCP reset.
func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	raw := c
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		raw = secure.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	raw.Close()
}

// sleep waits and reports whether the client is still there.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
