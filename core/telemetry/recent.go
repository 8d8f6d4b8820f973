package telemetry

import (
	"slices"
	"sync"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
)

// keptTraces is how many ended exchanges are remembered, newest first out; at about a kilobyte each.
const keptTraces = 1024

// maxKeptText bounds what a trace keeps of a text that a client writes.
const maxKeptText = 256

// Trace is what is remembered of an ended exchange: what its log line says, and the times of its parts. No
// text of the request or the answer is in it.
type Trace struct {
	ID       string            `json:"id"` // the request id
	TraceID  string            `json:"trace_id,omitempty"`
	Start    time.Time         `json:"start"`
	Listener string            `json:"listener"`
	Remote   string            `json:"remote"`
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	Route    string            `json:"route,omitempty"`
	Key      string            `json:"key,omitempty"`
	Team     string            `json:"team,omitempty"`
	Op       string            `json:"op,omitempty"`
	Dialect  string            `json:"dialect,omitempty"`
	Stream   bool              `json:"stream,omitempty"`
	Asked    string            `json:"asked,omitempty"`
	Model    string            `json:"model,omitempty"`
	Fallback string            `json:"fallback,omitempty"`
	Provider string            `json:"provider,omitempty"`
	Target   string            `json:"target,omitempty"`
	Upstream string            `json:"upstream,omitempty"`
	Tries    []string          `json:"tries,omitempty"`
	Dropped  string            `json:"dropped,omitempty"` // what was lost in translation
	Filters  []FilterTrace     `json:"filters,omitempty"`
	Notes    map[string]string `json:"notes,omitempty"`
	Filter   string            `json:"filter,omitempty"` // that ended it
	Class    string            `json:"class,omitempty"`
	Status   int               `json:"status"`
	Terminal string            `json:"terminal"`
	Finish   string            `json:"finish,omitempty"`
	Error    string            `json:"error,omitempty"`
	In       int64             `json:"in"` // bytes
	Out      int64             `json:"out"`

	TokensIn  int64 `json:"tokens_in,omitempty"`
	TokensOut int64 `json:"tokens_out,omitempty"`

	// Times in nanoseconds. UpstreamTime ends with the answer's head, First with its first content; First and
	// Total count from Start.
	Guard        time.Duration `json:"guard,omitempty"`
	Auth         time.Duration `json:"auth,omitempty"`
	UpstreamTime time.Duration `json:"upstream_time,omitempty"`
	First        time.Duration `json:"first,omitempty"`
	Total        time.Duration `json:"total"`
}

// FilterTrace is the part of one filter.
type FilterTrace struct {
	Name  string        `json:"name"`
	Calls int           `json:"calls"`
	Time  time.Duration `json:"time"` // of all calls, in nanoseconds
}

// Failed reports whether the exchange ended otherwise than it should: by the gateway's fault or the
// upstream's, or with a refusal.
func (t *Trace) Failed() bool { return t.Status >= 400 || failed(exchange.Terminal(t.Terminal)) }

// kept is an event as it is remembered. What the exchange owns it has copied to memory of its own, which later events
// use again: it would keep the whole exchange alive, or its head. Of the usage the provider's own words are left out.
type kept struct {
	event   Event
	usage   [2]int64
	err     string
	trace   traceID
	filters []exchange.FilterTime
	words   []byte // one behind the other
	ends    [5]int // of each of them
}

// words are the texts of an event that are cut from what the client or the upstream wrote.
func (e *Event) words() [5]*string {
	return [...]*string{&e.Method, &e.Host, &e.Path, &e.Asked, &e.Finish}
}

// write remembers an event.
func (k *kept) write(s *spanContext, e *Event) {
	*k = kept{event: *e, filters: append(k.filters[:0], e.Timings.Filters...), words: k.words[:0]}
	if e.Usage != nil {
		k.usage = [2]int64{e.Usage.InputTotal, e.Usage.OutputTotal}
	}
	if e.Err != nil {
		k.err = e.Err.Error()
	}
	if s != nil {
		k.trace = s.trace
	}
	for i, word := range k.event.words() {
		if text := *word; len(text) <= maxKeptText {
			k.words = append(k.words, text...)
		} else {
			k.words = append(append(k.words, text[:maxKeptText]...), "..."...)
		}
		k.ends[i], *word = len(k.words), ""
	}
	k.event.Usage, k.event.Err, k.event.Timings.Filters = nil, nil, nil
}

// copied returns what is remembered apart from the memory that is used again.
func (k *kept) copied() kept {
	out, words, begin := *k, string(k.words), 0
	for i, word := range out.event.words() {
		*word = words[begin:k.ends[i]]
		begin = k.ends[i]
	}
	out.event.Timings.Filters = slices.Clone(k.filters)
	out.filters, out.words = nil, nil
	return out
}

// recent remembers the exchanges that ended last.
type recent struct {
	mu   sync.Mutex
	ring []kept
	next int
	held int
}

func (r *recent) keep(s *spanContext, e *Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ring) == 0 {
		r.ring = newRing()
	}
	r.ring[r.next].write(s, e)
	r.next = (r.next + 1) % keptTraces
	r.held = min(r.held+1, keptTraces)
}

// newRing returns the memory of all that is remembered: the first exchanges shall cost what the later ones do.
func newRing() []kept {
	const words, filters = 256, 4 // of one, usually; a longer one gets memory of its own
	ring, text, times := make([]kept, keptTraces), make([]byte, keptTraces*words), make([]exchange.FilterTime, keptTraces*filters)
	for i := range ring {
		ring[i].words = text[i*words : i*words : (i+1)*words]
		ring[i].filters = times[i*filters : i*filters : (i+1)*filters]
	}
	return ring
}

// all returns a copy of what is remembered, the newest first: who ends an exchange does not wait for who reads.
func (r *recent) all() []kept {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]kept, r.held)
	for i := range out {
		out[i] = r.ring[(r.next-1-i+2*keptTraces)%keptTraces].copied()
	}
	return out
}

// Recent returns the exchanges that ended last, the newest first, n at most; with failed, of those that failed.
func (t *Telemetry) Recent(n int, failed bool) (out []Trace) {
	for _, k := range t.recent.all() {
		if len(out) >= n {
			break
		}
		if trace := k.read(); !failed || trace.Failed() {
			out = append(out, trace)
		}
	}
	return out
}

// Find returns the newest exchange with a request id or a trace id, if it is remembered.
func (t *Telemetry) Find(id string) (Trace, bool) {
	for _, k := range t.recent.all() {
		if k.event.ID == id || k.trace != (traceID{}) && k.trace.String() == id {
			return k.read(), true
		}
	}
	return Trace{}, false
}

func (k *kept) read() Trace {
	e := &k.event
	t := Trace{
		ID: e.ID, Start: e.Start, Listener: e.Listener, Method: e.Method, Path: e.Path, Route: e.Route,
		Key: e.KeyID, Team: e.Team, Op: string(e.Op), Dialect: string(e.Dialect), Stream: e.Stream, Asked: e.Asked, Model: e.Model,
		Fallback: e.Fallback, Provider: e.Provider, Target: e.Target, Upstream: e.Upstream, Filter: e.Filter, Class: e.Class,
		Dropped: e.Dropped, Status: e.Status, Terminal: string(e.Terminal), Finish: e.Finish, Error: k.err, In: e.In, Out: e.Out,
		TokensIn: k.usage[0], TokensOut: k.usage[1],
		Guard: e.Timings.Guard, Auth: e.Timings.Auth, UpstreamTime: e.Timings.Upstream, First: e.Timings.First, Total: e.Timings.Total,
	}
	if e.Remote.IsValid() {
		t.Remote = e.Remote.Addr().String()
	}
	if k.trace != (traceID{}) {
		t.TraceID = k.trace.String()
	}
	for i := range e.Tries {
		t.Tries = append(t.Tries, string(e.Tries[i].append(nil)))
	}
	for _, f := range e.Timings.Filters {
		t.Filters = append(t.Filters, FilterTrace{f.Filter, f.Calls, f.Spent})
	}
	for _, n := range e.Notes {
		if t.Notes == nil {
			t.Notes = make(map[string]string)
		}
		t.Notes[n.Filter+"."+n.Key] = n.Value
	}
	return t
}
