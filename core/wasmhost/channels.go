package wasmhost

import (
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/scan"
	"github.com/ginnel/ginnel/core/wasmhost/outcall"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// kept is what a filter's host keeps with an exchange, or with a tick.
type kept struct {
	scans  []*channelScan
	calls  *outcall.Calls // nil before the first
	paused time.Duration  // in all
}

// kept returns what is kept with x; nil where nothing is.
func (f *Filter) kept(x *exchange.Exchange) *kept {
	k, _ := x.Local(f).(*kept)
	return k
}

// keep is kept, made where there is none.
func (f *Filter) keep(x *exchange.Exchange) *kept {
	k := f.kept(x)
	if k == nil {
		k = &kept{}
		x.SetLocal(f, k)
	}
	return k
}

// channelScan is a scan of one channel by one set, from its first text to its end.
//
// The stream counts the bytes that arrived, the window those that stand there now. Both agree at
// their ends, back to the last edit: what stands before it is no text of the client's or the
// model's any more, so a match that reaches into it begins at its end.
type channelScan struct {
	channel dialect.Channel
	set     uint32
	stream  *scan.Stream
	total   int  // bytes fed
	edge    int  // end of the last edit, as an offset of the stream
	fed     bool // in this callback
	lost    bool // a callback passed without a scan: begin anew
	code    int
	records []byte
}

// scanWindow leaves the matches of the window, as a part of its channel, in in.records.
func (in *instance) scanWindow(set *scan.Set, id uint32) int {
	if in.phase != exchange.PhaseDelta {
		return abi.WrongPhase
	}
	w := in.x.Window
	c := in.filter.channel(in.x, w, id)
	if c == nil {
		if w.Final && w.Fresh() == 0 { // the whole channel at once
			return in.scanFinal(set, w.Bytes())
		}
		c = in.filter.newChannel(in.x, w, id)
	}
	if !c.fed {
		c.fed = true
		in.records = in.records[:0]
		c.code = in.feed(c, set, w)
		c.records = append(c.records[:0], in.records...)
	}
	in.records = append(in.records[:0], c.records...)
	return c.code
}

// scanFinal is a stream's scan of a text that is all there; structured rules are left out there.
func (in *instance) scanFinal(set *scan.Set, text []byte) int {
	var err error
	in.matches, err = set.Scan(in.matches[:0], text)
	in.records = in.records[:0]
	if err != nil {
		return abi.Limit
	}
	for _, m := range in.matches {
		if set.Rules()[m.Rule].Context != scan.ContextStructured {
			in.record(uint32(m.Rule), m.Start, m.End, 0)
		}
	}
	in.record(abi.Open, len(text), len(text), 0)
	return 0
}

func (in *instance) feed(c *channelScan, set *scan.Set, w *exchange.Window) int {
	text := w.Bytes()
	fresh := text[min(w.Fresh(), len(text)):]
	if c.stream == nil || c.lost {
		c.stream, c.total, c.edge, c.lost = set.NewStream(), 0, 0, false
		fresh = text
	}
	var err error
	in.matches, err = c.stream.Write(in.matches[:0], fresh)
	c.total += len(fresh)
	if err == nil && w.Final {
		in.matches, err = c.stream.Close(in.matches)
	}
	if err != nil {
		return abi.Limit
	}
	place := func(offset int) int { return max(0, len(text)-(c.total-max(offset, c.edge))) }
	for _, m := range in.matches {
		if from, to := place(m.Start), place(m.End); from < to {
			in.record(uint32(m.Rule), from, to, c.flags(m))
		}
	}
	open := len(text)
	if !w.Final {
		for _, m := range c.stream.Open() {
			if from, to := place(m.Start), place(m.End); from < to {
				in.record(uint32(m.Rule), from, to, c.flags(m)|abi.GrowingFlag)
			}
		}
		open = place(c.stream.Safe())
	}
	in.record(abi.Open, open, len(text), 0)
	return 0
}

func (c *channelScan) flags(m scan.Match) uint32 {
	if m.Start < c.edge {
		return abi.ContinuedFlag
	}
	return 0
}

func (f *Filter) channel(x *exchange.Exchange, w *exchange.Window, id uint32) *channelScan {
	all := f.kept(x)
	if all != nil {
		for _, c := range all.scans {
			if c.set == id && c.channel == w.Channel {
				return c
			}
		}
	}
	return nil
}

func (f *Filter) newChannel(x *exchange.Exchange, w *exchange.Window, id uint32) *channelScan {
	all := f.keep(x)
	c := &channelScan{channel: w.Channel, set: id}
	all.scans = append(all.scans, c)
	return c
}

// edited notes that the guest changed the window up to after bytes before its end.
func (f *Filter) edited(x *exchange.Exchange, w *exchange.Window, after int) {
	all := f.kept(x)
	if all == nil {
		return
	}
	for _, c := range all.scans {
		if c.channel == w.Channel && c.fed {
			c.edge = max(c.edge, c.total-after)
		}
	}
}

// settle ends a callback for the window's scans. One that was not asked has missed what was new.
func (f *Filter) settle(x *exchange.Exchange, channel dialect.Channel) {
	all := f.kept(x)
	if all == nil {
		return
	}
	for _, c := range all.scans {
		if c.channel == channel {
			c.lost = !c.fed
			c.fed = false
		}
	}
}
