package store

import (
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of a KV.
const (
	MaxKVKey   = 256      // bytes of a key
	MaxKVValue = 64 << 10 // bytes of a value
	MaxKVCount = 10_000   // values of one owner
	MaxKVOwner = 4 << 20  // bytes of one owner
	MaxKVTotal = 256 << 20
	MaxKVTime  = 90 * 24 * time.Hour

	kvFlush  = 200 * time.Millisecond
	kvShards = 16
	kvCost   = 128 // bytes that an entry costs besides its key and value
)

// The errors of a KV.
var (
	ErrKVSize   = errors.New("key or value is too large")
	ErrKVFull   = errors.New("too many values")
	ErrKVNumber = errors.New("value is no number")
	ErrKVRange  = errors.New("sum is out of range")
)

// KV is what filters keep beyond an exchange: values with a time to live under an owner, which is a
// tenant, NUL and a filter. All of it lives in memory; what has changed goes to the file five times a
// second, so that no request waits for a disk, and a crash loses no more than that. It is safe for
// concurrent use.
type KV struct {
	store  *Store
	log    *slog.Logger
	now    func() time.Time
	seed   maphash.Seed
	shards [kvShards]kvShard
	total  atomic.Int64 // bytes

	flushing sync.Mutex // orders flushes
	failing  bool       // the last one did; protected by flushing
	stop     chan struct{}
	done     chan struct{}
}

type kvShard struct {
	mu     sync.Mutex // protects owners
	owners map[string]*kvOwner
}

type kvOwner struct {
	values map[string]*kvEntry
	dirty  map[string]struct{} // keys that the file does not have as they are
	bytes  int
}

type kvEntry struct {
	value   []byte // never changed
	number  int64  // where value is nil
	expires int64  // Unix milliseconds
}

func (e *kvEntry) append(dst []byte) []byte {
	if e.value == nil {
		return strconv.AppendInt(dst, e.number, 10)
	}
	return append(dst, e.value...)
}

func (e *kvEntry) size(key string) int { return kvCost + len(key) + len(e.value) }

// OpenKV loads the values of a store. The caller closes it before the store.
func OpenKV(s *Store, log *slog.Logger) (*KV, error) {
	kv := &KV{store: s, log: log, now: time.Now, seed: maphash.MakeSeed(), stop: make(chan struct{}), done: make(chan struct{})}
	if err := kv.load(); err != nil {
		return nil, err
	}
	go kv.run()
	return kv, nil
}

func (kv *KV) load() error {
	for i := range kv.shards {
		kv.shards[i].owners = make(map[string]*kvOwner)
	}
	now := kv.now().UnixMilli()
	return kv.store.View(func(tx *Tx) error {
		return FilterValues.Scan(tx, "", 0, func(id string, v FilterValue) bool {
			owner, key, _ := cutOwner(id)
			o := kv.shard(owner).owner(owner)
			if v.Expires.UnixMilli() <= now {
				o.dirty[key] = struct{}{}
				return true
			}
			e := kvEntry{value: v.Value, number: v.Number, expires: v.Expires.UnixMilli()}
			if v.Value == nil && !v.IsNumber {
				e.value = []byte{}
			}
			kv.put(o, key, e)
			return true
		})
	})
}

// cutOwner splits a table's key into the owner and what it named the value.
func cutOwner(id string) (owner, key string, ok bool) {
	tenant := strings.IndexByte(id, 0)
	if tenant < 0 {
		return "", "", false
	}
	filter := strings.IndexByte(id[tenant+1:], 0)
	if filter < 0 {
		return "", "", false
	}
	at := tenant + 1 + filter
	return id[:at], id[at+1:], true
}

func (kv *KV) shard(owner string) *kvShard {
	return &kv.shards[maphash.String(kv.seed, owner)%kvShards]
}

// owner returns an owner's values, made where there are none; the caller holds mu.
func (s *kvShard) owner(owner string) *kvOwner {
	o := s.owners[owner]
	if o == nil {
		o = &kvOwner{values: make(map[string]*kvEntry), dirty: make(map[string]struct{})}
		s.owners[strings.Clone(owner)] = o
	}
	return o
}

// Get appends the value under key to dst and reports whether there is one.
func (kv *KV) Get(dst []byte, owner, key string) ([]byte, bool) {
	s := kv.shard(owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.owners[owner]; o != nil {
		if e, ok := o.values[key]; ok && e.expires > kv.now().UnixMilli() {
			return e.append(dst), true
		}
	}
	return dst, false
}

// Set keeps a copy of value for ttl; 0 or more than MaxKVTime means MaxKVTime. The errors are
// ErrKVSize and ErrKVFull.
func (kv *KV) Set(owner, key string, value []byte, ttl time.Duration) error {
	if len(key) > MaxKVKey || len(value) > MaxKVValue {
		return ErrKVSize
	}
	s := kv.shard(owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	return kv.write(s.owner(owner), key, kvEntry{value: append([]byte{}, value...), expires: kv.until(ttl)})
}

// Add adds to the number under key, 0 where there is none, and returns the sum. The ttl counts from
// the first Add. A sum below zero or beyond an int64 is ErrKVRange and changes nothing; the other
// errors are ErrKVSize, ErrKVFull and ErrKVNumber.
func (kv *KV) Add(owner, key string, delta int64, ttl time.Duration) (int64, error) {
	if len(key) > MaxKVKey {
		return 0, ErrKVSize
	}
	s := kv.shard(owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owner(owner)
	e := kvEntry{expires: kv.until(ttl)}
	if old := o.values[key]; old != nil && old.expires > kv.now().UnixMilli() {
		e = *old
	}
	if e.value != nil {
		n, err := strconv.ParseInt(string(e.value), 10, 64)
		if err != nil {
			return 0, ErrKVNumber
		}
		e.value, e.number = nil, n
	}
	if delta > 0 && e.number > math.MaxInt64-delta || e.number+delta < 0 {
		return 0, ErrKVRange
	}
	e.number += delta
	return e.number, kv.write(o, key, e)
}

func (kv *KV) until(ttl time.Duration) int64 {
	if ttl <= 0 || ttl > MaxKVTime {
		ttl = MaxKVTime
	}
	return kv.now().Add(ttl).UnixMilli()
}

// write puts an entry in its place if there is room; the caller holds the shard's mu. It keeps no key
// that it was given, which may be a guest's memory.
func (kv *KV) write(o *kvOwner, key string, e kvEntry) error {
	_, there := o.values[key]
	full := func() bool {
		grows := e.size(key)
		if old := o.values[key]; old != nil {
			grows -= old.size(key)
		}
		return !there && len(o.values) >= MaxKVCount || grows > 0 && (o.bytes+grows > MaxKVOwner || kv.total.Load()+int64(grows) > MaxKVTotal)
	}
	if full() {
		if kv.expire(o); full() {
			return ErrKVFull
		}
	}
	kv.put(o, key, e)
	if _, dirty := o.dirty[key]; !dirty {
		o.dirty[strings.Clone(key)] = struct{}{}
	}
	return nil
}

func (kv *KV) put(o *kvOwner, key string, e kvEntry) {
	n := e.size(key)
	if old := o.values[key]; old != nil {
		n -= old.size(key)
		*old = e
	} else {
		fresh := new(kvEntry)
		*fresh = e
		o.values[strings.Clone(key)] = fresh
	}
	o.bytes += n
	kv.total.Add(int64(n))
}

// expire drops what has expired, for the file too.
func (kv *KV) expire(o *kvOwner) {
	now := kv.now().UnixMilli()
	for key, e := range o.values {
		if e.expires <= now {
			delete(o.values, key)
			o.dirty[key] = struct{}{}
			o.bytes -= e.size(key)
			kv.total.Add(-int64(e.size(key)))
		}
	}
}

// run flushes, and looks for what has expired in one shard after the other.
func (kv *KV) run() {
	defer close(kv.done)
	t := time.NewTicker(kvFlush)
	defer t.Stop()
	for i := 0; ; i++ {
		select {
		case <-t.C:
			kv.sweep(&kv.shards[i%kvShards])
			kv.Flush()
		case <-kv.stop:
			return
		}
	}
}

// sweep drops what has expired in a shard, one owner at a time.
func (kv *KV) sweep(s *kvShard) {
	s.mu.Lock()
	names := make([]string, 0, len(s.owners))
	for name := range s.owners {
		names = append(names, name)
	}
	s.mu.Unlock()
	for _, name := range names {
		s.mu.Lock()
		o := s.owners[name]
		kv.expire(o)
		if len(o.values) == 0 && len(o.dirty) == 0 {
			delete(s.owners, name)
		}
		s.mu.Unlock()
	}
}

// kvChange is what a flush writes.
type kvChange struct {
	owner, key string
	entry      kvEntry
	there      bool
}

// Flush writes what has changed to the file. What could not be written is tried again with the next.
func (kv *KV) Flush() error {
	kv.flushing.Lock()
	defer kv.flushing.Unlock()
	changes := kv.changes()
	if len(changes) == 0 {
		return nil
	}
	err := kv.store.Update(func(tx *Tx) error {
		for _, c := range changes {
			id := c.owner + "\x00" + c.key
			if !c.there {
				if err := FilterValues.Delete(tx, id); err != nil {
					return err
				}
				continue
			}
			v := FilterValue{Value: c.entry.value, Number: c.entry.number, IsNumber: c.entry.value == nil, Expires: time.UnixMilli(c.entry.expires).UTC()}
			if err := FilterValues.Put(tx, id, v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		kv.keep(changes)
		if !kv.failing {
			kv.log.Error("values of filters are not written", "error", err)
		}
	}
	kv.failing = err != nil
	return err
}

// changes takes what the file does not have yet.
func (kv *KV) changes() (all []kvChange) {
	for i := range kv.shards {
		s := &kv.shards[i]
		s.mu.Lock()
		for name, o := range s.owners {
			for key := range o.dirty {
				c := kvChange{owner: name, key: key}
				if e := o.values[key]; e != nil {
					c.entry, c.there = *e, true
				}
				all = append(all, c)
			}
			clear(o.dirty)
		}
		s.mu.Unlock()
	}
	return all
}

// keep marks changes that were not written as such again.
func (kv *KV) keep(changes []kvChange) {
	for _, c := range changes {
		s := kv.shard(c.owner)
		s.mu.Lock()
		s.owner(c.owner).dirty[c.key] = struct{}{}
		s.mu.Unlock()
	}
}

// Close writes what has changed.
func (kv *KV) Close() error {
	close(kv.stop)
	<-kv.done
	if err := kv.Flush(); err != nil && !errors.Is(err, ErrDegraded) {
		return fmt.Errorf("values of filters: %w", err)
	}
	return nil
}

// FilterValue is a value of a filter as it is stored.
type FilterValue struct {
	Value    []byte    `json:"value,omitempty"`
	Number   int64     `json:"number,omitempty"`
	IsNumber bool      `json:"is_number,omitempty"`
	Expires  time.Time `json:"expires"`
}

// Check reports what is wrong with a value stored under the given id.
func (v FilterValue) Check(id string) error {
	_, key, ok := cutOwner(id)
	switch {
	case !ok:
		return errors.New("no tenant and filter in its key")
	case len(key) > MaxKVKey || len(v.Value) > MaxKVValue:
		return ErrKVSize
	case v.IsNumber && (len(v.Value) > 0 || v.Number < 0):
		return ErrKVNumber
	case v.Expires.IsZero():
		return errors.New("no time to live")
	}
	return nil
}
