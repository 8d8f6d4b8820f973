package main

import (
	"bytes"
	"strconv"

	"github.com/ginnel/ginnel/sdk/filter"
)

// Bounds of what an exchange keeps to give back. What exceeds them has a placeholder without a number
// and stays away.
const (
	maxKept  = 999
	maxState = 60 << 10
)

// restorer numbers what a request's placeholders stand for and keeps it with the exchange: a length
// (two bytes), then the value, one after the other. The number is the place in that row.
type restorer struct {
	state  []byte
	values int
	loaded bool
}

// kept is reused by every callback.
var kept []byte

// replace puts placeholders into a text of the request.
func (k *restorer) replace(t filter.Text, spans []span) error {
	if !config.restore && len(spans) <= 32 {
		for i := len(spans) - 1; i >= 0; i-- {
			if err := t.Splice(spans[i].from, spans[i].to, spans[i].rule.placeholder); err != nil {
				return err
			}
		}
		return nil
	}
	// many edits one by one would each make the text anew
	b := t.Bytes()
	out, at := make([]byte, 0, len(b)+len(spans)*8), 0
	for i := range spans {
		s := &spans[i]
		if s.to > len(b) || s.from < at {
			return filter.Error(-3)
		}
		out = append(out, b[at:s.from]...)
		out = k.appendPlaceholder(out, s.rule, b[s.from:s.to])
		at = s.to
	}
	out = append(out, b[at:]...)
	return t.Replace(out)
}

// appendPlaceholder appends a rule's placeholder, numbered where the value shall come back.
func (k *restorer) appendPlaceholder(dst []byte, r *rule, value []byte) []byte {
	if !config.restore || !r.class.restorable() || len(r.placeholder) == 0 {
		return append(dst, r.placeholder...)
	}
	n := k.number(value)
	if n == 0 {
		return append(dst, r.placeholder...)
	}
	dst = append(dst, r.placeholder[:len(r.placeholder)-1]...)
	return append(strconv.AppendInt(append(dst, ':'), int64(n), 10), ']')
}

// number returns the number of a value, a new one if need be, or 0.
func (k *restorer) number(value []byte) int {
	if !k.loaded {
		k.state, k.loaded = kept[:0], true
	}
	n := 1
	for at := 0; at < len(k.state); n++ {
		size := int(k.state[at])<<8 | int(k.state[at+1])
		at += 2
		if bytes.Equal(k.state[at:at+size], value) {
			return n
		}
		at += size
	}
	if n > maxKept || len(value) > 4<<10 || len(k.state)+2+len(value) > maxState {
		return 0
	}
	k.state = append(append(k.state, byte(len(value)>>8), byte(len(value))), value...)
	kept = k.state
	k.values++
	return n
}

// save keeps what is new with the exchange.
func (k *restorer) save(x filter.Exchange) error {
	if k.values == 0 {
		return nil
	}
	err := x.PutState(k.state)
	clear(k.state) // the instance serves others next
	return err
}

// original returns the value that a numbered placeholder stands for.
func original(state, placeholder []byte) ([]byte, bool) {
	colon := bytes.LastIndexByte(placeholder, ':')
	n, err := strconv.Atoi(string(placeholder[colon+1 : len(placeholder)-1]))
	if err != nil || n < 1 {
		return nil, false
	}
	for at := 0; at+2 <= len(state); {
		size := int(state[at])<<8 | int(state[at+1])
		at += 2
		if n--; n == 0 {
			return state[at : at+size], true
		}
		at += size
	}
	return nil, false
}

// plain reports whether a value may stand in JSON as it is.
func plain(value []byte) bool {
	for _, c := range value {
		if c < 0x20 || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
