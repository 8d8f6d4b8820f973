package main

import (
	"errors"
	"strings"

	"github.com/ginnel/ginnel/sdk/filter"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

var config settings

func init() {
	filter.Register(filter.Filter{
		Init:        setup,
		RequestHead: requestHead,
		End:         end,
	})
}

func main() {}

func setup(raw []byte) (err error) {
	if config, err = parse(raw); err != nil {
		return err
	}
	if !config.tokens {
		filter.Skip(abi.End)
	}
	for _, l := range config.limits {
		// outside of an exchange nothing is counted, but the host says whether the block is there
		if _, err := filter.Take(l.rate, "", 0); err == filter.Error(abi.NotFound) {
			return errors.New(`there is no block rate "` + l.rate + `"`)
		}
	}
	return nil
}

// requestHead takes one of every limit: a request, or a token, so that who has none left is refused.
func requestHead(x filter.Exchange) filter.Action {
	delay := 0
	var subjects []string
	for i := range config.limits {
		l := &config.limits[i]
		subject := l.subject(x)
		if config.tokens {
			subjects = append(subjects, subject)
		}
		d, err := filter.Take(l.rate, subject, 1)
		switch {
		case err != nil:
			filter.Log(filter.LevelError, "rate "+l.rate+": "+err.Error())
			return filter.Failed
		case !d.OK:
			_ = filter.Count("refused", 1)
			return x.Respond(refusal(l, d))
		}
		if config.tell && filter.Tell() != nil {
			return filter.Failed
		}
		delay = max(delay, d.Delay)
	}
	if config.tokens {
		if x.PutState([]byte(strings.Join(subjects, "\n"))) != nil {
			return filter.Failed
		}
	}
	if delay > 0 {
		_ = filter.Count("slowed_down", 1)
		if x.Delay(delay) != nil {
			return filter.Failed
		}
	}
	return filter.Continue
}

// end takes the tokens that the answer cost. A limit that has fewer left is emptied. What is counted was kept with the
// exchange: another filter may take the header away. An exchange that only tells what an earlier one has used had no
// request, so nothing is taken or kept.
func end(x filter.Exchange) filter.Action {
	input, output := x.Tokens()
	kept := string(x.State())
	late := kept == ""
	for i := range config.limits {
		l := &config.limits[i]
		n := l.cost.spent(input, output)
		var subject string
		if late {
			subject = l.subject(x)
		} else {
			subject, kept, _ = strings.Cut(kept, "\n")
			n-- // one is taken
		}
		if n <= 0 {
			continue
		}
		if d, err := filter.Take(l.rate, subject, n); err == nil && !d.OK && d.Remaining > 0 {
			_, _ = filter.Take(l.rate, subject, d.Remaining)
		}
	}
	return filter.Continue
}
