package main

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unsafe"
)

//go:wasmimport env proxy_log
func hostLog(level uint32, p *byte, n uint32) uint32

//go:wasmimport env proxy_set_tick_period_milliseconds
func hostSetTick(ms uint32) uint32

//go:wasmimport env proxy_get_buffer_bytes
func hostGetBuffer(id, start, most uint32, to, size *uint32) uint32

//go:wasmimport env proxy_set_buffer_bytes
func hostSetBuffer(id, start, size uint32, p *byte, n uint32) uint32

//go:wasmimport env proxy_get_header_map_pairs
func hostPairs(id uint32, to, size *uint32) uint32

//go:wasmimport env proxy_set_header_map_pairs
func hostSetPairs(id uint32, p *byte, n uint32) uint32

//go:wasmimport env proxy_get_header_map_value
func hostField(id uint32, kp *byte, kn uint32, to, size *uint32) uint32

//go:wasmimport env proxy_add_header_map_value
func hostAddField(id uint32, kp *byte, kn uint32, vp *byte, vn uint32) uint32

//go:wasmimport env proxy_replace_header_map_value
func hostReplaceField(id uint32, kp *byte, kn uint32, vp *byte, vn uint32) uint32

//go:wasmimport env proxy_remove_header_map_value
func hostRemoveField(id uint32, kp *byte, kn uint32) uint32

//go:wasmimport env proxy_continue_stream
func hostContinue(side uint32) uint32

//go:wasmimport env proxy_close_stream
func hostClose(side uint32) uint32

//go:wasmimport env proxy_send_local_response
func hostRespond(status uint32, dp *byte, dn uint32, bp *byte, bn uint32, hp *byte, hn uint32, grpc uint32) uint32

//go:wasmimport env proxy_done
func hostDone() uint32

//go:wasmimport env proxy_set_effective_context
func hostSetContext(id uint32) uint32

//go:wasmimport env proxy_http_call
func hostCall(up *byte, un uint32, hp *byte, hn uint32, bp *byte, bn uint32, tp *byte, tn uint32, timeout uint32, id *uint32) uint32

//go:wasmimport env proxy_redis_init
func hostRedisInit(cp *byte, cn uint32, up *byte, un uint32, pp *byte, pn uint32, timeout uint32) uint32

//go:wasmimport env proxy_redis_call
func hostRedisCall(cp *byte, cn uint32, qp *byte, qn uint32, id *uint32) uint32

//go:wasmimport env proxy_grpc_cancel
func hostGRPCCancel(id uint32) uint32

//go:wasmimport env proxy_get_shared_data
func hostGetShared(kp *byte, kn uint32, to, size *uint32, cas *uint32) uint32

//go:wasmimport env proxy_set_shared_data
func hostSetShared(kp *byte, kn uint32, vp *byte, vn uint32, cas uint32) uint32

//go:wasmimport env proxy_register_shared_queue
func hostRegisterQueue(p *byte, n uint32, id *uint32) uint32

//go:wasmimport env proxy_enqueue_shared_queue
func hostEnqueue(id uint32, p *byte, n uint32) uint32

//go:wasmimport env proxy_dequeue_shared_queue
func hostDequeue(id uint32, to, size *uint32) uint32

//go:wasmimport env proxy_define_metric
func hostDefineMetric(kind uint32, p *byte, n uint32, id *uint32) uint32

//go:wasmimport env proxy_increment_metric
func hostIncrement(id uint32, delta int64) uint32

//go:wasmimport env proxy_get_metric
func hostGetMetric(id uint32, value *uint64) uint32

//go:wasmimport env proxy_get_property
func hostProperty(p *byte, n uint32, to, size *uint32) uint32

//go:wasmimport env proxy_set_property
func hostSetProperty(p *byte, n uint32, vp *byte, vn uint32) uint32

//go:wasmimport env proxy_call_foreign_function
func hostForeign(p *byte, n uint32, ap *byte, an uint32, to, size *uint32) uint32

// given keeps what the host allocated until it is read.
var given [][]byte

// evil makes the allocator ask the host for something that must be allocated; refused is the answer.
var (
	evil    bool
	refused uint32
)

//go:wasmexport proxy_on_memory_allocate
func allocate(n uint32) *byte {
	if evil {
		_, refused = property("plugin_name")
	}
	b := make([]byte, max(n, 1))
	given = append(given, b)
	return &b[0]
}

func ptr(s string) (*byte, uint32) { return unsafe.StringData(s), uint32(len(s)) }

// taken returns what the host wrote last into memory that it asked for.
func taken(n uint32) string {
	if n == 0 {
		return ""
	}
	s := string(given[len(given)-1][:n])
	given = given[:0]
	return s
}

// got returns what a host function gave, or its status.
func got(f func(to, size *uint32) uint32) (string, uint32) {
	var at, n uint32
	if status := f(&at, &n); status != 0 {
		return "", status
	}
	return taken(n), 0
}

func field(id uint32, name string) (string, uint32) {
	p, n := ptr(name)
	return got(func(to, size *uint32) uint32 { return hostField(id, p, n, to, size) })
}

func property(path string) (string, uint32) {
	p, n := ptr(path)
	return got(func(to, size *uint32) uint32 { return hostProperty(p, n, to, size) })
}

func buffer(id, start, most uint32) (string, uint32) {
	return got(func(to, size *uint32) uint32 { return hostGetBuffer(id, start, most, to, size) })
}

func setField(f func(id uint32, kp *byte, kn uint32, vp *byte, vn uint32) uint32, id uint32, name, value string) uint32 {
	kp, kn := ptr(name)
	vp, vn := ptr(value)
	return f(id, kp, kn, vp, vn)
}

func setBuffer(id, start, size uint32, value string) uint32 {
	p, n := ptr(value)
	return hostSetBuffer(id, start, size, p, n)
}

func shared(key string) (value string, cas, status uint32) {
	p, n := ptr(key)
	value, status = got(func(to, size *uint32) uint32 { return hostGetShared(p, n, to, size, &cas) })
	return value, cas, status
}

func setShared(key, value string, cas uint32) uint32 {
	kp, kn := ptr(key)
	vp, vn := ptr(value)
	return hostSetShared(kp, kn, vp, vn, cas)
}

func pairs(fields ...string) string {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(fields)/2))
	for _, f := range fields {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f)))
	}
	for _, f := range fields {
		b = append(append(b, f...), 0)
	}
	return string(b)
}

func readPairs(s string) (fields []string) {
	if len(s) < 4 {
		return nil
	}
	n := int(binary.LittleEndian.Uint32([]byte(s)))
	at := 4 + 8*n
	for i := range 2 * n {
		size := int(binary.LittleEndian.Uint32([]byte(s[4+4*i:])))
		fields = append(fields, s[at:at+size])
		at += size + 1
	}
	return fields
}

func call(cluster, path string) (id, status uint32) {
	up, un := ptr(cluster)
	hp, hn := ptr(pairs(":method", "GET", ":path", path, ":authority", "whoever", "x-mine", "1"))
	status = hostCall(up, un, hp, hn, nil, 0, nil, 0, 20000, &id)
	return id, status
}

func respond(status uint32, details, body string, fields ...string) uint32 {
	dp, dn := ptr(details)
	bp, bn := ptr(body)
	hp, hn := ptr(pairs(fields...))
	return hostRespond(status, dp, dn, bp, bn, hp, hn, 0xffffffff)
}

// redis calls one command of a cluster, whose name may have options behind it.
func redis(cluster, password string, timeout uint32, command []string) (init, id, status uint32) {
	cp, cn := ptr(cluster)
	pp, pn := ptr(password)
	init = hostRedisInit(cp, cn, nil, 0, pp, pn, timeout)
	query := "*" + strconv.Itoa(len(command)) + "\r\n"
	for _, w := range command {
		query += "$" + strconv.Itoa(len(w)) + "\r\n" + w + "\r\n"
	}
	name, _, _ := strings.Cut(cluster, "?")
	cp, cn = ptr(name)
	qp, qn := ptr(query)
	status = hostRedisCall(cp, cn, qp, qn, &id)
	return init, id, status
}
