package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/telemetry"
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/llm"
)

// lacking are answers of vendors that do not have the model vendors-own.
var lacking = []canned{
	{llm.OpenAI, 404, plainJSON, `{"error":{"message":"The model ` + "`vendors-own`" + ` does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}`},
	{llm.OpenAI, 400, plainJSON, `{"error":{"message":"vendors-own is not a valid model ID","code":400}}`},
	{llm.OpenAI, 404, plainJSON, `{"error":{"type":"invalid_request_error","code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}`},
	{llm.OpenAI, 200, plainJSON, `{"error":{"message":"No endpoints found for vendors-own.","code":404}}`},
	{llm.OpenAI, 200, plainJSON, `{"error":{"message":"It has been withdrawn.","code":"model_not_found"}}`},
	{llm.OpenAI, 200, map[string]string{"Content-Type": "text/event-stream"}, "data: {\"error\":{\"message\":\"No endpoints found for vendors-own.\",\"code\":404}}\n\n"},
	{llm.Responses, 400, plainJSON, `{"error":{"message":"The requested model 'vendors-own' does not exist.","type":"invalid_request_error","param":"model","code":"model_not_found"}}`},
	{llm.Anthropic, 404, plainJSON, `{"type":"error","error":{"type":"not_found_error","message":"model: vendors-own"}}`},
	{llm.Gemini, 404, plainJSON, `{"error":{"code":404,"message":"models/vendors-own is not found for API version v1beta.","status":"NOT_FOUND"}}`},
	{llm.Bedrock, 400, plainJSON, `{"message":"The provided model identifier is invalid."}`},
	{llm.Cohere, 404, plainJSON, `{"message":"model 'vendors-own' not found"}`},
	{llm.Mistral, 400, plainJSON, `{"object":"error","message":"Invalid model: vendors-own","type":"invalid_model","param":null,"code":"1500"}`},
	{llm.Ollama, 404, plainJSON, `{"error":"model 'vendors-own' not found"}`},
}

// TestAModelThatTheUpstreamLacks is the operator's to mend: another target takes the call, or a fallback, and where there
// is none the client is told the name that it knows.
func TestAModelThatTheUpstreamLacks(t *testing.T) {
	good := canned{llm.OpenAI, 200, plainJSON, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"good"},"finish_reason":"stop"}]}`}
	for _, bad := range lacking {
		for _, client := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini} {
			path, body := streamedBy(client)
			for _, p := range []places{{[]canned{bad, good}, nil}, {[]canned{bad}, []canned{good}}} {
				if reply, got, e := p.serve(t, path, body); reply.Status != 200 || !strings.Contains(got, "good") || e.End != exchange.Completed {
					t.Errorf("%s of %s: %d, ended %s: %s", client, bad.body, reply.Status, e.End, got)
				}
			}
			reply, got, e := places{[]canned{bad}, nil}.serve(t, path, body)
			want := bad.status
			if want == 200 {
				want = 404
			}
			if reply.Status != want || strings.Contains(got, "vendors-own") || !strings.Contains(got, "the model `m` is not there") || e.End != exchange.UpstreamError {
				t.Errorf("%s of %s alone: %d, ended %s: %s", client, bad.body, reply.Status, e.End, got)
			}
			if !strings.Contains(strings.ToLower(got), "not_found") {
				t.Errorf("%s of %s alone: %s", client, bad.body, got)
			}
		}
	}
}

// TestAModelOfTheSameName: the vendor's words about a name that the client knows stand, and are still no fault of its own.
func TestAModelOfTheSameName(t *testing.T) {
	for _, bad := range lacking {
		path, body := streamedBy(llm.OpenAI)
		reply, got, e := places{[]canned{bad}, nil}.serve(t, path, strings.Replace(body, `"m"`, `"vendors-own"`, 1))
		if openaisErrors(bad.dialect) && bad.status >= 400 && (reply.Status != bad.status || got != bad.body) {
			t.Errorf("%s: %d %s", bad.body, reply.Status, got)
		}
		if !openaisErrors(bad.dialect) && (reply.Status != bad.status || !strings.Contains(got, `"code":"model_not_found"`)) || e.End != exchange.UpstreamError {
			t.Errorf("%s: %d, ended %s: %s", bad.body, reply.Status, e.End, got)
		}
	}
}

// TestWhatElseIsNotThere is the client's: nobody else is asked, and the vendor's words stand.
func TestWhatElseIsNotThere(t *testing.T) {
	for _, bad := range []canned{
		{llm.OpenAI, 404, plainJSON, `{"error":{"message":"No such File object: file-1","type":"invalid_request_error","param":"id","code":null}}`},
		{llm.OpenAI, 404, plainJSON, `{"error":{"message":"The model ` + "`other`" + ` does not exist","type":"invalid_request_error","param":null,"code":null}}`},
		{llm.OpenAI, 400, plainJSON, `{"error":{"message":"m","type":"invalid_request_error","param":"tools[0].model","code":"model_not_found"}}`},
		{llm.OpenAI, 200, plainJSON, `{"error":{"message":"The model ` + "`vendors-own`" + ` does not exist","type":"invalid_request_error","param":"tools[0].model","code":null}}`},
	} {
		path, body := streamedBy(llm.OpenAI)
		reply, got, _ := places{[]canned{bad}, []canned{bad}}.serve(t, path, body)
		if route := reply.Header.Get(HeaderRoute); bad.status >= 400 && (reply.Status != bad.status || got != bad.body) || route != "m/t0/1" {
			t.Errorf("%s: %d by %s: %s", bad.body, reply.Status, route, got)
		}
	}
}

// places are what a model's targets answer, of which the first one is asked first, and what a fallback's do.
type places struct{ targets, fallback []canned }

func (p places) serve(t *testing.T, path, body string) (*exchange.Reply, string, *exchange.Exchange) {
	t.Helper()
	model := func(name string, answers []canned) *upstream.Model {
		m := &upstream.Model{Name: name, Attempts: 1}
		for i, u := range answers {
			m.Targets = append(m.Targets, &upstream.Target{Name: fmt.Sprint("t", i), Provider: u.provider(t), Model: "vendors-own", Weight: 1 + 1000_000*(1-i)})
		}
		return m
	}
	m := model("m", p.targets)
	if p.fallback != nil {
		m.Fallback = []*upstream.Model{model("f", p.fallback)}
	}
	g := New(Needs{Telemetry: telemetry.New(telemetry.Config{}), Codecs: codecs.All(), Upstreams: codecs.Upstreams()})
	g.Swap(NewGeneration([]*Route{{Name: "r", Path: "/*", Open: true, Pipeline: exchange.NewPipeline("p"), Models: []Model{{Model: m, Aliases: []string{"vendors-own"}}}}}, nil))
	x := exchange.New(t.Context())
	x.ID, x.Method = "req-1", "POST"
	x.Path, x.Query, _ = strings.Cut(path, "?")
	x.Request.Body = exchange.NewBody([]byte(body), nil)
	reply := g.Serve(t.Context(), x)
	if reply.Stream != nil {
		return reply, all(t, reply, exchange.Completed), x
	}
	reply.Done(exchange.Completed)
	return reply, string(reply.Body), x
}
