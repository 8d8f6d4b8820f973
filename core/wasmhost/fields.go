package wasmhost

import (
	"strconv"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/filter/abi"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Bounds of what a guest may write into a header.
const (
	maxHeaderName  = 256
	maxHeaderValue = 16 << 10
	maxHeaders     = 256
)

// importGet is get(field, kp, kn, buf, cap).
func importGet(in *instance, st []uint64) {
	field := api.DecodeU32(st[0])
	called := field == abi.CallHeader || field == abi.CallError || field == abi.CallID || field == abi.CallStatus
	if in.x == nil && !called {
		result(st, abi.WrongPhase)
		return
	}
	if field >= abi.Numbers {
		result(st, in.number(field))
		return
	}
	key, ok := in.bytes(st, 1)
	if !ok {
		result(st, abi.Invalid)
		return
	}
	switch field {
	case abi.Header, abi.ResponseHeader:
		h, code := in.header(field)
		if code < 0 {
			result(st, code)
			return
		}
		for i := range *h {
			if equalFold((*h)[i].Name, key) && in.visible((*h)[i].Name) {
				in.giveString(st, 3, (*h)[i].Value)
				return
			}
		}
		result(st, abi.NotFound)
	case abi.Note:
		for i := len(in.x.Notes) - 1; i >= 0; i-- {
			if in.x.Notes[i].Key == string(key) {
				in.giveString(st, 3, in.x.Notes[i].Value)
				return
			}
		}
		result(st, abi.NotFound)
	case abi.Rate:
		in.giveRate(st)
	case abi.CallHeader, abi.CallError:
		in.giveCall(field, key, st)
	default:
		if v, ok := in.text(field); ok {
			in.giveString(st, 3, v)
			return
		}
		result(st, abi.NotFound)
	}
}

// text returns a field that is text and has no key.
func (in *instance) text(field uint32) (string, bool) {
	x, v := in.x, ""
	switch field {
	case abi.Method:
		v = x.Method
	case abi.Path:
		v = x.Path
	case abi.Query:
		return x.Query, true
	case abi.Model:
		v = x.Model
	case abi.Route:
		v = x.Route
	case abi.Dialect:
		v = string(x.Dialect)
	case abi.Tenant:
		v = x.Tenant
	case abi.RequestID:
		v = x.ID
	case abi.Remote:
		if x.Remote.IsValid() {
			v = in.remote(x)
		}
	case abi.Host:
		v = x.Host
	case abi.KeyID:
		v = x.KeyID
	case abi.Op:
		v = string(x.Op)
	case abi.Finish:
		v = x.Finish
	case abi.Terminal:
		v = string(x.End)
	case abi.Listener:
		v = x.Listener
	case abi.Unseen:
		v = x.Unseen
	}
	return v, v != ""
}

// remote returns the client's address as text, which is made once per instance and address.
func (in *instance) remote(x *exchange.Exchange) string {
	if a := x.Remote.Addr().Unmap(); a != in.addr {
		in.addr, in.addrText = a, a.String()
	}
	return in.addrText
}

// number returns a field that is a number.
func (in *instance) number(field uint32) int {
	x, n := in.x, int64(0)
	switch field {
	case abi.Status:
		n = int64(x.Response.Status)
	case abi.Stream:
		n = truth(x.Stream)
	case abi.TLS:
		n = truth(x.TLS)
	case abi.Phase:
		n = int64(eventOf(in.phase))
	case abi.Elapsed:
		n = time.Since(x.Start).Milliseconds()
	case abi.InputTokens, abi.OutputTokens, abi.CacheRead, abi.Reasoning:
		u := x.Usage
		if u == nil {
			return abi.NotFound
		}
		n = [...]int64{u.InputTotal, u.OutputTotal, u.CacheRead, u.Reasoning}[field-abi.InputTokens]
	case abi.Choice, abi.Block, abi.Fresh:
		w := x.Window
		if w == nil {
			return abi.WrongPhase
		}
		n = [...]int64{int64(w.Channel.Choice), int64(w.Channel.Block), int64(w.Fresh())}[field-abi.Choice]
	case abi.CallID, abi.CallStatus:
		r := in.result
		if r == nil {
			return abi.WrongPhase
		}
		n = [...]int64{int64(r.ID), int64(r.Status)}[field-abi.CallID]
	default:
		return abi.NotFound
	}
	return int(min(max(n, 0), 1<<31-1))
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// header returns a side's header, or why it cannot be seen now.
func (in *instance) header(field uint32) (*llm.Header, int) {
	if field == abi.Header {
		return &in.x.Request.Header, 0
	}
	if in.phase < exchange.PhaseResponseHead {
		return nil, abi.WrongPhase
	}
	return &in.x.Response.Header, 0
}

// importSet is set(field, kp, kn, vp, vn).
func importSet(in *instance, st []uint64) {
	key, ok := in.bytes(st, 1)
	value, ok2 := in.bytes(st, 3)
	if !ok || !ok2 {
		result(st, abi.Invalid)
		return
	}
	field := api.DecodeU32(st[0])
	if field == abi.Status {
		result(st, in.setStatus(value))
		return
	}
	h, code := in.writable(field&^abi.Append, key)
	if code < 0 {
		result(st, code)
		return
	}
	if len(value) > maxHeaderValue || len(*h) >= maxHeaders {
		result(st, abi.TooLarge)
		return
	}
	if !validValue(value) {
		result(st, abi.Invalid)
		return
	}
	in.emit(len(key) + len(value))
	if field&abi.Append != 0 {
		h.Add(string(key), string(value))
	} else {
		h.Set(string(key), string(value))
	}
	result(st, 0)
}

// importDel is del(field, kp, kn).
func importDel(in *instance, st []uint64) {
	key, ok := in.bytes(st, 1)
	if !ok {
		result(st, abi.Invalid)
		return
	}
	h, code := in.writable(api.DecodeU32(st[0]), key)
	if code == 0 {
		h.Del(string(key))
	}
	result(st, code)
}

// importList is list(field, buf, cap).
func importList(in *instance, st []uint64) {
	var h *llm.Header
	code := 0
	switch field := api.DecodeU32(st[0]); {
	case field == abi.CallHeader && in.result != nil:
		h = &in.result.Header
	case field != abi.Header && field != abi.ResponseHeader && field != abi.CallHeader:
		code = abi.Invalid
	case in.x == nil || field == abi.CallHeader:
		code = abi.WrongPhase
	default:
		h, code = in.header(field)
	}
	if code < 0 {
		result(st, code)
		return
	}
	b := in.scratch[:0]
	for _, f := range *h {
		if in.result != nil && h == &in.result.Header || in.visible(f.Name) {
			b = append(append(b, f.Name...), 0)
			b = append(append(b, f.Value...), 0)
		}
	}
	in.scratch = b
	in.give(st, 1, b)
}

func (in *instance) setStatus(value []byte) int {
	if in.x == nil || in.phase != exchange.PhaseResponseHead {
		return abi.WrongPhase
	}
	n, err := strconv.Atoi(string(value))
	if err != nil || n < 200 || n > 599 {
		return abi.Invalid
	}
	in.x.Response.Status = n
	return 0
}
