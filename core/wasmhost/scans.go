package wasmhost

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/ginnel/ginnel/core/scan"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// maxFilterSets bounds the rules files of one filter.
const maxFilterSets = 16

// ruleSet is a rules file that is compiled once for all filters of a host.
type ruleSet struct {
	key  [sha256.Size]byte
	refs int // filters that use it; protected by Host.mu
	done chan struct{}
	set  *scan.Set
	err  error
}

// rules returns the compiled form of a rules file; drop gives it back.
func (h *Host) rules(text []byte) *ruleSet {
	key := sha256.Sum256(text)
	h.mu.Lock()
	r := h.sets[key]
	first := r == nil
	if first {
		r = &ruleSet{key: key, done: make(chan struct{})}
		h.sets[key] = r
	}
	r.refs++
	h.mu.Unlock()
	if first {
		r.set, r.err = h.compiler.Compile(text)
		close(r.done)
	}
	<-r.done
	return r
}

func (h *Host) drop(r *ruleSet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.refs--; r.refs == 0 {
		delete(h.sets, r.key)
	}
}

// compile returns the number of a rules file among the filter's: the same for all its instances; or
// abi.Invalid with what is wrong with the rules, or abi.Limit.
func (f *Filter) compile(text []byte) (int, error) {
	r := f.host.rules(text)
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*ruleSet
	if p := f.sets.Load(); p != nil {
		all = *p
	}
	for i, have := range all {
		if have == r {
			f.host.drop(r)
			return i, nil
		}
	}
	code := 0
	switch {
	case r.err != nil:
		code = abi.Invalid
	case len(all) >= maxFilterSets:
		code = abi.Limit
	}
	if code < 0 {
		f.host.drop(r)
		return code, r.err
	}
	all = append(all[:len(all):len(all)], r)
	f.sets.Store(&all)
	return len(all) - 1, nil
}

func (f *Filter) set(i uint32) *scan.Set {
	if p := f.sets.Load(); p != nil && uint64(i) < uint64(len(*p)) {
		return (*p)[i].set
	}
	return nil
}

// importScanCompile is scan_compile(p, n).
func importScanCompile(in *instance, st []uint64) {
	if !in.init {
		result(st, abi.WrongPhase)
		return
	}
	text, ok := in.bytes(st, 0)
	if !ok {
		result(st, abi.Invalid)
		return
	}
	begin := time.Now()
	code, err := in.filter.compile(text)
	if err != nil {
		in.refused = err
		in.filter.logger.Error("rules refused", "filter", in.filter.name, "error", err)
	}
	in.meter.Extend(time.Since(begin))
	result(st, code)
}

// importScan is scan(set, source, i, buf, cap).
func importScan(in *instance, st []uint64) {
	id, i := api.DecodeU32(st[0]), api.DecodeU32(st[2])
	set := in.filter.set(id)
	switch {
	case set == nil:
		result(st, abi.NotFound)
		return
	case in.x == nil:
		result(st, abi.WrongPhase)
		return
	}
	begin := time.Now()
	code := 0
	switch api.DecodeU32(st[1]) {
	case abi.SourceText:
		var text []byte
		if text, code = in.textAt(i); code == 0 {
			code = in.scanWhole(set, text)
		}
	case abi.SourceWindow:
		code = in.scanWindow(set, id)
	case abi.SourceField:
		var text []byte
		if text, code = in.fieldBytes(i); code == 0 {
			code = in.scanField(set, i, text)
		}
	default:
		code = abi.Invalid
	}
	in.meter.Charge(in.mod, int64(time.Since(begin)))
	if code < 0 {
		result(st, code)
		return
	}
	in.give(st, 3, in.records)
}

// fieldBytes returns a field as one text.
func (in *instance) fieldBytes(field uint32) ([]byte, int) {
	if field == abi.Header || field == abi.ResponseHeader {
		h, code := in.header(field)
		if code < 0 {
			return nil, code
		}
		b := in.scratch[:0]
		for _, f := range *h {
			if in.visible(f.Name) {
				b = append(append(b, f.Value...), '\n')
			}
		}
		in.scratch = b
		return b, 0
	}
	v, ok := in.text(field)
	if !ok {
		return nil, abi.NotFound
	}
	in.scratch = append(in.scratch[:0], v...)
	return in.scratch, 0
}

// scanWhole leaves the matches of a whole text in in.records.
func (in *instance) scanWhole(set *scan.Set, text []byte) int {
	var err error
	in.matches, err = set.Scan(in.matches[:0], text)
	in.records = in.records[:0]
	if err != nil {
		return abi.Limit
	}
	for _, m := range in.matches {
		in.record(uint32(m.Rule), m.Start, m.End, 0)
	}
	return 0
}

// scanField is scanWhole for a field: structured rules read the values of a query and the headers
// one by one.
func (in *instance) scanField(set *scan.Set, field uint32, text []byte) int {
	look := set.Scan
	switch field {
	case abi.Query:
		look = set.ScanQuery
	case abi.Header, abi.ResponseHeader:
		look = set.ScanLines
	}
	var err error
	in.matches, err = look(in.matches[:0], text)
	in.records = in.records[:0]
	if err != nil {
		return abi.Limit
	}
	for _, m := range in.matches {
		in.record(uint32(m.Rule), m.Start, m.End, 0)
	}
	return 0
}

func (in *instance) record(rule uint32, start, end int, flags uint32) {
	b := binary.LittleEndian.AppendUint32(in.records, rule)
	b = binary.LittleEndian.AppendUint32(b, uint32(start))
	b = binary.LittleEndian.AppendUint32(b, uint32(end))
	in.records = binary.LittleEndian.AppendUint32(b, flags)
}
