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
		{"renamed", `{"request":{"rename":{"old":"new","none":"b"}}}`, [][2]string{{"Old", "1"}, {"new", "2"}}, [][2]string{{"new", "1"}}, ""},
		{"set where absent", `{"request":{"default":{"a":"x","b":"y"}}}`, [][2]string{{"A", "1"}}, [][2]string{{"A", "1"}, {"b", "y"}}, ""},
		{"parts", `{"request":{"set":{"via":"{route} of {{a} {request_id}."}}}`, nil, [][2]string{{"via", "v1 of {a} r1."}}, ""},
		{"checked", `{"request":{"check":{"env":{"one_of":["dev","prod"]},"v":{"header":"x-v","prefix":"v","suffix":"1","max_length":4}}}}`,
			[][2]string{{"Env", "dev"}, {"x-v", "v1"}}, [][2]string{{"Env", "dev"}, {"x-v", "v1"}}, ""},
		{"absent and not checked", `{"request":{"check":{"env":{"one_of":["dev"]}}}}`, nil, nil, ""},
		{"another value", `{"request":{"check":{"env":{"one_of":["dev"]}}}}`, [][2]string{{"env", "x"}}, [][2]string{{"env", "x"}}, "the header env has a value that is not allowed"},
		{"another beginning", `{"request":{"check":{"env":{"prefix":"a"}}}}`, [][2]string{{"env", "x"}}, [][2]string{{"env", "x"}}, "the header env has a value that is not allowed"},
		{"too long", `{"request":{"check":{"env":{"max_length":2}}}}`, [][2]string{{"env", "xxx"}}, [][2]string{{"env", "xxx"}}, "the header env has a value that is not allowed"},
	} {
		f := &filter.Fake{Header: slices.Clone(c.in), Fields: map[filter.Field]string{filter.Route: "v1", filter.RequestID: "r1"}}
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
	for _, bad := range []string{`{"request":{"remove":[""]}}`, `{"response":{"set":{"":"x"}}}`, `{"request":{"set":{"a":"{moon}"}}}`, `{"request":{"set":{"a":"{route"}}}`} {
		if filter.Configure(bad) == nil {
			t.Errorf("%s passes", bad)
		}
	}
}
