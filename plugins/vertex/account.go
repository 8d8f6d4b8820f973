package vertex

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"

	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	scope        = "https://www.googleapis.com/auth/cloud-platform"
	tokenTimeout = 10 * time.Second
)

// account is a service account, which has tokens for the asking (RFC 7523).
type account struct {
	project string
	jwt     jwt.Config
	http    *http.Client
}

// newAccount reads a service account's key, as Google's console hands it out. Its token_uri is where
// tokens are asked for. Errors show nothing of the key.
func newAccount(key string) (*account, error) {
	var k struct {
		Type       string
		ProjectID  string `json:"project_id"`
		KeyID      string `json:"private_key_id"`
		PrivateKey string `json:"private_key"`
		Email      string `json:"client_email"`
		TokenURI   string `json:"token_uri"`
	}
	if json.Unmarshal([]byte(key), &k) != nil {
		return nil, invalid("config: credentials: not the JSON key of a service account")
	}
	if k.Type != "service_account" {
		return nil, invalid("config: credentials: the key of a service account is needed; this is of another type")
	}
	if !isKey(k.PrivateKey) || k.Email == "" {
		return nil, invalid("config: credentials: private_key or client_email is missing or broken")
	}
	if u, err := url.Parse(k.TokenURI); err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, invalid("config: credentials: token_uri must be an https address")
	}
	return &account{
		project: k.ProjectID,
		jwt:     jwt.Config{Email: k.Email, PrivateKey: []byte(k.PrivateKey), PrivateKeyID: k.KeyID, Scopes: []string{scope}, TokenURL: k.TokenURI},
		http: &http.Client{
			Timeout:       tokenTimeout,
			Transport:     &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// isKey reports whether text is an RSA key in PEM.
func isKey(text string) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	_, isRSA := key.(*rsa.PrivateKey)
	return err == nil && isRSA
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// token asks for a token and says until when it is good. Errors are *llm.Error.
func (a *account) token(ctx context.Context) (string, time.Time, error) {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, a.http), tokenTimeout)
	defer cancel()
	t, err := a.jwt.TokenSource(ctx).Token()
	var refused *oauth2.RetrieveError
	switch {
	case err == nil && t.AccessToken != "":
		return t.AccessToken, t.Expiry, nil
	case errors.As(err, &refused):
		return "", time.Time{}, refusal(refused)
	case err == nil:
		return "", time.Time{}, &llm.Error{Code: llm.CodeUpstream, Message: "the token endpoint's answer has no token"}
	}
	return "", time.Time{}, &llm.Error{Code: llm.CodeUnavailable, Message: "no token for the service account: " + strings.TrimPrefix(err.Error(), "oauth2: cannot fetch token: ")}
}

// refusal returns what the token endpoint says, in the one word that the standard has for it (RFC 6749,
// section 5.2).
func refusal(e *oauth2.RetrieveError) error {
	var said struct{ Error string }
	_ = json.Unmarshal(e.Body, &said)
	if status := e.Response.StatusCode; said.Error == "" || len(said.Error) > 50 || status >= 500 {
		return &llm.Error{Code: llm.CodeUnavailable, Message: "the token endpoint answered " + e.Response.Status}
	}
	return &llm.Error{Code: llm.CodeAuth, Message: "the token endpoint refused the service account: " + said.Error}
}
