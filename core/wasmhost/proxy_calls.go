package wasmhost

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/wasmhost/outcall"
	"github.com/ginnel/ginnel/core/wasmhost/proxywasm"
	"github.com/ginnel/ginnel/sdk/llm"
)

// proxyHTTPCall is proxy_http_call(cluster, n, headers, n, body, n, trailers, n, timeout, to).
func proxyHTTPCall(in *instance, st []uint64) proxywasm.Status {
	cluster, ok := in.bytes(st, 0)
	head, ok2 := in.bytes(st, 2)
	body, ok3 := in.bytes(st, 4)
	if !ok || !ok2 || !ok3 {
		return proxywasm.InvalidMemory
	}
	v := in.vm
	origin, known := v.set.clusters.find(string(cluster))
	fields, err := proxywasm.ParsePairs(head, maxHeaders)
	if err != nil || !known || !isOrigin(origin) || v.set.filter.origins == nil {
		return proxywasm.BadArgument
	}
	r := outcall.Request{Body: body, Timeout: time.Duration(api.DecodeU32(st[8])) * time.Millisecond}
	authority := ""
	for _, f := range fields {
		switch f.Name {
		case ":method":
			r.Method = f.Value
		case ":path":
			r.URL = origin + f.Value
		case ":authority":
			authority = f.Value
		case ":scheme":
		default:
			r.Header = append(r.Header, f)
		}
	}
	if r.Method == "" || r.URL == "" || authority == "" {
		return proxywasm.BadArgument
	}
	if !v.mayCall() {
		return proxywasm.InternalFailure
	}
	in.emit(len(head) + len(body))
	id, status := v.send(r)
	if status != proxywasm.OK {
		return status
	}
	return in.word(st, 9, id)
}

// send begins a call; its answer comes by a callback.
func (v *proxyVM) send(r outcall.Request) (uint32, proxywasm.Status) {
	if !v.set.enter() {
		return 0, proxywasm.InternalFailure
	}
	calls := v.set.filter.origins.New()
	if _, err := calls.Start(v.ctx, r); err != nil {
		v.set.work.Done()
		if errors.Is(err, outcall.ErrLimit) {
			return 0, proxywasm.InternalFailure
		}
		return 0, proxywasm.BadArgument
	}
	v.set.filter.tally.calls.Add(1)
	id, by := v.number(), v.effective
	go func() {
		defer v.set.work.Done()
		a := &proxyAnswer{}
		if r, err := calls.Wait(context.WithoutCancel(v.ctx)); err == nil && r.Err == nil && r.Status != 0 {
			a.header = append(llm.Header{{Name: ":status", Value: strconv.Itoa(r.Status)}}, r.Header...)
			a.body, a.status = r.Body, r.Status
		}
		v.deliver(by, a, len(a.body), "proxy_on_http_call_response", proxywasm.RootContext, uint64(id), uint64(len(a.header)), uint64(len(a.body)), 0)
	}()
	return id, proxywasm.OK
}

// mayCall reports whether there is room for another call.
func (v *proxyVM) mayCall() bool {
	return v.calls < maxVMCalls && (v.effective == nil || v.effective.began < maxCalls)
}

// number counts a call and returns its id.
func (v *proxyVM) number() uint32 {
	v.calls++
	v.started++
	if v.effective != nil {
		v.effective.calls++
		v.effective.began++
	}
	return v.started
}

// deliver gives an answer to the guest. An exchange that waits looks then whether it is for it.
func (v *proxyVM) deliver(by *proxyStream, a *proxyAnswer, size int, name string, args ...uint64) {
	if v.enter(v.ctx) != nil {
		return
	}
	defer v.exit()
	v.calls--
	if by != nil {
		by.calls--
	}
	v.call = a
	_, err := v.callback(nil, size, name, args...)
	v.call = nil
	if err != nil {
		v.set.broke(v, "the answer to a call", err)
		return
	}
	for _, s := range v.streams {
		if s.waiting {
			s.signal()
		}
	}
}

// proxyGetStatus is proxy_get_status(code, to, size): of the call whose answer this callback brings.
func proxyGetStatus(in *instance, st []uint64) proxywasm.Status {
	code := uint32(0)
	if c := in.vm.call; c != nil {
		code = uint32(c.status)
	}
	if status := in.word(st, 0, code); status != proxywasm.OK {
		return status
	}
	return in.hand(st, 1, nil)
}
