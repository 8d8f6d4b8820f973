package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/grammar"
	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// geminiClient calls Gemini's surface with server-sent events.
var geminiClient = api{
	surface: geminiAPI,
	path: func(model string, stream bool) string {
		if stream {
			return "/v1beta/models/" + model + ":streamGenerateContent?alt=sse"
		}
		return "/v1beta/models/" + model + ":generateContent"
	},
	ask: func(_, text string, _ bool) string {
		return fmt.Sprintf(`{"contents":[{"role":"user","parts":[{"text":%q}]}]}`, text)
	},
	check: func(t *testing.T, payload, code, id string) {
		geminiError(t, payload, false, strings.ToUpper(code), id)
	},
	read: func(stream string) (bool, error) {
		g, err := grammar.Gemini([]byte(stream), dialect.ServerSent)
		return err == nil && g.Error != "", err
	},
}

// translatable are those that can be translated, by their dialect.
func translatable() map[llm.Dialect]api {
	return map[llm.Dialect]api{llm.OpenAI: apis["openai"], llm.Responses: apis["responses"], llm.Anthropic: apis["anthropic"], llm.Gemini: geminiClient}
}

// between declares an open route to a mock upstream that is spoken to in each dialect. A model is called
// by its dialect, a dash and its place in models.
func between(upstream, pipeline string, models ...string) string {
	var b, names strings.Builder
	fmt.Fprint(&b, "gateway {\n  data_dir = \"%DATA%\"\n  limits   = { drain = \"5s\" }\n}\nlistener \"public\" { address = \"127.0.0.1:0\" }\nsecret \"up\" { file = \"/etc/hostname\" }\n")
	for _, p := range []struct {
		d                    llm.Dialect
		plugin, base, config string
	}{
		{llm.OpenAI, "openai", "/v1", `dialects = ["openai"]`}, {llm.Responses, "openai", "/v1", `dialects = ["responses"]`},
		{llm.Anthropic, "anthropic", "/v1", ""}, {llm.Gemini, "gemini", "/v1beta", ""},
	} {
		fmt.Fprintf(&b, "provider %q {\n  plugin = %q\n  base_url = %q\n  timeouts = { first_token = \"400ms\", idle = \"400ms\" }\n  config {\n    api_key = secret.up\n    %s\n  }\n}\n", p.d, p.plugin, upstream+p.base, p.config)
		for i, m := range models {
			fmt.Fprintf(&b, "model \"%s-%d\" {\n  retry = { attempts = 1 }\n  target \"up\" {\n    provider = provider.%s\n    model = %q\n  }\n}\n", p.d, i, p.d, m)
			fmt.Fprintf(&names, "model.%s-%d, ", p.d, i)
		}
	}
	fmt.Fprintf(&b, "%s\nroute \"all\" {\n  listener = listener.public\n  match    = { path = \"/*\" }\n  auth     = \"none\"\n  pipeline = pipeline.p\n  models   = [%s]\n}\n", pipeline, strings.TrimSuffix(names.String(), ", "))
	return b.String()
}

// words returns the text of a whole answer in a dialect.
func words(t *testing.T, d llm.Dialect, body string) (s string) {
	t.Helper()
	a, err := codecs.Translator(d).DecodeAnswer([]byte(body))
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, p := range a.Choices[0].Parts {
		if p.Kind == conversation.Text {
			s += p.Text
		}
	}
	return s
}

// TestFaultsAcrossDialects: whatever goes wrong at a provider of another dialect is an error of the
// client's, with the same status and end as in its own, and what goes right is whole in its grammar.
func TestFaultsAcrossDialects(t *testing.T) {
	up := mockllm.Start(t, mockllm.Options{})
	models := []string{"mock"}
	place := map[string]int{}
	for _, name := range append(append([]string{}, harmless...), modelsOf()...) {
		place[name] = len(models)
		models = append(models, name)
	}
	for name, pipeline := range map[string]string{"no filters": emptyPipeline, "every filter": fullPipeline} {
		gw := start(t, between(up.URL, pipeline, models...))
		for from, client := range translatable() {
			for to := range translatable() {
				if from == to {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s to %s", name, from, to), func(t *testing.T) {
					model := func(i int) string { return fmt.Sprintf("%s-%d", to, i) }
					resp, body := client.send(gw, model(0), "hello", false)
					if got := words(t, from, body); resp.StatusCode != 200 || len(got) < 100 {
						t.Errorf("status %d, %q", resp.StatusCode, got)
					}
					for _, i := range []int{0, place[harmless[0]], place[harmless[1]]} {
						_, body := client.send(gw, model(i), "hello", true)
						if failed, err := client.read(body); err != nil || failed || !strings.Contains(body, "token049") {
							t.Errorf("%s: %v: %.300s", models[i], err, body)
						}
					}
					for _, f := range faults {
						client.acrossFault(t, gw, f.model, model(place[f.model]), f.stream, f.status, f.code, f.terminal)
					}
				})
			}
		}
	}
}

func modelsOf() (all []string) {
	seen := map[string]bool{}
	for _, f := range faults {
		if !seen[f.model] {
			seen[f.model] = true
			all = append(all, f.model)
		}
	}
	return all
}

func (a api) acrossFault(t *testing.T, gw *running, fault, model string, stream bool, status int, code, terminal string) {
	t.Helper()
	resp, body := a.send(gw, model, "hello", stream)
	id := resp.Header.Get("X-Request-Id")
	if resp.StatusCode != status {
		t.Errorf("%s: status %d, not %d: %.300s", fault, resp.StatusCode, status, body)
		return
	}
	if e := gw.event(id); e.Terminal != terminal {
		t.Errorf("%s: terminal %s, not %s: %s", fault, e.Terminal, terminal, e.Error)
	}
	payload := body
	if status == 200 {
		payload = lastData(body)
		if failed, err := a.read(body); err != nil || !failed {
			t.Errorf("%s: the stream does not end with an error: %v: %.2000s", fault, err, body)
		}
	}
	a.check(t, payload, code, id)
}
