package wasmhost

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/wasmhost/proxywasm"
)

// proxyFunc is a host function of proxy-wasm: it takes its parameters from st and returns a status.
type proxyFunc func(in *instance, st []uint64) proxywasm.Status

// proxyFuncs returns the imports of proxy-wasm 0.2.0, 0.2.1 and 0.2.100.
func proxyFuncs() []hostFunc {
	all := []struct {
		name   string
		params int
		f      proxyFunc
	}{
		{"proxy_log", 3, proxyLog},
		{"proxy_get_log_level", 1, proxyLogLevel},
		{"proxy_get_current_time_nanoseconds", 1, proxyNow},
		{"proxy_set_tick_period_milliseconds", 1, proxySetTick},
		{"proxy_get_buffer_bytes", 5, proxyGetBuffer},
		{"proxy_get_buffer_status", 3, proxyBufferStatus},
		{"proxy_set_buffer_bytes", 5, proxySetBuffer},
		{"proxy_get_header_map_size", 2, proxyMapSize},
		{"proxy_get_header_map_pairs", 3, proxyMapPairs},
		{"proxy_set_header_map_pairs", 3, proxySetMapPairs},
		{"proxy_get_header_map_value", 5, proxyMapValue},
		{"proxy_add_header_map_value", 5, proxyAddMapValue},
		{"proxy_replace_header_map_value", 5, proxyReplaceMapValue},
		{"proxy_remove_header_map_value", 3, proxyRemoveMapValue},
		{"proxy_continue_stream", 1, proxyContinueStream},
		{"proxy_close_stream", 1, proxyCloseStream},
		{"proxy_send_local_response", 8, proxySendLocalResponse},
		{"proxy_get_status", 3, proxyGetStatus},
		{"proxy_done", 0, proxyDone},
		{"proxy_set_effective_context", 1, proxySetEffectiveContext},
		{"proxy_http_call", 10, proxyHTTPCall},
		{"proxy_redis_init", 7, proxyRedisInit},
		{"proxy_redis_call", 5, proxyRedisCall},
		{"proxy_grpc_call", 12, proxyUnimplemented},
		{"proxy_grpc_stream", 9, proxyUnimplemented},
		{"proxy_grpc_send", 4, proxyUnimplemented},
		{"proxy_grpc_cancel", 1, proxyUnimplemented},
		{"proxy_grpc_close", 1, proxyUnimplemented},
		{"proxy_get_shared_data", 5, proxyGetShared},
		{"proxy_set_shared_data", 5, proxySetShared},
		{"proxy_register_shared_queue", 3, proxyRegisterQueue},
		{"proxy_resolve_shared_queue", 5, proxyResolveQueue},
		{"proxy_enqueue_shared_queue", 3, proxyEnqueue},
		{"proxy_dequeue_shared_queue", 3, proxyDequeue},
		{"proxy_define_metric", 4, proxyDefineMetric},
		{"proxy_get_metric", 2, proxyGetMetric},
		{"proxy_get_property", 4, proxyGetProperty},
		{"proxy_set_property", 4, proxySetProperty},
		{"proxy_call_foreign_function", 6, proxyForeign},
	}
	out := make([]hostFunc, 0, len(all)+2)
	for _, a := range all {
		params := make([]api.ValueType, a.params)
		for i := range params {
			params[i] = i32
		}
		out = append(out, hostFunc{name: a.name, params: params, result: words(1), f: proxied(a.f)})
	}
	value := []api.ValueType{i32, i64}
	return append(out,
		hostFunc{name: "proxy_increment_metric", params: value, result: words(1), f: proxied(proxyIncrementMetric)},
		hostFunc{name: "proxy_record_metric", params: value, result: words(1), f: proxied(proxyRecordMetric)},
	)
}

func proxied(f proxyFunc) importFunc {
	return func(in *instance, st []uint64) {
		status := proxywasm.InternalFailure // in a start section there is nothing to talk about
		if in.vm != nil {
			status = f(in, st)
		}
		st[0] = uint64(status)
	}
}

// defineProxyImports makes proxy-wasm's imports known to a runtime.
func defineProxyImports(ctx context.Context, r wazero.Runtime) error {
	return define(ctx, r, proxywasm.Module, proxyFuncs())
}

func proxyUnimplemented(*instance, []uint64) proxywasm.Status { return proxywasm.Unimplemented }

// word writes a number where parameter i points.
func (in *instance) word(st []uint64, i int, v uint32) proxywasm.Status {
	if !in.mem.WriteUint32Le(api.DecodeU32(st[i]), v) {
		return proxywasm.InvalidMemory
	}
	return proxywasm.OK
}

// hand gives b to the guest in memory that the guest allocates, and writes the address and the length
// where the parameters i and i+1 point.
func (in *instance) hand(st []uint64, i int, b []byte) proxywasm.Status {
	at := uint32(0)
	if len(b) > 0 {
		in.pay(len(b))
		var st proxywasm.Status
		if at, st = in.vm.allocate(len(b)); st != proxywasm.OK {
			return st
		}
		if !in.mem.Write(at, b) {
			return proxywasm.InvalidMemory
		}
	}
	if !in.mem.WriteUint32Le(api.DecodeU32(st[i]), at) || !in.mem.WriteUint32Le(api.DecodeU32(st[i+1]), uint32(len(b))) {
		return proxywasm.InvalidMemory
	}
	return proxywasm.OK
}

// proxyNow is proxy_get_current_time_nanoseconds(to).
func proxyNow(in *instance, st []uint64) proxywasm.Status {
	if !in.mem.WriteUint64Le(api.DecodeU32(st[0]), uint64(time.Now().UnixNano())) {
		return proxywasm.InvalidMemory
	}
	return proxywasm.OK
}

// proxySetTick is proxy_set_tick_period_milliseconds(period).
func proxySetTick(in *instance, st []uint64) proxywasm.Status {
	in.vm.setTick(time.Duration(api.DecodeU32(st[0])) * time.Millisecond)
	return proxywasm.OK
}

// proxySetEffectiveContext is proxy_set_effective_context(id).
func proxySetEffectiveContext(in *instance, st []uint64) proxywasm.Status {
	id := api.DecodeU32(st[0])
	if id == proxywasm.RootContext {
		in.vm.effective = nil
		return proxywasm.OK
	}
	s := in.vm.streams[id]
	if s == nil {
		return proxywasm.BadArgument
	}
	in.vm.effective = s
	return proxywasm.OK
}

// proxyDone is proxy_done(): the context is done after all.
func proxyDone(in *instance, _ []uint64) proxywasm.Status {
	s := in.vm.effective
	if s == nil || !s.finishing {
		return proxywasm.NotFound
	}
	s.finishing = false
	in.vm.finished = append(in.vm.finished, s)
	return proxywasm.OK
}

// proxyContinueStream is proxy_continue_stream(stream).
func proxyContinueStream(in *instance, st []uint64) proxywasm.Status {
	return in.direct(st, func(s *proxyStream, side int) { s.resumed[side] = true })
}

// proxyCloseStream is proxy_close_stream(stream).
func proxyCloseStream(in *instance, st []uint64) proxywasm.Status {
	return in.direct(st, func(s *proxyStream, _ int) { s.closed = true })
}

func (in *instance) direct(st []uint64, do func(s *proxyStream, side int)) proxywasm.Status {
	side := api.DecodeU32(st[0])
	switch {
	case side > proxywasm.ResponseStream:
		return proxywasm.Unimplemented // there are no others than HTTP's
	case in.vm.effective == nil:
		return proxywasm.BadArgument
	}
	do(in.vm.effective, int(side))
	in.vm.effective.signal()
	return proxywasm.OK
}
