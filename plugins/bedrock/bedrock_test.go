package bedrock_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginnel/ginnel/plugins/bedrock"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/sdktest"
)

// frame is a frame of an event stream, as the service writes it.
func frame(kind, name, payload string) []byte {
	var h []byte
	for _, f := range [][2]string{{":" + kind + "-type", name}, {":content-type", "application/json"}, {":message-type", kind}} {
		h = append(append(h, byte(len(f[0]))), f[0]...)
		h = append(binary.BigEndian.AppendUint16(append(h, 7), uint16(len(f[1]))), f[1]...)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(h)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(h)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, h...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

var (
	begin = frame("event", "messageStart", `{"role":"assistant"}`)
	delta = frame("event", "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"hello"}}`)
	end   = append(frame("event", "messageStop", `{"stopReason":"end_turn"}`), frame("event", "metadata", `{"usage":{"inputTokens":1,"outputTokens":1}}`)...)
)

// service answers by the model's name.
func service(t *testing.T, check func(*http.Request, []byte)) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if check != nil {
			check(r, body)
		}
		model, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/model/"), "/converse")
		flush := func(b []byte) { w.Write(b); w.(http.Flusher).Flush() }
		if kind, ok := strings.CutPrefix(model, "error:"); ok {
			status := 400
			fmt.Sscanf(kind, "%d", &status)
			_, name, _ := strings.Cut(kind, ":")
			w.Header().Set("x-amzn-ErrorType", name+":http://internal.amazon.com/")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			io.WriteString(w, `{"message":"what it says"}`)
			return
		}
		if !strings.HasSuffix(r.URL.Path, "-stream") {
			w.Header().Set("Content-Type", "application/json")
			if model == "cut" {
				w.Header().Set("Content-Length", "100")
			}
			if model == "redirect" {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
				return
			}
			io.WriteString(w, `{"output":{"message":{"role":"assistant","content":[{"text":"`+strings.Repeat("x", len(body))+`"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1}}`)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		flush(append(append([]byte{}, begin...), delta...))
		switch model {
		case "cut":
			flush(end[:20])
		case "broken":
			flush(append([]byte{9}, end...))
		case "exception":
			flush(frame("exception", "modelStreamErrorException", `{"message":"it broke"}`))
		case "stall":
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		default:
			flush(end)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func call(model string, stream bool) *llm.Call {
	return &llm.Call{ID: "r", Op: llm.OpChat, Dialect: llm.Bedrock, Model: model, Stream: stream, Body: []byte(`{"messages":[{"role":"user","content":[{"text":"hello"}]}]}`)}
}

// placed returns the plugin at a service's address.
func placed(at string) func() provider.Provider {
	return func() provider.Provider {
		p := bedrock.New()
		if err := p.(provider.Placer).Place(provider.Place{BaseURL: at}); err != nil {
			panic(err)
		}
		return p
	}
}

func TestConformance(t *testing.T) {
	s := service(t, nil)
	large := call("m", false)
	large.Body = []byte(`{"x":"` + strings.Repeat("y", 4<<20) + `"}`)
	sdktest.Provider(t, sdktest.ProviderCase{
		New: placed(s.URL), Config: fmt.Sprintf(`{"region":"eu-central-1","api_key":%q}`, rand.Text()),
		Unary: call("m", false), Stream: call("m", true), Fails: call("error:429:ThrottlingException", false), Cut: call("cut", true), Stalls: call("stall", true), Large: large,
	})
}

func configured(t *testing.T, at string, config map[string]any) (provider.Invoker, error) {
	t.Helper()
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	p := placed(at)()
	return p.(provider.Invoker), p.Configure(context.Background(), raw)
}

// read returns all that an answer says.
func read(r *llm.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	var all strings.Builder
	for {
		var c llm.Chunk
		if err := r.Recv(&c); err == io.EOF {
			return all.String(), nil
		} else if err != nil {
			return all.String(), err
		}
		all.Write(c.Data)
	}
}

// TestSignatures are those of the published algorithm, computed here by its steps from what came over the
// wire.
func TestSignatures(t *testing.T) {
	secret, session := rand.Text(), rand.Text()
	checked := 0
	s := service(t, func(r *http.Request, body []byte) {
		checked++
		auth := r.Header.Get("Authorization")
		part := func(name string) string {
			_, rest, _ := strings.Cut(auth, name+"=")
			v, _, _ := strings.Cut(rest, ",")
			return v
		}
		scope := strings.SplitN(part("Credential"), "/", 2)
		fields := strings.Split(part("SignedHeaders"), ";")
		if !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 ") || scope[0] != "AKID" || !sort.StringsAreSorted(fields) {
			t.Errorf("%s", auth)
		}
		var lines []string
		lines = append(lines, r.Method)
		var path []string // each segment as it is on the wire, encoded once more
		for _, segment := range strings.Split(r.RequestURI, "/") {
			path = append(path, strings.ReplaceAll(url.QueryEscape(segment), "+", "%20"))
		}
		lines = append(lines, strings.Join(path, "/"), "")
		for _, f := range fields {
			v := r.Header.Get(f)
			if f == "host" {
				v = r.Host
			}
			lines = append(lines, f+":"+v)
		}
		lines = append(lines, "", strings.Join(fields, ";"), fmt.Sprintf("%x", sha256.Sum256(body)))
		at := r.Header.Get("X-Amz-Date")
		text := strings.Join([]string{"AWS4-HMAC-SHA256", at, scope[1], fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(lines, "\n"))))}, "\n")
		key := []byte("AWS4" + secret)
		for _, step := range []string{at[:8], "eu-central-1", "bedrock", "aws4_request", text} {
			m := hmac.New(sha256.New, key)
			m.Write([]byte(step))
			key = m.Sum(nil)
		}
		if got := part("Signature"); got != fmt.Sprintf("%x", key) {
			t.Errorf("%s: signature %s, want %x", r.RequestURI, got, key)
		}
		if signed, err := time.Parse("20060102T150405Z", at); err != nil || time.Since(signed) > time.Minute {
			t.Errorf("signed at %s", at)
		}
		if scope[1] != at[:8]+"/eu-central-1/bedrock/aws4_request" || r.Header.Get("X-Amz-Security-Token") != session {
			t.Errorf("%s %v", scope[1], r.Header)
		}
	})
	p, err := configured(t, s.URL, map[string]any{"region": "eu-central-1", "access_key_id": "AKID", "secret_access_key": secret, "session_token": session, "headers": map[string]string{"x-a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, model := range []string{"anthropic.claude-v2:1", "arn:aws:bedrock:eu-central-1:000000000000:inference-profile/eu.x y(1)"} {
		for _, stream := range []bool{false, true} {
			if text, err := read(p.Invoke(t.Context(), call(model, stream))); err != nil {
				t.Errorf("%s: %v %s", model, err, text)
			}
		}
	}
	if checked != 4 {
		t.Errorf("%d requests came", checked)
	}
}

func TestStreamsBecomeServerSentEvents(t *testing.T) {
	key := rand.Text()
	s := service(t, func(r *http.Request, _ []byte) {
		if r.Header.Get("Authorization") != "Bearer "+key {
			t.Error("another key")
		}
	})
	p, err := configured(t, s.URL, map[string]any{"region": "us-east-1", "api_key": key})
	if err != nil {
		t.Fatal(err)
	}
	const beginning = "data: {\"messageStart\":{\"role\":\"assistant\"}}\n\ndata: {\"contentBlockDelta\":{\"contentBlockIndex\":0,\"delta\":{\"text\":\"hello\"}}}\n\n"
	for model, want := range map[string]string{
		"m":         "data: {\"messageStop\":{\"stopReason\":\"end_turn\"}}\n\ndata: {\"metadata\":{\"usage\":{\"inputTokens\":1,\"outputTokens\":1}}}\n\n",
		"exception": "data: {\"modelStreamErrorException\":{\"message\":\"it broke\"}}\n\n",
		"cut":       "", "broken": "",
	} {
		text, err := read(p.Invoke(t.Context(), call(model, true)))
		if text != beginning+want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v", model, text, err)
		}
		var e *llm.Error
		if want == "" && (!errors.As(err, &e) || e.Code != llm.CodeCut) {
			t.Errorf("%s: %v", model, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	r, err := p.Invoke(ctx, call("stall", true))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	if text, err := read(r, nil); !errors.Is(err, context.Canceled) || text != beginning {
		t.Errorf("the caller left: %q, %v", text, err)
	}
}

func TestErrors(t *testing.T) {
	s := service(t, nil)
	p, err := configured(t, s.URL, map[string]any{"region": "us-east-1", "api_key": rand.Text()})
	if err != nil {
		t.Fatal(err)
	}
	for model, want := range map[string]llm.Code{
		"error:429:ThrottlingException": llm.CodeRateLimited, "error:400:ValidationException": llm.CodeInvalid, "error:403:AccessDeniedException": llm.CodePermission,
		"error:403:ExpiredTokenException": llm.CodeAuth, "error:400:ServiceQuotaExceededException": llm.CodeRateLimited, "error:404:ResourceNotFoundException": llm.CodeNotFound,
		"error:408:ModelTimeoutException": llm.CodeTimeout, "error:424:ModelErrorException": llm.CodeUpstream, "error:424:Other": llm.CodeUpstream, "error:503:ServiceUnavailableException": llm.CodeOverloaded,
		"error:403:Other": llm.CodePermission, "error:418:Other": llm.CodeInvalid, "error:500:Other": llm.CodeUpstream, "redirect": llm.CodeUpstream, "cut": llm.CodeCut,
	} {
		text, err := read(p.Invoke(t.Context(), call(model, false)))
		var e *llm.Error
		if !errors.As(err, &e) || e.Code != want {
			t.Errorf("%s: %q, %v", model, text, err)
			continue
		}
		if strings.HasPrefix(model, "error") && (e.Message != "what it says" || !e.Quoted || e.RetryAfter != 7*time.Second) {
			t.Errorf("%s: %+v", model, e)
		}
	}
	s.Close()
	var e *llm.Error
	if _, err := p.Invoke(t.Context(), call("m", false)); !errors.As(err, &e) || e.Code != llm.CodeUnavailable || strings.Contains(e.Message, "127.0.0.1") {
		t.Errorf("gone: %v", err)
	}
}

func TestConfigs(t *testing.T) {
	secret := rand.Text()
	for want, c := range map[string]map[string]any{
		"region":            {"region": "https://a", "api_key": secret},
		"one of api_key":    {"region": "us-east-1"},
		"one of api_key ":   {"region": "us-east-1", "api_key": secret, "access_key_id": "a", "secret_access_key": secret},
		"needed together":   {"region": "us-east-1", "access_key_id": "a"},
		"a session_token":   {"region": "us-east-1", "api_key": secret, "session_token": secret},
		"control character": {"region": "us-east-1", "access_key_id": "a", "secret_access_key": secret + "\n"},
	} {
		if _, err := configured(t, "http://127.0.0.1:1", c); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, at := range []string{"ftp://a", "http://u@a", "http://a?b", "a"} {
		if _, err := configured(t, at, map[string]any{"region": "us-east-1", "api_key": secret}); err == nil || !strings.Contains(err.Error(), "base_url") {
			t.Errorf("%q: %v", at, err)
		}
	}
	for want, place := range map[string]provider.Place{
		"private address":              {BaseURL: "https://127.0.0.1:1", Reach: egress.Public},
		"tls: ca_file":                 {TLS: egress.Trust{CA: []byte(secret)}},
		"the proxy is not http://host": {Proxy: "https://u:" + secret + "@a"},
	} {
		p := bedrock.New()
		if err := p.(provider.Placer).Place(place); err != nil {
			t.Fatal(err)
		}
		if err := p.Configure(t.Context(), []byte(`{"region":"us-east-1","api_key":"none"}`)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", want, err)
		}
	}
	p := bedrock.New()
	if err := p.Configure(t.Context(), []byte(`{"region":"us-east-1","api_key":"none"}`)); err != nil {
		t.Errorf("the region's own address: %v", err)
	}
}

// TestTheTimeToConnect is the one of the provider's block.
func TestTheTimeToConnect(t *testing.T) {
	s := service(t, nil)
	for within, ok := range map[time.Duration]bool{0: true, time.Minute: true, 1: false} {
		p := bedrock.New()
		if err := p.(provider.Placer).Place(provider.Place{BaseURL: s.URL, Connect: within}); err != nil {
			t.Fatal(err)
		}
		if err := p.Configure(t.Context(), []byte(`{"region":"us-east-1","api_key":"none"}`)); err != nil {
			t.Fatal(err)
		}
		var unreached *egress.Error
		if _, err := p.(provider.Invoker).Invoke(t.Context(), call("m", false)); (err == nil) != ok || !ok && (!errors.As(err, &unreached) || unreached.Kind != egress.Connect) {
			t.Errorf("within %v: %v", within, err)
		}
	}
}

// TestWhatIsSentOnce is, though the connection that it could have had served before, and dies under it.
func TestWhatIsSentOnce(t *testing.T) {
	for once, want := range map[bool]int32{false: 3, true: 2} {
		var requests atomic.Int32
		s := service(t, func(*http.Request, []byte) {
			if requests.Add(1) == 2 {
				panic(http.ErrAbortHandler)
			}
		})
		p, err := configured(t, s.URL, map[string]any{"region": "us-east-1", "api_key": rand.Text()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read(p.Invoke(t.Context(), call("m", false))); err != nil {
			t.Fatal(err)
		}
		c := call("m", false)
		c.Once = once
		if _, err := read(p.Invoke(t.Context(), c)); requests.Load() != want || (err != nil) != once {
			t.Errorf("once %t: %d requests, %v", once, requests.Load(), err)
		}
	}
}
