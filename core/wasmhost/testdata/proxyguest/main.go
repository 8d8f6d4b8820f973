// Command proxyguest is a proxy-wasm module for the host's tests, written against the ABI itself: the
// query of a request's path says what it does.
package main

import (
	"fmt"
	"strconv"
	"strings"
)

func main() {}

// exchanges are the queries by context, calls the contexts that began them.
var (
	exchanges = map[uint32]string{}
	calls     = map[uint32]uint32{}
	chunks    = map[uint32]int{}
	memory    string
	config    string
	queue     uint32
	waiting   []uint32
)

// say leaves a note.
func say(format string, a ...any) {
	old, _ := property("said")
	if old != "" {
		old += "|"
	}
	p, n := ptr("said")
	vp, vn := ptr(old + fmt.Sprintf(format, a...))
	hostSetProperty(p, n, vp, vn)
}

//go:wasmexport proxy_abi_version_0_2_1
func version() {}

//go:wasmexport proxy_on_vm_start
func onVMStart(_, _ uint32) uint32 { return 1 }

//go:wasmexport proxy_on_configure
func onConfigure(_, size uint32) uint32 {
	config, _ = buffer(7, 0, size)
	if strings.Contains(config, "tick") {
		hostSetTick(1)
	}
	if strings.Contains(config, "refuse") {
		p, n := ptr("no such colour")
		hostLog(4, p, n)
		return 0
	}
	p, n := ptr("jobs")
	hostRegisterQueue(p, n, &queue)
	return 1
}

//go:wasmexport proxy_on_context_create
func onCreate(id, parent uint32) {
	if parent != 0 {
		exchanges[id] = ""
	}
}

//go:wasmexport proxy_on_request_headers
func onRequestHeaders(id, count, end uint32) uint32 {
	path, _ := property("request\x00path")
	_, query, _ := strings.Cut(path, "?")
	exchanges[id] = query
	do, rest, _ := strings.Cut(query, "=")
	switch do {
	case "head":
		say("%d %d %d", id, count, end)
	case "pairs":
		all, status := got(func(to, size *uint32) uint32 { return hostPairs(0, to, size) })
		say("%d %s", status, strings.Join(readPairs(all), ","))
	case "setpairs":
		p, n := ptr(pairs(":method", "POST", "x-only", "1"))
		say("%d", hostSetPairs(0, p, n))
	case "edit":
		kp, kn := ptr("x-gone")
		say("%d", hostRemoveField(0, kp, kn))
		say("%d", setField(hostAddField, 0, "x-two", "b"))
		say("%d", setField(hostReplaceField, 0, "x-new", "v"))
		say("%d", setField(hostReplaceField, 0, "content-length", "7"))
		say("%d", setField(hostReplaceField, 0, "authorization", "mine"))
		say("%d", setField(hostReplaceField, 0, "x-bad", "a\nb"))
		say("%d", setField(hostReplaceField, 2, "x-early", "1"))
		say("%d", setField(hostReplaceField, 99, "x", "1"))
		say("%d", setField(hostReplaceField, 0, ":path", "/other?edit"))
		now, _ := field(0, ":path")
		say("%s", now)
	case "get":
		for _, name := range strings.Split(rest, ",") {
			v, status := field(0, name)
			say("%s=%s(%d)", name, v, status)
		}
	case "property":
		for _, name := range strings.Split(rest, ",") {
			v, status := property(strings.ReplaceAll(name, ".", "\x00"))
			if status != 0 {
				v = fmt.Sprint("(", status, ")")
			}
			say("%s=%q", name, v)
		}
	case "respond":
		say("%d", respond(418, "teapot", "short and stout", "x-pot", "1", "content-length", "3", ":status", "200"))
		return 1
	case "close":
		hostClose(0)
		return 1
	case "shared":
		_, _, missing := shared("k")
		first := setShared("k", "v", 0)
		v, cas, _ := shared("k")
		say("%d %d %s %d %d", missing, first, v, setShared("k", "w", cas), setShared("k", "x", cas))
	case "sharedget":
		v, _, status := shared(rest)
		say("%s(%d)", v, status)
	case "queue":
		p, n := ptr(rest)
		say("%d", hostEnqueue(queue, p, n))
	case "metrics":
		var c, g uint32
		p, n := ptr("My.Counter")
		hostDefineMetric(0, p, n, &c)
		p, n = ptr("gauge")
		hostDefineMetric(1, p, n, &g)
		hostIncrement(c, 2)
		hostIncrement(g, -3)
		var v uint64
		hostGetMetric(g, &v)
		say("%d %d", int64(v), hostIncrement(c, -1))
	case "unknown":
		p, n := ptr("no_such_function")
		q, m := ptr("clear_route_cache")
		_, a := got(func(to, size *uint32) uint32 { return hostForeign(p, n, nil, 0, to, size) })
		_, b := got(func(to, size *uint32) uint32 { return hostForeign(q, m, nil, 0, to, size) })
		say("%d %d %d", hostGRPCCancel(1), a, b)
	case "call", "deny":
		cluster, path, _ := strings.Cut(rest, "@")
		call, status := call(cluster, path)
		say("%d", status)
		if status == 0 {
			calls[call] = id
			return 1
		}
	case "redis": // cluster@password@timeout@command, in words
		parts := strings.SplitN(rest, "@", 4)
		wait, _ := strconv.Atoi(parts[2])
		init, id2, status := redis(parts[0], parts[1], uint32(wait), strings.Split(parts[3], "+"))
		say("%d %d", init, status)
		if status == 0 {
			calls[id2] = id
			return 1
		}
	case "pause":
		return 1
	case "remember":
		memory += rest
		say("%s", memory)
	case "context":
		_, a := field(0, ":path")
		b := hostSetContext(id + 1000)
		hostSetContext(1)
		_, c := field(0, ":path")
		hostSetContext(id)
		say("%d %d %d", a, b, c)
	case "loop":
		for {
		}
	case "trap":
		panic("asked to")
	case "evil":
		evil = true
		_, status := property("plugin_name")
		evil = false
		say("%d %d", refused, status)
	case "config":
		say("%s", config)
	case "await":
		waiting = append(waiting, id)
		return 1
	}
	return 0
}

//go:wasmexport proxy_on_request_body
func onRequestBody(id, size, end uint32) uint32 { return body(id, 0, size, end) }

//go:wasmexport proxy_on_response_headers
func onResponseHeaders(id, count, end uint32) uint32 {
	switch do, _, _ := strings.Cut(exchanges[id], "="); do {
	case "answer":
		status, _ := field(2, ":status")
		say("%s", status)
		setField(hostReplaceField, 2, ":status", "203")
		setField(hostAddField, 2, "x-seen", "1")
		setField(hostReplaceField, 0, "x-late", "1")
	case "refuse":
		respond(451, "", "not here")
	}
	return 0
}

//go:wasmexport proxy_on_response_body
func onResponseBody(id, size, end uint32) uint32 { return body(id, 1, size, end) }

func body(id, which, size, end uint32) uint32 {
	chunks[id]++
	do, rest, _ := strings.Cut(exchanges[id], "=")
	text, _ := buffer(which, 0, size)
	switch do {
	case "show":
		say("%d:%d:%s", size, end, text)
	case "upper":
		setBuffer(which, 0, size, strings.ToUpper(text))
	case "replace":
		setBuffer(which, 0, size, strings.ReplaceAll(text, rest, "****"))
	case "swap":
		old, with, _ := strings.Cut(rest, ",")
		setBuffer(which, 0, size, strings.ReplaceAll(text, old, with))
	case "splice":
		setBuffer(which, 0, 0, "<")
		setBuffer(which, 0xffffffff, 0, ">")
		setBuffer(which, 1, 1, "[]")
	case "hold":
		if end == 0 {
			return 1
		}
		say("%d", size)
		setBuffer(which, 0, size, strings.ReplaceAll(text, rest, "****"))
	case "pairwise":
		if chunks[id]%2 == 1 && end == 0 {
			return 1
		}
	case "drop":
		if strings.Contains(text, rest) {
			setBuffer(which, 0, size, "")
		}
	case "stop":
		if strings.Contains(text, rest) {
			respond(400, "stopped", "enough")
		}
	}
	return 0
}

//go:wasmexport proxy_on_http_call_response
func onCallResponse(_, call, fields, size, _ uint32) {
	id := calls[call]
	delete(calls, call)
	status, _ := field(6, ":status")
	text, _ := buffer(4, 0, size)
	hostSetContext(id)
	say("%d %s %s", min(fields, 1), status, text)
	if strings.HasPrefix(exchanges[id], "deny") {
		respond(403, "judged", text)
		return
	}
	setField(hostReplaceField, 0, "x-called", text)
	hostContinue(0)
}

//go:wasmexport proxy_on_redis_call_response
func onRedisResponse(_, call, status, size uint32) {
	id := calls[call]
	delete(calls, call)
	text, _ := buffer(9, 0, size)
	hostSetContext(id)
	say("%d %q", status, text)
	hostContinue(0)
}

//go:wasmexport proxy_on_tick
func onTick(_ uint32) {
	setShared("ticked", "yes", 0)
	for _, id := range waiting {
		hostSetContext(id)
		hostContinue(0)
	}
	waiting = nil
}

//go:wasmexport proxy_on_queue_ready
func onQueueReady(_, id uint32) {
	item, _ := got(func(to, size *uint32) uint32 { return hostDequeue(id, to, size) })
	setShared("job", item, 0)
}

//go:wasmexport proxy_on_done
func onDone(id uint32) uint32 {
	if exchanges[id] == "later" {
		return 0
	}
	return 1
}

//go:wasmexport proxy_on_log
func onLog(id uint32) {
	if exchanges[id] == "log" {
		code, _ := property("response\x00code")
		say("%d", code[0])
	}
}

//go:wasmexport proxy_on_delete
func onDelete(id uint32) {
	delete(exchanges, id)
	delete(chunks, id)
	setShared("left", fmt.Sprint(len(exchanges)), 0)
}
