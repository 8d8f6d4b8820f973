// Command filter-cost is an example of a filter that tags: each request with who pays, each answer with
// what the tenant has spent this month, and each exchange's record with its own cost.
package main

import (
	"strconv"
	"time"

	"github.com/ginnel/ginnel/sdk/filter"
)

// prices of a million tokens, in micro-dollars
var input, output int64

// keep is how long a month's sum is kept, in milliseconds.
const keep = 40 * 24 * 3600 * 1000

func init() {
	filter.Register(filter.Filter{
		Init: func(config []byte) error {
			v, err := filter.Parse(config)
			if err == nil {
				input = int64(v.Get("input").Float(0) * 1e6)
				output = int64(v.Get("output").Float(0) * 1e6)
			}
			return err
		},
		RequestHead:  tag,
		ResponseHead: tell,
		End:          charge,
	})
}

func main() {}

// tag tells the provider who pays, whatever the client claims.
func tag(x filter.Exchange) filter.Action {
	if x.SetHeader("x-cost-tag", x.Get(filter.Tenant)) != nil {
		return filter.Failed
	}
	return filter.Continue
}

// tell says what was spent before this answer, whose own cost is not known yet.
func tell(x filter.Exchange) filter.Action {
	spent, _ := filter.KVGet(month())
	n, _ := strconv.ParseInt(string(spent), 10, 64)
	if x.SetResponseHeader("x-cost-this-month", dollars(n)) != nil {
		return filter.Failed
	}
	return filter.Continue
}

// charge adds the answer's cost. The host keeps the sums of tenants apart.
func charge(x filter.Exchange) filter.Action {
	in, out := x.Tokens()
	cost := (int64(in)*input + int64(out)*output) / 1e6
	x.Annotate("cost_usd", dollars(cost))
	filter.Count("cost_usd", float64(cost)/1e6)
	if _, err := filter.KVAdd(month(), cost, keep); err != nil {
		filter.Log(filter.LevelError, "the cost is not kept: "+err.Error())
		return filter.Failed
	}
	return filter.Continue
}

func month() string { return "spent-" + time.Unix(0, filter.Now()).UTC().Format("2006-01") }

// dollars writes micro-dollars.
func dollars(n int64) string {
	cents := strconv.FormatInt(n%1_000_000, 10)
	return strconv.FormatInt(n/1_000_000, 10) + "." + "000000"[len(cents):] + cents
}
