package dialect

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/llm"
)

var jsonSeeds = []string{
	`{}`, `[]`, `""`, `0`, `-0`, `-1.5e+10`, `1E5`, `true`, `false`, `null`, ` { "a" : [ 1 , { "b" : null } ] } `,
	`"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, `"` + strings.Repeat("plain text of more than eight bytes ", 3) + `\n"`, "\"é😀\"", "\t\r\n1\n",
	``, ` `, `{`, `}`, `[`, `]`, `[,]`, `[1,]`, `[1 2]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{a:1}`, `{"a" 1}`, `{"a":1 "b":2}`, `01`, `-`, `1.`, `.5`, `1e`, `1e+`,
	`+1`, `tru`, `truee`, `nul`, `NaN`, `Infinity`, `'a'`, `"`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"a\nb\"", "\"12345678\x01\"", "\"a\x00\"", `1 1`, `{}{}`, "\uFEFF{}", `//c`, `[1]//`,
	"\"\xff\xfe\"", "{\"a\":\"\xc0\xa2\"}", "\x00", "{\"\\u0000\":1}",
}

func valid(data []byte) (bool, error) {
	r := NewReader(data)
	r.Skip()
	err := r.End()
	return err == nil, err
}

func TestReaderAcceptsWhatTheStandardLibraryAccepts(t *testing.T) {
	for _, s := range jsonSeeds {
		got, err := valid([]byte(s))
		if want := json.Valid([]byte(s)); got != want {
			t.Errorf("%q: valid = %v (%v), want %v", s, got, err, want)
		}
		var e *llm.Error
		if err != nil && (!errors.As(err, &e) || e.Code != llm.CodeInvalid || e.Message == "") {
			t.Errorf("%q: error %v is not a public one", s, err)
		}
	}
}

func TestReaderBoundsDepth(t *testing.T) {
	for _, c := range []struct {
		depth int
		ok    bool
	}{{MaxDepth, true}, {MaxDepth + 1, false}, {1 << 20, false}} {
		body := strings.Repeat("[", c.depth) + strings.Repeat("]", c.depth)
		if ok, err := valid([]byte(body)); ok != c.ok {
			t.Errorf("depth %d: valid = %v (%v), want %v", c.depth, ok, err, c.ok)
		}
	}
}

func TestReaderRefusesKeysThatAnotherReaderTakesForKnownOnes(t *testing.T) {
	keys := NewKeys("model", "messages", "stream", "task")
	for _, c := range []struct {
		body    string
		refused string // part of the message; "" = accepted
	}{
		{`{"model":1,"messages":2,"stream":3}`, ""},
		{`{"model":1,"model":2}`, `"model" stands twice`},
		{`{"mod\u0065l":1}`, `"model" is written in another way`},
		{`{"\u006d\u006F\u0064\u0065\u006c":1}`, `"model" is written in another way`},
		{`{"Model":1}`, `"model" is written in another way`},
		{`{"MODEL":1,"model":2}`, `"model" is written in another way`},
		{"{\"me\u017f\u017fage\u017f\":1}", `"messages" is written in another way`},
		{`{"\u017ftream":1}`, `"stream" is written in another way`},
		{"{\"tas\u212a\":1}", `"task" is written in another way`},
		{`{"other":1,"other":2,"Other":3,"o\u0074her":4}`, ""},
		{`{"model ":1,"mode":2,"modell":3,"":4,"é":5}`, ""},
		{`{"x":{"model":1,"model":2,"Model":3}}`, ""},
		{`{"` + strings.Repeat("k", 5000) + `":1,"` + strings.Repeat(`\u006b`, 5000) + `":2}`, ""},
	} {
		r := NewReader([]byte(c.body))
		o := r.Object(keys)
		for {
			if _, ok := r.Next(&o); !ok {
				break
			}
			r.Skip()
		}
		err := r.End()
		if c.refused == "" && err != nil || c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)) {
			t.Errorf("%.60s: error %v, want %q", c.body, err, c.refused)
		}
	}
}

func TestReaderValues(t *testing.T) {
	r := NewReader([]byte(`{"s":"a\nb","i":12,"neg":-7,"frac":1.25,"exp":2e3,"huge":1e400,"tiny":-1e400,"t":true,"f":false,"n":null}`))
	want := map[string]int64{"i": 12, "neg": -7, "frac": 2, "exp": 2000, "huge": 1<<63 - 1, "tiny": -1 << 63}
	o := r.Object(nil)
	for {
		if _, ok := r.Next(&o); !ok {
			break
		}
		key := string(r.Bytes(o.Key))
		if n, ok := r.Int(); ok {
			if n != want[key] {
				t.Errorf("%s = %d, want %d", key, n, want[key])
			}
		} else if s, ok := r.String(); ok {
			if key != "s" || string(r.Bytes(s)) != `a\nb` {
				t.Errorf("%s = %s", key, r.Bytes(s))
			}
		} else if v, ok := r.Bool(); ok {
			if v != (key == "t") {
				t.Errorf("%s = %v", key, v)
			}
		} else if !r.Null() || key != "n" {
			t.Errorf("%s was not read", key)
		}
	}
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
}

func TestReaderAllocatesNothing(t *testing.T) {
	body := []byte(`{"model":"m","list":[1,2.5,"text with \u00e9",{"a":null}],"t":true,"mo\u0064":1}`)
	keys := NewKeys("model", "list")
	if n := testing.AllocsPerRun(100, func() {
		r := NewReader(body)
		o := r.Object(keys)
		for {
			if _, ok := r.Next(&o); !ok {
				break
			}
			r.Skip()
		}
		if r.End() != nil {
			t.Fatal(r.Err())
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte(s))
	}
	keys := NewKeys("a", "b", "model")
	f.Fuzz(func(t *testing.T, data []byte) {
		ok, err := valid(data)
		if want := json.Valid(data); ok != want && !(want && strings.Contains(err.Error(), "levels deep")) {
			t.Fatalf("valid = %v (%v), want %v", ok, err, want)
		}
		r := NewReader(data)
		if r.Type() != TypeObject {
			return
		}
		o := r.Object(keys)
		for {
			if _, ok := r.Next(&o); !ok {
				break
			}
			r.Skip()
		}
		if r.End() == nil && !ok {
			t.Fatal("a walk accepts what a skip refuses")
		}
	})
}

func BenchmarkReaderSkip(b *testing.B) {
	body := []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat("The quick brown fox jumps over the lazy dog. ", 45) + `"}],"model":"m","temperature":0.5}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := valid(body); !ok {
			b.Fatal(err)
		}
	}
}
