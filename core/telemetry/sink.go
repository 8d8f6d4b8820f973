package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/ginnel/ginnel/sdk/telemetry"
)

// The defaults of a sink.
const (
	DefaultQueue   = 64 << 20
	DefaultBatch   = 512 << 10
	DefaultFlush   = time.Second
	DefaultTimeout = 30 * time.Second
)

const (
	retryBase = 100 * time.Millisecond
	retryCap  = 30 * time.Second
)

// Exporter takes batches where they belong: a sink plugin, as package pluginhost offers it. Export
// is called by one goroutine at a time and returns when its context ends.
type Exporter interface {
	Export(ctx context.Context, b *telemetry.Batch) (*telemetry.Result, error)
}

// SinkConfig is what a sink works with.
type SinkConfig struct {
	Name     string
	Exporter Exporter
	Signals  []telemetry.Signal // what the exporter takes; none = all
	Queue    int64              // bytes that wait or are on their way; 0 = DefaultQueue
	Batch    int64              // bytes from which on a batch goes at once; 0 = DefaultBatch
	Flush    time.Duration      // the longest time an event waits for others; 0 = DefaultFlush
	Timeout  time.Duration      // of one export; 0 = DefaultTimeout
	// DropNewest refuses events while the queue is full; otherwise the oldest that wait make room.
	DropNewest bool
	Logger     *slog.Logger // nil = none
}

// Sink queues events for an exporter. What the exporter has not acknowledged is sent again until it
// has, as long as it fits in the queue; what does not fit is dropped and counted.
type Sink struct {
	SinkConfig
	resource     []byte
	traces, logs bool
	stats        *sinkStats
	ctx          context.Context // ends when a close has waited long enough
	kill         context.CancelFunc
	closing      chan struct{}
	close        sync.Once
	done         chan struct{}
	wake         chan struct{} // an event came, or a whole batch is there
	after        func(time.Duration) <-chan time.Time

	mu      sync.Mutex // protects what follows
	queue   []*item    // waiting, oldest first
	waiting int64      // bytes of queue
	sending int64      // bytes on their way
	failing error      // why the batch on its way was not taken, nil where it was not tried or was
	closed  bool

	seq uint64 // the goroutine's own
}

// NewSink starts a sink; SetSinks makes it get events, Close ends it.
func (t *Telemetry) NewSink(c SinkConfig) *Sink {
	s := t.newSink(c)
	go s.run()
	return s
}

func (t *Telemetry) newSink(c SinkConfig) *Sink {
	if c.Queue <= 0 {
		c.Queue = DefaultQueue
	}
	if c.Batch <= 0 {
		c.Batch = DefaultBatch
	}
	c.Batch = min(c.Batch, max(c.Queue/2, 1))
	if c.Flush <= 0 {
		c.Flush = DefaultFlush
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sink{SinkConfig: c, resource: t.resource, stats: t.metrics.sink(c.Name), closing: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1), after: time.After}
	s.traces, s.logs = len(c.Signals) == 0, len(c.Signals) == 0
	for _, signal := range c.Signals {
		s.traces = s.traces || signal == telemetry.Traces
		s.logs = s.logs || signal == telemetry.Logs
	}
	s.ctx, s.kill = context.WithCancel(context.Background())
	return s
}

// put queues an event and never waits.
func (s *Sink) put(it *item) {
	n := it.size()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.stats.dropped[dropClosed].Add(1)
		return
	}
	if over := s.waiting + s.sending + n - s.Queue; over > 0 && !s.DropNewest && n+s.sending <= s.Queue {
		s.dropOldest(over)
	}
	if s.waiting+s.sending+n > s.Queue {
		s.stats.dropped[dropFull].Add(1)
		return
	}
	s.queue = append(s.queue, it)
	s.waiting += n
	s.stats.bytes.Add(n)
	if len(s.queue) == 1 || s.waiting >= s.Batch {
		s.signal()
	}
}

// dropOldest makes room for need bytes.
func (s *Sink) dropOldest(need int64) {
	n := 0
	for ; n < len(s.queue) && need > 0; n++ {
		size := s.queue[n].size()
		need -= size
		s.waiting -= size
		s.stats.bytes.Add(-size)
		s.stats.dropped[dropFull].Add(1)
		s.queue[n] = nil
	}
	s.queue = s.queue[n:]
}

func (s *Sink) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Close sends what waits and ends the sink; events that come later are dropped. What is not
// acknowledged when ctx ends is dropped and counted, and an error.
func (s *Sink) Close(ctx context.Context) error {
	s.close.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		close(s.closing)
	})
	select {
	case <-s.done:
	case <-ctx.Done():
		s.kill()
		<-s.done
	}
	s.kill()
	if n := s.stats.dropped[dropShutdown].Load(); n > 0 && ctx.Err() != nil {
		return fmt.Errorf("telemetry %q: %d events were not acknowledged: %w", s.Name, n, ctx.Err())
	}
	return nil
}

// Failing returns why the exporter does not take events at the moment, or nil.
func (s *Sink) Failing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failing
}

func (s *Sink) setFailing(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = err
}

// run is the sink's goroutine.
func (s *Sink) run() {
	defer close(s.done)
	for {
		b := s.next()
		if b == nil {
			return
		}
		s.deliver(b)
		s.mu.Lock()
		s.sending -= b.size
		s.mu.Unlock()
		s.stats.bytes.Add(-b.size)
	}
}

// batch is some events on their way.
type batch struct {
	telemetry.Batch
	events int
	size   int64
}

// next waits for events and takes a batch of them, or returns nil when the sink is closed and empty.
func (s *Sink) next() *batch {
	var flush <-chan time.Time
	for {
		s.mu.Lock()
		closed, waiting := s.closed, s.waiting
		if waiting > 0 && (closed || waiting >= s.Batch) {
			defer s.mu.Unlock()
			return s.take()
		}
		s.mu.Unlock()
		if waiting == 0 && closed {
			return nil
		}
		if waiting > 0 && flush == nil {
			flush = s.after(s.Flush)
		}
		select {
		case <-s.wake:
		case <-s.closing:
		case <-flush:
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.take()
		}
	}
}

// take makes a batch of the oldest events. The mutex is held.
func (s *Sink) take() *batch {
	if len(s.queue) == 0 {
		return &batch{}
	}
	b := &batch{}
	var spans, logs [][]byte
	for ; b.events < len(s.queue) && (b.events == 0 || b.size < s.Batch); b.events++ {
		it := s.queue[b.events]
		b.size += it.size()
		spans, logs = append(spans, it.spans), append(logs, it.log)
		s.queue[b.events] = nil
	}
	s.queue = s.queue[b.events:]
	if len(s.queue) == 0 {
		s.queue = nil
	}
	s.waiting -= b.size
	s.sending += b.size
	if s.traces {
		b.Payloads = append(b.Payloads, telemetry.Payload{Signal: telemetry.Traces, OTLP: payload(s.resource, spans)})
	}
	if s.logs {
		b.Payloads = append(b.Payloads, telemetry.Payload{Signal: telemetry.Logs, OTLP: payload(s.resource, logs)})
	}
	return b
}

// deliver sends the batch until every payload of it has an outcome or the sink is killed.
func (s *Sink) deliver(b *batch) {
	s.number(b)
	for attempt := 0; len(b.Payloads) > 0; attempt++ {
		if s.ctx.Err() != nil {
			s.stats.dropped[dropShutdown].Add(int64(b.events))
			return
		}
		if attempt > 0 {
			s.stats.retries.Add(1)
		}
		after, err := s.export(b)
		if len(b.Payloads) == 0 {
			if attempt > 0 {
				s.setFailing(nil)
				s.Logger.Info("sink takes events again", "sink", s.Name)
			}
			break
		}
		s.setFailing(err)
		if attempt == 0 {
			s.Logger.Warn("sink did not take events, which are sent again", "sink", s.Name, "error", err)
		}
		s.pause(after, jitter(attempt))
	}
	s.stats.exported.Add(int64(b.events))
}

// pause waits before the next attempt: as long as the sink has asked for, and else for the backoff, of which little is left
// when this one is closed, since there may not be much time then.
func (s *Sink) pause(asked, backoff time.Duration) {
	select {
	case <-s.ctx.Done():
		return
	case <-s.after(max(asked, backoff)):
		return
	case <-s.closing:
	}
	select {
	case <-s.ctx.Done():
	case <-s.after(max(asked, min(backoff, retryBase))):
	}
}

// number gives the batch an identity of its own.
func (s *Sink) number(b *batch) {
	s.seq++
	b.Seq = s.seq
	id := newTraceID()
	b.ID = s.Name + "-" + strconv.FormatUint(s.seq, 10) + "-" + fmt.Sprintf("%x", id[:4])
}

// export sends the payloads once and keeps those that are to be sent again. A batch whose answer was
// lost keeps its identity; what remains of one that was answered in part is another.
func (s *Sink) export(b *batch) (after time.Duration, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.Timeout)
	defer cancel()
	result, err := s.Exporter.Export(ctx, &b.Batch)
	if err != nil {
		return 0, err
	}
	if result == nil || len(result.Outcomes) == 0 {
		b.Payloads = nil
		return 0, nil
	}
	if len(result.Outcomes) != len(b.Payloads) {
		return 0, errOutcomes
	}
	var again []telemetry.Payload
	for i, o := range result.Outcomes {
		switch o.Status {
		case telemetry.OK:
		case telemetry.Retry:
			again = append(again, b.Payloads[i])
			after, err = max(after, o.After), errors.New(o.Message)
		default:
			s.stats.dropped[dropRejected].Add(int64(b.events))
			s.Logger.Warn("sink refused events for good", "sink", s.Name, "events", b.events, "message", o.Message)
		}
	}
	if b.Payloads = again; len(again) > 0 {
		s.number(b)
	}
	return min(after, retryCap), err
}

var errOutcomes = errors.New("the sink told another number of outcomes than it got payloads")

// jitter returns how long to wait after a failed attempt: anything up to a bound that doubles.
func jitter(attempt int) time.Duration {
	bound := retryCap
	if attempt < 8 {
		bound = min(retryBase<<attempt, retryCap)
	}
	return time.Millisecond + rand.N(bound)
}
