package main

import (
	"slices"
	"testing"

	"github.com/ginnel/ginnel/sdk/filter"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

func TestHeaders(t *testing.T) {
	for _, c := range []struct {
		name, config string
		in, want     [][2]string
		denied       string
	}{
		{"nothing", `{}`, [][2]string{{"A", "1"}}, [][2]string{{"A", "1"}}, ""},
		{"remove", `{"request":{"remove":["a"]}}`, [][2]string{{"A", "1"}, {"b", "2"}, {"a", "3"}}, [][2]string{{"b", "2"}}, ""},
		{"set and add", `{"request":{"set":{"b":"x"},"add":{"c":"y"}}}`, [][2]string{{"b", "1"}, {"c", "2"}}, [][2]string{{"c", "2"}, {"b", "x"}, {"c", "y"}}, ""},
		{"required", `{"request":{"require":["X-Team"]}}`, [][2]string{{"x-team", ""}}, [][2]string{{"x-team", ""}}, ""},
		{"missing", `{"request":{"require":["x-team"],"remove":["a"]}}`, [][2]string{{"a", ""}}, [][2]string{{"a", ""}}, "the header x-team is required"},
	} {
		f := &filter.Fake{Header: slices.Clone(c.in)}
		filter.Use(f)
		if err := filter.Configure(c.config); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		filter.Call(abi.RequestHead, nil)
		if !slices.Equal(f.Header, c.want) {
			t.Errorf("%s: %v, want %v", c.name, f.Header, c.want)
		}
		if c.denied == "" != (f.Answer == nil) || f.Answer != nil && f.Answer.Body != c.denied {
			t.Errorf("%s: answer %+v", c.name, f.Answer)
		}
	}
}

func TestResponseHeaders(t *testing.T) {
	f := &filter.Fake{Response: [][2]string{{"server", "x"}, {"via", "y"}}}
	filter.Use(f)
	if err := filter.Configure(`{"response":{"remove":["server"],"set":{"x-gateway":"ginnel"}}}`); err != nil {
		t.Fatal(err)
	}
	if a := filter.Call(abi.ResponseHead, nil); a != filter.Continue {
		t.Errorf("action %d", a)
	}
	if want := [][2]string{{"via", "y"}, {"x-gateway", "ginnel"}}; !slices.Equal(f.Response, want) {
		t.Errorf("%v", f.Response)
	}
	if filter.Configure(`{"request":{"remove":[""]}}`) == nil {
		t.Error("an empty name passes")
	}
}
