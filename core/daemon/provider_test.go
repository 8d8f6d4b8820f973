package daemon

import (
	"testing"

	"github.com/ginnel/ginnel/core/config"
)

// TestOriginOf: a provider is reached where the operator says, else where its plugin is; but not where the
// lock file does not know it to be.
func TestOriginOf(t *testing.T) {
	listed := &config.Locked{Origins: []string{"https://a.test/v1"}}
	for _, c := range []struct {
		base           string
		lock           *config.Locked
		own            string
		origin, prefix string // "" = an error
	}{
		{"", nil, "https://a.test/v1", "https://a.test", "/v1"},
		{"http://127.0.0.1:9/x", nil, "https://a.test/v1", "http://127.0.0.1:9", "/x"},
		{"", listed, "https://a.test/v1", "https://a.test", "/v1"},
		{"", listed, "https://b.test/v1", "", ""},
		{"https://b.test/v1", listed, "https://c.test", "https://b.test", "/v1"},
		{"", nil, "", "", ""},
	} {
		at, prefix, err := originOf(&config.Provider{BaseURL: c.base, Locked: c.lock}, c.own)
		if at.URL != c.origin || prefix != c.prefix || (err == nil) != (c.origin != "") {
			t.Errorf("%+v: %s %s %v", c, at.URL, prefix, err)
		}
	}
}
