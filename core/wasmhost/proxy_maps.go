package wasmhost

import (
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/wasmhost/proxywasm"
	"github.com/ginnel/ginnel/sdk/llm"
)

// subject returns the context that host functions act on, if its exchange may be touched now: it is
// the one whose callback runs, or it waits for the guest to continue it.
func (v *proxyVM) subject() *proxyStream {
	s := v.effective
	if s == nil || s.x == nil || s != v.current && !s.waiting {
		return nil
	}
	return s
}

// fields returns a map as the guest sees it: pseudo-headers first, no credentials.
func (s *proxyStream) fields(id uint32) llm.Header {
	out := make(llm.Header, 0, 16)
	header := s.x.Request.Header
	if id == proxywasm.ResponseHeaders {
		out.Add(":status", strconv.Itoa(s.x.Response.Status))
		header = s.x.Response.Header
	} else {
		for _, name := range pseudoHeaders {
			out.Add(name, s.pseudoHeader(name))
		}
	}
	for _, f := range header {
		if !listed(credentials[:], f.Name) {
			out = append(out, f)
		}
	}
	return out
}

var pseudoHeaders = []string{":method", ":scheme", ":authority", ":path"}

// pseudoHeader returns a part of the request line, as the guest last wrote it.
func (s *proxyStream) pseudoHeader(name string) string {
	for _, f := range s.pseudo {
		if f.Name == name {
			return f.Value
		}
	}
	switch x := s.x; name {
	case ":method":
		return x.Method
	case ":authority":
		return x.Host
	case ":scheme":
		return scheme(x)
	case ":path":
		if x.Query != "" {
			return x.Path + "?" + x.Query
		}
		return x.Path
	}
	return ""
}

func scheme(x *exchange.Exchange) string {
	if x.TLS {
		return "https"
	}
	return "http"
}

// fieldCount is the number of fields of the phase's head.
func (s *proxyStream) fieldCount() int {
	if s.phase == exchange.PhaseResponseHead {
		return len(s.fields(proxywasm.ResponseHeaders))
	}
	return len(s.fields(proxywasm.RequestHeaders))
}

// fields returns a map, or why there is none.
func (in *instance) fields(id uint32) (llm.Header, proxywasm.Status) {
	switch id {
	case proxywasm.RequestTrailers, proxywasm.ResponseTrailers, proxywasm.CallTrailers:
		return nil, proxywasm.OK
	case proxywasm.CallHeaders:
		if in.vm.call == nil {
			return nil, proxywasm.NotFound
		}
		return in.vm.call.header, proxywasm.OK
	case proxywasm.RequestHeaders, proxywasm.ResponseHeaders:
		s := in.vm.subject()
		if s == nil || id == proxywasm.ResponseHeaders && s.phase < exchange.PhaseResponseHead {
			return nil, proxywasm.NotFound
		}
		h := s.fields(id)
		in.pay(len(h) << 9) // they were gathered for it
		return h, proxywasm.OK
	}
	return nil, proxywasm.BadArgument
}

// proxyMapSize is proxy_get_header_map_size(map, to).
func proxyMapSize(in *instance, st []uint64) proxywasm.Status {
	h, status := in.fields(api.DecodeU32(st[0]))
	if status != proxywasm.OK {
		return status
	}
	return in.word(st, 1, uint32(proxywasm.PairsSize(h)))
}

// proxyMapPairs is proxy_get_header_map_pairs(map, to, size).
func proxyMapPairs(in *instance, st []uint64) proxywasm.Status {
	h, status := in.fields(api.DecodeU32(st[0]))
	if status != proxywasm.OK {
		return status
	}
	in.scratch = proxywasm.AppendPairs(in.scratch[:0], h)
	return in.hand(st, 1, in.scratch)
}

// proxyMapValue is proxy_get_header_map_value(map, key, n, to, size). Of several fields of one name it
// gives the first.
func proxyMapValue(in *instance, st []uint64) proxywasm.Status {
	key, ok := in.bytes(st, 1)
	if !ok {
		return proxywasm.InvalidMemory
	}
	h, status := in.fields(api.DecodeU32(st[0]))
	if status != proxywasm.OK {
		return status
	}
	for _, f := range h {
		if equalFold(f.Name, key) {
			return in.hand(st, 3, []byte(f.Value))
		}
	}
	return proxywasm.NotFound
}

// writing returns the header of a map that may be changed now. Where there is nothing to change any
// more, or not yet, the guest is told that all is well, as by other hosts: SDKs take anything else
// for a defect of the host and trap.
func (in *instance) writing(id uint32) (*proxyStream, *llm.Header, proxywasm.Status) {
	if id > proxywasm.CallTrailers {
		return nil, nil, proxywasm.BadArgument
	}
	s := in.vm.subject()
	switch {
	case s == nil:
	case id == proxywasm.RequestHeaders && s.phase < exchange.PhaseResponseHead:
		return s, &s.x.Request.Header, proxywasm.OK
	case id == proxywasm.ResponseHeaders && (s.phase == exchange.PhaseResponseHead || s.phase == exchange.PhaseResponseBody):
		return s, &s.x.Response.Header, proxywasm.OK
	}
	return nil, nil, proxywasm.OK
}

// set changes one field: pseudo-headers have a place of their own, and what belongs to the transport or
// is a credential stays.
func (s *proxyStream) set(h *llm.Header, name, value string, add bool) proxywasm.Status {
	request := h == &s.x.Request.Header
	switch {
	case strings.HasPrefix(name, ":"):
		return s.setPseudo(request, name, value)
	case len(name) > maxHeaderName || !validName([]byte(name)) || name == "", len(value) > maxHeaderValue || !validValue([]byte(value)), len(*h) >= maxHeaders:
		return proxywasm.BadArgument
	case listed(framing[:], name) || listed(credentials[:], name):
	case add:
		h.Add(name, value)
	default:
		h.Set(name, value)
	}
	return proxywasm.OK
}

// setPseudo changes a pseudo-header. That of a request is changed in the guest's sight only: the route
// and the upstream are chosen already.
func (s *proxyStream) setPseudo(request bool, name, value string) proxywasm.Status {
	if !request {
		n, err := strconv.Atoi(value)
		if name != ":status" || err != nil || n < 200 || n > 599 {
			return proxywasm.BadArgument
		}
		s.x.Response.Status = n
		return proxywasm.OK
	}
	known := false
	for _, p := range pseudoHeaders {
		known = known || p == name
	}
	if !known || len(value) > maxPseudo {
		return proxywasm.BadArgument
	}
	if s.pseudoHeader(name) != value {
		s.pseudo.Set(name, value)
	}
	return proxywasm.OK
}

// change is the common part of adding to and replacing in a map.
func (in *instance) change(st []uint64, add bool) proxywasm.Status {
	key, ok := in.bytes(st, 1)
	value, ok2 := in.bytes(st, 3)
	if !ok || !ok2 {
		return proxywasm.InvalidMemory
	}
	s, h, status := in.writing(api.DecodeU32(st[0]))
	if h == nil {
		return status
	}
	in.emit(len(key) + len(value))
	return s.set(h, string(key), string(value), add)
}

// proxyAddMapValue is proxy_add_header_map_value(map, key, n, value, n).
func proxyAddMapValue(in *instance, st []uint64) proxywasm.Status { return in.change(st, true) }

// proxyReplaceMapValue is proxy_replace_header_map_value(map, key, n, value, n).
func proxyReplaceMapValue(in *instance, st []uint64) proxywasm.Status { return in.change(st, false) }

// proxyRemoveMapValue is proxy_remove_header_map_value(map, key, n).
func proxyRemoveMapValue(in *instance, st []uint64) proxywasm.Status {
	key, ok := in.bytes(st, 1)
	if !ok {
		return proxywasm.InvalidMemory
	}
	_, h, status := in.writing(api.DecodeU32(st[0]))
	if h != nil && !listed(framing[:], key) && !listed(credentials[:], key) {
		h.Del(string(key))
	}
	return status
}

// proxySetMapPairs is proxy_set_header_map_pairs(map, pairs, n). What the guest does not see stays.
func proxySetMapPairs(in *instance, st []uint64) proxywasm.Status {
	b, ok := in.bytes(st, 1)
	if !ok {
		return proxywasm.InvalidMemory
	}
	fields, err := proxywasm.ParsePairs(b, maxHeaders)
	if err != nil {
		return proxywasm.BadArgument
	}
	s, h, status := in.writing(api.DecodeU32(st[0]))
	if h == nil {
		return status
	}
	in.emit(len(b))
	kept := (*h)[:0:0]
	for _, f := range *h {
		if listed(framing[:], f.Name) || listed(credentials[:], f.Name) {
			kept = append(kept, f)
		}
	}
	*h = kept
	for _, f := range fields {
		if status := s.set(h, f.Name, f.Value, true); status != proxywasm.OK {
			return status
		}
	}
	return proxywasm.OK
}

// proxySendLocalResponse is proxy_send_local_response(status, details, n, body, n, headers, n, grpc).
func proxySendLocalResponse(in *instance, st []uint64) proxywasm.Status {
	details, ok := in.bytes(st, 1)
	body, ok2 := in.bytes(st, 3)
	head, ok3 := in.bytes(st, 5)
	status := int(api.DecodeU32(st[0]))
	s := in.vm.subject()
	switch {
	case !ok || !ok2 || !ok3:
		return proxywasm.InvalidMemory
	case s == nil || status < 200 || status > 599 || s.phase >= exchange.PhaseEnd:
		return proxywasm.BadArgument
	}
	fields, err := proxywasm.ParsePairs(head, maxHeaders)
	if err != nil {
		return proxywasm.BadArgument
	}
	in.emit(len(head) + len(body))
	a := &exchange.Answer{Status: status, Body: append([]byte(nil), body...), Class: class(details)}
	for _, f := range fields {
		switch {
		case strings.HasPrefix(f.Name, ":") || listed(framing[:], f.Name):
		case !validName([]byte(f.Name)) || !validValue([]byte(f.Value)):
			return proxywasm.BadArgument
		default:
			a.Header.Add(f.Name, f.Value)
		}
	}
	if len(body) > 0 && a.Header.Get("content-type") == "" {
		a.Header.Add("content-type", "text/plain")
	}
	s.answer = a
	s.signal()
	return proxywasm.OK
}

// class makes of the details of an answer what was found, for events and metrics: a short word.
func class(details []byte) string {
	if validMetric(details) {
		return string(details)
	}
	return ""
}
