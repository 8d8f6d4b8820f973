package wasmhost

import (
	"errors"
	"time"
	"unsafe"

	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/store"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// KV is what filters keep beyond an exchange. An owner is a filter's share of a tenant. It waits for
// no disk and is safe for concurrent use.
type KV interface {
	// Get appends the value under key to dst and reports whether there is one.
	Get(dst []byte, owner, key string) ([]byte, bool)
	// Set keeps a copy of value for ttl; 0 means as long as possible. The errors are those of
	// package store.
	Set(owner, key string, value []byte, ttl time.Duration) error
	// Add adds to the number under key, 0 where there is none, and returns the sum. The ttl counts
	// from the first Add.
	Add(owner, key string, delta int64, ttl time.Duration) (int64, error)
}

// kvCost is the price of a change, in the meter's units: it is written to disk later.
const kvCost = 1000

// owner returns who a value belongs to, and why none can now. It is valid until the next call.
func (in *instance) owner() (string, int) {
	tenant := own
	switch {
	case in.init:
		return "", abi.WrongPhase
	case in.x != nil:
		tenant = in.x.Tenant
	}
	in.scratch = append(append(append(in.scratch[:0], tenant...), 0), in.filter.name...)
	return unsafe.String(unsafe.SliceData(in.scratch), len(in.scratch)), 0
}

// importKVGet is kv_get(kp, kn, buf, cap). What a tenant has not set is read from what the filter set
// in a tick, which knows no tenant's secrets.
func importKVGet(in *instance, st []uint64) {
	key, ok := in.bytes(st, 0)
	if !ok {
		result(st, abi.Invalid)
		return
	}
	owner, code := in.owner()
	if code < 0 {
		result(st, code)
		return
	}
	name := unsafe.String(unsafe.SliceData(key), len(key))
	in.records, ok = in.filter.kv.Get(in.records[:0], owner, name)
	if !ok && in.x != nil {
		in.scratch = append(append(append(in.scratch[:0], own...), 0), in.filter.name...)
		in.records, ok = in.filter.kv.Get(in.records[:0], unsafe.String(unsafe.SliceData(in.scratch), len(in.scratch)), name)
	}
	if !ok {
		result(st, abi.NotFound)
		return
	}
	in.give(st, 2, in.records)
}

// importKVSet is kv_set(kp, kn, vp, vn, ttl_ms).
func importKVSet(in *instance, st []uint64) {
	key, ok := in.bytes(st, 0)
	value, ok2 := in.bytes(st, 2)
	if !ok || !ok2 {
		result(st, abi.Invalid)
		return
	}
	owner, code := in.owner()
	if code == 0 {
		in.meter.Charge(in.mod, kvCost)
		in.emit(len(key) + len(value))
		code = kvCode(in.filter.kv.Set(owner, string(key), value, milliseconds(st[4])))
	}
	result(st, code)
}

// importKVIncr is kv_incr(kp, kn, delta, ttl_ms).
func importKVIncr(in *instance, st []uint64) {
	key, ok := in.bytes(st, 0)
	if !ok {
		st[0] = api.EncodeI64(abi.Invalid)
		return
	}
	owner, code := in.owner()
	if code < 0 {
		st[0] = api.EncodeI64(int64(code))
		return
	}
	in.meter.Charge(in.mod, kvCost)
	n, err := in.filter.kv.Add(owner, unsafe.String(unsafe.SliceData(key), len(key)), int64(st[2]), milliseconds(st[3]))
	if code := kvCode(err); code < 0 {
		n = int64(code)
	}
	st[0] = api.EncodeI64(n)
}

func milliseconds(v uint64) time.Duration {
	return time.Duration(api.DecodeU32(v)) * time.Millisecond
}

func kvCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, store.ErrKVSize):
		return abi.TooLarge
	case errors.Is(err, store.ErrKVFull), errors.Is(err, store.ErrKVRange):
		return abi.Limit
	case errors.Is(err, store.ErrKVNumber):
		return abi.Invalid
	}
	return abi.Internal
}
