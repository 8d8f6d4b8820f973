package vertex_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/plugins/vertex"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest"
)

// google is a token endpoint, with the account that it knows.
type google struct {
	*httptest.Server
	key    *rsa.PrivateKey
	answer func(http.ResponseWriter, string) // to a request that is in order, with a new token
	issued []string
}

func newGoogle(t *testing.T) *google {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	g := &google{key: key}
	g.answer = func(w http.ResponseWriter, token string) {
		json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3599})
	}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if why := g.check(r); why != "" {
			t.Error(why)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		token := rand.Text()
		g.issued = append(g.issued, token)
		w.Header().Set("Content-Type", "application/json")
		g.answer(w, token)
	}))
	t.Cleanup(g.Close)
	return g
}

// check says what is wrong with a request for a token (RFC 7523), or nothing.
func (g *google) check(r *http.Request) string {
	if r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		return "another grant: " + r.FormValue("grant_type")
	}
	parts := strings.Split(r.FormValue("assertion"), ".")
	if len(parts) != 3 {
		return "no assertion"
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPKCS1v15(&g.key.PublicKey, crypto.SHA256, digest[:], signature) != nil {
		return "the signature is not the key's"
	}
	raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Iss, Scope, Aud string
		Iat, Exp        int64
	}
	if json.Unmarshal(raw, &claims) != nil || claims.Iss != "gateway@p.example" || claims.Aud != g.URL ||
		!strings.HasSuffix(claims.Scope, "/auth/cloud-platform") || claims.Exp-claims.Iat > 3600 {
		return "claims: " + string(raw)
	}
	return ""
}

// credentials returns the account's key, changed.
func (g *google) credentials(change map[string]string) string {
	der, _ := x509.MarshalPKCS8PrivateKey(g.key)
	k := map[string]string{
		"type": "service_account", "project_id": "p", "private_key_id": "1", "client_email": "gateway@p.example", "token_uri": g.URL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}
	for name, value := range change {
		k[name] = value
	}
	text, _ := json.Marshal(k)
	return string(text)
}

func configured(t *testing.T, config map[string]string) (*sdktest.Host, error) {
	t.Helper()
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	h := sdktest.StartProvider(t, vertex.New())
	return h, h.Provider.Configure(context.Background(), raw)
}

func TestConformance(t *testing.T) {
	raw, _ := json.Marshal(map[string]string{"credentials": newGoogle(t).credentials(nil)})
	sdktest.Provider(t, sdktest.ProviderCase{New: vertex.New, Config: string(raw), Part: true})
}

// TestATokenIsAskedForWithEachLease, signed with the account's key, and the lease ends with it.
func TestATokenIsAskedForWithEachLease(t *testing.T) {
	g := newGoogle(t)
	h, err := configured(t, map[string]string{"credentials": g.credentials(nil), "location": "europe-west4"})
	if err != nil {
		t.Fatal(err)
	}
	if len(g.issued) != 0 {
		t.Error("a token was asked for before a lease")
	}
	for i := range 2 {
		r, err := h.Provider.Relay(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if len(g.issued) != i+1 || r.Header.Get("authorization") != "Bearer "+g.issued[i] || len(r.Header) != 1 {
			t.Errorf("lease %d: %d tokens, %d fields", i, len(g.issued), len(r.Header))
		}
		if left := time.Until(r.Expires); left < 30*time.Minute || left > time.Hour {
			t.Errorf("it expires in %v", left)
		}
		if r.Origin != "https://europe-west4-aiplatform.googleapis.com" || !r.Stale(401, nil) || r.Stale(403, nil) || r.Stale(400, nil) {
			t.Errorf("origin %s", r.Origin)
		}
	}
}

func TestPublishers(t *testing.T) {
	const at = "/projects/my-p/locations/"
	for _, c := range []struct {
		publisher, location string
		op                  llm.Op
		dialect             llm.Dialect
		stream              bool
		origin, path        string
	}{
		{"", "", llm.OpChat, llm.Gemini, false, "https://aiplatform.googleapis.com", "/v1beta1" + at + "global/publishers/google/models/m%40x:generateContent"},
		{"google", "us", llm.OpChat, llm.Gemini, true, "https://aiplatform.us.rep.googleapis.com", "/v1beta1" + at + "us/publishers/google/models/m%40x:streamGenerateContent"},
		{"google", "us-east5", llm.OpCountTokens, llm.Gemini, false, "https://us-east5-aiplatform.googleapis.com", "/v1beta1" + at + "us-east5/publishers/google/models/m%40x:countTokens"},
		{"google", "", llm.OpEmbeddings, llm.Gemini, false, "https://aiplatform.googleapis.com", "/v1beta1" + at + "global/publishers/google/models/m%40x:embedContent"},
		{"anthropic", "us-east5", llm.OpCountTokens, llm.Anthropic, false, "https://us-east5-aiplatform.googleapis.com", "/v1" + at + "us-east5/publishers/anthropic/models/count-tokens:rawPredict"},
		{"anthropic", "us-east5", llm.OpChat, llm.Anthropic, false, "https://us-east5-aiplatform.googleapis.com", "/v1" + at + "us-east5/publishers/anthropic/models/m%40x:rawPredict"},
		{"anthropic", "us-east5", llm.OpChat, llm.Anthropic, true, "https://us-east5-aiplatform.googleapis.com", "/v1" + at + "us-east5/publishers/anthropic/models/m%40x:streamRawPredict"},
		{"openapi", "us-central1", llm.OpChat, llm.OpenAI, false, "https://us-central1-aiplatform.googleapis.com", "/v1" + at + "us-central1/endpoints/openapi/chat/completions"},
	} {
		config := map[string]string{"auth_token": rand.Text(), "project": "my-p"}
		if c.publisher != "" {
			config["publisher"] = c.publisher
		}
		if c.location != "" {
			config["location"] = c.location
		}
		h, err := configured(t, config)
		if err != nil {
			t.Fatal(err)
		}
		r, err := h.Provider.Relay(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		tmpl := r.Find(c.op, c.dialect)
		if tmpl == nil || string(tmpl.AppendPath(nil, "m@x", c.stream)) != c.path || r.Origin != c.origin {
			t.Errorf("%s %s: %+v at %s", c.publisher, c.op, tmpl, r.Origin)
			continue
		}
		if member := `"anthropic_version":"vertex-2023-10-16"`; (tmpl.InsteadOfModel == member) != (c.publisher == "anthropic" && c.op == llm.OpChat) {
			t.Errorf("%s: %s", c.publisher, tmpl.InsteadOfModel)
		}
		if (tmpl.ReasoningField == "extra_content") != (c.publisher == "openapi") {
			t.Errorf("%s: thoughts come back in %q", c.publisher, tmpl.ReasoningField)
		}
		if r.Header.Get("authorization") != "Bearer "+config["auth_token"] || !r.Expires.IsZero() {
			t.Errorf("%s: %d fields", c.publisher, len(r.Header))
		}
	}
}

// TestRefusedConfigs say what is wrong, and show nothing of the key.
func TestRefusedConfigs(t *testing.T) {
	g := newGoogle(t)
	token := rand.Text()
	for want, config := range map[string]map[string]string{
		"one of credentials and auth_token": {"project": "p"},
		"project is needed":                 {"auth_token": token},
		"not the JSON key":                  {"credentials": token},
		"of another type":                   {"credentials": g.credentials(map[string]string{"type": "external_account"})},
		"private_key":                       {"credentials": g.credentials(map[string]string{"private_key": token})},
		"token_uri":                         {"credentials": g.credentials(map[string]string{"token_uri": "http://" + token + ".example/"})},
		"location":                          {"auth_token": token, "project": "p", "location": "moon-north1"},
		"publisher":                         {"auth_token": token, "project": "p", "publisher": "nobody"},
		"a space or a control character":    {"auth_token": token + "\n", "project": "p"},
	} {
		if _, err := configured(t, config); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestTokenEndpointFaults each end in an error that says what happened.
func TestTokenEndpointFaults(t *testing.T) {
	g := newGoogle(t)
	h, err := configured(t, map[string]string{"credentials": g.credentials(nil)})
	if err != nil {
		t.Fatal(err)
	}
	said := rand.Text()
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, string)
		code   llm.Code
		want   string
	}{
		"refused": {func(w http.ResponseWriter, _ string) {
			w.WriteHeader(400)
			w.Write([]byte(`{"error":"invalid_grant","error_description":"` + said + `"}`))
		}, llm.CodeAuth, "invalid_grant"},
		"down":      {func(w http.ResponseWriter, _ string) { w.WriteHeader(503); w.Write([]byte(said)) }, llm.CodeUnavailable, "503"},
		"elsewhere": {func(w http.ResponseWriter, _ string) { w.Header().Set("Location", "/x"); w.WriteHeader(307) }, llm.CodeUnavailable, "307"},
		"no JSON":   {func(w http.ResponseWriter, _ string) { w.Write([]byte("<html>")) }, llm.CodeUnavailable, "no token"},
		"no token":  {func(w http.ResponseWriter, _ string) { w.Write([]byte(`{"token_type":"Bearer","expires_in":9}`)) }, llm.CodeUpstream, "no token"},
		"cut":       {func(w http.ResponseWriter, _ string) { w.Header().Set("Content-Length", "9"); w.Write([]byte("{")) }, llm.CodeUnavailable, "no token"},
	} {
		g.answer = c.answer
		_, err := h.Provider.Relay(context.Background())
		var e *llm.Error
		if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Message, c.want) || strings.Contains(e.Message, said) {
			t.Errorf("%s: %#v", name, err)
		}
	}
	g.Close()
	var e *llm.Error
	if _, err := h.Provider.Relay(context.Background()); !errors.As(err, &e) || e.Code != llm.CodeUnavailable || !strings.Contains(e.Message, "refused") {
		t.Errorf("gone: %v", err)
	}
}
