package telemetry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/telemetry"
)

// patience bounds what a test waits for; nothing passes or fails by how long it took.
const patience = 20 * time.Second

// exporter is an Exporter from a closure; it remembers what was acknowledged.
type exporter struct {
	answer func(n int, b *telemetry.Batch) (*telemetry.Result, error)

	mu    sync.Mutex
	calls []call
}

type call struct {
	id     string
	seq    uint64
	events []string // request ids of the log payload
	sizes  int
}

func (x *exporter) Export(ctx context.Context, b *telemetry.Batch) (*telemetry.Result, error) {
	c := call{id: b.ID, seq: b.Seq}
	for _, p := range b.Payloads {
		c.sizes++
		if p.Signal == telemetry.Logs {
			c.events = requestIDs(p.OTLP)
		}
	}
	x.mu.Lock()
	n := len(x.calls)
	x.calls = append(x.calls, c)
	x.mu.Unlock()
	if x.answer == nil {
		return nil, ctx.Err()
	}
	return x.answer(n, b)
}

func (x *exporter) seen() []call {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.calls)
}

func requestIDs(otlp []byte) (ids []string) {
	var logs logspb.LogsData
	if err := proto.Unmarshal(otlp, &logs); err != nil {
		return []string{err.Error()}
	}
	for _, r := range logs.ResourceLogs[0].ScopeLogs[0].LogRecords {
		for _, kv := range r.Attributes {
			if kv.Key == "ginnel.request.id" {
				ids = append(ids, kv.Value.GetStringValue())
			}
		}
	}
	return ids
}

// fixture is a Telemetry with one sink whose timers the test fires.
type fixture struct {
	*Telemetry
	sink  *Sink
	timer chan chan time.Time // each wait of the sink
}

// start runs a sink. With auto, all its waits end at once.
func start(t *testing.T, c SinkConfig, auto bool) *fixture {
	f := &fixture{Telemetry: New(Config{}), timer: make(chan chan time.Time, 1000)}
	c.Name = "s"
	f.sink = f.newSink(c)
	f.sink.after = func(time.Duration) <-chan time.Time {
		fire := make(chan time.Time, 1)
		if auto {
			fire <- time.Time{}
		} else {
			f.timer <- fire
		}
		return fire
	}
	f.sink.Batch = max(f.sink.Batch, c.Batch) // a test may want more than the queue holds
	f.SetSinks(f.sink)
	go f.sink.run()
	t.Cleanup(func() { f.close(t, 0) })
	return f
}

func (f *fixture) send(ids ...string) {
	for _, id := range ids {
		x := exchange.New(context.Background())
		ctx := f.Start(context.Background(), x)
		f.Finish(ctx, &Event{ID: id, Terminal: exchange.Completed})
	}
}

func (f *fixture) close(t *testing.T, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	return f.sink.Close(ctx)
}

func all(calls []call) (ids []string) {
	for _, c := range calls {
		ids = append(ids, c.events...)
	}
	return ids
}

func TestSinkWaitsForOthersAndKeepsTheOrder(t *testing.T) {
	x := &exporter{}
	f := start(t, SinkConfig{Exporter: x}, false)
	f.send("a")
	first := <-f.timer // it waits for others now
	f.send("b", "c")
	first <- time.Time{}
	f.send("d")
	if err := f.close(t, patience); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(all(x.seen()), ""); got != "abcd" {
		t.Errorf("got %q", got)
	}
	f.send("late")
	expect(t, scrape(t, f.Telemetry), `ginnel_sink_exported_total{sink="s"} 4`, `ginnel_sink_dropped_total{reason="closed",sink="s"} 1`,
		`ginnel_sink_dropped_total{reason="queue_full",sink="s"} 0`, `ginnel_sink_queue_bytes{sink="s"} 0`)
}

func TestFullBatchGoesAtOnce(t *testing.T) {
	got := make(chan int, 10)
	x := &exporter{answer: func(_ int, b *telemetry.Batch) (*telemetry.Result, error) {
		for _, p := range b.Payloads {
			if p.Signal == telemetry.Logs {
				got <- len(requestIDs(p.OTLP))
			}
		}
		return nil, nil
	}}
	f := start(t, SinkConfig{Exporter: x, Batch: 1}, false)
	f.send("a")
	select {
	case n := <-got:
		if n != 1 {
			t.Errorf("%d events", n)
		}
	case <-time.After(patience):
		t.Fatal("the batch did not go")
	}
}

// TestSinkSaysThatItFails: from the first refusal until a batch is taken.
func TestSinkSaysThatItFails(t *testing.T) {
	seen := make(chan error, 4)
	var f *fixture
	x := &exporter{answer: func(n int, _ *telemetry.Batch) (*telemetry.Result, error) {
		seen <- f.sink.Failing()
		if n == 0 {
			return nil, errors.New("disk full")
		}
		return nil, nil
	}}
	f = start(t, SinkConfig{Exporter: x}, true)
	f.send("a")
	if err := f.close(t, patience); err != nil {
		t.Fatal(err)
	}
	if err := <-seen; err != nil {
		t.Errorf("before anything failed: %v", err)
	}
	if err := <-seen; err == nil || err.Error() != "disk full" {
		t.Errorf("while it failed: %v", err)
	}
	if err := f.sink.Failing(); err != nil {
		t.Errorf("after it was taken: %v", err)
	}
}

func TestLostAnswerIsSentAgainUnderItsOwnName(t *testing.T) {
	x := &exporter{answer: func(n int, _ *telemetry.Batch) (*telemetry.Result, error) {
		if n < 3 {
			return nil, errors.New("killed")
		}
		return nil, nil
	}}
	f := start(t, SinkConfig{Exporter: x}, true)
	f.send("a", "b", "c")
	if err := f.close(t, patience); err != nil {
		t.Fatal(err)
	}
	calls := x.seen()
	for _, c := range calls[:4] {
		if c.id != calls[0].id || c.seq != calls[0].seq || strings.Join(c.events, "") != strings.Join(calls[0].events, "") {
			t.Errorf("another batch: %+v, first %+v", c, calls[0])
		}
	}
	if got := strings.Join(all(calls[3:]), ""); got != "abc" {
		t.Errorf("acknowledged %q", got)
	}
	expect(t, scrape(t, f.Telemetry), `ginnel_sink_exported_total{sink="s"} 3`, `ginnel_sink_retries_total{sink="s"} 3`)
}

func TestPayloadsFareApart(t *testing.T) {
	x := &exporter{answer: func(n int, b *telemetry.Batch) (*telemetry.Result, error) {
		switch n {
		case 0:
			return &telemetry.Result{Outcomes: []telemetry.Outcome{{Status: telemetry.Permanent, Message: "no"}, {Status: telemetry.Retry, After: time.Second}}}, nil
		case 1:
			return &telemetry.Result{Outcomes: make([]telemetry.Outcome, 7)}, nil
		}
		return &telemetry.Result{Outcomes: make([]telemetry.Outcome, len(b.Payloads))}, nil
	}}
	f := start(t, SinkConfig{Exporter: x}, true)
	f.send("a")
	if err := f.close(t, patience); err != nil {
		t.Fatal(err)
	}
	calls := x.seen()
	if len(calls) != 3 || calls[0].sizes != 2 || calls[1].sizes != 1 || calls[2].sizes != 1 || calls[0].id == calls[1].id || calls[1].id != calls[2].id || calls[1].seq <= calls[0].seq {
		t.Errorf("%+v", calls)
	}
	expect(t, scrape(t, f.Telemetry), `ginnel_sink_dropped_total{reason="rejected",sink="s"} 1`, `ginnel_sink_queue_bytes{sink="s"} 0`)
}

func TestSinkGetsTheSignalsItTakes(t *testing.T) {
	var signals []telemetry.Signal
	x := &exporter{answer: func(_ int, b *telemetry.Batch) (*telemetry.Result, error) {
		for _, p := range b.Payloads {
			signals = append(signals, p.Signal)
		}
		return nil, nil
	}}
	f := start(t, SinkConfig{Exporter: x, Signals: []telemetry.Signal{telemetry.Traces, telemetry.Metrics}}, true)
	f.send("a")
	if err := f.close(t, patience); err != nil || len(signals) != 1 || signals[0] != telemetry.Traces {
		t.Errorf("%v, signals %v", err, signals)
	}
}

func TestFullQueueDropsAndNeverWaits(t *testing.T) {
	for _, c := range []struct {
		newest bool
		keep   string // of 0..9, with room for three
	}{{true, "012"}, {false, "789"}} {
		size := encode(nil, &Event{ID: "0", Terminal: exchange.Completed}).size()
		x := &exporter{}
		f := start(t, SinkConfig{Exporter: x, Queue: 3*size + size/2, Batch: 10 * size, DropNewest: c.newest}, false)
		for i := range 10 {
			f.send(fmt.Sprint(i))
		}
		if err := f.close(t, patience); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(all(x.seen()), ""); got != c.keep {
			t.Errorf("newest %v: kept %q, want %q", c.newest, got, c.keep)
		}
		expect(t, scrape(t, f.Telemetry), `ginnel_sink_dropped_total{reason="queue_full",sink="s"} 7`)
	}
}

func TestSlowSinkDelaysNothingAndIsGivenUpAtTheEnd(t *testing.T) {
	entered := make(chan struct{}, 1)
	release := make(chan struct{})
	x := &exporter{answer: func(int, *telemetry.Batch) (*telemetry.Result, error) {
		entered <- struct{}{}
		<-release
		return nil, errors.New("too slow")
	}}
	f := start(t, SinkConfig{Exporter: x, Batch: 1, Queue: 10 << 10}, false)
	f.send("a")
	<-entered
	for i := range 1000 {
		f.send(fmt.Sprint(i)) // returns although the sink hangs
	}
	closed := make(chan error)
	go func() { closed <- f.close(t, 0) }()
	<-f.sink.ctx.Done()
	close(release)
	select {
	case err := <-closed:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("close does not return")
	}
	s := f.sink.stats
	if total := s.exported.Load() + s.dropped[dropFull].Load() + s.dropped[dropShutdown].Load(); total != 1001 || s.exported.Load() != 0 || s.bytes.Load() != 0 {
		t.Errorf("%d events accounted for, %d exported, %d bytes", total, s.exported.Load(), s.bytes.Load())
	}
}

// TestASinkThatIsClosedDoesNotWaitLong: what failed for a while is tried again soon, before the time is over.
func TestASinkThatIsClosedDoesNotWaitLong(t *testing.T) {
	const fails = 12
	x := &exporter{answer: func(n int, _ *telemetry.Batch) (*telemetry.Result, error) {
		if n < fails {
			return nil, errors.New("restarting")
		}
		return nil, nil
	}}
	f := start(t, SinkConfig{Exporter: x, Batch: 1}, false)
	f.send("a")
	for range fails - 1 {
		(<-f.timer) <- time.Time{}
	}
	<-f.timer // the last wait would take half a minute
	closed := make(chan error, 1)
	go func() { closed <- f.close(t, patience) }()
	select {
	case again := <-f.timer:
		again <- time.Time{}
	case <-time.After(patience):
		t.Fatal("it waits")
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestEveryEventIsAccountedForUnderLoad(t *testing.T) {
	const writers, each = 8, 400
	x := &exporter{}
	acked := map[string]int{}
	x.answer = func(int, *telemetry.Batch) (*telemetry.Result, error) {
		if rand.N(3) == 0 {
			return nil, errors.New("killed")
		}
		return nil, nil
	}
	answer := x.answer
	x.answer = func(n int, b *telemetry.Batch) (*telemetry.Result, error) {
		r, err := answer(n, b)
		if err == nil {
			for _, id := range requestIDs(b.Payloads[1].OTLP) {
				acked[id]++
			}
		}
		return r, err
	}
	f := start(t, SinkConfig{Exporter: x, Batch: 4 << 10}, true)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				f.send(fmt.Sprintf("%d-%d", w, i))
			}
		})
	}
	wg.Wait()
	if err := f.close(t, patience); err != nil {
		t.Fatal(err)
	}
	if len(acked) != writers*each || f.sink.stats.exported.Load() != writers*each {
		t.Errorf("%d events acknowledged, %d counted, want %d", len(acked), f.sink.stats.exported.Load(), writers*each)
	}
	for id, n := range acked {
		if n != 1 {
			t.Errorf("%s was acknowledged %d times", id, n)
		}
	}
}
