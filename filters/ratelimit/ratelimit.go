// Command ratelimit is the built-in filter that counts requests or tokens by key, team, address,
// route, model or header against rate blocks, slows a caller down near a limit and refuses it beyond.
//
// It counts in the host's one rate-limit engine; nothing is kept here.
package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/filter"
)

// cost is what a limit counts.
type cost uint8

// The costs. All but requests are known when the answer has ended.
const (
	requests cost = iota
	allTokens
	inputTokens
	outputTokens
)

var costs = [...]string{"requests", "tokens", "input_tokens", "output_tokens"}

// limit is one thing that is counted.
type limit struct {
	rate   string // the name of the rate block
	by     []filter.Field
	header string // of the field that byHeader stands for
	cost   cost
}

// byHeader stands among the fields for a request header.
const byHeader filter.Field = 0

// settings is the config.
type settings struct {
	limits []limit
	tell   bool // the answer tells how much is left
	tokens bool // some limit counts tokens
}

// parse reads the config.
func parse(config []byte) (s settings, err error) {
	v, err := filter.Parse(config)
	if err != nil {
		return s, err
	}
	s.tell = v.Get("headers").Bool(true)
	v.Get("limit").Members(func(name string, l filter.Value) bool {
		err = s.add(l, name, l.Get("by").Strings())
		return err == nil
	})
	if err == nil && len(s.limits) == 0 {
		err = s.add(v, "default", []string{v.Get("by").String("key")})
	}
	return s, err
}

// add reads one limit; rate is the name of its rate block where it says none.
func (s *settings) add(v filter.Value, rate string, by []string) error {
	l := limit{rate: v.Get("rate").String(rate), header: v.Get("header").String("")}
	if len(by) == 0 {
		by = []string{"key"}
	}
	for _, name := range by {
		field, ok := map[string]filter.Field{
			"key": filter.KeyID, "team": filter.Tenant, "address": filter.Remote, "route": filter.Route, "model": filter.Model, "header": byHeader,
		}[name]
		if !ok {
			return errors.New(`by is "` + name + `", not key, team, address, route, model or header`)
		}
		if field == byHeader {
			if l.header == "" {
				return errors.New(`by is "header", and no header is named`)
			}
		}
		l.by = append(l.by, field)
	}
	name := v.Get("cost").String("requests")
	for c, n := range costs {
		if n == name {
			l.cost = cost(c)
			s.tokens = s.tokens || l.cost != requests
			s.limits = append(s.limits, l)
			return nil
		}
	}
	return errors.New(`cost is "` + name + `", not requests, tokens, input_tokens or output_tokens`)
}

// subject returns what is counted. What a request does not have, a key, a team or a header, its
// address stands for.
func (l *limit) subject(x filter.Exchange) string {
	if len(l.by) == 1 && l.by[0] != byHeader {
		return one(x, l.by[0], "")
	}
	var b strings.Builder
	for i, by := range l.by {
		if i > 0 {
			b.WriteByte(0)
		}
		value := ""
		if by == byHeader {
			value = x.Header(l.header)
		}
		b.WriteString(one(x, by, value))
	}
	return b.String()
}

func one(x filter.Exchange, by filter.Field, value string) string {
	if by != byHeader {
		value = x.Get(by)
	}
	if value == "" {
		by, value = filter.Remote, x.Get(filter.Remote)
	}
	return string(rune('a'+by)) + value
}

// spent returns what an answer cost.
func (c cost) spent(input, output int) int {
	switch c {
	case allTokens:
		return input + output
	case inputTokens:
		return input
	case outputTokens:
		return output
	}
	return 0
}

// refusal is the answer to a request above the limit: Retry-After (RFC 9110, section 10.2.3) and the
// fields of draft-ietf-httpapi-ratelimit-headers-06.
func refusal(l *limit, d filter.Decision) filter.Answer {
	what := "requests"
	if l.cost != requests {
		what = "tokens"
	}
	return filter.Answer{
		Status: 429,
		Header: append([][2]string{{"Retry-After", seconds(d.RetryAfter)}}, fields(d)...),
		Code:   "rate_limited",
		Class:  "rate_limit",
		Body:   "too many " + what + "; try again in " + seconds(d.RetryAfter) + " s",
	}
}

// fields are the fields that tell a client its limit.
func fields(d filter.Decision) [][2]string {
	return [][2]string{{"RateLimit-Limit", strconv.Itoa(d.Limit)}, {"RateLimit-Remaining", strconv.Itoa(d.Remaining)}, {"RateLimit-Reset", seconds(d.Reset)}}
}

// seconds rounds up, so that a client that waits so long finds room.
func seconds(milliseconds int) string { return strconv.Itoa((milliseconds + 999) / 1000) }
