package wasmhost

import (
	"strconv"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/filter/abi"
	"github.com/ginnel/ginnel/sdk/llm"
)

// importRespond is respond(status, hp, hn, bp, bn).
func importRespond(in *instance, st []uint64) {
	head, ok := in.bytes(st, 1)
	body, ok2 := in.bytes(st, 3)
	status := int(api.DecodeU32(st[0]))
	if !ok || !ok2 || status < 200 || status > 599 {
		result(st, abi.Invalid)
		return
	}
	if in.x == nil || in.phase >= exchange.PhaseEnd {
		result(st, abi.WrongPhase)
		return
	}
	in.emit(len(head) + len(body))
	a := &exchange.Answer{Status: status}
	code := ""
	for len(head) > 0 {
		var name, value []byte
		name, head = cutNUL(head)
		value, head = cutNUL(head)
		switch {
		case string(name) == abi.PseudoCode:
			code = string(value)
		case string(name) == abi.PseudoClass:
			a.Class = string(value)
		case len(name) == 0 || !validName(name) || !validValue(value) || len(a.Header) >= maxHeaders:
			result(st, abi.Invalid)
			return
		case listed(framing[:], name):
			result(st, abi.Denied)
			return
		default:
			a.Header.Add(string(name), string(value))
		}
	}
	if code != "" {
		a.Error = &llm.Error{Code: llm.Code(code), Status: status, Message: string(body), RetryAfter: retryAfter(a.Header)}
	} else {
		a.Body = append([]byte(nil), body...)
	}
	in.answer = a
	result(st, 0)
}

func retryAfter(h llm.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("retry-after"))
	if err != nil || n < 0 || n > 1<<24 {
		return 0
	}
	return time.Duration(n) * time.Second
}

func cutNUL(b []byte) (before, after []byte) {
	for i, c := range b {
		if c == 0 {
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}
