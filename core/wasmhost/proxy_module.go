package wasmhost

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/wasmhost/proxywasm"
	"github.com/ginnel/ginnel/sdk/schema"
)

// proxyManifest is the manifest of a module that has none because it speaks proxy-wasm: what it
// exports says what it wants to see.
func proxyManifest(wasm []byte) (*Manifest, error) {
	_, exports, err := Interface(wasm)
	if err != nil {
		return nil, err
	}
	m := &Manifest{Name: "proxy-wasm", Body: "buffered", State: "none", Schema: &schema.Block{Opaque: true}}
	var other string
	for _, e := range exports {
		if v := proxywasm.Version(e); proxywasm.Supported(v) {
			m.Proxy = max(m.Proxy, v) // a module may declare several
		} else if v != "" {
			other = v
		}
	}
	switch {
	case m.Proxy == "" && other != "":
		return nil, fmt.Errorf("%w: it is a proxy-wasm module of abi version %s; the host speaks 0.2.0, 0.2.1 and %s", ErrManifest, other, proxywasm.Higress)
	case m.Proxy == "":
		return nil, nil
	}
	m.ABI = "proxy-wasm " + m.Proxy
	m.phases = exchange.PhaseDone
	for _, e := range []struct {
		export string
		phases exchange.Phase
	}{
		{proxywasm.OnRequestHeaders, exchange.PhaseRequestHead},
		{proxywasm.OnRequestBody, exchange.PhaseRequestBody},
		{proxywasm.OnResponseHeaders, exchange.PhaseResponseHead},
		{proxywasm.OnResponseBody, exchange.PhaseResponseBody | exchange.PhaseEvent},
	} {
		if slices.Contains(exports, e.export) {
			m.phases |= e.phases
		}
	}
	for p := exchange.PhaseRequestHead; p <= exchange.PhaseDone; p <<= 1 {
		if m.phases&p != 0 {
			m.Events = append(m.Events, p.String())
		}
	}
	return m, nil
}

// errInterface is the error of a module whose sections cannot be read.
var errInterface = errors.New("the module's imports or exports cannot be read")

// Interface lists the functions that a module imports, as module.name, and those that it exports,
// without compiling it. It is for people to look at: only compiling says whether the module is valid.
func Interface(wasm []byte) (imports, exports []string, err error) {
	err = sections(wasm, func(_ string, all, content []byte) error {
		r := &sectionReader{b: content}
		switch all[0] {
		case 2:
			imports = r.imports()
		case 7:
			exports = r.exports()
		default:
			return nil
		}
		if r.bad {
			return errInterface
		}
		return nil
	})
	return imports, exports, err
}

// sectionReader reads a section's values one after another. Once bad it yields nothing more.
type sectionReader struct {
	b   []byte
	bad bool
}

func (r *sectionReader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *sectionReader) name() string {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *sectionReader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *sectionReader) limits() {
	flags := r.byte()
	r.number()
	if flags&1 != 0 {
		r.number()
	}
}

func (r *sectionReader) imports() (functions []string) {
	for n := r.number(); n > 0 && !r.bad; n-- {
		from, name := r.name(), r.name()
		switch r.byte() {
		case 0:
			r.number()
			functions = append(functions, from+"."+name)
		case 1:
			r.byte()
			r.limits()
		case 2:
			r.limits()
		case 3:
			r.byte()
			r.byte()
		default:
			r.bad = true
		}
	}
	return functions
}

func (r *sectionReader) exports() (functions []string) {
	for n := r.number(); n > 0 && !r.bad; n-- {
		name, kind := r.name(), r.byte()
		r.number()
		if kind == 0 {
			functions = append(functions, name)
		}
	}
	return functions
}

// proxyCallbacks are the callbacks that the host calls, with their signatures.
func proxyCallbacks() []hostFunc {
	r := words(1)
	return []hostFunc{
		{name: "_initialize"}, {name: "_start"},
		{name: "main", params: words(2), result: r},
		{name: "proxy_on_memory_allocate", params: words(1), result: r},
		{name: "malloc", params: words(1), result: r},
		{name: "proxy_on_vm_start", params: words(2), result: r},
		{name: "proxy_on_configure", params: words(2), result: r},
		{name: "proxy_on_context_create", params: words(2)},
		{name: proxywasm.OnRequestHeaders, params: words(3), result: r},
		{name: proxywasm.OnRequestBody, params: words(3), result: r},
		{name: proxywasm.OnResponseHeaders, params: words(3), result: r},
		{name: proxywasm.OnResponseBody, params: words(3), result: r},
		{name: "proxy_on_http_call_response", params: words(5)},
		{name: "proxy_on_redis_call_response", params: words(4)},
		{name: "proxy_on_queue_ready", params: words(2)},
		{name: "proxy_on_tick", params: words(1)},
		{name: "proxy_on_done", params: words(1), result: r},
		{name: "proxy_on_log", params: words(1)},
		{name: "proxy_on_delete", params: words(1)},
	}
}

// checkProxyExports refuses a proxy-wasm module that cannot be called.
func (m *Module) checkProxyExports() error {
	exports := m.code.ExportedFunctions()
	for _, e := range proxyCallbacks() {
		d, ok := exports[e.name]
		if e.name == "main" && exports["_initialize"] == nil {
			continue // somebody else's main
		}
		if ok && (string(e.params) != string(d.ParamTypes()) || string(e.result) != string(d.ResultTypes())) {
			return fmt.Errorf("its export %s has another signature", e.name)
		}
	}
	if exports["proxy_on_memory_allocate"] == nil && exports["malloc"] == nil {
		return errors.New("it exports neither proxy_on_memory_allocate nor malloc")
	}
	return nil
}
