package conversation

// Serial puts the blocks of a stream one after the other, for dialects whose grammar knows one open
// block at a time: what belongs to another block than the open one waits for its end. The zero value is
// ready; it is used by one goroutine at a time.
type Serial struct {
	open    bool
	block   int
	waiting []Delta
}

// Push calls out with d, or keeps it, and with what waited for d. Only the deltas of one choice come in.
func (s *Serial) Push(d *Delta, out func(*Delta)) {
	switch {
	case d.Kind != Open && d.Kind != More && d.Kind != Close:
		out(d)
		return
	case !s.open && d.Kind == Open:
		s.open, s.block = true, d.Block
	case !s.open:
		return // of a block that never began
	case d.Block != s.block:
		s.waiting = append(s.waiting, *d)
		return
	}
	out(d)
	if d.Kind != Close {
		return
	}
	s.open = false
	waiting := s.waiting
	s.waiting = nil
	for i := range waiting {
		s.Push(&waiting[i], out)
	}
}
