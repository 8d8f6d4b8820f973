package dialect

// Choices is a set of numbers of choices. Those that are 128 apart are one, which is as many as a vendor gives at once.
type Choices [2]uint64

// Add puts a number into the set.
func (c *Choices) Add(n int64) { c[n>>6&1] |= 1 << (n & 63) }

// AddAll puts all numbers into the set.
func (c *Choices) AddAll() { *c = Choices{^uint64(0), ^uint64(0)} }

// Ending is how a stream ended that reported no error, as far as its events say. The zero value is that of a stream
// without events.
type Ending struct {
	Terminated bool   // the dialect's terminator came
	Finish     string // the last finish reason
	Used       bool   // what was used was told

	begun, over Choices
}

// Add takes in the next event.
func (e *Ending) Add(from *Event) {
	e.Terminated = e.Terminated || from.End
	e.Used = e.Used || from.Usage != nil
	if from.Finish != "" {
		e.Finish = from.Finish
	}
	for i := range e.begun {
		e.begun[i] |= from.Begun[i]
		e.over[i] |= from.Over[i]
	}
}

// Open reports whether a choice began of which it was not said why it ended.
func (e *Ending) Open() bool { return e.begun[0]&^e.over[0]|e.begun[1]&^e.over[1] != 0 }
