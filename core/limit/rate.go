package limit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is an allowance: Limit per Per, of which Burst may be taken at once.
type Rate struct {
	Limit      int64
	Per        time.Duration
	Burst      int64   // 0 means Limit
	SlowDownAt float64 // the used share of the burst from which callers are slowed down; 0 means never
}

const (
	maxBurst = 1 << 32
	maxPer   = 31 * 24 * time.Hour
	maxDelay = 10 * time.Second
)

// ParseRate reads a limit such as 600/1m, 10/s or 2M/1h: a number with an optional k or M, a slash,
// and a duration whose number may be left out.
func ParseRate(s string) (Rate, error) {
	count, per, ok := strings.Cut(s, "/")
	if !ok {
		return Rate{}, fmt.Errorf("rate %q is not written as in 600/1m", s)
	}
	factor := int64(1)
	switch {
	case strings.HasSuffix(count, "k"):
		count, factor = count[:len(count)-1], 1000
	case strings.HasSuffix(count, "M"):
		count, factor = count[:len(count)-1], 1000_000
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil || n <= 0 || n > maxBurst/factor {
		return Rate{}, fmt.Errorf("rate %q: %q is not a count from 1 to %d", s, count, int64(maxBurst))
	}
	if per != "" && (per[0] < '0' || per[0] > '9') {
		per = "1" + per
	}
	d, err := parsePer(per)
	if err != nil {
		return Rate{}, fmt.Errorf("rate %q: %q is not a duration such as 1m", s, per)
	}
	r := Rate{Limit: n * factor, Per: d}
	return r, r.Check()
}

func parsePer(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n > int(maxPer/(24*time.Hour)) {
			return 0, fmt.Errorf("%s: %w", s, strconv.ErrRange)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	return time.ParseDuration(s)
}

// Check reports what makes a rate impossible.
func (r Rate) Check() error {
	switch {
	case r.Limit <= 0 || r.Limit > maxBurst:
		return fmt.Errorf("rate %v: the limit is not from 1 to %d", r, int64(maxBurst))
	case r.Per <= 0 || r.Per > maxPer:
		return fmt.Errorf("rate %v: the period is not from 1ns to %s", r, maxPer)
	case int64(r.Per)/r.Limit < 1:
		return fmt.Errorf("rate %v: more than one in a nanosecond", r)
	case r.Burst < 0 || r.Burst > maxBurst || r.burst() > (1<<62)/r.step():
		return fmt.Errorf("rate %v: the burst %d is out of range", r, r.Burst)
	case r.SlowDownAt < 0 || r.SlowDownAt > 1 || r.SlowDownAt != r.SlowDownAt:
		return fmt.Errorf("rate %v: slow_down_at is not from 0%% to 100%%", r)
	}
	return nil
}

// String writes the rate as ParseRate reads it.
func (r Rate) String() string { return strconv.FormatInt(r.Limit, 10) + "/" + r.Per.String() }

// step is the time that one unit pays off, rounded up so that the limit is never exceeded: the
// error is below a nanosecond per unit.
func (r Rate) step() int64 {
	if r.Limit <= 0 {
		return int64(maxPer) // an unusable rate allows next to nothing
	}
	return max(1, (int64(r.Per)+r.Limit-1)/r.Limit)
}

func (r Rate) burst() int64 {
	if r.Burst > 0 {
		return r.Burst
	}
	return max(1, r.Limit)
}

// delay grows from nothing at SlowDownAt to one step at the full burst: a client that calls one at a
// time then arrives at just the pace that the limit allows.
func (r Rate) delay(used, room, step int64) time.Duration {
	if r.SlowDownAt <= 0 || r.SlowDownAt >= 1 {
		return 0
	}
	over := (float64(used)/float64(room) - r.SlowDownAt) / (1 - r.SlowDownAt)
	if over <= 0 {
		return 0
	}
	return min(maxDelay, time.Duration(over*float64(step)))
}
