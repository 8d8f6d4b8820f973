package daemon

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/sdk/egress"
)

// TestWhatAPluginNamesByItselfIsPublic, where it is a third party's and the operator said nothing.
func TestWhatAPluginNamesByItselfIsPublic(t *testing.T) {
	yes, no := true, false
	for name, c := range map[string]struct {
		p    config.Provider
		want egress.Reach
		ok   bool // whether an origin at this machine can be made
	}{
		"third party":                    {config.Provider{Plugin: "/opt/plugin"}, egress.Public, false},
		"third party, private":           {config.Provider{Plugin: "/opt/plugin", Private: &yes}, egress.Private, true},
		"third party, operator's origin": {config.Provider{Plugin: "/opt/plugin", BaseURL: "http://127.0.0.1:1/v1"}, egress.ByName, true},
		"built in":                       {config.Provider{Plugin: "openai"}, egress.ByName, true},
		"built in, public":               {config.Provider{Plugin: "openai", Private: &no}, egress.Public, false},
	} {
		got, prefix, err := originOf(&c.p, "http://127.0.0.1:1/v1", nil)
		if err != nil || got.Reach != c.want || got.URL != "http://127.0.0.1:1" || prefix != "/v1" {
			t.Errorf("%s: %+v, %q, %v", name, got, prefix, err)
		}
		o, err := egress.New(egress.Needs{}).Origin(got)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if o != nil {
			o.Close()
		}
	}
}

func TestTLSIsNotForHTTP(t *testing.T) {
	p := config.Provider{Plugin: "openai", TLS: config.ProviderTLS{ServerName: "gpu"}}
	secure, err := p.TLS.Client()
	if err != nil || secure.ServerName != "gpu" {
		t.Fatal(secure, err)
	}
	if _, _, err := originOf(&p, "http://gpu-1", secure); err == nil || !strings.Contains(err.Error(), "base URL is http") {
		t.Error(err)
	}
}
