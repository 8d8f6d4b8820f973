package wasmhost

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/wasmhost/proxywasm"
)

// properties are what the proxy-wasm filters of one exchange have set; each sees those of the others.
type properties struct{ all map[string][]byte }

// maxProperties bounds them.
const maxProperties = 128

type propertiesKey struct{}

func propertiesOf(x *exchange.Exchange) *properties {
	p, _ := x.Local(propertiesKey{}).(*properties)
	if p == nil {
		p = &properties{all: make(map[string][]byte)}
		x.SetLocal(propertiesKey{}, p)
	}
	return p
}

// proxyGetProperty is proxy_get_property(path, n, to, size).
func proxyGetProperty(in *instance, st []uint64) proxywasm.Status {
	raw, ok := in.bytes(st, 0)
	if !ok {
		return proxywasm.InvalidMemory
	}
	path := proxywasm.Path(raw)
	value, ok := in.property(path)
	if !ok {
		return proxywasm.NotFound
	}
	return in.hand(st, 2, value)
}

// property returns a property's value: one that a filter set, or what the gateway knows.
func (in *instance) property(path []string) ([]byte, bool) {
	switch strings.Join(path, ".") {
	case "plugin_name", "plugin_root_id":
		return []byte(in.filter.name), true
	case "plugin_vm_id":
		return nil, true
	case "node.id", "node.cluster":
		return []byte("ginnel"), true
	case "listener_direction":
		return proxywasm.Int(1), true // inbound
	}
	s := in.vm.subject()
	if s == nil {
		return nil, false
	}
	if v, ok := propertiesOf(s.x).all[strings.Join(path, "\x00")]; ok {
		return v, true
	}
	head, rest := path[0], path[1:]
	var v []byte
	ok := false
	switch head {
	case "request":
		v, ok = s.requestProperty(rest)
	case "response":
		v, ok = s.responseProperty(rest)
	default:
		v, ok = s.exchangeProperty(strings.Join(path, "."))
	}
	return v, ok
}

func (s *proxyStream) requestProperty(path []string) ([]byte, bool) {
	x := s.x
	if len(path) == 2 && path[0] == "headers" {
		return s.field(proxywasm.RequestHeaders, path[1])
	}
	switch strings.Join(path, ".") {
	case "path":
		return []byte(s.pseudoHeader(":path")), true
	case "url_path":
		p, _, _ := strings.Cut(s.pseudoHeader(":path"), "?")
		return []byte(p), true
	case "query":
		_, q, _ := strings.Cut(s.pseudoHeader(":path"), "?")
		return []byte(q), true
	case "host":
		return []byte(s.pseudoHeader(":authority")), true
	case "scheme":
		return []byte(scheme(x)), true
	case "method":
		return []byte(x.Method), true
	case "protocol":
		return []byte("HTTP/1.1"), true
	case "referer":
		return s.field(proxywasm.RequestHeaders, "referer")
	case "useragent":
		return s.field(proxywasm.RequestHeaders, "user-agent")
	case "id":
		return []byte(x.ID), true
	case "time":
		return proxywasm.Time(x.Start), true
	case "duration":
		return proxywasm.Int(int64(time.Since(x.Start))), true
	case "size":
		return proxywasm.Int(x.Request.Body.Size()), true
	case "total_size":
		return proxywasm.Int(x.Request.Body.Size() + int64(proxywasm.PairsSize(x.Request.Header))), true
	}
	return nil, false
}

func (s *proxyStream) responseProperty(path []string) ([]byte, bool) {
	x := s.x
	if s.phase < exchange.PhaseResponseHead || len(path) == 0 {
		return nil, false
	}
	switch {
	case len(path) == 2 && path[0] == "headers":
		return s.field(proxywasm.ResponseHeaders, path[1])
	case path[0] == "code":
		return proxywasm.Int(int64(x.Response.Status)), true
	case path[0] == "size":
		return proxywasm.Int(int64(len(x.Response.Body.Raw()))), true
	case path[0] == "total_size":
		return proxywasm.Int(int64(len(x.Response.Body.Raw()) + proxywasm.PairsSize(x.Response.Header))), true
	case path[0] == "code_details":
		return []byte("via_upstream"), true // an answer of the gateway's own has no response phase
	}
	return nil, false
}

// field returns a header field that the guest may see.
func (s *proxyStream) field(id uint32, name string) ([]byte, bool) {
	for _, f := range s.fields(id) {
		if equalFold(f.Name, name) {
			return []byte(f.Value), true
		}
	}
	return nil, false
}

// exchangeProperty returns what is neither the request's nor the answer's. Ginnel's own stand under
// ginnel.
func (s *proxyStream) exchangeProperty(path string) ([]byte, bool) {
	x := s.x
	text := func(v string) ([]byte, bool) { return []byte(v), v != "" }
	switch path {
	case "source.address":
		if x.Remote.IsValid() {
			return text(x.Remote.String())
		}
	case "source.port":
		return proxywasm.Int(int64(x.Remote.Port())), x.Remote.IsValid()
	case "connection.mtls":
		return proxywasm.Bool(false), true
	case "connection.requested_server_name":
		if x.TLS {
			return text(x.Host)
		}
	case "route_name", "xds.route_name":
		return text(x.Route)
	case "cluster_name", "xds.cluster_name", "ginnel.model":
		return text(x.Model)
	case "ginnel.tenant":
		return text(x.Tenant)
	case "ginnel.key_id":
		return text(x.KeyID)
	case "ginnel.dialect":
		return text(string(x.Dialect))
	case "ginnel.op":
		return text(string(x.Op))
	case "ginnel.listener":
		return text(x.Listener)
	}
	return nil, false
}

// proxySetProperty is proxy_set_property(path, n, value, n). What is a text becomes a note of the
// exchange's too, so that events and logs have it, as other hosts' access logs do.
func proxySetProperty(in *instance, st []uint64) proxywasm.Status {
	raw, ok := in.bytes(st, 0)
	value, ok2 := in.bytes(st, 2)
	s := in.vm.subject()
	switch {
	case !ok || !ok2:
		return proxywasm.InvalidMemory
	case s == nil:
		return proxywasm.NotFound
	}
	path := proxywasm.Path(raw)
	p, key := propertiesOf(s.x), strings.Join(path, "\x00")
	if _, known := p.all[key]; len(key) > proxywasm.MaxName || len(value) > maxProperty || !known && len(p.all) >= maxProperties {
		return proxywasm.InternalFailure
	}
	in.emit(len(value))
	p.all[key] = append([]byte(nil), value...)
	in.filter.note(s.x, strings.Join(path, "."), value)
	return proxywasm.OK
}

// note makes a property a note, the last value of each.
func (f *Filter) note(x *exchange.Exchange, key string, value []byte) {
	if key == "clear_route_cache" || key == "set_decoder_buffer_limit" || key == "set_encoder_buffer_limit" {
		return // how Higress's plugins steer their host
	}
	if len(key) > maxKey || len(value) > maxNote || len(value) == 0 || !utf8.Valid(value) {
		return
	}
	n := 0
	for i := range x.Notes {
		if x.Notes[i].Filter == f.name {
			if x.Notes[i].Key == key {
				x.Notes[i].Value = string(value)
				return
			}
			n++
		}
	}
	if n < maxNotes {
		x.Annotate(f.name, key, string(value))
	}
}

// proxyForeign is proxy_call_foreign_function(name, n, arguments, n, to, size). The one there is says
// that the route is to be chosen anew, which is done already.
func proxyForeign(in *instance, st []uint64) proxywasm.Status {
	name, ok := in.bytes(st, 0)
	if !ok {
		return proxywasm.InvalidMemory
	}
	if string(name) != "clear_route_cache" {
		return proxywasm.NotFound
	}
	return in.hand(st, 4, nil)
}
