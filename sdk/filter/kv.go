package filter

// kept is what the host writes values into.
var kept []byte

// KVGet returns the value under a key, or NotFound. It is valid until the next call of KVGet.
func KVGet(key string) ([]byte, error) {
	return fetch(&kept, func(buf []byte) int32 { return sysKVGet(key, buf) })
}

// KVSet keeps a value of at most 64 KiB under a key of at most 256 bytes. A ttl of 0 means 90 days,
// which is the most.
func KVSet(key string, value []byte, ttlMilliseconds int) error {
	return result(sysKVSet(key, value, uint32(ttlMilliseconds)))
}

// KVAdd adds to the number under a key, which begins as 0, and returns the sum; the ttl counts from the
// first KVAdd. Where the sum would be below zero nothing is changed and the error is Limit.
func KVAdd(key string, delta int64, ttlMilliseconds int) (int64, error) {
	n := sysKVIncr(key, delta, uint32(ttlMilliseconds))
	if n < 0 {
		return 0, Error(n)
	}
	return n, nil
}
