package codecs

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/rerank"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// rerankers are the dialects that clients ask for reranking in.
var rerankers = []llm.Dialect{llm.OpenAI, llm.Cohere}

// TestRecordedReranking: what the vendor was asked and said, in each dialect that has reranking.
func TestRecordedReranking(t *testing.T) {
	for _, x := range recorded.Of(t, "../../..", "*rerank*.json") {
		from := Of(llm.Cohere).(rerank.Codec)
		q, err := from.DecodeRerank(x.Ask())
		if err != nil {
			t.Fatal(x.Name, err)
		}
		a, err := from.DecodeRanking(x.Answer())
		if err != nil || a.Settle(q) != nil || len(a.Results) != int(q.TopN) || a.Units != "1" || a.ID == "" {
			t.Fatalf("%s: %v %+v", x.Name, err, a)
		}
		for _, name := range rerankers {
			c := Of(name).(rerank.Codec)
			body, lost, err := c.EncodeRerank(q)
			if err != nil || len(lost) > 0 {
				t.Fatal(err, lost)
			}
			var read dialect.Request
			if err := Of(name).Request(llm.OpRerank, body, &read); err != nil || read.Model != x.Model || len(read.Texts) != 1+len(q.Documents) {
				t.Errorf("%s to %s: %v %+v", x.Name, name, err, read)
			}
			again, err := c.DecodeRerank(body)
			if err != nil || !reflect.DeepEqual(again, q) {
				t.Errorf("%s to %s: %v %+v", x.Name, name, err, again)
			}
			answer := c.EncodeRanking(q, a)
			var found dialect.Answer
			if err := Of(name).Answer(llm.OpRerank, answer, &found); err != nil || found.Error != nil {
				t.Errorf("%s to %s: %v %s", x.Name, name, err, answer)
			}
			if b, err := c.DecodeRanking(answer); err != nil || !reflect.DeepEqual(b.Results, a.Results) || !strings.Contains(string(answer), `"billed_units":{"search_units":1}`) {
				t.Errorf("%s to %s: %v %s", x.Name, name, err, answer)
			}
		}
	}
}

// TestRerankInEachDialect: what of a request is kept, what is listed, what is refused.
func TestRerankInEachDialect(t *testing.T) {
	const asked = `{"model":"m","query":"q","documents":["a",{"text":"b"}],"top_n":1`
	for name, c := range map[string]struct {
		from   llm.Dialect
		body   string
		to     llm.Dialect
		want   string // the body, or the error's beginning
		losses string
	}{
		"Jina's to Cohere":     {llm.OpenAI, asked + `,"return_documents":true,"truncation":true,"rank_fields":null}`, llm.Cohere, `{"model":"m","query":"q","documents":["a","b"],"top_n":1}`, "truncation"},
		"Cohere to Jina's":     {llm.Cohere, asked + `,"max_tokens_per_doc":9}`, llm.OpenAI, `{"model":"m","query":"q","documents":["a","b"],"top_n":1,"return_documents":false}`, "max_tokens_per_doc"},
		"an image":             {llm.OpenAI, `{"query":"q","documents":[{"image":"https://a.example/b"}]}`, llm.Cohere, "`documents` has something else than a text", ""},
		"a question in pieces": {llm.OpenAI, `{"query":["q"],"documents":["a"]}`, llm.Cohere, "`query` has something else", ""},
		"no question":          {llm.OpenAI, `{"documents":["a"]}`, llm.Cohere, "`query` must be a text", ""},
		"no texts":             {llm.Cohere, `{"query":"q","documents":[]}`, llm.OpenAI, "`documents` must have", ""},
		"fewer than none":      {llm.Cohere, `{"query":"q","documents":["a"],"top_n":-1}`, llm.OpenAI, "`top_n` must not", ""},
	} {
		q, err := Of(c.from).(rerank.Codec).DecodeRerank([]byte(c.body))
		var body []byte
		var fields []string
		if err == nil {
			b, lost, e := Of(c.to).(rerank.Codec).EncodeRerank(q)
			body, err = b, e
			for _, l := range lost {
				fields = append(fields, l.Field)
			}
		}
		if err != nil {
			var e *llm.Error
			if !errors.As(err, &e) || e.Code != llm.CodeInvalid || !strings.HasPrefix(e.Message, c.want) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if string(body) != c.want || strings.Join(fields, ",") != c.losses {
			t.Errorf("%s: %s, lost %v", name, body, fields)
		}
	}
}

// TestRankings: the best first, no more than asked for, and with the client's own texts where it wants them.
func TestRankings(t *testing.T) {
	jina, cohere := Of(llm.OpenAI).(rerank.Codec), Of(llm.Cohere).(rerank.Codec)
	q := &rerank.Request{Query: "q", Documents: []string{"a", "b", "é"}, TopN: 2, Return: true}
	a, err := jina.DecodeRanking([]byte(`{"id":"i","model":"m","results":[{"index":1,"relevance_score":0.10,"document":{"text":"b"}},{"index":2,"relevance_score":0.9},{"index":0,"relevance_score":-1.5e0}],"usage":{"total_tokens":7}}`))
	if err != nil || a.Settle(q) != nil {
		t.Fatal(err)
	}
	if got := string(jina.EncodeRanking(q, a)); got != `{"object":"list","model":"m","results":[{"index":2,"relevance_score":0.9,"document":{"text":"é"}},{"index":1,"relevance_score":0.10,"document":{"text":"b"}}],"usage":{"prompt_tokens":7,"total_tokens":7}}` {
		t.Error(got)
	}
	q.Return = false
	if got := string(cohere.EncodeRanking(q, a)); got != `{"id":"","results":[{"index":2,"relevance_score":0.9},{"index":1,"relevance_score":0.10}],"meta":{"api_version":{"version":"2"},"tokens":{"input_tokens":7}}}` {
		t.Error(got)
	}
	for _, bad := range []string{`{}`, `{"results":[]}`, `{"results":[{"index":3,"relevance_score":1}]}`, `{"results":[{"index":-1,"relevance_score":1}]}`, `{"results":[{"relevance_score":1}]}`, `{"results":[{"index":0}]}`,
		`{"results":[{"index":0,"relevance_score":1},{"index":0,"relevance_score":2}]}`, `{"results":7}`, `{"results":[{"index":0,"relevance_score":"1"}]}`, `{"message":"no"}`, `[]`} {
		for _, c := range []rerank.Codec{jina, cohere} {
			if a, err := c.DecodeRanking([]byte(bad)); err == nil && a.Settle(q) == nil {
				t.Errorf("%T: %s is an answer", c, bad)
			}
		}
	}
}

// TestRerankTextsAreSeen: all words of a request are texts, and what is none is unseen.
func TestRerankTextsAreSeen(t *testing.T) {
	for body, want := range map[string]struct{ texts, unseen string }{
		`{"model":"m","query":"q\n","documents":["a",{"text":"b","title":"c"}],"top_n":2}`:         {`q\n|a|b|c`, ""},
		`{"model":"m","query":"q","documents":[{"image":"AAAA"},"a"]}`:                             {"q|AAAA|a", "documents"},
		`{"model":"m","query":{"content":[{"type":"text","text":"x"}]},"documents":[7]}`:           {"text|x", "documents"},
		`{"model":"m","query":[["q"]],"documents":["a"]}`:                                          {"a", "query"},
		`{"model":"m","query":"q","documents":[{"text":"b","image_url":{"url":"https://x.org"}}]}`: {"q|b|https://x.org", "documents"},
	} {
		for _, name := range rerankers {
			var into dialect.Request
			if err := Of(name).Request(llm.OpRerank, []byte(body), &into); err != nil {
				t.Errorf("%s: %v", body, err)
				continue
			}
			var texts []string
			for _, s := range into.Texts {
				texts = append(texts, body[s.Span.Start:s.Span.End])
			}
			if got := strings.Join(texts, "|"); got != want.texts || into.Unseen != want.unseen || into.Model != "m" {
				t.Errorf("%s: %s, unseen %q", body, got, into.Unseen)
			}
		}
	}
	for _, bad := range []string{`[]`, `{"model":7}`, `{"documents":"a"}`, `{"query":"a","query":"b"}`, `{"Query":"a"}`, "{\"query\":\"\xff\"}", `{"documents":[{"text":"a","text":"b"}]}`, `{"documents":[{"TEXT":"a"}]}`} {
		for _, name := range rerankers {
			var into dialect.Request
			if err := Of(name).Request(llm.OpRerank, []byte(bad), &into); err == nil {
				t.Errorf("%s: %s is taken", name, bad)
			}
		}
	}
}

// FuzzRerank holds that what a client's codec takes is refused or says the same in every dialect.
func FuzzRerank(f *testing.F) {
	f.Add([]byte(`{"model":"m","query":"q","documents":["a",{"text":"b"}],"top_n":1,"return_documents":false}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var read dialect.Request
		if Of(llm.Cohere).Request(llm.OpRerank, body, &read) != nil {
			return
		}
		q, err := Of(llm.Cohere).(rerank.Codec).DecodeRerank(body)
		if err != nil {
			public(t, err)
			return
		}
		for _, name := range rerankers {
			out, _, err := Of(name).(rerank.Codec).EncodeRerank(q)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Of(name).(rerank.Codec).DecodeRerank(out)
			if err != nil || again.Query != q.Query || !reflect.DeepEqual(again.Documents, q.Documents) || again.TopN != q.TopN {
				t.Errorf("%s: %v: %s", name, err, out)
			}
		}
	})
}
