package conversation

import (
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/llm"
)

// url turns base64 into base64url, as Google's SDK for Python does with what it gives back.
var url = strings.NewReplacer("+", "-", "/", "_")

// TestSealedStateComesBack: another vendor's state stands in a vendor's own place, and in a call's id,
// and is what it was when it comes back.
func TestSealedStateComesBack(t *testing.T) {
	for _, o := range []Opaque{
		{}, {Vendor: VendorAnthropic, Value: "EqQB+/=="}, {Vendor: VendorGoogle, Value: "a.b.c"}, {Vendor: VendorOpenAI, ID: "rs_1", Value: "gAAA+/=="},
		{Vendor: VendorGoogle, Value: "\x00\xff__sealed_google_"},
	} {
		for _, place := range []string{VendorAnthropic, VendorGoogle, VendorOpenAI} {
			seal, want := o.Seal(place), o
			if place == o.Vendor {
				want.ID = "" // the dialect has a place for it
			} else if _, err := base64.StdEncoding.DecodeString(seal); err != nil {
				t.Errorf("%+v in the place of %s: %q is no base64", o, place, seal)
			}
			for _, way := range []func(string) string{strings.Clone, url.Replace} {
				if got := Unseal(way(seal), place); o.Value != "" && got != want && (place != o.Vendor || way(seal) == seal) {
					t.Errorf("%+v in the place of %s came back as %+v", o, place, got)
				}
			}
		}
		if id, got := UnpackID(PackID("call_1", o)); id != "call_1" || o.Value != "" && (got.Vendor != o.Vendor || got.Value != o.Value) {
			t.Errorf("%+v in an id came back as %q %+v", o, id, got)
		}
	}
	for _, value := range []string{"a", sealed, sealed + "=", sealed + "!!!!", sealed + "YQ==", sealed + "YQBiAA=="} { // the last has no value
		if got := Unseal(value, VendorGoogle); got != (Opaque{Vendor: VendorGoogle, Value: value}) {
			t.Errorf("%q was taken apart: %+v", value, got)
		}
	}
	for _, id := range []string{"", "call_1", "x__sealed_", "x__sealed_google", "x__sealed_google_!!"} {
		if got, o := UnpackID(id); got != id || o.Value != "" {
			t.Errorf("%q was taken apart: %q %+v", id, got, o)
		}
	}
}

func call(id, name string) Part {
	return Part{Kind: ToolCall, Call: &Call{ID: id, Name: name}}
}

func result(id, name string) Part {
	return Part{Kind: ToolResult, Result: &Result{ID: id, Name: name}}
}

// TestComplete: results find their calls by name where the dialect has no ids, and names by id where it
// has no names; made-up ids are the same every time.
func TestComplete(t *testing.T) {
	q := func() *Request {
		return &Request{Turns: []Turn{
			{Role: Assistant, Parts: []Part{call("", "a"), call("", "b"), call("", "a"), call("id4", "c")}},
			{Role: User, Parts: []Part{result("", "b"), result("", "a"), result("", "a"), result("id4", ""), result("", "never called")}},
		}}
	}
	x, y := q(), q()
	x.Complete()
	y.Complete()
	if !reflect.DeepEqual(x, y) {
		t.Error("two completions differ")
	}
	calls, results := x.Turns[0].Parts, x.Turns[1].Parts
	for _, pair := range [][2]int{{1, 0}, {0, 1}, {2, 2}, {3, 3}} {
		if c, r := calls[pair[0]].Call, results[pair[1]].Result; c.ID == "" || c.ID != r.ID || c.Name != r.Name {
			t.Errorf("call %+v, result %+v", c, r)
		}
	}
	if calls[0].Call.ID == calls[2].Call.ID {
		t.Error("two calls have one id")
	}
	if r := results[4].Result; r.ID != "" || r.Name != "never called" {
		t.Errorf("a result of no call became %+v", r)
	}
}

func TestJoin(t *testing.T) {
	text := func(s string) []Part { return []Part{{Text: s}} }
	q := &Request{Turns: []Turn{
		{Role: User, Parts: text("1")}, {Role: User, Parts: text("2")}, {Role: Assistant}, {Role: User, Parts: text("3")},
		{Role: User, Name: "other", Parts: text("4")}, {Role: Assistant, Parts: text("5")},
	}}
	q.Join()
	var got []string
	for _, turn := range q.Turns {
		s := ""
		for _, p := range turn.Parts {
			s += p.Text
		}
		got = append(got, s)
	}
	if want := []string{"123", "4", "5"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestSerial: blocks that take turns come out one after the other, in the order they opened.
func TestSerial(t *testing.T) {
	var s Serial
	var got []string
	push := func(kind DeltaKind, block int, text string) {
		s.Push(&Delta{Kind: kind, Block: block, Text: text, Part: &Part{}}, func(d *Delta) {
			got = append(got, []string{"begin", "open", "more", "close", "finished"}[d.Kind]+" "+string(rune('0'+d.Block))+d.Text)
		})
	}
	push(More, 7, "never opened")
	push(Open, 0, "")
	push(Open, 1, "")
	push(More, 1, "b")
	push(More, 0, "a")
	push(Open, 2, "")
	push(More, 2, "c")
	push(Close, 2, "")
	push(More, 1, "b")
	push(Close, 0, "")
	push(More, 1, "b")
	push(Close, 1, "")
	want := []string{"open 0", "more 0a", "close 0", "open 1", "more 1b", "more 1b", "more 1b", "close 1", "open 2", "more 2c", "close 2"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// TestCollectorHoldsTheOrder: what comes out of order is refused.
func TestCollectorHoldsTheOrder(t *testing.T) {
	begin, open, end := Delta{Kind: Begin}, Delta{Kind: Open, Part: &Part{}}, Delta{Kind: Close}
	for name, deltas := range map[string][]Delta{
		"no beginning":         {open},
		"two beginnings":       {begin, begin},
		"a block from nowhere": {begin, {Kind: More, Text: "x"}},
		"a block that is over": {begin, open, end, {Kind: More, Text: "x"}},
		"a number left out":    {begin, {Kind: Open, Block: 1, Part: &Part{}}},
		"an open block":        {begin, open, {Kind: Finished, Finish: FinishStop}},
		"after the end":        {begin, open, end, {Kind: Finished, Finish: FinishStop}, {Kind: Open, Block: 1, Part: &Part{}}},
		"after a failure":      {begin, {Kind: Failed, Err: &llm.Error{}}, open},
	} {
		var c Collector
		if err := c.Add(deltas...); !errors.Is(err, ErrOrder) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	var c Collector
	if err := c.Add(begin, open, Delta{Kind: More, Text: "a"}, Delta{Kind: More, Text: "b"}, end); err != nil {
		t.Fatal(err)
	}
	if err := c.Whole(); !errors.Is(err, ErrOrder) {
		t.Errorf("a stream without its end is whole: %v", err)
	}
	if err := c.Add(Delta{Kind: Finished, Finish: FinishLength}, Delta{Kind: Usage, Usage: &llm.Usage{OutputTotal: 2}}); err != nil {
		t.Fatal(err)
	}
	if a := c.Answer; c.Whole() != nil || a.Choices[0].Parts[0].Text != "ab" || a.Choices[0].Finish != FinishLength || a.Usage.OutputTotal != 2 {
		t.Errorf("%+v", a)
	}
}

// TestPlainIDs: every id becomes one that the vendors take, the same each time, and two ids never become one.
func TestPlainIDs(t *testing.T) {
	seen := map[string]string{}
	long := strings.Repeat("x", 70)
	for _, id := range []string{"", "toolu_01", strings.Repeat("x", 64), "functions.w:0", "functions.w:1", "functions_w_0", "functions w:0", long, long + "y", "é", "\xff"} {
		got := PlainID(id)
		if strings.Trim(got, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" || len(got) > 64 || got != PlainID(id) || seen[got] != "" {
			t.Errorf("%q became %q, as %q did", id, got, seen[got])
		}
		seen[got] = "of " + id
	}
	for _, id := range []string{"", "toolu_01", "functions_w_0"} {
		if got := PlainID(id); got != id {
			t.Errorf("%q became %q", id, got)
		}
	}
}

// TestLeave: what is left is listed with the way to it, in requests only, and so many at most.
func TestLeave(t *testing.T) {
	walk := func(r *Reader) {
		r.Each("the body", func(string) {
			r.Items("list", func(int) {
				raw := r.Raw()
				inner := r.Inner(raw)
				inner.Each("item", func(string) { inner.Leave(`"idle"`) })
				r.Adopt(inner)
			})
		})
	}
	const body = `{"list":[{"a":null,"b":{},"c":[]},{"a":"idle","":1,"d":"` + "\\u0061" + `"}]}`
	var q Request
	r := NewRequestReader([]byte(body), &q)
	walk(r)
	var names []string
	for _, f := range q.Other {
		names = append(names, f.Name)
	}
	if err := r.End(); err != nil || !reflect.DeepEqual(names, []string{"list[1].", "list[1].d"}) || r.At() != "" {
		t.Errorf("%v: %q, and then at %q", err, names, r.At())
	}
	walk(NewReader([]byte(body))) // which is no request

	q = Request{}
	walk(NewRequestReader([]byte(`{"list":[{`+strings.Repeat(`"x":1,`, 5000)+`"x":1}]}`), &q))
	if n := len(q.Other); n != mostListed+1 || q.Other[n-1].Name != "and more" {
		t.Errorf("%d are listed, the last as %q", n, q.Other[n-1].Name)
	}
}
