//go:build linux

package pluginhost_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/pluginhost"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/telemetry"
)

// TestWhatAPluginSaysHasNoSecrets: neither its lines nor its errors, though it says all that it was told.
func TestWhatAPluginSaysHasNoSecrets(t *testing.T) {
	h, log := start(t, nil)
	key, more, line := rand.Text(), rand.Text(), rand.Text()+rand.Text()
	key2 := "-----BEGIN A KEY-----\n" + line + "\n-----END A KEY-----\n"
	secrets := []string{key, key + more, key2, "short"}
	config, err := json.Marshal(map[string]string{"say": "tell " + strings.Join(secrets, " ")})
	if err != nil {
		t.Fatal(err)
	}
	launched(t, h, pluginhost.ProviderSpec{Plugin: "words", Config: config, Secrets: secrets})
	await(t, "its lines", func() bool { return strings.Count(log.String(), "told") >= 2 })
	_, err = h.Provider(within(t), pluginhost.ProviderSpec{Plugin: "words", Config: []byte(strings.Replace(string(config), "tell", "tell wrong", 1)), Secrets: secrets})
	var e *llm.Error
	if !errors.As(err, &e) || e.Code != llm.CodeInvalid || !strings.Contains(err.Error(), "it is wrong") {
		t.Fatalf("%v", err)
	}
	for what, text := range map[string]string{"the log": log.String(), "the error": err.Error(), "its message": e.Message} {
		for _, secret := range []string{key, more, line} {
			if strings.Contains(text, secret) {
				t.Errorf("%s has a secret: %s", what, text)
			}
		}
		if !strings.Contains(text, "(secret)") || !strings.Contains(text, "short") {
			t.Errorf("%s: %s", what, text)
		}
	}
}

// TestWhatIsCutShortHasNoHalfOfASecret: it is one secret after the other, so that each cut goes through one.
func TestWhatIsCutShortHasNoHalfOfASecret(t *testing.T) {
	h, log := start(t, nil)
	key := "~" + rand.Text() // which is in nothing else
	config, err := json.Marshal(map[string]string{"say": "tell wrong " + strings.Repeat(key, 1000)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Provider(within(t), pluginhost.ProviderSpec{Plugin: "words", Config: config, Secrets: []string{key}})
	if err == nil {
		t.Fatal("it was launched")
	}
	await(t, "its line", func() bool { return strings.Contains(log.String(), "I was told") })
	sink, failed := h.Sink(within(t), pluginhost.SinkSpec{Name: "s", Plugin: "memory", Config: config, Secrets: []string{key}})
	if failed != nil {
		t.Fatal(failed)
	}
	defer sink.Close(within(t))
	r, failed := sink.Export(within(t), &telemetry.Batch{Payloads: []telemetry.Payload{{OTLP: []byte("tell")}}})
	if failed != nil {
		t.Fatal(failed)
	}
	for what, text := range map[string]string{"the log": log.String(), "the error": err.Error(), "an outcome": r.Outcomes[0].Message} {
		if i := strings.Index(text, key[:1]); i >= 0 || !strings.Contains(text, "(secret)(secret)") {
			t.Errorf("%s has a part of a secret: %d bytes, at %d", what, len(text), i)
		}
	}
	if n := len(r.Outcomes[0].Message); n > 2<<10 {
		t.Errorf("an outcome has %d bytes", n)
	}
}

// TestWhatAPluginSaysOfItsHealthHasNoSecrets, in its status, and is short and one line.
func TestWhatAPluginSaysOfItsHealthHasNoSecrets(t *testing.T) {
	h, _ := start(t, func(n *pluginhost.Needs) { n.HealthEvery = 10 * time.Millisecond })
	key := rand.Text()
	p := launched(t, h, pluginhost.ProviderSpec{
		Plugin: "ailing", Config: []byte(`{"mode":"` + key + `"}`), Secrets: []string{key},
		Limits: pluginhost.Limits{HungAfter: 50 * time.Millisecond},
	})
	var said string
	await(t, "what it says", func() bool {
		said = p.State().Error
		return strings.Contains(said, "ill")
	})
	if strings.Contains(said, key) || !strings.Contains(said, "(secret)") || strings.Contains(said, "\x1b") || len(said) > 2<<10 {
		t.Errorf("%d bytes: %q", len(said), said[:min(len(said), 200)])
	}
}
