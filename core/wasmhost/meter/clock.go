package meter

import (
	"context"
	"errors"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// What ends a callback; the error of the guest's call wraps one of them.
var (
	ErrTime  = errors.New("its time is used up")
	ErrStack = errors.New("its calls are nested too deeply")
)

// DefaultSlice is the fuel between two looks at the clock. It bounds how long the garbage collector
// may have to wait for a guest; the deadline bounds the callback.
const DefaultSlice = 100_000

// The pace. A slice that took longer than slowSlice is followed by one of half its fuel, down to a
// shortest; one that took a quarter of it by one of twice its fuel, up to the meter's own: a program whose
// instructions are dear (they miss the cache, or touch new pages) looks at the clock more often, and the
// collector waits less for it.
const (
	slowSlice     = 200 * time.Microsecond
	shortestSlice = 4_000
)

// longestSlice is the most that one slice counts, whatever the clock says: no guest spends longer on it (two
// milliseconds is the worst that was measured), so the rest is time in which the machine ran something
// else. A guest is stopped for what it does; on a busy machine every filter would fail otherwise.
const longestSlice = 8 * time.Millisecond

// Meter is the budget of one instance. It belongs to the goroutine that calls the instance.
type Meter struct {
	Ticks   int           // looks at the clock in this callback
	Longest time.Duration // the longest time between two of them

	most  int64         // the fuel of a slice: DefaultSlice but in tests
	slice int64         // that of the slice at hand
	began time.Duration // as all moments here, since the epoch below
	last  time.Duration
	end   time.Duration // the callback ends at the first tick after it
	given int64         // fuel of this callback
	mod   api.Module    // whose globals follow
	fuel  api.MutableGlobal
	stack api.MutableGlobal
}

// epoch is what moments are counted from: reading the monotonic clock alone takes half the time.
var epoch = time.Now()

func now() time.Duration { return time.Since(epoch) }

type meterKey struct{}

// With returns a context that carries m, for every call of the instance, its instantiation included.
func With(ctx context.Context, m *Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

// Begin gives an instance that is about to be made time for its start section.
func (m *Meter) Begin(budget time.Duration) {
	if m.most == 0 {
		m.most = DefaultSlice
	}
	m.slice = m.most
	m.began, m.Ticks, m.Longest = now(), 0, 0
	m.last, m.given = m.began, m.slice
	m.end = m.began + budget
}

// Arm gives an instance time for a callback.
func (m *Meter) Arm(mod api.Module, budget time.Duration) {
	m.Begin(budget)
	m.bind(mod)
	m.fuel.Set(uint64(m.slice))
	m.stack.Set(stackSize)
}

// bind finds the instance's hidden globals.
func (m *Meter) bind(mod api.Module) {
	if m.mod == mod {
		return
	}
	m.mod = mod
	m.fuel, _ = mod.ExportedGlobal(fuelName).(api.MutableGlobal)
	m.stack, _ = mod.ExportedGlobal(stackName).(api.MutableGlobal)
}

// Charge takes the price of a host function's work and ends the callback, by a panic that the
// guest's call returns as its error, if the time is over. Every host function calls it first, with
// 60 units at least, since call_indirect reaches it at the price of a guest's function; then by
// length.
func (m *Meter) Charge(mod api.Module, units int64) {
	m.bind(mod)
	left := int64(m.fuel.Get()) - units
	m.fuel.Set(uint64(left))
	if left < 0 {
		m.tick()
	}
}

// tick refills the slice or ends the callback.
func (m *Meter) tick() {
	if int64(m.stack.Get()) < 0 {
		panic(ErrStack)
	}
	now := now()
	m.Ticks++
	gap := now - m.last
	m.Longest = max(m.Longest, gap)
	m.last = now
	if gap > longestSlice {
		m.end += gap - longestSlice
	}
	if now > m.end {
		panic(ErrTime)
	}
	m.pace(gap)
	left := int64(m.fuel.Get()) + m.slice // a debt is carried over
	if left <= 0 {
		left = m.slice // but one dear operation does not tick again and again
	}
	m.given += left - int64(m.fuel.Get())
	m.fuel.Set(uint64(left))
}

// pace sets the next slice by how long the last one took.
func (m *Meter) pace(took time.Duration) {
	switch {
	case took > slowSlice:
		m.slice = max(m.slice/2, min(m.most, shortestSlice))
	case took < slowSlice/4:
		m.slice = min(2*m.slice, m.most)
	}
}

// Spent returns what the callback has cost since Arm, in units and in time.
func (m *Meter) Spent() (units int64, took time.Duration) {
	if m.fuel != nil {
		units = m.given - int64(m.fuel.Get())
	}
	return units, now() - m.began
}

// Extend gives the callback more time: it does not pay for work of the host's own.
func (m *Meter) Extend(by time.Duration) {
	m.end += by
	m.last += by
}

// Define defines what rewritten modules import. It is called once per runtime.
func Define(ctx context.Context, r wazero.Runtime) error {
	tick := func(ctx context.Context, mod api.Module, _ []uint64) {
		m, _ := ctx.Value(meterKey{}).(*Meter)
		if m == nil {
			panic(ErrTime) // nobody gave it any
		}
		m.bind(mod)
		m.tick()
	}
	_, err := r.NewHostModuleBuilder(hostName).NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(tick), nil, nil).Export(tickName).Instantiate(ctx)
	return err
}
