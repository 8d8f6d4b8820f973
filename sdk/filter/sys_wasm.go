//go:build wasip1

package filter

import (
	"unsafe"

	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// The imports of module ginnel and the exports that the host calls.

//go:wasmexport ginnel_abi_1
func exportABI() int32 { return 0 }

//go:wasmexport ginnel_alloc
func exportAlloc(n int32) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(grow(int(n)))) }

//go:wasmexport ginnel_init
func exportInit(n int32) int32 {
	if registered.Init == nil {
		return 0
	}
	if err := registered.Init(input[:n]); err != nil {
		Log(LevelError, err.Error())
		return abi.Invalid
	}
	return skipped
}

//go:wasmexport ginnel_on
func exportOn(event, n int32) int32 { return int32(dispatch(event, input[:n])) }

//go:wasmimport ginnel log
//go:noescape
func importLog(level uint32, p unsafe.Pointer, n uint32)

//go:wasmimport ginnel get
//go:noescape
func importGet(field uint32, kp unsafe.Pointer, kn uint32, buf unsafe.Pointer, size uint32) int32

//go:wasmimport ginnel set
//go:noescape
func importSet(field uint32, kp unsafe.Pointer, kn uint32, vp unsafe.Pointer, vn uint32) int32

//go:wasmimport ginnel del
//go:noescape
func importDel(field uint32, kp unsafe.Pointer, kn uint32) int32

//go:wasmimport ginnel list
//go:noescape
func importList(field uint32, buf unsafe.Pointer, size uint32) int32

//go:wasmimport ginnel out
//go:noescape
func importOut(p unsafe.Pointer, n uint32) int32

//go:wasmimport ginnel json_get
//go:noescape
func importJSONGet(pp unsafe.Pointer, pn uint32, buf unsafe.Pointer, size uint32) int32

//go:wasmimport ginnel json_set
//go:noescape
func importJSONSet(pp unsafe.Pointer, pn uint32, vp unsafe.Pointer, vn uint32) int32

//go:wasmimport ginnel respond
//go:noescape
func importRespond(status uint32, hp unsafe.Pointer, hn uint32, bp unsafe.Pointer, bn uint32) int32

//go:wasmimport ginnel text_count
//go:noescape
func importTextCount() int32

//go:wasmimport ginnel text_get
//go:noescape
func importTextGet(i uint32, buf unsafe.Pointer, size uint32) int32

//go:wasmimport ginnel text_set
//go:noescape
func importTextSet(i uint32, p unsafe.Pointer, n uint32) int32

//go:wasmimport ginnel text_splice
//go:noescape
func importTextSplice(i, from, to uint32, p unsafe.Pointer, n uint32) int32

//go:wasmimport ginnel text_info
//go:noescape
func importTextInfo(i uint32) int32

//go:wasmimport ginnel scan_compile
//go:noescape
func importScanCompile(p unsafe.Pointer, n uint32) int32

//go:wasmimport ginnel scan
//go:noescape
func importScan(set, source, i uint32, buf unsafe.Pointer, size uint32) int32

//go:wasmimport ginnel annotate
//go:noescape
func importAnnotate(kp unsafe.Pointer, kn uint32, vp unsafe.Pointer, vn uint32) int32

//go:wasmimport ginnel state_get
//go:noescape
func importStateGet(buf unsafe.Pointer, size uint32) int32

//go:wasmimport ginnel state_put
//go:noescape
func importStatePut(p unsafe.Pointer, n uint32) int32

//go:wasmimport ginnel rate_take
//go:noescape
func importRateTake(np unsafe.Pointer, nn uint32, kp unsafe.Pointer, kn uint32, cost uint32) int64

//go:wasmimport ginnel rate_tell
func importRateTell() int32

//go:wasmimport ginnel delay
//go:noescape
func importDelay(ms uint32) int32

//go:wasmimport ginnel kv_get
//go:noescape
func importKVGet(kp unsafe.Pointer, kn uint32, buf unsafe.Pointer, size uint32) int32

//go:wasmimport ginnel kv_set
//go:noescape
func importKVSet(kp unsafe.Pointer, kn uint32, vp unsafe.Pointer, vn uint32, ttl uint32) int32

//go:wasmimport ginnel kv_incr
//go:noescape
func importKVIncr(kp unsafe.Pointer, kn uint32, delta int64, ttl uint32) int64

//go:wasmimport ginnel http_call
//go:noescape
func importHTTPCall(p unsafe.Pointer, n uint32, timeout uint32) int32

//go:wasmimport ginnel metric
//go:noescape
func importMetric(kind uint32, np unsafe.Pointer, nn uint32, value float64) int32

//go:wasmimport ginnel event
//go:noescape
func importEvent(np unsafe.Pointer, nn uint32, jp unsafe.Pointer, jn uint32) int32

//go:wasmimport ginnel now
//go:noescape
func importNow() int64

//go:wasmimport ginnel random
//go:noescape
func importRandom(p unsafe.Pointer, n uint32) int32

func ps(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

func pb(b []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))
}

func sysLog(level uint32, s string) {
	p, n := ps(s)
	importLog(level, p, n)
}

func sysGet(field uint32, key string, buf []byte) int32 {
	kp, kn := ps(key)
	p, n := pb(buf)
	return importGet(field, kp, kn, p, n)
}

func sysSet(field uint32, key, value string) int32 {
	kp, kn := ps(key)
	p, n := ps(value)
	return importSet(field, kp, kn, p, n)
}

func sysDel(field uint32, key string) int32 {
	kp, kn := ps(key)
	return importDel(field, kp, kn)
}

func sysList(field uint32, buf []byte) int32 {
	p, n := pb(buf)
	return importList(field, p, n)
}

func sysOut(b []byte) int32 { return importOut(pb(b)) }

func sysJSONGet(pointer string, buf []byte) int32 {
	pp, pn := ps(pointer)
	p, n := pb(buf)
	return importJSONGet(pp, pn, p, n)
}

func sysJSONSet(pointer string, value []byte) int32 {
	pp, pn := ps(pointer)
	p, n := pb(value)
	return importJSONSet(pp, pn, p, n)
}

func sysRespond(status uint32, header []byte, body string) int32 {
	hp, hn := pb(header)
	bp, bn := ps(body)
	return importRespond(status, hp, hn, bp, bn)
}

func sysTextCount() int32 { return importTextCount() }

func sysTextGet(i uint32, buf []byte) int32 {
	p, n := pb(buf)
	return importTextGet(i, p, n)
}

func sysTextSet(i uint32, b []byte) int32 {
	p, n := pb(b)
	return importTextSet(i, p, n)
}

func sysTextSplice(i, from, to uint32, b []byte) int32 {
	p, n := pb(b)
	return importTextSplice(i, from, to, p, n)
}

func sysTextInfo(i uint32) int32 { return importTextInfo(i) }

func sysScanCompile(rules []byte) int32 { return importScanCompile(pb(rules)) }

func sysScan(set, source, i uint32, buf []byte) int32 {
	p, n := pb(buf)
	return importScan(set, source, i, p, n)
}

func sysAnnotate(key, value string) int32 {
	kp, kn := ps(key)
	p, n := ps(value)
	return importAnnotate(kp, kn, p, n)
}

func sysStateGet(buf []byte) int32 { return importStateGet(pb(buf)) }

func sysStatePut(b []byte) int32 { return importStatePut(pb(b)) }

func sysRateTake(name, key string, cost uint32) int64 {
	np, nn := ps(name)
	kp, kn := ps(key)
	return importRateTake(np, nn, kp, kn, cost)
}

func sysRateTell() int32 { return importRateTell() }

func sysDelay(ms uint32) int32 { return importDelay(ms) }

func sysKVGet(key string, buf []byte) int32 {
	kp, kn := ps(key)
	p, n := pb(buf)
	return importKVGet(kp, kn, p, n)
}

func sysKVSet(key string, value []byte, ttl uint32) int32 {
	kp, kn := ps(key)
	p, n := pb(value)
	return importKVSet(kp, kn, p, n, ttl)
}

func sysKVIncr(key string, delta int64, ttl uint32) int64 {
	kp, kn := ps(key)
	return importKVIncr(kp, kn, delta, ttl)
}

func sysHTTPCall(block []byte, timeout uint32) int32 {
	p, n := pb(block)
	return importHTTPCall(p, n, timeout)
}

func sysMetric(kind uint32, name string, value float64) int32 {
	p, n := ps(name)
	return importMetric(kind, p, n, value)
}

func sysEvent(name string, fields []byte) int32 {
	np, nn := ps(name)
	p, n := pb(fields)
	return importEvent(np, nn, p, n)
}

func sysNow() int64 { return importNow() }

func sysRandom(b []byte) int32 { return importRandom(pb(b)) }
