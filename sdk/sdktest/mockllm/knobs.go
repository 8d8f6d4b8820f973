package mockllm

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const maxChunks = 100_000

// knobs are one request's settings: the defaults, changed by the model's name and then by headers.
type knobs struct {
	delay, gap time.Duration
	chunks     int
	fault      string
	failN      int64  // only the first so many requests with this key meet the fault; 0 = all
	key        string // of failN
}

var knobNames = [...]string{"Delay", "Gap", "Chunks", "Fault", "Failn", "Key"}

// knobs reads the settings out of a model's name, as in "mock+fault=429+delay=60ms", because many
// gateways drop headers they do not know, and out of X-Mock-* headers.
func (m *Mock) knobs(r *http.Request, model string) knobs {
	k := knobs{delay: m.options.Delay, gap: m.options.Gap, chunks: m.options.Chunks, fault: m.options.Fault}
	for i, part := range strings.Split(model, "+") {
		if name, value, ok := strings.Cut(part, "="); ok && i > 0 {
			k.set(strings.ToLower(name), value)
		}
	}
	for _, name := range knobNames {
		if value := r.Header.Get("X-Mock-" + name); value != "" {
			k.set(strings.ToLower(name), value)
		}
	}
	if k.failN > 0 && k.fault != "" {
		n, _ := m.failed.LoadOrStore(k.key+"|"+k.fault, new(atomic.Int64))
		if n.(*atomic.Int64).Add(1) > k.failN {
			k.fault = ""
		}
	}
	return k
}

// set changes one knob; a value that is none leaves it.
func (k *knobs) set(name, value string) {
	switch name {
	case "delay":
		duration(&k.delay, value)
	case "gap":
		duration(&k.gap, value)
	case "chunks":
		if n, err := strconv.Atoi(value); err == nil && n >= 0 && n <= maxChunks {
			k.chunks = n
		}
	case "fault":
		k.fault = value
	case "failn":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			k.failN = n
		}
	case "key":
		k.key = value
	}
}

func duration(d *time.Duration, value string) {
	if v, err := time.ParseDuration(value); err == nil && v >= 0 {
		*d = v
	}
}
