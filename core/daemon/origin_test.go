package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/sdk/egress"
	sdkprovider "github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
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
		got, prefix, err := originOf(&c.p, "http://127.0.0.1:1/v1")
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
	p := config.Provider{Plugin: "openai", TLS: egress.Trust{ServerName: "gpu"}}
	if c, _, err := originOf(&p, "https://gpu-1"); err != nil || c.TLS.ServerName != "gpu" {
		t.Fatal(c, err)
	}
	if _, _, err := originOf(&p, "http://gpu-1"); err == nil || !strings.Contains(err.Error(), "base URL is http") {
		t.Error(err)
	}
}

// TestWhatABlockDeclares of a place: what nobody declared is nothing that a plugin must be told.
func TestWhatABlockDeclares(t *testing.T) {
	no := false
	for _, c := range []struct {
		p    config.Provider
		want string
	}{
		{config.Provider{Plugin: "bedrock", BaseURL: "https://a.test"}, ""},
		{config.Provider{Plugin: "/opt/plugin"}, ""},
		{config.Provider{Plugin: "bedrock", Private: &no}, "private"},
		{config.Provider{Plugin: "bedrock", Proxy: "http://p", TLS: egress.Trust{CA: []byte{}}}, "proxy tls"},
		{config.Provider{Plugin: "bedrock", Timeouts: config.Timeouts{Connect: 7 * time.Second, Total: time.Hour}}, ""}, // they have defaults
	} {
		place, declared := PlaceOf(&c.p)
		if strings.Join(declared, " ") != c.want || place.BaseURL != c.p.BaseURL || place.Proxy != c.p.Proxy || place.Connect != c.p.Timeouts.Connect {
			t.Errorf("%+v: %q", c.p, declared)
		}
	}
}

// TestAPluginIsHeldToItsLock: of what it is, who makes its calls, and what it can be told of them.
func TestAPluginIsHeldToItsLock(t *testing.T) {
	relays, told, untold := &sdkprovider.Info{Relays: true}, &sdkprovider.Info{Placed: true, Connects: true}, &sdkprovider.Info{Placed: true}
	said := func(name, version, attr string) *sdkprovider.Info {
		shape := &schema.Block{}
		if attr != "" {
			shape.Attrs = []schema.Attr{{Name: attr, Kind: schema.Int, Default: "7", Doc: "what it is"}}
		}
		return &sdkprovider.Info{Name: name, Version: version, Config: shape}
	}
	wordy := func(doc string) *sdkprovider.Info {
		return &sdkprovider.Info{Name: "x", Version: "1", Config: &schema.Block{Doc: doc}}
	}
	for name, c := range map[string]struct {
		lock *config.Locked
		is   *sdkprovider.Info
		want string // of the error; "" = none
	}{
		"no lock":                {nil, told, ""},
		"an older lock":          {&config.Locked{Name: "x"}, told, ""},
		"the same, relayed":      {LockOf(relays), relays, ""},
		"the same, itself":       {LockOf(told), told, ""},
		"itself, not relayed":    {LockOf(relays), told, "it makes its calls itself (placed: true, connects: true), and the lock file that the gateway makes"},
		"relayed, not itself":    {LockOf(told), relays, "says that the gateway makes its calls"},
		"it connects by the way": {LockOf(untold), told, "connects: false"},
		"what it was":            {LockOf(said("x", "1", "a")), said("x", "1", "a"), ""},
		"no shape either":        {LockOf(said("x", "1", "")), &sdkprovider.Info{Name: "x", Version: "1"}, ""},
		"another version":        {LockOf(said("x", "2", "a")), said("x", "1", "a"), "it is x 1, and the lock file that it is x 2"},
		"another name":           {LockOf(said("y", "1", "a")), said("x", "1", "a"), "it is x 1, and the lock file that it is y 1"},
		"an accent apart":        {LockOf(wordy("caf\u00e9")), wordy("cafe\u0301"), ""},
		"another accent":         {LockOf(wordy("caf\u00e8")), wordy("cafe\u0301"), "the shape of its config block"},
		"another shape":          {LockOf(said("x", "1", "b")), said("x", "1", "a"), "the shape of its config block"},
	} {
		if err := asLocked(&config.Provider{Locked: c.lock}, c.is); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
