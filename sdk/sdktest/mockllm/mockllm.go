// Package mockllm is a deterministic LLM upstream for tests and benchmarks: it speaks the wire formats
// of OpenAI (Chat Completions, Responses, Embeddings, Models), Anthropic and Gemini, answers with the
// same bytes every time, and delays or breaks its answers on demand.
//
// It is no model and checks no more of a request than it needs to answer it. It imports the standard
// library only. README.md lists the knobs and the faults.
package mockllm

import (
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultChunks = 50
	maxBody       = 64 << 20
)

// Options are the defaults that a request's knobs change.
type Options struct {
	Delay      time.Duration // before the head of an answer
	Gap        time.Duration // between two chunks of a stream
	Chunks     int           // of content in a stream; 0 = 50
	Fault      string        // "" = none
	RequireKey string        // any other key is answered 401; "" = any key will do
	Record     bool          // keep the last request for Last, at the cost of a copy of each
	TLS        bool          // Start serves https
}

// Mock is the upstream. It is safe for concurrent use.
type Mock struct {
	URL   string         // of a started one
	Roots *x509.CertPool // trusts a started one with TLS

	options Options
	mux     *http.ServeMux
	count   counters
	last    atomic.Pointer[Recorded]
	failed  sync.Map // key -> *atomic.Int64: requests that a fault with failn met
	streams sync.Map // streamKey -> [][]byte
}

type counters struct{ requests, streams, completed, cancelled, faults, inFlight, bytesIn atomic.Int64 }

// Stats counts requests since the start or the last reset.
type Stats struct {
	Requests  int64 `json:"requests"`
	Streams   int64 `json:"streams"`
	Completed int64 `json:"completed"` // answered whole
	Cancelled int64 `json:"cancelled"` // the client left first
	Faults    int64 `json:"faults"`
	InFlight  int64 `json:"inflight"`
	BytesIn   int64 `json:"bytes_in"` // of request bodies
}

// Recorded is a request as it arrived.
type Recorded struct {
	Method string      `json:"method"`
	Path   string      `json:"path"` // with the query
	Proto  string      `json:"proto"`
	Header http.Header `json:"header"`
	Body   string      `json:"body"`
}

// TB is what Start needs of a test.
type TB interface {
	Helper()
	Cleanup(func())
}

var _ http.Handler = (*Mock)(nil)

// New returns an upstream that is an http.Handler and listens nowhere.
func New(o Options) *Mock {
	if o.Chunks == 0 {
		o.Chunks = defaultChunks
	}
	m := &Mock{options: o, mux: http.NewServeMux()}
	for _, prefix := range []string{"", "/v1"} {
		m.mux.Handle("POST "+prefix+"/chat/completions", m.serve(chat))
		m.mux.Handle("POST "+prefix+"/responses", m.serve(responses))
		m.mux.Handle("POST "+prefix+"/responses/input_tokens", m.serve(inputTokens))
		m.mux.Handle("POST "+prefix+"/embeddings", m.serve(embeddings))
		m.mux.Handle("GET "+prefix+"/models", m.models())
		m.mux.Handle("POST "+prefix+"/messages", m.serve(messages))
		m.mux.Handle("POST "+prefix+"/messages/count_tokens", m.serve(countTokens))
	}
	m.mux.HandleFunc("POST /v1beta/models/{call...}", m.gemini)
	m.mux.Handle("GET /v1beta/models", m.serve(geminiModels))
	m.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	m.mux.HandleFunc("GET /__stats", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, m.Stats()) })
	m.mux.HandleFunc("GET /__last", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, m.last.Load()) })
	m.mux.HandleFunc("POST /__reset", func(http.ResponseWriter, *http.Request) { m.Reset() })
	return m
}

// Start serves an upstream on a loopback port until the test ends.
func Start(tb TB, o Options) *Mock {
	tb.Helper()
	m := New(o)
	s := httptest.NewUnstartedServer(m)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if o.TLS {
		s.StartTLS()
		m.Roots = x509.NewCertPool()
		m.Roots.AddCert(s.Certificate())
	} else {
		s.Start()
	}
	m.URL = s.URL
	tb.Cleanup(func() {
		s.CloseClientConnections() // a request that hangs ends here
		s.Close()
	})
	return m
}

func (m *Mock) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }

// Stats returns the counters.
func (m *Mock) Stats() Stats {
	c := &m.count
	return Stats{c.requests.Load(), c.streams.Load(), c.completed.Load(), c.cancelled.Load(), c.faults.Load(), c.inFlight.Load(), c.bytesIn.Load()}
}

// Last returns the last request, or nil where none came or Options.Record is not set.
func (m *Mock) Last() *Recorded { return m.last.Load() }

// Reset zeroes the counters, those of failn included.
func (m *Mock) Reset() {
	c := &m.count
	for _, n := range []*atomic.Int64{&c.requests, &c.streams, &c.completed, &c.cancelled, &c.faults, &c.bytesIn} {
		n.Store(0)
	}
	m.failed.Clear()
	m.last.Store(nil)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}
