//go:build !wasip1

package filter

import (
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// Fake is a host for tests of a filter's logic that are built natively. Its fields are what the
// filter sees and what it did. Patterns are matched by Scanner.
type Fake struct {
	Fields   map[Field]string
	Numbers  map[Field]int // by the numbers of package abi: abi.Status
	Header   [][2]string
	Response [][2]string
	Texts    []string // in Delta, text 0 is the window
	Infos    []int32  // of each text, as text_info packs them; absent means 0
	JSON     map[string]string
	Rate     func(rate, key string, cost int) Decision
	Scanner  func(rules []byte, source uint32, text string) []Match // SourceWindow: the last may be an open one

	CallLimit int // calls that may be made; 0 means any number

	Notes   map[string]string
	State   []byte
	KV      map[string]string // times to live are not kept
	Calls   []Outcall         // what HTTPCall was asked for
	Out     []byte
	Delay   int
	Answer  *Answer
	Logs    []string
	Metrics map[string]float64
	Events  []string

	Skipped int32    // what Init skips: 1 << event for each
	Told    Decision // of those that Tell told, the one of which least is left

	sets  [][]byte
	last  Decision
	reply *Reply
}

// Reply is how a fake's call ends.
type Reply struct {
	ID     int
	Status int // 0: there was no answer
	Header [][2]string
	Body   string
	Error  string // a code of sdk/llm, where the answer is not whole
}

// End runs the registered filter's CallDone as the host would.
func End(r Reply) Action {
	fake.reply = &r
	defer func() { fake.reply = nil }()
	return Call(abi.CallDone, []byte(r.Body))
}

// fake is the host of a native build.
var fake = new(Fake)

// Use makes f the host of this process; tests that use it do not run in parallel.
func Use(f *Fake) { fake = f }

// Call runs a handler of the registered filter as the host would: its event is a number of package
// abi.
func Call(event int32, raw []byte) Action { return dispatch(event, append(grow(len(raw))[:0], raw...)) }

// Configure runs the registered filter's Init.
func Configure(config string) error {
	skipped = 0
	defer func() { fake.Skipped = skipped }()
	if registered.Init == nil {
		return nil
	}
	return registered.Init([]byte(config))
}

func give(s string, buf []byte) int32 {
	if len(s) <= len(buf) {
		copy(buf, s)
	}
	return int32(len(s))
}

func (f *Fake) header(field uint32) *[][2]string {
	if field&0xff == abi.ResponseHeader {
		return &f.Response
	}
	return &f.Header
}

func sysLog(_ uint32, s string) { fake.Logs = append(fake.Logs, s) }

func sysGet(field uint32, key string, buf []byte) int32 {
	if field == abi.CallHeader || field == abi.CallError || field == abi.CallID || field == abi.CallStatus {
		return callField(field, key, buf)
	}
	switch {
	case field >= abi.Numbers:
		return int32(fake.Numbers[Field(field)])
	case field == abi.Header || field == abi.ResponseHeader:
		for _, h := range *fake.header(field) {
			if strings.EqualFold(h[0], key) {
				return give(h[1], buf)
			}
		}
		return abi.NotFound
	case field == abi.Note:
		if n, ok := fake.Notes[key]; ok {
			return give(n, buf)
		}
		return abi.NotFound
	case field == abi.Rate:
		b := make([]byte, 0, abi.RateRecord)
		for _, n := range []int{fake.last.Limit, fake.last.Remaining, fake.last.Reset, fake.last.RetryAfter, fake.last.Delay} {
			b = binary.LittleEndian.AppendUint32(b, uint32(n))
		}
		return give(string(b), buf)
	}
	v, ok := fake.Fields[Field(field)]
	if !ok {
		return abi.NotFound
	}
	return give(v, buf)
}

func callField(field uint32, key string, buf []byte) int32 {
	r := fake.reply
	switch {
	case r == nil:
		return abi.WrongPhase
	case field == abi.CallID:
		return int32(r.ID)
	case field == abi.CallStatus:
		return int32(r.Status)
	case field == abi.CallError && r.Error != "":
		return give(r.Error, buf)
	case field == abi.CallHeader:
		for _, h := range r.Header {
			if strings.EqualFold(h[0], key) {
				return give(h[1], buf)
			}
		}
	}
	return abi.NotFound
}

func sysSet(field uint32, key, value string) int32 {
	if field == abi.Status {
		if fake.Numbers == nil {
			fake.Numbers = map[Field]int{}
		}
		n := 0
		for _, c := range value {
			n = n*10 + int(c-'0')
		}
		fake.Numbers[abi.Status] = n
		return 0
	}
	if field&abi.Append == 0 {
		sysDel(field, key)
	}
	h := fake.header(field)
	*h = append(*h, [2]string{key, value})
	return 0
}

func sysDel(field uint32, key string) int32 {
	h := fake.header(field)
	kept := (*h)[:0]
	for _, f := range *h {
		if !strings.EqualFold(f[0], key) {
			kept = append(kept, f)
		}
	}
	*h = kept
	return 0
}

func sysList(field uint32, buf []byte) int32 {
	var all strings.Builder
	h := fake.header(field)
	if field == abi.CallHeader {
		if fake.reply == nil {
			return abi.WrongPhase
		}
		h = &fake.reply.Header
	}
	for _, h := range *h {
		all.WriteString(h[0] + "\x00" + h[1] + "\x00")
	}
	return give(all.String(), buf)
}

func sysOut(b []byte) int32 {
	fake.Out = append(fake.Out, b...)
	return 0
}

func sysJSONGet(pointer string, buf []byte) int32 {
	if v, ok := fake.JSON[pointer]; ok {
		return give(v, buf)
	}
	return abi.NotFound
}

func sysJSONSet(pointer string, value []byte) int32 {
	if _, ok := fake.JSON[pointer]; !ok {
		return abi.NotFound
	}
	fake.JSON[pointer] = string(value)
	return 0
}

func sysRespond(status uint32, header []byte, body string) int32 {
	a := &Answer{Status: int(status), Body: body}
	for all := string(header); len(all) > 0; {
		var name, value string
		name, all = cut(all)
		value, all = cut(all)
		switch name {
		case abi.PseudoCode:
			a.Code = value
		case abi.PseudoClass:
			a.Class = value
		default:
			a.Header = append(a.Header, [2]string{name, value})
		}
	}
	fake.Answer = a
	return 0
}

func sysTextCount() int32 { return int32(len(fake.Texts)) }

func sysTextGet(i uint32, buf []byte) int32 {
	if int(i) >= len(fake.Texts) {
		return abi.NotFound
	}
	return give(fake.Texts[i], buf)
}

func sysTextSet(i uint32, b []byte) int32 {
	if int(i) >= len(fake.Texts) {
		return abi.NotFound
	}
	fake.Texts[i] = string(b)
	return 0
}

func sysTextSplice(i, from, to uint32, b []byte) int32 {
	if int(i) >= len(fake.Texts) {
		return abi.NotFound
	}
	t := fake.Texts[i]
	if from > to || int(to) > len(t) {
		return abi.Invalid
	}
	fake.Texts[i] = t[:from] + string(b) + t[to:]
	return 0
}

func sysTextInfo(i uint32) int32 {
	switch {
	case int(i) >= len(fake.Texts):
		return abi.NotFound
	case int(i) >= len(fake.Infos):
		return 0
	}
	return fake.Infos[i]
}

func sysScanCompile(rules []byte) int32 {
	fake.sets = append(fake.sets, append([]byte(nil), rules...))
	return int32(len(fake.sets) - 1)
}

func sysScan(set, source, i uint32, buf []byte) int32 {
	if int(set) >= len(fake.sets) {
		return abi.NotFound
	}
	text := ""
	switch {
	case source == abi.SourceField && i == abi.Header:
		for _, h := range fake.Header {
			text += h[1] + "\n"
		}
	case source == abi.SourceField:
		text = fake.Fields[Field(i)]
	case int(i) < len(fake.Texts):
		text = fake.Texts[i]
	default:
		return abi.NotFound
	}
	if fake.Scanner == nil {
		return 0
	}
	var out []byte
	for _, m := range fake.Scanner(fake.sets[set], source, text) {
		for _, n := range []uint32{uint32(m.Rule), uint32(m.Start), uint32(m.End), m.Flags} {
			out = binary.LittleEndian.AppendUint32(out, n)
		}
	}
	return give(string(out), buf)
}

func sysAnnotate(key, value string) int32 {
	if fake.Notes == nil {
		fake.Notes = map[string]string{}
	}
	fake.Notes[key] = value
	return 0
}

func sysStateGet(buf []byte) int32 {
	if fake.State == nil {
		return abi.NotFound
	}
	return give(string(fake.State), buf)
}

func sysStatePut(b []byte) int32 {
	fake.State = append([]byte{}, b...)
	return 0
}

func sysRateTake(name, key string, cost uint32) int64 {
	if fake.Rate == nil {
		return abi.NotFound
	}
	fake.last = fake.Rate(name, key, int(cost))
	if !fake.last.OK {
		return abi.Limit
	}
	return int64(fake.last.Delay)
}

func sysRateTell() int32 {
	if fake.last.Limit == 0 {
		return abi.NotFound
	}
	if t := &fake.Told; t.Limit == 0 || fake.last.Remaining*t.Limit < t.Remaining*fake.last.Limit {
		*t = fake.last
	}
	return 0
}

func sysDelay(ms uint32) int32 {
	fake.Delay += int(ms)
	return 0
}

func sysKVGet(key string, buf []byte) int32 {
	if v, ok := fake.KV[key]; ok {
		return give(v, buf)
	}
	return abi.NotFound
}

func sysKVSet(key string, value []byte, _ uint32) int32 {
	if fake.KV == nil {
		fake.KV = map[string]string{}
	}
	fake.KV[key] = string(value)
	return 0
}

func sysKVIncr(key string, delta int64, _ uint32) int64 {
	n, err := strconv.ParseInt(fake.KV[key], 10, 64)
	if err != nil && fake.KV[key] != "" {
		return abi.Invalid
	}
	if n += delta; n < 0 {
		return abi.Limit
	}
	sysKVSet(key, strconv.AppendInt(nil, n, 10), 0)
	return n
}

func sysHTTPCall(block []byte, timeout uint32) int32 {
	if fake.CallLimit > 0 && len(fake.Calls) >= fake.CallLimit {
		return abi.Limit
	}
	c := Outcall{Timeout: int(timeout)}
	for all := string(block); ; {
		var name, value string
		if name, all = cut(all); name == "" {
			c.Body = []byte(all)
			break
		}
		value, all = cut(all)
		switch name {
		case abi.PseudoURL:
			c.URL = value
		case abi.PseudoMethod:
			c.Method = value
		default:
			c.Header = append(c.Header, [2]string{name, value})
		}
	}
	if c.URL == "" {
		return abi.Invalid
	}
	fake.Calls = append(fake.Calls, c)
	return int32(len(fake.Calls))
}

func sysMetric(_ uint32, name string, value float64) int32 {
	if fake.Metrics == nil {
		fake.Metrics = map[string]float64{}
	}
	fake.Metrics[name] += value
	return 0
}

func sysEvent(name string, fields []byte) int32 {
	fake.Events = append(fake.Events, name+" "+string(fields))
	return 0
}

func sysNow() int64 { return time.Now().UnixNano() }

func sysRandom(b []byte) int32 {
	rand.Read(b)
	return 0
}
