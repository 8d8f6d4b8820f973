package socket

import "time"

// A frame costs a system call or two, however little is in it: small ones without end would cost whole cores. Real
// clients send a ping in some seconds, and some hundred pieces of sound in one.
var (
	controls = pace{step: time.Second / 100, burst: 1000}    // pings and pongs, and empty frames
	pieces   = pace{step: time.Second / 1000, burst: 10_000} // messages, or parts of one, of less than few bytes
)

const few = 256

// pace is how often something may happen: so many times at once, and then once in each step.
type pace struct {
	step  time.Duration
	burst int
	due   time.Time // when all that happened is paid off
}

// count counts one more, and returns for how long it is too early.
func (p *pace) count(now time.Time) time.Duration {
	if p.due.Before(now) {
		p.due = now
	}
	p.due = p.due.Add(p.step)
	return max(p.due.Sub(now)-time.Duration(p.burst)*p.step, 0)
}
