package proxywasm

import (
	"sync"
	"sync/atomic"
)

// Bounds of what the guests of one tenant keep.
const (
	MaxShared  = 1 << 20 // bytes of shared data and queued items, with their keys
	MaxKeys    = 4096
	MaxQueues  = 64
	MaxMetrics = 1024
	MaxName    = 255 // bytes of a key or name
)

// Store is what the guests of one tenant share and what outlives them: data, queues and metrics. It
// is safe for concurrent use.
type Store struct {
	total *atomic.Int64 // bytes of all stores of a filter
	most  int64

	mu      sync.Mutex // protects what follows
	size    int64
	data    map[string]shared
	cas     uint32
	queues  []queue // by id - 1
	metrics []metric
}

type shared struct {
	value []byte
	cas   uint32
}

type queue struct {
	name  string
	items [][]byte
}

type metric struct {
	kind  uint32
	name  string
	value int64
}

// NewStore returns an empty store; total counts the bytes of it and its like, of which there are at
// most most.
func NewStore(total *atomic.Int64, most int64) *Store {
	return &Store{total: total, most: most, data: make(map[string]shared)}
}

// reserve counts n bytes more or less. It reports false where there is no room.
func (s *Store) reserve(n int64) bool {
	if n > 0 && (s.size+n > MaxShared || s.total.Load()+n > s.most) {
		return false
	}
	s.size += n
	s.total.Add(n)
	return true
}

// Get returns a copy of a value and the number that a compare-and-swap of it needs.
func (s *Store) Get(key []byte) (value []byte, cas uint32, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.data[string(key)]
	return append([]byte(nil), d.value...), d.cas, ok
}

// Set stores a copy of a value. cas is the number that Get gave, or 0 to store in any case.
func (s *Store) Set(key, value []byte, cas uint32) Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, known := s.data[string(key)]
	grow := int64(len(value) - len(old.value))
	if !known {
		grow += int64(len(key)) + 64
	}
	switch {
	case cas != 0 && cas != old.cas:
		return CASMismatch
	case len(key) > MaxName || !known && len(s.data) >= MaxKeys || !s.reserve(grow):
		return InternalFailure
	}
	if s.cas++; s.cas == 0 {
		s.cas = 1
	}
	s.data[string(key)] = shared{append([]byte(nil), value...), s.cas}
	return OK
}

// Queue returns the id of the queue of that name, from 1 on. Without create it must exist.
func (s *Store) Queue(name []byte, create bool) (uint32, Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.queues {
		if s.queues[i].name == string(name) {
			return uint32(i) + 1, OK
		}
	}
	switch {
	case !create:
		return 0, NotFound
	case len(s.queues) >= MaxQueues || len(name) > MaxName:
		return 0, InternalFailure
	}
	s.queues = append(s.queues, queue{name: string(name)})
	return uint32(len(s.queues)), OK
}

// itemCost is what an empty item counts for.
const itemCost = 32

// Enqueue adds a copy of an item.
func (s *Store) Enqueue(id uint32, item []byte) Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue(id)
	switch {
	case q == nil:
		return NotFound
	case !s.reserve(int64(len(item)) + itemCost):
		return InternalFailure
	}
	q.items = append(q.items, append([]byte(nil), item...))
	return OK
}

// Dequeue takes the first item.
func (s *Store) Dequeue(id uint32) ([]byte, Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue(id)
	switch {
	case q == nil:
		return nil, NotFound
	case len(q.items) == 0:
		return nil, Empty
	}
	item := q.items[0]
	q.items[0] = nil
	q.items = q.items[1:]
	s.reserve(-int64(len(item)) - itemCost)
	return item, OK
}

func (s *Store) queue(id uint32) *queue {
	if id == 0 || uint64(id) > uint64(len(s.queues)) {
		return nil
	}
	return &s.queues[id-1]
}

// Define returns the id of a metric, from 1 on. The same kind and name have the same one.
func (s *Store) Define(kind uint32, name string) (uint32, Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind > Histogram || name == "" || len(name) > MaxName {
		return 0, BadArgument
	}
	for i := range s.metrics {
		if s.metrics[i].kind == kind && s.metrics[i].name == name {
			return uint32(i) + 1, OK
		}
	}
	if len(s.metrics) >= MaxMetrics {
		return 0, InternalFailure
	}
	s.metrics = append(s.metrics, metric{kind: kind, name: name})
	return uint32(len(s.metrics)), OK
}

// Increment changes a metric by delta and returns what it is and what it has become. A counter only
// grows, and a histogram has nothing to grow.
func (s *Store) Increment(id uint32, delta int64) (kind uint32, name string, value int64, st Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.metric(id)
	switch {
	case m == nil:
		return 0, "", 0, NotFound
	case m.kind == Histogram || m.kind == Counter && delta < 0:
		return 0, "", 0, BadArgument
	}
	m.value += delta
	return m.kind, m.name, m.value, OK
}

// Record sets a gauge, grows a counter or takes a value of a histogram.
func (s *Store) Record(id uint32, value int64) (kind uint32, name string, st Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.metric(id)
	switch {
	case m == nil:
		return 0, "", NotFound
	case m.kind == Counter && value < 0:
		return 0, "", BadArgument
	case m.kind == Counter:
		m.value += value
	default:
		m.value = value
	}
	return m.kind, m.name, OK
}

// Metric returns a metric's value; a histogram has none.
func (s *Store) Metric(id uint32) (int64, Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.metric(id)
	switch {
	case m == nil:
		return 0, NotFound
	case m.kind == Histogram:
		return 0, BadArgument
	}
	return m.value, OK
}

func (s *Store) metric(id uint32) *metric {
	if id == 0 || uint64(id) > uint64(len(s.metrics)) {
		return nil
	}
	return &s.metrics[id-1]
}
