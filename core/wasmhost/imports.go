package wasmhost

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/wasmhost/proxywasm"
)

// module is the name that guests import the host by.
const module = "ginnel"

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
	f64 = api.ValueTypeF64
)

// hostFunc is one import of the ABI. A module that imports it must declare its capability.
type hostFunc struct {
	name       string
	params     []api.ValueType
	result     []api.ValueType
	capability string
	f          importFunc
}

func words(n int) []api.ValueType {
	all := []api.ValueType{i32, i32, i32, i32, i32, i32}
	return all[:n]
}

// hostFuncs returns the ABI's imports.
func hostFuncs() []hostFunc {
	r := words(1)
	return []hostFunc{
		{"log", words(3), nil, "", importLog},
		{"get", words(5), r, "", importGet},
		{"set", words(5), r, CapHeaders, importSet},
		{"del", words(3), r, CapHeaders, importDel},
		{"list", words(3), r, "", importList},
		{"out", words(2), r, "", importOut},
		{"json_get", words(4), r, "", importJSONGet},
		{"json_set", words(4), r, CapBody, importJSONSet},
		{"respond", words(5), r, CapRespond, importRespond},
		{"text_count", nil, r, "", importTextCount},
		{"text_get", words(3), r, "", importTextGet},
		{"text_set", words(3), r, CapText, importTextSet},
		{"text_splice", words(5), r, CapText, importTextSplice},
		{"text_info", words(1), r, "", importTextInfo},
		{"scan_compile", words(2), r, "", importScanCompile},
		{"scan", words(5), r, "", importScan},
		{"annotate", words(4), r, "", importAnnotate},
		{"state_get", words(2), r, "", importStateGet},
		{"state_put", words(2), r, "", importStatePut},
		{"kv_get", words(4), r, CapKV, importKVGet},
		{"kv_set", words(5), r, CapKV, importKVSet},
		{"kv_incr", []api.ValueType{i32, i32, i64, i32}, []api.ValueType{i64}, CapKV, importKVIncr},
		{"rate_take", words(5), []api.ValueType{i64}, CapRate, importRateTake},
		{"rate_tell", nil, r, CapRate, importRateTell},
		{"delay", words(1), r, CapDelay, importDelay},
		{"http_call", words(3), r, CapHTTP, importHTTPCall},
		{"metric", []api.ValueType{i32, i32, i32, f64}, r, "", importMetric},
		{"event", words(4), r, "", importEvent},
		{"now", nil, []api.ValueType{i64}, "", importNow},
		{"random", words(2), r, "", importRandom},
	}
}

// defineImports makes the ABI's imports known to a runtime.
func defineImports(ctx context.Context, r wazero.Runtime) error {
	return define(ctx, r, module, hostFuncs())
}

func define(ctx context.Context, r wazero.Runtime, name string, funcs []hostFunc) error {
	b := r.NewHostModuleBuilder(name)
	for _, f := range funcs {
		// a function without a parameter still gets a word for its result
		b.NewFunctionBuilder().WithGoModuleFunction(guarded(f.f), f.params, f.result).Export(f.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

// checkImports refuses a module that imports what the host does not have or the manifest does not
// declare.
func (m *Module) checkImports() error {
	from, funcs := module, hostFuncs()
	if m.Manifest.Proxy != "" {
		from, funcs = proxywasm.Module, proxyFuncs()
	}
	have := map[string]map[string]hostFunc{from: {}, wasiModule: {}}
	for _, f := range funcs {
		have[from][f.name] = f
	}
	for _, f := range wasiFuncs() {
		have[wasiModule][f.name] = f
	}
	for _, d := range m.code.ImportedFunctions() {
		from, name, _ := d.Import()
		if hidden(from) {
			continue
		}
		f, ok := have[from][name]
		if !ok {
			return fmt.Errorf("it imports %s.%s, which the host does not have", from, name)
		}
		if string(f.params) != string(d.ParamTypes()) || string(f.result) != string(d.ResultTypes()) {
			return fmt.Errorf("it imports %s.%s with another signature", from, name)
		}
		if f.capability != "" && !m.Manifest.Has(f.capability) {
			return fmt.Errorf("it imports %s.%s, but its manifest does not declare the capability %q", from, name, f.capability)
		}
		if name == "state_put" && from == module && m.Manifest.State != "per-stream" {
			return fmt.Errorf("it imports %s.%s, but its manifest does not declare state per-stream", from, name)
		}
	}
	if len(m.code.ImportedMemories()) > 0 {
		return fmt.Errorf("it imports a memory")
	}
	return nil
}

// checkExports refuses a module that lacks a part of the ABI.
func (m *Module) checkExports() error {
	memory, ok := m.code.ExportedMemories()["memory"]
	if !ok {
		return fmt.Errorf("it does not export its memory")
	}
	m.min = uint64(memory.Min()) << 16
	if m.Manifest.Proxy != "" {
		return m.checkProxyExports()
	}
	exports := m.code.ExportedFunctions()
	for _, e := range []hostFunc{
		{name: "ginnel_abi_1", result: words(1)},
		{name: "ginnel_alloc", params: words(1), result: words(1)},
		{name: "ginnel_init", params: words(1), result: words(1)},
		{name: "ginnel_on", params: words(2), result: words(1)},
	} {
		d, ok := exports[e.name]
		if !ok {
			return fmt.Errorf("it does not export %s", e.name)
		}
		if string(e.params) != string(d.ParamTypes()) || string(e.result) != string(d.ResultTypes()) {
			return fmt.Errorf("its export %s has another signature", e.name)
		}
	}
	return nil
}
