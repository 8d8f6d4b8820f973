package sdktest

import (
	"context"
	"testing"

	"github.com/ginnel/ginnel/sdk/telemetry"
)

// SinkCase is a sink and what it needs to be held to its contract.
type SinkCase struct {
	New    func() telemetry.Sink
	Config string           // a config block that works, as JSON
	Batch  *telemetry.Batch // one that is kept
	Bad    *telemetry.Batch // one whose first payload can never be kept, and the others can; may be nil
}

// Sink runs the list.
func Sink(t *testing.T, c SinkCase) {
	t.Run("describe", c.describe)
	t.Run("configure", c.configure)
	t.Run("export", c.export)
	t.Run("permanent", c.permanent)
}

func (c SinkCase) ready(t *testing.T) *Host {
	t.Helper()
	h := StartSink(t, c.New())
	if err := h.Sink.Configure(deadline(t), []byte(c.Config)); err != nil {
		t.Fatalf("configure: %v", err)
	}
	return h
}

func (c SinkCase) describe(t *testing.T) {
	info, err := StartSink(t, c.New()).Sink.Describe(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if info.Name == "" || info.Version == "" {
		t.Errorf("a name and a version are needed: %+v", info)
	}
	if err := checkShape(info.Config); err != nil {
		t.Error(err)
	}
}

func (c SinkCase) configure(t *testing.T) {
	refused(t, c.Config, func(t T) func(context.Context, []byte) error {
		return StartSink(t, c.New()).Sink.Configure
	})
	c.ready(t)
}

func (c SinkCase) export(t *testing.T) {
	h := c.ready(t)
	for range 2 { // the second time, as if the answer to the first had been lost
		result, err := h.Sink.Export(deadline(t), c.Batch)
		if err != nil {
			t.Fatal(err)
		}
		if result == nil {
			continue
		}
		for i, o := range result.Outcomes {
			if o.Status != telemetry.OK {
				t.Errorf("payload %d: %+v", i, o)
			}
		}
	}
	if err := h.Sink.Flush(deadline(t)); err != nil {
		t.Errorf("flush: %v", err)
	}
}

func (c SinkCase) permanent(t *testing.T) {
	if c.Bad == nil {
		t.Skip("no such batch")
	}
	result, err := c.ready(t).Sink.Export(deadline(t), c.Bad)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range result.Outcomes {
		if (o.Status == telemetry.Permanent) != (i == 0) {
			t.Errorf("payload %d: %+v", i, o)
		}
	}
}
