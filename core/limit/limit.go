// Package limit is the one rate-limit engine: the generic cell rate algorithm over keys, exact on
// one node, in bounded memory.
//
// It knows no requests, keys or teams, only strings, and it never waits: a Decision says what a
// caller should do. Counting budgets in tokens or money is package access's business.
package limit

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"
)

// DefaultKeys is the number of keys that a Limiter remembers at most, unless Config says otherwise.
const DefaultKeys = 1 << 18

const (
	shards  = 64
	sampled = 8 // keys that an insertion into a full shard looks at
	swept   = 4 // keys that any other insertion looks at
)

// Config is what New needs; the zero value means the defaults.
type Config struct {
	Keys int // keys that are remembered at most
}

// Limiter counts keys. It is safe for concurrent use.
//
// The generic cell rate algorithm (ITU-T I.371, annex A) keeps one number per key, the theoretical
// arrival time: the moment at which all that was taken is paid off. A key whose moment has passed
// has a full allowance, as one that was never seen, so it can be forgotten without a loss. Only
// where more keys than Config.Keys are in use at once is the one forgotten, of a sample, that would
// expire first.
type Limiter struct {
	seed  maphash.Seed
	start time.Time
	limit int // keys per shard
	shard [shards]shard
}

type shard struct {
	mu  sync.Mutex // protects tat
	tat map[string]int64
	_   [48]byte // shards do not share a cache line
}

// Decision is the answer to Take.
type Decision struct {
	OK         bool
	Limit      int64         // the rate's burst: what may be taken at once
	Remaining  int64         // what may be taken now
	Reset      time.Duration // until nothing is used any more
	RetryAfter time.Duration // until the same cost may be taken; 0 when OK; Never when it is above the burst
	Delay      time.Duration // how long to hold the caller up to slow it down; only when OK
}

// Never is the RetryAfter of a cost that no waiting makes possible.
const Never = time.Duration(1<<63 - 1)

// New returns an empty Limiter.
func New(c Config) *Limiter {
	if c.Keys <= 0 {
		c.Keys = DefaultKeys
	}
	l := &Limiter{seed: maphash.MakeSeed(), start: time.Now(), limit: max(1, c.Keys/shards)}
	for i := range l.shard {
		l.shard[i].tat = make(map[string]int64)
	}
	return l
}

// Take takes cost from the allowance of key, all of it or nothing. A cost of 0 only asks. The key
// must name the rate too where one string is counted by several; it is not kept, so the caller may
// reuse its bytes. now comes from time.Now, in any order.
func (l *Limiter) Take(rate Rate, key string, cost int64, now time.Time) Decision {
	step, burst := rate.step(), rate.burst()
	cost = max(0, cost)
	room := burst * step
	at := int64(now.Sub(l.start))
	s := &l.shard[maphash.String(l.seed, key)%shards]
	s.mu.Lock()
	tat, known := s.tat[key]
	due := max(tat, at)
	d := Decision{Limit: burst}
	if cost <= burst && due-at+cost*step <= room {
		d.OK = true
		if cost > 0 {
			due += cost * step
			if !known {
				key = s.admit(key, at, l.limit)
			}
			s.tat[key] = due
		}
	}
	s.mu.Unlock()
	used := due - at
	d.Reset = time.Duration(used)
	d.Remaining = max(0, (room-used)/step) // a rate that a reload made smaller may be overdrawn
	switch {
	case d.OK:
		d.Delay = rate.delay(used, room, step)
	case cost > burst:
		d.RetryAfter = Never
	default:
		d.RetryAfter = time.Duration(used + cost*step - room)
	}
	return d
}

// Give gives back what was taken of the allowance of key.
func (l *Limiter) Give(rate Rate, key string, cost int64) {
	s := &l.shard[maphash.String(l.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if tat, known := s.tat[key]; known {
		s.tat[key] = tat - max(0, cost)*rate.step()
	}
}

// Len returns the number of remembered keys.
func (l *Limiter) Len() int {
	n := 0
	for i := range l.shard {
		s := &l.shard[i]
		s.mu.Lock()
		n += len(s.tat)
		s.mu.Unlock()
	}
	return n
}

// admit makes room for a new key and returns a copy of it. Every insertion looks at a few keys and
// forgets the expired ones, so that idle keys go as fast as new ones come.
func (s *shard) admit(key string, at int64, limit int) string {
	n, most := 0, swept
	if len(s.tat) >= limit {
		most = sampled
	}
	first, expires := "", int64(0)
	for k, tat := range s.tat { // the order is random
		if n == 0 || tat < expires {
			first, expires = k, tat
		}
		if tat <= at {
			delete(s.tat, k)
		}
		if n++; n == most {
			break
		}
	}
	if len(s.tat) >= limit {
		delete(s.tat, first)
	}
	return strings.Clone(key)
}
