package wasmhost

import (
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/wasmhost/proxywasm"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// proxyGetShared is proxy_get_shared_data(key, n, to, size, cas).
func proxyGetShared(in *instance, st []uint64) proxywasm.Status {
	key, ok := in.bytes(st, 0)
	if !ok {
		return proxywasm.InvalidMemory
	}
	value, cas, ok := in.vm.store.Get(key)
	if !ok {
		return proxywasm.NotFound
	}
	if status := in.hand(st, 2, value); status != proxywasm.OK {
		return status
	}
	return in.word(st, 4, cas)
}

// proxySetShared is proxy_set_shared_data(key, n, value, n, cas).
func proxySetShared(in *instance, st []uint64) proxywasm.Status {
	key, ok := in.bytes(st, 0)
	value, ok2 := in.bytes(st, 2)
	if !ok || !ok2 {
		return proxywasm.InvalidMemory
	}
	return in.vm.store.Set(key, value, api.DecodeU32(st[4]))
}

// proxyRegisterQueue is proxy_register_shared_queue(name, n, to).
func proxyRegisterQueue(in *instance, st []uint64) proxywasm.Status {
	return in.queue(st, 0, 2, true)
}

// proxyResolveQueue is proxy_resolve_shared_queue(vm, n, name, n, to). A tenant's VMs are one.
func proxyResolveQueue(in *instance, st []uint64) proxywasm.Status {
	return in.queue(st, 2, 4, false)
}

func (in *instance) queue(st []uint64, name, to int, create bool) proxywasm.Status {
	b, ok := in.bytes(st, name)
	if !ok {
		return proxywasm.InvalidMemory
	}
	id, status := in.vm.store.Queue(b, create)
	if status != proxywasm.OK {
		return status
	}
	return in.word(st, to, id)
}

// proxyEnqueue is proxy_enqueue_shared_queue(queue, p, n). The guest hears of it after its callback.
func proxyEnqueue(in *instance, st []uint64) proxywasm.Status {
	b, ok := in.bytes(st, 1)
	if !ok {
		return proxywasm.InvalidMemory
	}
	id := api.DecodeU32(st[0])
	status := in.vm.store.Enqueue(id, b)
	if status == proxywasm.OK && len(in.vm.ready) < maxReady {
		in.vm.ready = append(in.vm.ready, id)
	}
	return status
}

// proxyDequeue is proxy_dequeue_shared_queue(queue, to, size).
func proxyDequeue(in *instance, st []uint64) proxywasm.Status {
	item, status := in.vm.store.Dequeue(api.DecodeU32(st[0]))
	if status != proxywasm.OK {
		return status
	}
	return in.hand(st, 1, item)
}

// proxyDefineMetric is proxy_define_metric(kind, name, n, to).
func proxyDefineMetric(in *instance, st []uint64) proxywasm.Status {
	name, ok := in.bytes(st, 1)
	if !ok {
		return proxywasm.InvalidMemory
	}
	id, status := in.vm.store.Define(api.DecodeU32(st[0]), string(name))
	if status != proxywasm.OK {
		return status
	}
	return in.word(st, 3, id)
}

// proxyIncrementMetric is proxy_increment_metric(metric, delta).
func proxyIncrementMetric(in *instance, st []uint64) proxywasm.Status {
	delta := int64(st[1])
	kind, name, value, status := in.vm.store.Increment(api.DecodeU32(st[0]), delta)
	if status == proxywasm.OK && kind == proxywasm.Counter {
		in.report(kind, name, delta)
	} else if status == proxywasm.OK {
		in.report(kind, name, value)
	}
	return status
}

// proxyRecordMetric is proxy_record_metric(metric, value).
func proxyRecordMetric(in *instance, st []uint64) proxywasm.Status {
	value := int64(st[1])
	kind, name, status := in.vm.store.Record(api.DecodeU32(st[0]), value)
	if status == proxywasm.OK {
		in.report(kind, name, value)
	}
	return status
}

// proxyGetMetric is proxy_get_metric(metric, to).
func proxyGetMetric(in *instance, st []uint64) proxywasm.Status {
	value, status := in.vm.store.Metric(api.DecodeU32(st[0]))
	if status == proxywasm.OK && !in.mem.WriteUint64Le(api.DecodeU32(st[1]), uint64(value)) {
		return proxywasm.InvalidMemory
	}
	return status
}

// report passes a metric's value on under a name that all metrics may have.
func (in *instance) report(kind uint32, name string, value int64) {
	if o := in.filter.observer; o != nil {
		kinds := [...]int{proxywasm.Counter: abi.Counter, proxywasm.Gauge: abi.Gauge, proxywasm.Histogram: abi.Histogram}
		o.Metric(in.filter.name, kinds[kind], metricName(name), float64(value))
	}
}

// metricName makes a name of lower-case letters, digits and underscores.
func metricName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, name)
}
