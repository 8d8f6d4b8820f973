package wasmhost

import (
	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// texts returns the number of texts that the phase shows, or why there is none.
func (in *instance) texts() int {
	switch {
	case in.x == nil:
		return abi.WrongPhase
	case in.phase == exchange.PhaseDelta:
		return 1
	case in.phase == exchange.PhaseRequestText:
		return in.x.Request.Body.Len()
	}
	return abi.WrongPhase
}

// textAt returns the decoded text i, or why there is none.
func (in *instance) textAt(i uint32) ([]byte, int) {
	n := in.texts()
	switch {
	case n < 0:
		return nil, n
	case uint64(i) >= uint64(n):
		return nil, abi.NotFound
	case in.phase == exchange.PhaseDelta:
		return in.x.Window.Bytes(), 0
	}
	return in.x.Request.Body.Text(int(i)).Value(), 0
}

// importTextCount is text_count().
func importTextCount(in *instance, st []uint64) { result(st, in.texts()) }

// importTextGet is text_get(i, buf, cap).
func importTextGet(in *instance, st []uint64) {
	b, code := in.textAt(api.DecodeU32(st[0]))
	if code < 0 {
		result(st, code)
		return
	}
	in.give(st, 1, b)
}

// importTextSet is text_set(i, p, n).
func importTextSet(in *instance, st []uint64) {
	i := api.DecodeU32(st[0])
	with, ok := in.bytes(st, 1)
	if !ok {
		result(st, abi.Invalid)
		return
	}
	b, code := in.textAt(i)
	if code == 0 {
		code = in.edit(i, 0, len(b), with)
	}
	result(st, code)
}

// importTextSplice is text_splice(i, from, to, p, n): text i without its bytes from from to to, and
// with others in their place. What stands outside keeps the bytes it was written with.
func importTextSplice(in *instance, st []uint64) {
	i, from, to := api.DecodeU32(st[0]), api.DecodeU32(st[1]), api.DecodeU32(st[2])
	with, ok := in.bytes(st, 3)
	if !ok {
		result(st, abi.Invalid)
		return
	}
	b, code := in.textAt(i)
	if code == 0 && (from > to || uint64(to) > uint64(len(b))) {
		code = abi.Invalid
	}
	if code == 0 {
		code = in.edit(i, int(from), int(to), with)
	}
	result(st, code)
}

// edit replaces a range of a text that is there.
func (in *instance) edit(i uint32, from, to int, with []byte) int {
	in.emit(len(with))
	in.pay(len(with))
	if in.phase == exchange.PhaseDelta {
		w := in.x.Window
		after := len(w.Bytes()) - to
		if w.Edit(from, to, with) != nil {
			return abi.Invalid
		}
		in.filter.edited(in.x, w, after)
		return 0
	}
	t := in.x.Request.Body.Text(int(i))
	in.pay(len(t.Value())) // an edit makes the text anew
	if t.Edit(from, to, with) != nil {
		return abi.Invalid
	}
	return 0
}

// importTextInfo is text_info(i).
func importTextInfo(in *instance, st []uint64) {
	i := api.DecodeU32(st[0])
	n := in.texts()
	if n >= 0 && uint64(i) >= uint64(n) {
		n = abi.NotFound
	}
	if n < 0 {
		result(st, n)
		return
	}
	if in.phase == exchange.PhaseDelta {
		w := in.x.Window
		info := int(w.Role) | int(w.Channel.Kind)<<abi.KindShift
		if w.Final {
			info |= abi.FinalBit
		}
		if w.Key {
			info |= abi.KeyBit
		}
		result(st, info)
		return
	}
	t := in.x.Request.Body.Text(int(i))
	info := int(t.Role) | int(t.Channel.Kind)<<abi.KindShift
	if t.Key {
		info |= abi.KeyBit
	}
	result(st, info)
}
