package gateway

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/sdk/llm"
)

// The vendor's list is everybody's. What is the caller's, and in which order it came, the gateway knows; what each is
// now, the vendor says: in the pages of its list, as long as they are fewer than what is looked for, and then one by one.

// The bounds of a list.
const (
	listDefault = 20
	listMost    = 1000
	listPages   = 50
	listPage    = 100
	listSingles = 500 // what is asked for one by one
)

// listing is a list on its way.
type listing struct {
	*serving
	own     []uploads.Item // that may be in it, in order
	want    int
	purpose string
	name    string
	found   map[string]json.RawMessage // what the vendor's pages say; null = nothing yet
	told    []stored                   // what it said of the caller's
	page    listed
}

// listed is a page as a client gets it.
type listed struct {
	Object  string            `json:"object"`
	Data    []json.RawMessage `json:"data"`
	FirstID *string           `json:"first_id"`
	LastID  *string           `json:"last_id"`
	HasMore bool              `json:"has_more"`
}

// list lists what is the caller's.
func (s *serving) list() *exchange.Reply {
	q, err := url.ParseQuery(s.x.Query)
	if err != nil {
		return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Message: "the query cannot be read"}, nil)
	}
	l := listing{serving: s, want: listDefault, purpose: q.Get("purpose"), name: q.Get("name"), page: listed{Object: "list", Data: []json.RawMessage{}}}
	if text := q.Get("limit"); text != "" {
		if l.want, err = strconv.Atoi(text); err != nil || l.want < 1 {
			return s.fail(exchange.ClientError, &llm.Error{Code: llm.CodeInvalid, Message: "limit must be a number above 0"}, nil)
		}
		l.want = min(l.want, listMost)
	}
	if l.own, err = s.Uploads.Own(s.owner, s.kind()); err != nil {
		return s.fail(exchange.Internal, errState, err)
	}
	if q.Get("order") == "asc" {
		slices.Reverse(l.own)
	}
	if after := q.Get("after"); after != "" {
		at := slices.IndexFunc(l.own, func(i uploads.Item) bool { return i.ID == after })
		if at < 0 {
			return s.unknownItem(after)
		}
		l.own = l.own[at+1:]
	}
	l.own = slices.DeleteFunc(l.own, func(i uploads.Item) bool { return !l.suits(i.Purpose) })
	if reply := l.pages(q); reply != nil {
		return reply
	}
	if reply := l.gather(); reply != nil {
		return reply
	}
	for i := range l.told { // now that nothing fails any more: what a batch used is counted with this list
		if err := s.seen(&l.told[i]); err != nil {
			return s.fail(exchange.Internal, errState, err)
		}
	}
	body, err := json.Marshal(l.page)
	if err != nil {
		return s.fail(exchange.Internal, &llm.Error{Code: llm.CodeInternal, Message: "internal error"}, err)
	}
	s.answer.First, s.answer.Ended = body, true
	return s.unary()
}

// suits reports whether what is for a purpose, which may not be known, may be in the list.
func (l *listing) suits(purpose string) bool {
	return l.purpose == "" || purpose == "" || purpose == l.purpose
}

// pages reads the vendor's list.
func (l *listing) pages(q url.Values) *exchange.Reply {
	l.found = make(map[string]json.RawMessage, len(l.own))
	for _, i := range l.own {
		l.found[i.ID] = nil
	}
	ask := url.Values{"limit": {strconv.Itoa(listPage)}}
	for _, name := range []string{"purpose", "order", "after"} {
		if v := q.Get(name); v != "" {
			ask.Set(name, v)
		}
	}
	for n := 1; ; n++ {
		if reply := l.ask("", "GET", ask.Encode()); reply != nil {
			return reply
		}
		raw, err := l.rest()
		if err != nil {
			return l.upstreamFailed(err)
		}
		var got struct {
			Data    []json.RawMessage `json:"data"`
			HasMore bool              `json:"has_more"`
		}
		if err := json.Unmarshal(raw, &got); err != nil || got.Data == nil {
			return l.upstreamFailed(&llm.Error{Code: llm.CodeUpstream, Message: "the upstream's answer could not be read"})
		}
		for _, one := range got.Data {
			var v stored
			if json.Unmarshal(one, &v) != nil || v.ID == "" {
				continue
			}
			ask.Set("after", v.ID)
			if _, own := l.found[v.ID]; own {
				l.found[v.ID] = one
			}
		}
		if !got.HasMore || len(got.Data) == 0 || n >= min(l.missing(), listPages) {
			return nil
		}
	}
}

// missing returns how many of those that are wanted, and of the one behind them, no page has said anything of.
func (l *listing) missing() (n int) {
	for _, i := range l.own[:min(len(l.own), l.want+1)] {
		if l.found[i.ID] == nil {
			n++
		}
	}
	return n
}

// gather takes what the pages have of the caller's, in order, and asks for what they do not have.
func (l *listing) gather() *exchange.Reply {
	singles := 0
	for _, i := range l.own {
		if l.page.HasMore = len(l.page.Data) == l.want || singles == listSingles; l.page.HasMore {
			return nil
		}
		raw := l.found[i.ID]
		if raw == nil {
			singles++
			var reply *exchange.Reply
			if raw, reply = l.single(i); reply != nil {
				return reply
			}
		}
		var v stored
		if json.Unmarshal(raw, &v) != nil || v.ID != i.ID {
			continue
		}
		l.told = append(l.told, v)
		if !l.suits(v.Purpose) || l.name != "" && l.name != v.Name && l.x.Op == llm.OpContainers {
			continue
		}
		l.page.Data = append(l.page.Data, raw)
		if l.page.LastID = &i.ID; l.page.FirstID == nil {
			l.page.FirstID = &i.ID
		}
	}
	return nil
}

// single asks for one of the caller's; nothing is what the vendor does not have.
func (l *listing) single(i uploads.Item) (json.RawMessage, *exchange.Reply) {
	if err := l.demand("/"+i.ID, "GET", ""); err != nil {
		return nil, l.upstreamFailed(err)
	}
	if l.answer.Status == 404 {
		if i.Kind != l.kind() {
			return nil, nil
		}
		return nil, l.missed(i.ID, nil)
	}
	if reply := l.heard(); reply != nil {
		return nil, reply
	}
	raw, err := l.rest()
	if err != nil {
		return nil, l.upstreamFailed(err)
	}
	return raw, nil
}
