package provider

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/proto/pluginv1"
)

func TestWhereAPlaceIs(t *testing.T) {
	for _, c := range []struct {
		place       Place
		own         string
		url, prefix string // "" = an error
		want        string // of it
	}{
		{Place{}, "https://a.test/v1", "https://a.test", "/v1", ""},
		{Place{BaseURL: "http://127.0.0.1:9"}, "https://a.test/v1", "http://127.0.0.1:9", "", ""},
		{Place{BaseURL: "https://b.test/x%2Fy"}, "", "https://b.test", "/x%2Fy", ""},
		{Place{}, "", "", "", "it needs a base_url"},
		{Place{BaseURL: "ftp://a"}, "", "", "", "base_url: "},
		{Place{BaseURL: "https://u:p@a"}, "", "", "", "base_url: "},
		{Place{BaseURL: "https://a/?b"}, "", "", "", "base_url: "},
		{Place{BaseURL: "a"}, "", "", "", "base_url: "},
		{Place{TLS: egress.Trust{CA: []byte("none")}}, "https://a.test", "", "", "tls: ca_file"},
		{Place{TLS: egress.Trust{ServerName: "a"}}, "http://a.test", "", "", "base URL is http"},
	} {
		got, prefix, err := c.place.Config(c.own)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, %q: %v", c.place, c.own, err)
		}
		if err == nil && (got.URL != c.url || prefix != c.prefix) {
			t.Errorf("%v, %q: %q, %q", c.place, c.own, got.URL, prefix)
		}
	}
	got, _, err := Place{Reach: egress.Public, Proxy: "http://proxy", TLS: egress.Trust{ServerName: "b"}, Connect: time.Second}.Config("https://a.test")
	if err != nil || got.Reach != egress.Public || got.Proxy != "http://proxy" || got.TLS.ServerName != "b" || got.Timeouts != (egress.Timeouts{Connect: time.Second}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAPlaceKeepsItsSecrets(t *testing.T) {
	password, key := rand.Text(), rand.Text()
	p := Place{BaseURL: "https://a.test", Proxy: "http://u:" + password + "@proxy", TLS: egress.Trust{Key: []byte(key)}}
	for _, form := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{p, &p, struct{ Place Place }{p}, []Place{p}} {
			text := fmt.Sprintf(form, v)
			if strings.Contains(text, password) || strings.Contains(text, key) || strings.Contains(text, fmt.Sprint([]byte(key))) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(key))) {
				t.Errorf("%s: %s", form, text)
			}
		}
	}
	if got := p.Secrets(); !slices.Equal(got, []string{password, key}) || (Place{Proxy: "http://proxy"}).Secrets() != nil {
		t.Errorf("secrets: %q", got)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "place", p, "at", &p)
	if text := log.String(); strings.Count(text, p.BaseURL) != 2 || strings.Contains(text, password) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(key))) {
		t.Error(text)
	}
}

// somewhere is an invoker that remembers its place.
type somewhere struct {
	Invoker
	place *Place
}

func (s *somewhere) Describe(context.Context) (*Info, error)                  { return &Info{}, nil }
func (s *somewhere) Configure(context.Context, []byte) error                  { return nil }
func (s *somewhere) Place(p Place) error                                      { s.place = &p; return nil }
func (s *somewhere) Invoke(context.Context, *llm.Call) (*llm.Response, error) { return nil, nil }

// TestPlacesOfOtherHosts: one that knows no connect, one that says nothing, and a newer one.
func TestPlacesOfOtherHosts(t *testing.T) {
	for name, c := range map[string]struct {
		m    *pluginv1.ConfigureRequest
		want string // "" = it is not placed
		ok   bool
	}{
		"an older one":             {&pluginv1.ConfigureRequest{BaseUrl: "http://a"}, "http://a", true},
		"an older one, no base":    {&pluginv1.ConfigureRequest{}, "", true},
		"a reach of a newer one's": {&pluginv1.ConfigureRequest{BaseUrl: "http://a", Connect: &pluginv1.Connect{Reach: 7}}, "", false},
	} {
		p := &somewhere{}
		_, err := (&grpcServer{p: p}).Configure(t.Context(), c.m)
		if (err == nil) != c.ok || (p.place != nil) != (c.want != "") || p.place != nil && p.place.BaseURL != c.want {
			t.Errorf("%s: %v, %v", name, p.place, err)
		}
	}
	r, err := (&grpcServer{p: &somewhere{}}).Describe(t.Context(), nil)
	if err != nil || !r.GetPlaced() || !r.GetConnects() {
		t.Errorf("%v, %v", r, err)
	}
}
