package gateway

import (
	"strconv"
	"strings"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

// allowance is what a vendor says in an answer's header about one of the limits that the gateway's account has there.
type allowance struct {
	limit, remaining string
	reset            time.Duration // until all of it is there again
	resets           bool          // reset was said
}

// allowances are what is limited ("requests", "tokens", "input-tokens", "output-tokens") and how much of it is left.
type allowances map[string]allowance

// allowancesOf reads the fields that vendors have for it: OpenAI's, which Azure, Groq and xAI share, Anthropic's, and
// those of Mistral and Cohere, which do not say when.
func allowancesOf(h llm.Header, now time.Time) allowances {
	var all allowances
	for _, f := range h {
		of, what := limited(strings.ToLower(f.Name))
		if of == "" {
			continue
		}
		a := all[of]
		if !a.say(what, f.Value, now) {
			continue
		}
		if all == nil {
			all = make(allowances)
		}
		all[of] = a
	}
	return all
}

// limited returns what a field tells of a limit, and which; "" where it tells of none that is known.
func limited(name string) (of, what string) {
	if rest, ok := strings.CutPrefix(name, "anthropic-ratelimit-"); ok {
		if i := strings.LastIndexByte(rest, '-'); i > 0 {
			of, what = rest[:i], rest[i+1:]
		}
	} else if rest, ok := strings.CutPrefix(name, "x-ratelimit-"); ok {
		what, of, _ = strings.Cut(strings.TrimSuffix(rest, "-minute"), "-")
	} else if rest, ok := strings.CutPrefix(name, "x-trial-endpoint-call-"); ok {
		of, what = "requests", rest
	}
	switch of {
	case "req":
		of = "requests"
	case "requests", "tokens", "input-tokens", "output-tokens":
	default:
		return "", ""
	}
	return of, what
}

// say takes what a field says, and reports whether it says something.
func (a *allowance) say(what, value string, now time.Time) bool {
	if what == "reset" {
		a.reset, a.resets = untilReset(value, now)
		return a.resets
	}
	if _, err := strconv.ParseUint(value, 10, 64); err != nil {
		return false
	}
	switch what {
	case "limit":
		a.limit = value
	case "remaining":
		a.remaining = value
	default:
		return false
	}
	return true
}

// untilReset reads a time, a duration or a number of seconds.
func untilReset(value string, now time.Time) (time.Duration, bool) {
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return max(at.Sub(now), 0), true
	}
	if s, err := strconv.ParseFloat(value, 64); err == nil && s >= 0 && s < 1e9 {
		return time.Duration(s * float64(time.Second)), true
	}
	d, err := time.ParseDuration(value)
	return d, err == nil && d >= 0
}

// telling is how a dialect of clients says it; "" for what it has no name for.
type telling struct {
	name  func(of, what string) string
	reset func(d time.Duration, now time.Time) string
}

// openaiTelling knows no tokens of one kind.
var openaiTelling = telling{
	func(of, what string) string {
		if strings.Contains(of, "-") {
			return ""
		}
		return "x-ratelimit-" + what + "-" + of
	},
	func(d time.Duration, _ time.Time) string { return d.Round(time.Millisecond).String() },
}

// tellings are those of the dialects that have fields for it.
var tellings = map[llm.Dialect]telling{
	llm.OpenAI: openaiTelling, llm.Responses: openaiTelling,
	llm.Anthropic: {
		func(of, what string) string { return "anthropic-ratelimit-" + of + "-" + what },
		func(d time.Duration, now time.Time) string { return now.Add(d).UTC().Format(time.RFC3339) },
	},
}

// tell adds them to the header of an answer that is translated, as the client's dialect has them.
func (all allowances) tell(h llm.Header, to llm.Dialect, now time.Time) llm.Header {
	form, ok := tellings[to]
	if !ok {
		return h
	}
	for of, a := range all {
		if form.name(of, "") == "" {
			continue
		}
		if a.limit != "" {
			h.Set(form.name(of, "limit"), a.limit)
		}
		if a.remaining != "" {
			h.Set(form.name(of, "remaining"), a.remaining)
		}
		if a.resets {
			h.Set(form.name(of, "reset"), form.reset(a.reset, now))
		}
	}
	return h
}
