package main

import (
	"math"
	"strconv"
	"strings"
	"unsafe"

	"github.com/ginnel/ginnel/sdk/filter"
)

// junk is or-ed into every parameter: its upper half must not reach the host's reading of an i32.
var junk = uint64(0xdead_beef) << 32

// perform runs a script of raw calls: one in a line, an import's name and its parameters separated by
// tabs. A parameter is a number, a quoted text (a pointer and a length), *n (n letters, after a quoted text), @n (a buffer of n bytes), !n
// (n bytes outside of the memory) or ~x (an f64). The result has a line for each: what the import
// returned, and what it wrote.
func perform(script string) string {
	var out []string
	for _, line := range strings.Split(script, "\n") {
		parts := strings.Split(line, "\t")
		out = append(out, one(parts[0], parts[1:]))
	}
	return strings.Join(out, "\n")
}

func one(name string, params []string) string {
	var a []uint64
	var buffer []byte
	for _, p := range params {
		switch p[0] {
		case '"':
			s, err := strconv.Unquote(p)
			if err != nil {
				return err.Error()
			}
			b := append([]byte(s), 0) // a pointer even where it is empty
			a = append(a, uint64(uintptr(unsafe.Pointer(&b[0]))), uint64(len(s)))
			keep = append(keep, b)
		case '*':
			size, prefix, _ := strings.Cut(p[1:], "\"")
			n, _ := strconv.Atoi(size)
			s, err := strconv.Unquote("\"" + strings.TrimSuffix(prefix, "\"") + "\"")
			if err != nil {
				return err.Error()
			}
			b := append([]byte(s), strings.Repeat("x", n)...)
			a = append(a, uint64(uintptr(unsafe.Pointer(&b[0]))), uint64(len(b)))
			keep = append(keep, b)
		case '@':
			n, _ := strconv.Atoi(p[1:])
			buffer = make([]byte, n+1)
			for i := range buffer {
				buffer[i] = 0xaa
			}
			a = append(a, uint64(uintptr(unsafe.Pointer(&buffer[0]))), uint64(n))
		case '!':
			n, _ := strconv.Atoi(p[1:])
			a = append(a, 0xffff_fff0, uint64(n))
		case '~':
			f, _ := strconv.ParseFloat(p[1:], 64)
			a = append(a, math.Float64bits(f))
		default:
			n, err := strconv.ParseInt(p, 0, 64)
			if err != nil {
				return err.Error()
			}
			a = append(a, uint64(n))
		}
	}
	f := raw[name]
	if f == nil {
		return "no import " + name
	}
	code := f(a)
	keep = nil
	text := strconv.FormatInt(code, 10)
	if buffer == nil {
		return text
	}
	end := len(buffer)
	for end > 0 && buffer[end-1] == 0xaa {
		end--
	}
	return text + "=" + strconv.Quote(string(buffer[:end]))
}

var keep [][]byte

func w(v uint64) uint32 { return uint32(v | junk) }

var raw = map[string]func(a []uint64) int64{
	"log":          func(a []uint64) int64 { rawLog(w(a[0]), w(a[1]), w(a[2])); return 0 },
	"get":          func(a []uint64) int64 { return int64(rawGet(w(a[0]), w(a[1]), w(a[2]), w(a[3]), w(a[4]))) },
	"set":          func(a []uint64) int64 { return int64(rawSet(w(a[0]), w(a[1]), w(a[2]), w(a[3]), w(a[4]))) },
	"del":          func(a []uint64) int64 { return int64(rawDel(w(a[0]), w(a[1]), w(a[2]))) },
	"list":         func(a []uint64) int64 { return int64(rawList(w(a[0]), w(a[1]), w(a[2]))) },
	"out":          func(a []uint64) int64 { return int64(rawOut(w(a[0]), w(a[1]))) },
	"json_get":     func(a []uint64) int64 { return int64(rawJSONGet(w(a[0]), w(a[1]), w(a[2]), w(a[3]))) },
	"json_set":     func(a []uint64) int64 { return int64(rawJSONSet(w(a[0]), w(a[1]), w(a[2]), w(a[3]))) },
	"respond":      func(a []uint64) int64 { return int64(rawRespond(w(a[0]), w(a[1]), w(a[2]), w(a[3]), w(a[4]))) },
	"text_count":   func([]uint64) int64 { return int64(rawTextCount()) },
	"text_get":     func(a []uint64) int64 { return int64(rawTextGet(w(a[0]), w(a[1]), w(a[2]))) },
	"text_set":     func(a []uint64) int64 { return int64(rawTextSet(w(a[0]), w(a[1]), w(a[2]))) },
	"text_splice":  func(a []uint64) int64 { return int64(rawTextSplice(w(a[0]), w(a[1]), w(a[2]), w(a[3]), w(a[4]))) },
	"text_info":    func(a []uint64) int64 { return int64(rawTextInfo(w(a[0]))) },
	"scan_compile": func(a []uint64) int64 { return int64(rawScanCompile(w(a[0]), w(a[1]))) },
	"scan":         func(a []uint64) int64 { return int64(rawScan(w(a[0]), w(a[1]), w(a[2]), w(a[3]), w(a[4]))) },
	"annotate":     func(a []uint64) int64 { return int64(rawAnnotate(w(a[0]), w(a[1]), w(a[2]), w(a[3]))) },
	"state_get":    func(a []uint64) int64 { return int64(rawStateGet(w(a[0]), w(a[1]))) },
	"state_put":    func(a []uint64) int64 { return int64(rawStatePut(w(a[0]), w(a[1]))) },
	"kv_get":       func(a []uint64) int64 { return int64(rawKVGet(w(a[0]), w(a[1]), w(a[2]), w(a[3]))) },
	"kv_set":       func(a []uint64) int64 { return int64(rawKVSet(w(a[0]), w(a[1]), w(a[2]), w(a[3]), w(a[4]))) },
	"kv_incr":      func(a []uint64) int64 { return rawKVIncr(w(a[0]), w(a[1]), int64(a[2]), w(a[3])) },
	"rate_take":    func(a []uint64) int64 { return rawRateTake(w(a[0]), w(a[1]), w(a[2]), w(a[3]), w(a[4])) },
	"rate_tell":    func([]uint64) int64 { return int64(rawRateTell()) },
	"delay":        func(a []uint64) int64 { return int64(rawDelay(w(a[0]))) },
	"http_call":    func(a []uint64) int64 { return int64(rawHTTPCall(w(a[0]), w(a[1]), w(a[2]))) },
	"metric":       func(a []uint64) int64 { return int64(rawMetric(w(a[0]), w(a[1]), w(a[2]), math.Float64frombits(a[3]))) },
	"event":        func(a []uint64) int64 { return int64(rawEvent(w(a[0]), w(a[1]), w(a[2]), w(a[3]))) },
	"now":          func([]uint64) int64 { return rawNow() / 1e18 },
	"random":       func(a []uint64) int64 { return int64(rawRandom(w(a[0]), w(a[1]))) },
}

// tell gives a script's results to the test.
func tell(results string) {
	filter.Emit("raw", []byte(strconv.Quote(results)))
}

//go:wasmimport ginnel log
func rawLog(level, p, n uint32)

//go:wasmimport ginnel get
func rawGet(field, kp, kn, buf, size uint32) int32

//go:wasmimport ginnel set
func rawSet(field, kp, kn, vp, vn uint32) int32

//go:wasmimport ginnel del
func rawDel(field, kp, kn uint32) int32

//go:wasmimport ginnel list
func rawList(field, buf, size uint32) int32

//go:wasmimport ginnel out
func rawOut(p, n uint32) int32

//go:wasmimport ginnel json_get
func rawJSONGet(pp, pn, buf, size uint32) int32

//go:wasmimport ginnel json_set
func rawJSONSet(pp, pn, vp, vn uint32) int32

//go:wasmimport ginnel respond
func rawRespond(status, hp, hn, bp, bn uint32) int32

//go:wasmimport ginnel text_count
func rawTextCount() int32

//go:wasmimport ginnel text_get
func rawTextGet(i, buf, size uint32) int32

//go:wasmimport ginnel text_set
func rawTextSet(i, p, n uint32) int32

//go:wasmimport ginnel text_splice
func rawTextSplice(i, from, to, p, n uint32) int32

//go:wasmimport ginnel text_info
func rawTextInfo(i uint32) int32

//go:wasmimport ginnel scan_compile
func rawScanCompile(p, n uint32) int32

//go:wasmimport ginnel scan
func rawScan(set, source, i, buf, size uint32) int32

//go:wasmimport ginnel annotate
func rawAnnotate(kp, kn, vp, vn uint32) int32

//go:wasmimport ginnel state_get
func rawStateGet(buf, size uint32) int32

//go:wasmimport ginnel state_put
func rawStatePut(p, n uint32) int32

//go:wasmimport ginnel kv_get
func rawKVGet(kp, kn, buf, size uint32) int32

//go:wasmimport ginnel kv_set
func rawKVSet(kp, kn, vp, vn, ttl uint32) int32

//go:wasmimport ginnel kv_incr
func rawKVIncr(kp, kn uint32, delta int64, ttl uint32) int64

//go:wasmimport ginnel rate_take
func rawRateTake(np, nn, kp, kn, cost uint32) int64

//go:wasmimport ginnel rate_tell
func rawRateTell() int32

//go:wasmimport ginnel delay
func rawDelay(ms uint32) int32

//go:wasmimport ginnel http_call
func rawHTTPCall(p, n, timeout uint32) int32

//go:wasmimport ginnel metric
func rawMetric(kind, np, nn uint32, value float64) int32

//go:wasmimport ginnel event
func rawEvent(np, nn, jp, jn uint32) int32

//go:wasmimport ginnel now
func rawNow() int64

//go:wasmimport ginnel random
func rawRandom(p, n uint32) int32
