package wasmhost

import (
	"bytes"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/egress"
)

func TestAttachAndReadManifest(t *testing.T) {
	plain := guestCode{}.bytes(t)
	with, err := AttachManifest(plain, []byte(`{ "name": "a", "version": "2", "abi": "ginnel_v1",
		"events": ["request_text", "delta"], "body": "parsed", "look_ahead": 10, "config": {"doc": "x"} }`))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadManifest(with)
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "a" || m.Version != "2" || m.Phases() != exchange.PhaseRequestText|exchange.PhaseDelta || m.LookAhead != 10 || m.State != "none" || string(m.Config) != `{"doc":"x"}` {
		t.Errorf("%+v", m)
	}
	again, err := AttachManifest(with, []byte(plainManifest))
	if err != nil || !bytes.Equal(again, plain) {
		t.Errorf("attaching again: %v", err)
	}
	if _, err := AttachManifest(plain, []byte(`{"name":"a"}`)); err == nil {
		t.Error("an incomplete manifest passes")
	}
	twice := append(bytes.Clone(plain), sectionOf(0, append(str("ginnel.manifest"), plainManifest...))...)
	if _, err := ReadManifest(twice); err == nil {
		t.Error("two manifests pass")
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add(guestCode{}.bytes(f))
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x00\x05\x01a\x80"))
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x00\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ReadManifest(b)
		if err != nil {
			return
		}
		if m.Name == "" || m.Phases() == 0 {
			t.Errorf("%+v", m)
		}
		if _, err := AttachManifest(b, []byte(plainManifest)); err != nil {
			t.Error(err)
		}
	})
}

// FuzzImports calls host functions with any arguments, as a guest can: they answer or end the
// callback, and never harm the host.
func FuzzImports(f *testing.F) {
	h := newHost(f)
	funcs := hostFuncs()
	m, err := h.Open(f.Context(), guestCode{manifest: `{"name":"hand","abi":"ginnel_v1","events":["request_head","request_text","delta","response_head"],"body":"parsed","capabilities":["headers","text","body","respond","rate","delay","http","kv"],"state":"per-stream"}`}.bytes(f))
	if err != nil {
		f.Fatal(err)
	}
	filter, err := h.NewFilter(Spec{
		Name: "f", Module: m, Limiter: newLimiter(), KV: newKV(f), Egress: egress.New(egress.Needs{}), Grant: Grant{KV: true, HTTP: []string{"http://127.0.0.1:9"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	in, err := filter.pool.get(f.Context(), "")
	if err != nil {
		f.Fatal(err)
	}
	for i := range funcs {
		f.Add(uint8(i), uint8(1), uint64(0), uint64(0), uint64(0), uint64(0), uint64(0), []byte("x-a"))
		f.Add(uint8(i), uint8(4), uint64(4), uint64(0), uint64(3), uint64(1<<40|65533), uint64(1<<32-1), []byte("/a\x00b"))
	}
	f.Fuzz(func(t *testing.T, which, phase uint8, a, b, c, d, e uint64, memory []byte) {
		fn := funcs[int(which)%len(funcs)]
		p := exchange.PhaseRequestHead << (phase % 4)
		if phase%4 == 1 {
			p = exchange.PhaseDelta
		}
		x := newExchange("q")
		x.Request.Body = bodyOf(`{"a":"«one\u0021»","b":[1,"«two»"]}`)
		x.Response.Body = x.Request.Body.Clone()
		if p == exchange.PhaseDelta {
			x.Window = &exchange.Window{}
		}
		in.begin(&occasion{x: x, phase: p, event: eventOf(p)})
		in.mem.Write(0, memory)
		st := []uint64{a, b, c, d, e, 0}
		defer func() {
			if r := recover(); r != nil && r != errOutput && r != errCalls {
				t.Fatal(fn.name, r)
			}
			in.end()
		}()
		fn.f(in, st)
	})
}
