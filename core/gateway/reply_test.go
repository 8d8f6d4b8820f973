package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/core/uploads"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
	sdkprovider "github.com/ginnel/ginnel/sdk/provider"
)

const chatBody = `{"model":"m","messages":[{"role":"user","content":"hello"}]}`

// TestWhoseErrorARefusalIs: what the upstream blames on the request ends as the client's error, what it
// blames on the gateway's account, the operator's model name or a limit does not.
func TestWhoseErrorARefusalIs(t *testing.T) {
	status := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, `{"error":{"message":"no","type":"t","param":null,"code":"c"}}`)
	}))
	defer s.Close()
	for _, c := range []struct {
		status int
		want   exchange.Terminal
	}{
		{400, exchange.ClientError}, {409, exchange.ClientError}, {413, exchange.ClientError}, {415, exchange.ClientError}, {422, exchange.ClientError},
		{401, exchange.UpstreamError}, {402, exchange.UpstreamError}, {403, exchange.UpstreamError}, {404, exchange.UpstreamError},
		{407, exchange.UpstreamError}, {408, exchange.UpstreamError}, {425, exchange.UpstreamError}, {429, exchange.UpstreamError},
		{500, exchange.UpstreamError}, {503, exchange.UpstreamError}, {529, exchange.UpstreamError},
	} {
		status = c.status
		var got exchange.Terminal
		reply := serveFrom(t, egress.New(egress.Needs{}), s.URL, "/v1/chat/completions", chatBody, ended(&got))
		reply.Done(exchange.Completed)
		if got != c.want {
			t.Errorf("%d: %q, want %q: %s", c.status, got, c.want, reply.Body)
		}
	}
}

// ended keeps how the exchange ended.
func ended(end *exchange.Terminal) filter {
	return filter{exchange.PhaseDone, func(_ exchange.Phase, x *exchange.Exchange) (exchange.Verdict, error) {
		*end = x.End
		return exchange.Verdict{}, nil
	}}
}

// TestWhatCouldNotBeChecked: a client learns whether its request or the answer is what a filter failed at.
func TestWhatCouldNotBeChecked(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"id":"1","object":"chat.completion","choices":[]}`)
	}))
	defer s.Close()
	for phase, want := range map[exchange.Phase]string{
		exchange.PhaseRequestHead: "the request could not be checked", exchange.PhaseRequestText: "the request could not be checked",
		exchange.PhaseResponseHead: "the answer could not be checked", exchange.PhaseResponseBody: "the answer could not be checked",
	} {
		reply := serveFrom(t, egress.New(egress.Needs{}), s.URL, "/v1/chat/completions", chatBody, filter{phase, func(exchange.Phase, *exchange.Exchange) (exchange.Verdict, error) {
			return exchange.Verdict{}, errors.New("broken")
		}})
		if reply.Status != 500 || !strings.Contains(string(reply.Body), want) || strings.Contains(string(reply.Body), "broken") {
			t.Errorf("%s: %d %s", phase, reply.Status, reply.Body)
		}
		reply.Done(exchange.Completed)
	}
}

func TestTheAccountIsNotTheClientsBusiness(t *testing.T) {
	names := []string{"Anthropic-Organization-Id", "Openai-Organization", "Openai-Project", "X-Goog-User-Project", "Set-Cookie"}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range names {
			w.Header().Set(name, "ours")
		}
		w.Header().Set("Openai-Processing-Ms", "7")
		io.WriteString(w, `{"id":"1","object":"chat.completion","choices":[]}`)
	}))
	defer s.Close()
	reply := serveFrom(t, egress.New(egress.Needs{}), s.URL, "/v1/chat/completions", chatBody)
	if reply.Status != 200 || reply.Header.Get("openai-processing-ms") != "7" {
		t.Errorf("%d, %v", reply.Status, reply.Header)
	}
	for _, name := range names {
		if v := reply.Header.Get(name); v != "" {
			t.Errorf("%s: %s", name, v)
		}
	}
	reply.Done(exchange.Completed)
}

// TestRedirectsEndInAnError: nothing is connected to but the origin, and a redirect with a body that
// looks like an answer is none.
func TestRedirectsEndInAnError(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	status := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Location", other.URL)
		w.WriteHeader(status)
		io.WriteString(w, `{"id":"1","object":"chat.completion","choices":[]}`)
	}))
	defer s.Close()
	var dialled []string
	transport := recording(&dialled)
	for _, status = range []int{301, 302, 303, 307, 308} {
		dialled = nil
		reply := serveFrom(t, transport, s.URL, "/v1/chat/completions", chatBody)
		if reply.Status != 502 || !strings.Contains(string(reply.Body), "redirect") || reply.Header.Get("location") != "" {
			t.Errorf("%d: %d, %v: %s", status, reply.Status, reply.Header, reply.Body)
		}
		if len(dialled) != 1 || dialled[0] != strings.TrimPrefix(s.URL, "http://") || elsewhere.Load() != 0 {
			t.Errorf("%d: connections to %v", status, dialled)
		}
		reply.Done(exchange.Completed)
	}
}

// recording returns a transport that remembers what it dialled.
func recording(dialled *[]string) *egress.Transport {
	return egress.New(egress.Needs{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		*dialled = append(*dialled, address)
		return new(net.Dialer).DialContext(ctx, network, address)
	}})
}

// TestHostsOfARequestLeadNowhere: wherever a client names another place, only the origin is connected to,
// and under its own name.
func TestHostsOfARequestLeadNowhere(t *testing.T) {
	var hosts []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hosts = append(hosts, r.Host)
		io.WriteString(w, `{"id":"1","object":"chat.completion","choices":[]}`)
	}))
	defer s.Close()
	const other = "http://127.0.0.1:1"
	var dialled []string
	x := exchange.New(t.Context())
	x.ID, x.Method, x.Path, x.Host, x.Query = "req-1", "POST", "/v1/chat/completions", "127.0.0.1:1", "base_url="+other
	x.Request.Header = llm.Header{
		{Name: "Host", Value: "127.0.0.1:1"}, {Name: "X-Forwarded-Host", Value: "127.0.0.1:1"}, {Name: "Forwarded", Value: "host=127.0.0.1:1"},
		{Name: "X-Original-Url", Value: other}, {Name: "Destination", Value: other}, {Name: "Proxy", Value: other},
	}
	x.Request.Body = exchange.NewBody([]byte(`{"model":"m","base_url":"`+other+`","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"`+other+`/a.png"}}]}]}`), nil)
	reply := gatewayTo(t, recording(&dialled), s.URL).Serve(t.Context(), x)
	reply.Done(exchange.Completed)
	want := strings.TrimPrefix(s.URL, "http://")
	if reply.Status != 200 || len(dialled) != 1 || dialled[0] != want || len(hosts) != 1 || hosts[0] != want {
		t.Errorf("%d: connections to %v, as %v: %s", reply.Status, dialled, hosts, reply.Body)
	}
}

// TestNoClientSaysWhatIsSentOnce: the word is the gateway's, to its plugins.
func TestNoClientSaysWhatIsSentOnce(t *testing.T) {
	x := exchange.New(t.Context())
	x.Request.Header = llm.Header{{Name: "Ginnel-Once", Value: "1"}, {Name: "X-Own", Value: "!"}}
	if h := (&serving{x: x}).forward(); h.Count(sdkprovider.OnceHeader) > 0 || h.Get("x-own") != "!" {
		t.Errorf("%v", h)
	}
}

// TestErrorsBetweenOpenAIsDialects keep the vendor's code and the member that it names: they have one form.
func TestErrorsBetweenOpenAIsDialects(t *testing.T) {
	const response = `{"model":"m","input":"x","store":false}`
	for _, c := range []struct {
		path, ask string
		from      canned
		want      string
	}{
		{"/v1/responses", response, canned{llm.OpenAI, 429, plainJSON, `{"error":{"message":"no credit","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`}, `"code":"insufficient_quota"`},
		{"/v1/chat/completions", chatBody, canned{llm.Responses, 400, plainJSON, `{"error":{"message":"no","type":"invalid_request_error","param":"temperature","code":"bad"}}`}, `"param":"temperature"`},
		{"/v1/responses", strings.Replace(response, "{", `{"stream":true,`, 1), canned{llm.OpenAI, 400, plainJSON, `{"error":{"message":"no","type":"t","param":"p","code":"c"}}`}, `"param":"p"`},
		{"/v1/responses", response, canned{llm.OpenAI, 401, plainJSON, `{"error":{"message":"the key sk-1 is wrong","code":"invalid_api_key"}}`}, "the gateway's credentials"},
		{"/v1/responses", response, canned{llm.OpenAI, 503, plainJSON, `<html>`}, "the upstream refused"},
		{"/v1/messages", `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]}`, canned{llm.OpenAI, 402, plainJSON, `{"error":{"message":"no credit","code":402}}`}, `"type":"billing_error"`},
	} {
		r, got, _ := through(t, c.path, c.ask, c.from)
		status := c.from.status
		if status == 401 {
			status = 502
		}
		if r.Status != status || !strings.Contains(got, c.want) || strings.Contains(got, "sk-1") || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s from %s: status %d, %s\n\twant %s", c.path, c.from.dialect, r.Status, got, c.want)
		}
	}
}

// TestKeysInAStream: what its first events say of the gateway's keys is not the client's, in whatever form it is.
func TestKeysInAStream(t *testing.T) {
	const role = chunkOf + `{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	for name, c := range map[string]struct {
		from  llm.Dialect
		words string
		keys  bool
	}{
		"a key":               {llm.OpenAI, role + `data: {"error":{"message":"Incorrect API key provided: sk-op***abcd","type":"authentication_error","code":"invalid_api_key"}}`, true},
		"a key, at first":     {llm.OpenAI, `data: {"error":{"message":"Incorrect API key provided: sk-op***abcd","type":"authentication_error","code":"invalid_api_key"}}`, true},
		"a permission":        {llm.OpenAI, role + `data: {"error":{"message":"Project proj_abcd has no access","type":"permission_error","code":"permission_denied"}}`, true},
		"Anthropic's":         {llm.Anthropic, "event: error\n" + `data: {"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key abcd"}}`, true},
		"of Responses":        {llm.Responses, "event: error\n" + `data: {"type":"error","sequence_number":0,"code":"invalid_api_key","message":"Incorrect API key provided: sk-op***abcd","param":null}`, true},
		"a moderation":        {llm.OpenAI, role + `data: {"error":{"code":403,"message":"abcd was flagged","metadata":{"flagged_input":"x"}}}`, false},
		"a vendor's overload": {llm.OpenAI, role + `data: {"error":{"message":"abcd","type":"server_error"}}`, false},
	} {
		for _, client := range []llm.Dialect{llm.OpenAI, llm.Anthropic, llm.Responses, llm.Gemini} {
			path, ask := streamedBy(client)
			reply, got, _ := through(t, path, ask, canned{c.from, 200, events, c.words + "\n\n"})
			if keys := strings.Contains(got, "the gateway's credentials"); keys != c.keys || strings.Contains(got, "abcd") == c.keys || keys && reply.Status != 502 {
				t.Errorf("%s, for %s: %d %s", name, client, reply.Status, got)
			}
		}
	}
}

// TestKeysBehindContent: nor are such words the client's behind what it has, whatever filters see of the stream.
func TestKeysBehindContent(t *testing.T) {
	const hello = chunkOf + `{"index":0,"delta":{"role":"assistant","content":"hello "},"finish_reason":null}]}` + "\n\n"
	const began = "event: message_start\n" + `data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}` + "\n\n" +
		"event: content_block_start\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n" +
		"event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello "}}` + "\n\n"
	said := created + "event: response.output_item.added\n" + `data: {"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"i","role":"assistant","status":"in_progress","content":[]}}` + "\n\n" + delta("hello ")
	for name, c := range map[string]struct {
		from   llm.Dialect
		before string
		words  string
		keys   bool
	}{
		"a key":               {llm.OpenAI, hello, `data: {"error":{"message":"Incorrect API key provided: sk-op***abcd","type":"authentication_error","code":"invalid_api_key"}}` + "\n\n" + done, true},
		"a permission":        {llm.OpenAI, hello, `data: {"error":{"message":"Project proj_abcd has no access","type":"permission_error","code":"permission_denied"}}` + "\n\n", true},
		"in a chunk":          {llm.OpenAI, hello, chunkOf + `{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":{"message":"Incorrect API key provided: sk-op***abcd","code":401}}` + "\n\n" + done, true},
		"behind another":      {llm.OpenAI, hello, `data: {"error":{"message":"busy","type":"server_error"}}` + "\n\n" + `data: {"error":{"message":"Incorrect API key provided: sk-op***abcd","code":"invalid_api_key"}}` + "\n\n", true},
		"torn":                {llm.OpenAI, hello, `data: {"error":{"message":"Incorrect API key provided: sk-op***abcd","code":"invalid_api_key"}}`, true},
		"Anthropic's":         {llm.Anthropic, began, "event: error\n" + `data: {"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key abcd"}}` + "\n\n", true},
		"Anthropic's account": {llm.Anthropic, began, "event: error\n" + `data: {"type":"error","error":{"type":"permission_error","message":"organization abcd may not"}}` + "\n\n", true},
		"of Responses":        {llm.Responses, said, "event: error\n" + `data: {"type":"error","sequence_number":3,"code":"invalid_api_key","message":"Incorrect API key provided: sk-op***abcd","param":null}` + "\n\n", true},
		"a failed response":   {llm.Responses, said, "event: response.failed\n" + `data: {"type":"response.failed","response":{"id":"r","object":"response","status":"failed","error":{"code":"invalid_api_key","message":"Incorrect API key provided: sk-op***abcd"},"output":[]}}` + "\n\n", true},
		"Google's":            {llm.Gemini, `data: {"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"hello "}]}}]}` + "\n\n", `data: {"error":{"code":401,"message":"key abcd","status":"UNAUTHENTICATED"}}` + "\n\n", true},
		"an overload":         {llm.OpenAI, hello, `data: {"error":{"message":"abcd","type":"server_error"}}` + "\n\n", false},
	} {
		for _, client := range []llm.Dialect{llm.OpenAI, llm.Anthropic, llm.Responses, llm.Gemini} {
			path, ask := streamedBy(client)
			for _, asked := range []string{ask, strings.Replace(ask, `"stream":true,`, "", 1)} { // some send a stream where none was asked for
				if name == "behind another" && (client != c.from || asked != ask) { // the first one ends it
					continue
				}
				_, got, states := through(t, path, asked, canned{c.from, 200, events, c.before + c.words})
				if n := states[0].Snapshot(time.Now()).Failures; n > 0 == c.keys {
					t.Errorf("%s, for %s: it counts as %d failures", name, client, n)
				}
				if asked == ask && !strings.Contains(got, "hello") {
					t.Errorf("%s, for %s: what came before is lost: %s", name, client, got)
				}
				if strings.Contains(got, "the gateway's credentials") != c.keys || strings.Contains(got, "abcd") == c.keys {
					t.Errorf("%s, for %s: %s", name, client, got)
				}
				if asked == ask && !failedFor(client, got) {
					t.Errorf("%s, for %s: no error: %s", name, client, got)
				}
			}
		}
	}
}

// TestKeysEndAStream: as an error of the upstream's, and what filters hold back stays back; but a kept response is described
// with all that it ended with.
func TestKeysEndAStream(t *testing.T) {
	const keys = `{"code":"invalid_api_key","message":"Incorrect API key provided: sk-op***abcd","param":null}`
	for name, c := range map[string]struct {
		method, query string
		want          exchange.Terminal
	}{
		"a new one":  {"POST", "", exchange.UpstreamError},
		"a kept one": {"GET", "stream=true", exchange.Completed},
	} {
		var end exchange.Terminal
		g, _ := remembering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, created+item+delta("hello ")+"event: error\ndata: "+`{"type":"error",`+keys[1:]+"\n\n")
		}, redact("x"), ended(&end))
		g.Current().routes[0].Models[0].Targets[0].ProviderName = "p"
		if err := g.Uploads.Leave(uploads.Owner{Provider: "p"}, "r", uploads.Left{Model: "m"}, nil); err != nil {
			t.Fatal(err)
		}
		x := exchange.New(t.Context())
		x.ID, x.Method, x.Path, x.Query = "req-1", c.method, "/v1/responses", c.query
		if c.method == "GET" {
			x.Path += "/r"
		} else {
			x.Request.Body = exchange.NewBody([]byte(responseBody), nil)
		}
		reply := g.Serve(t.Context(), x)
		if reply.Stream == nil {
			t.Fatalf("%s: %d %s", name, reply.Status, reply.Body)
		}
		got := all(t, reply, exchange.Completed)
		if end != c.want || !strings.Contains(got, "the gateway's credentials") || strings.Contains(got, "abcd") || strings.Contains(got, "hello") {
			t.Errorf("%s: %s: %s", name, end, got)
		}
	}
}

// TestKeysInAnArray: the stream is one whole array all the same.
func TestKeysInAnArray(t *testing.T) {
	const ask = `{"contents":[{"role":"user","parts":[{"text":"x"}]}]}`
	const said = `[{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"hello "}]}}]}` + "\n,\n" + `{"error":{"code":401,"message":"key abcd","status":"UNAUTHENTICATED"}}]`
	_, got, _ := through(t, "/v1beta/models/m:streamGenerateContent", ask, canned{llm.Gemini, 200, plainJSON, said})
	var items []map[string]any
	if err := json.Unmarshal([]byte(got), &items); err != nil || len(items) != 2 || items[1]["error"] == nil || strings.Contains(got, "abcd") {
		t.Errorf("%v: %s", err, got)
	}
}

// TestWhoseA403Is: the account's at most vendors, and then another target is asked; the request's own where the vendor does
// not answer to what it says, and then its words are the client's.
func TestWhoseA403Is(t *testing.T) {
	const good = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"good"},"finish_reason":"stop"}]}`
	for name, c := range map[string]struct {
		from    llm.Dialect
		status  int
		body    string
		account bool
	}{
		"OpenAI's country":           {llm.OpenAI, 403, `{"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported","param":null,"type":"request_forbidden"}}`, true},
		"OpenAI's permission":        {llm.Responses, 403, `{"error":{"message":"You have insufficient permissions for this operation.","type":"invalid_request_error","param":null,"code":"insufficient_permissions"}}`, true},
		"Anthropic's permission":     {llm.Anthropic, 403, `{"type":"error","error":{"type":"permission_error","message":"Your API key does not have permission to use the specified resource."}}`, true},
		"Anthropic's credit":         {llm.Anthropic, 400, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}`, true},
		"Google's key":               {llm.Gemini, 403, `{"error":{"code":403,"message":"Generative Language API has not been used in project 1 before or it is disabled.","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED"}]}}`, true},
		"Bedrock's key":              {llm.Bedrock, 403, `{"message":"The security token included in the request is expired"}`, true},
		"Bedrock's model":            {llm.Bedrock, 403, `{"message":"You don't have access to the model with the specified model ID."}`, true},
		"a plugin's 401":             {llm.Bedrock, 401, `{"error":{"message":"The security token included in the request is invalid"}}`, true},
		"a proxy's page":             {llm.OpenAI, 403, `<html>`, true},
		"a key, within a 200":        {llm.OpenAI, 200, `{"error":{"message":"Incorrect API key provided: sk-1","type":"authentication_error","code":"invalid_api_key"}}`, true},
		"within a 200":               {llm.OpenAI, 200, `{"error":{"message":"no","type":"permission_error"}}`, true},
		"OpenRouter's moderation":    {llm.OpenAI, 403, `{"error":{"code":403,"message":"m requires moderation on v. Your input was flagged","metadata":{"reasons":["violence"],"flagged_input":"x","provider_name":"v","model_slug":"m"}}}`, false},
		"its policy":                 {llm.OpenAI, 403, `{"error":{"code":403,"message":"Your input was flagged","metadata":{"error_type":"content_policy_violation"}}}`, false},
		"xAI's check":                {llm.OpenAI, 403, `{"code":"The caller does not have permission to execute the specified operation","error":"Content violates usage guidelines. Your input was flagged. Failed check: SAFETY_CHECK_TYPE_BIO"}`, false},
		"OpenRouter's, within a 200": {llm.OpenAI, 200, `{"error":{"code":403,"message":"Your input was flagged","metadata":{"flagged_input":"x"}}}`, false},
	} {
		for _, client := range []llm.Dialect{llm.OpenAI, llm.Anthropic} {
			path, ask := streamedBy(client)
			ask = strings.Replace(ask, `"stream":true,`, "", 1)
			bad := canned{c.from, c.status, plainJSON, c.body}
			reply, got, states := through(t, path, ask, bad, canned{llm.OpenAI, 200, plainJSON, good})
			if route := reply.Header.Get(HeaderRoute); (route == "mf/t/2") != c.account || strings.Contains(got, "good") != c.account {
				t.Errorf("%s, for %s: %s, %d %s", name, client, route, reply.Status, got)
			}
			if !c.account && (!strings.Contains(got, "Your input was flagged") || reply.Status >= 500 || reply.Status < 400) {
				t.Errorf("%s, for %s: %d %s", name, client, reply.Status, got)
			}
			if n := states[0].Snapshot(time.Now()).Failures; n != 0 {
				t.Errorf("%s: it counts as %d failures", name, n)
			}
			reply, got, _ = through(t, path, ask, bad) // and nobody else is there
			if keys := strings.Contains(got, "the gateway's credentials"); keys != (c.account && name != "Anthropic's credit") || keys && reply.Status != 502 {
				t.Errorf("%s, for %s, alone: %d %s", name, client, reply.Status, got)
			}
		}
	}
}
