package gateway

import (
	"cmp"
	"slices"
	"time"

	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// What an answer leaves at the vendor is its caller's: the response, its items, the containers that its code ran in. Their
// ids are on disk before the client has the answer's end, so that a call that names one finds its owner. That is written
// beside the answer: of a stream from its first item on, and what comes later at its end.

// leaving is what an answer leaves, on its way to the disk. It belongs to the exchange's goroutine.
type leaving struct {
	seen     map[string]bool
	response string
	fresh    []string   // items and containers that are not written yet
	due      bool       // there is something to write
	writing  chan error // gets what became of the write that is under way; nil = there is none

	announced bool // the client may have the id of what is made in the background
}

// leave notes what an answer, or an event of one, leaves at the vendor, by ids in a text: its own and others. Where all is
// shared it does not matter whose that is, but for the id of an answer that is fetched later: its usage is counted once.
func (s *serving) leave(text []byte, own dialect.Span, found []dialect.Left, unstored bool) {
	s.request.Unstored = s.request.Unstored || unstored
	if own.Len()+len(found) == 0 || s.foreign() || !leaves(s.x.Op) {
		return
	}
	shared, stored := s.answer.Target.SharedFiles, !s.request.Unstored
	if own.Len() > 0 && stored && (!shared || s.request.Background) {
		s.note(text, own, true)
	}
	for _, f := range found {
		if !shared && !s.repeats(text, f.Span) && (stored || f.Container || f.Repeated) {
			s.note(text, f.Span, false)
		}
	}
	if l := s.left; l != nil && l.due && l.writing == nil && (len(l.fresh) > 0 || s.later()) {
		s.write()
	}
}

// leaves reports whether answers of an operation leave something that a call may name.
func leaves(op llm.Op) bool { return op == llm.OpChat || op == llm.OpResponses || op == llm.OpCompact }

// repeats reports whether an id stood in the request, where its client may have put any: in a compaction that is compacted.
func (s *serving) repeats(text []byte, at dialect.Span) bool {
	return len(s.request.Compactions) > 0 && slices.Contains(s.request.Compactions, dialect.TextOf(text[at.Start:at.End], ""))
}

// note has an id written that was not yet.
func (s *serving) note(text []byte, at dialect.Span, response bool) {
	if s.left == nil {
		s.left = &leaving{seen: make(map[string]bool)}
	}
	s.left.add(dialect.TextOf(text[at.Start:at.End], ""), response)
}

func (l *leaving) add(id string, response bool) {
	switch {
	case l.seen[id]:
		return
	case !response:
		l.fresh = append(l.fresh, id)
	case l.response == "":
		l.response = id
	}
	l.seen[id], l.due = true, true
}

// later reports whether the answer may be one that is fetched when it is there.
func (s *serving) later() bool {
	return s.request.Background && s.x.Op == llm.OpChat || s.x.Op == llm.OpResponses
}

// write begins to write what is not written yet.
func (s *serving) write() {
	l := s.left
	response, others := l.response, l.fresh
	v := uploads.Left{Model: s.x.Model}
	if s.later() && s.request.Background {
		v.Open, v.Tenant, v.Key = true, s.x.Tenant, s.x.KeyID
	}
	l.fresh, l.due, l.writing = nil, false, make(chan error, 1)
	owner := s.holder()
	result := l.writing
	go func() { result <- s.Uploads.Leave(owner, response, v, others) }() // settled, or done, waits for it
}

// holder is who has what the answer leaves, or the response that is asked for: the caller at the provider that has
// answered or, where all is shared, everybody.
func (s *serving) holder() uploads.Owner {
	t := s.answer.Target
	switch {
	case s.owner.Provider != "":
		return s.owner
	case t.SharedFiles:
		return uploads.Owner{Provider: t.ProviderName}
	}
	return uploads.Owner{Tenant: s.x.Tenant, Provider: t.ProviderName}
}

// announced waits, for a while and once, until the id of what is made in the background is on disk, before the client
// has it: it may ask for it at once, and nobody else knows of it when the gateway is killed.
func (s *serving) announced() {
	l := s.left
	if l == nil || l.writing == nil || l.announced || !s.request.Background {
		return
	}
	l.announced = true
	enough := time.NewTimer(s.patience)
	defer enough.Stop()
	select {
	case err := <-l.writing:
		s.wrote(err)
	case <-enough.C:
	case <-s.ctx.Done():
	}
}

// written waits until what the answer left so far is on disk.
func (s *serving) written() error {
	l := s.left
	if l == nil || l.writing == nil {
		return nil
	}
	return s.wrote(<-l.writing)
}

// wrote notes what became of the write that was under way.
func (s *serving) wrote(err error) error {
	s.left.writing = nil
	if err != nil {
		s.Logger.Error("what an answer left at the vendor is not remembered", "request_id", s.x.ID, "error", err)
	}
	return err
}

// settled waits until all that the answer left is on disk, before the client has its end; and has its usage counted once
// where it can be fetched again. An answer that is there is not withheld for a disk that fails: nobody can go on from it.
func (s *serving) settled() error {
	err := s.written()
	if s.left != nil && s.left.due {
		s.write()
		err = s.written()
	}
	id := s.itself()
	if s.x.Usage == nil || id == "" {
		return err
	}
	if err != nil && s.endpoint.Item == "" {
		if known, _ := s.Uploads.Has(s.holder(), id); !known { // so it is never seen again
			return err
		}
	}
	return cmp.Or(s.tell(id), err)
}

// itself returns the id of the response that the answer is, if that may be fetched again and its usage is told once.
func (s *serving) itself() string {
	switch {
	case !s.later():
		return ""
	case s.endpoint.Item == "" && s.left != nil:
		return s.left.response
	}
	return s.endpoint.Item
}
