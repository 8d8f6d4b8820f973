package wasmhost

import (
	"log/slog"

	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/wasmhost/proxywasm"
)

// proxyLog is proxy_log(level, p, n).
func proxyLog(in *instance, st []uint64) proxywasm.Status {
	b, ok := in.bytes(st, 1)
	if !ok {
		return proxywasm.InvalidMemory
	}
	n := api.DecodeU32(st[0])
	if n > 5 {
		return proxywasm.BadArgument
	}
	level := [...]slog.Level{slog.LevelDebug - 4, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, slog.LevelError}[n]
	in.logLine(level, string(b[:min(len(b), maxLine)]))
	return proxywasm.OK
}

// proxyLogLevel is proxy_get_log_level(to).
func proxyLogLevel(in *instance, st []uint64) proxywasm.Status {
	for i, level := range []slog.Level{slog.LevelDebug - 4, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		if in.filter.logger.Enabled(in.ctx, level) {
			return in.word(st, 0, uint32(i))
		}
	}
	return in.word(st, 0, 4)
}

// buffer returns a buffer, or why there is none.
func (in *instance) buffer(id uint32) ([]byte, proxywasm.Status) {
	v := in.vm
	switch id {
	case proxywasm.RequestBody, proxywasm.ResponseBody:
		if s := v.subject(); s != nil && s.shows(id) {
			return s.body, proxywasm.OK
		}
	case proxywasm.CallBody, proxywasm.RedisResponse:
		if v.call != nil {
			return v.call.body, proxywasm.OK
		}
	case proxywasm.Configuration:
		if v.current == nil {
			return v.config, proxywasm.OK
		}
	case proxywasm.VMConfiguration:
		return nil, proxywasm.OK
	case proxywasm.ForeignArguments, 2, 3, 5:
	default:
		return nil, proxywasm.BadArgument
	}
	return nil, proxywasm.NotFound
}

// shows reports whether the phase is about that body.
func (s *proxyStream) shows(id uint32) bool {
	if id == proxywasm.RequestBody {
		return s.phase == exchange.PhaseRequestBody
	}
	return s.phase == exchange.PhaseResponseBody || s.phase == exchange.PhaseEvent
}

// proxyBufferStatus is proxy_get_buffer_status(buffer, size, flags).
func proxyBufferStatus(in *instance, st []uint64) proxywasm.Status {
	b, status := in.buffer(api.DecodeU32(st[0]))
	if status != proxywasm.OK {
		return status
	}
	if status := in.word(st, 1, uint32(len(b))); status != proxywasm.OK {
		return status
	}
	return in.word(st, 2, 0)
}

// proxyGetBuffer is proxy_get_buffer_bytes(buffer, start, most, to, size).
func proxyGetBuffer(in *instance, st []uint64) proxywasm.Status {
	b, status := in.buffer(api.DecodeU32(st[0]))
	if status != proxywasm.OK {
		return status
	}
	start, most := uint64(api.DecodeU32(st[1])), uint64(api.DecodeU32(st[2]))
	if start > uint64(len(b)) {
		return proxywasm.BadArgument
	}
	return in.hand(st, 3, b[start:min(start+most, uint64(len(b)))])
}

// proxySetBuffer is proxy_set_buffer_bytes(buffer, start, size, value, n): size bytes from start on
// give way to the value. What lies beyond the end is the end.
func proxySetBuffer(in *instance, st []uint64) proxywasm.Status {
	value, ok := in.bytes(st, 3)
	if !ok {
		return proxywasm.InvalidMemory
	}
	id := api.DecodeU32(st[0])
	s := in.vm.subject()
	switch {
	case id > proxywasm.RedisResponse:
		return proxywasm.BadArgument
	case id > proxywasm.ResponseBody || s == nil || !s.shows(id):
		return proxywasm.NotFound
	}
	in.emit(len(value))
	size := uint64(len(s.body))
	start := min(uint64(api.DecodeU32(st[1])), size)
	end := min(start+uint64(api.DecodeU32(st[2])), size)
	in.pay(len(s.body))
	body := make([]byte, 0, int(size-(end-start))+len(value))
	body = append(append(append(body, s.body[:start]...), value...), s.body[end:]...)
	s.body, s.dirty = body, true
	return proxywasm.OK
}
