// Command ratelimit is the built-in filter that counts requests by key, team, address or route
// against a rate block, slows a caller down near its limit and refuses it beyond.
//
// It counts in the host's one rate-limit engine; nothing is kept here.
package main

import (
	"errors"
	"strconv"

	"github.com/ginnel/ginnel/sdk/filter"
)

// settings is the config.
type settings struct {
	by   filter.Field
	rate string // the name of the rate block
}

// parse reads the config.
func parse(config []byte) (settings, error) {
	v, err := filter.Parse(config)
	if err != nil {
		return settings{}, err
	}
	s := settings{rate: v.Get("rate").String("default")}
	switch by := v.Get("by").String("key"); by {
	case "key":
		s.by = filter.KeyID
	case "team":
		s.by = filter.Tenant
	case "address":
		s.by = filter.Remote
	case "route":
		s.by = filter.Route
	default:
		return s, errors.New(`by is "` + by + `", not key, team, address or route`)
	}
	return s, nil
}

// subject returns what is counted. A request without a key or a team counts for its address.
func (s settings) subject(x filter.Exchange) string {
	if v := x.Get(s.by); v != "" {
		return string(rune('a'+s.by)) + v
	}
	return string(rune('a'+filter.Remote)) + x.Get(filter.Remote)
}

// refusal is the answer to a request above the limit: Retry-After (RFC 9110, section 10.2.3) and the
// fields of draft-ietf-httpapi-ratelimit-headers-06.
func refusal(d filter.Decision) filter.Answer {
	return filter.Answer{
		Status: 429,
		Header: [][2]string{
			{"Retry-After", seconds(d.RetryAfter)},
			{"RateLimit-Limit", strconv.Itoa(d.Limit)},
			{"RateLimit-Remaining", strconv.Itoa(d.Remaining)},
			{"RateLimit-Reset", seconds(d.Reset)},
		},
		Code:  "rate_limited",
		Class: "rate_limit",
		Body:  "too many requests; try again in " + seconds(d.RetryAfter) + " s",
	}
}

// seconds rounds up, so that a client that waits so long finds room.
func seconds(milliseconds int) string { return strconv.Itoa((milliseconds + 999) / 1000) }
