package wasmhost

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/wasmhost/proxywasm"
	"github.com/ginnel/ginnel/core/wasmhost/rediscall"
)

// maxRedis bounds the servers that one VM has clients for.
const maxRedis = 16

// The statuses of on_redis_call_response.
const (
	redisOK     = 0
	redisFailed = 1
)

// proxyRedisInit is proxy_redis_init(cluster, n, user, n, password, n, timeout): it says how the cluster is
// spoken to by later calls, and connects to nobody. Behind the name may stand ?db=NUMBER, and how Envoy
// would gather commands, which has no meaning here.
func proxyRedisInit(in *instance, st []uint64) proxywasm.Status {
	cluster, ok := in.bytes(st, 0)
	user, ok2 := in.bytes(st, 2)
	password, ok3 := in.bytes(st, 4)
	if !ok || !ok2 || !ok3 {
		return proxywasm.InvalidMemory
	}
	v := in.vm
	servers := v.set.filter.redis
	if servers == nil {
		return proxywasm.Unimplemented // grant.redis asks for it
	}
	name, options, _ := strings.Cut(string(cluster), "?")
	set := rediscall.Settings{User: string(user), Password: string(password), Timeout: time.Duration(api.DecodeU32(st[6])) * time.Millisecond}
	place, known := v.set.clusters.find(name)
	at, err := url.Parse(place)
	query, err2 := url.ParseQuery(options)
	if !known || isOrigin(place) || err != nil || err2 != nil {
		return proxywasm.BadArgument
	}
	if db := query.Get("db"); db != "" {
		if set.DB, err = strconv.Atoi(db); err != nil || set.DB < 0 {
			return proxywasm.BadArgument
		}
	}
	set.Place = rediscall.Place(at)
	client, err := servers.Client(set)
	old := v.redis[name]
	switch {
	case err != nil:
		return proxywasm.BadArgument
	case old != nil && old.Settings == client.Settings:
		return proxywasm.OK
	case old == nil && len(v.redis) >= maxRedis:
		return proxywasm.InternalFailure
	case old != nil:
		old.Close()
	}
	if v.redis == nil {
		v.redis = make(map[string]*rediscall.Client)
	}
	v.redis[name] = client
	return proxywasm.OK
}

// proxyRedisCall is proxy_redis_call(cluster, n, query, n, to): the query is commands as they are sent. The
// replies come by proxy_on_redis_call_response.
func proxyRedisCall(in *instance, st []uint64) proxywasm.Status {
	cluster, ok := in.bytes(st, 0)
	query, ok2 := in.bytes(st, 2)
	if !ok || !ok2 {
		return proxywasm.InvalidMemory
	}
	v := in.vm
	if v.set.filter.redis == nil {
		return proxywasm.Unimplemented
	}
	name, _, _ := strings.Cut(string(cluster), "?")
	client := v.redis[name]
	switch {
	case client == nil:
		return proxywasm.BadArgument
	case !v.mayCall():
		return proxywasm.InternalFailure
	}
	in.emit(len(query))
	if !v.set.enter() {
		return proxywasm.InternalFailure
	}
	by, id := v.effective, v.started+1
	err := client.Start(v.ctx, query, func(replies []byte, err error) {
		defer v.set.work.Done()
		status := uint64(redisOK)
		if err != nil {
			status = redisFailed
			v.set.filter.logger.Debug("a filter's Redis call ended", "filter", v.set.filter.name, "cluster", name, "error", err)
		}
		v.deliver(by, &proxyAnswer{body: replies}, len(replies), "proxy_on_redis_call_response", proxywasm.RootContext, uint64(id), status, uint64(len(replies)))
	})
	switch {
	case err == nil:
		v.set.filter.tally.calls.Add(1)
		v.number()
		return in.word(st, 4, id)
	case errors.Is(err, rediscall.ErrLimit):
		v.set.work.Done()
		return proxywasm.InternalFailure
	}
	v.set.work.Done()
	return proxywasm.BadArgument
}
