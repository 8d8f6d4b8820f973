package filtertest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/wasmhost"
	"github.com/ginnel/ginnel/sdk/dialect/codecs"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
)

const golden = "testdata/guest.transcript"

// built is the guest of testdata, built once.
var built struct {
	once sync.Once
	wasm []byte
	err  error
}

// cache keeps the compiled guest.
var cache string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "filtertest-")
	if err != nil {
		panic(err)
	}
	cache = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func build() ([]byte, error) {
	dir, err := os.MkdirTemp("", "filtertest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-o", out, "./testdata/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		os.Stderr.Write(text)
		return nil, err
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	manifest, err := os.ReadFile("testdata/guest/manifest.json")
	if err != nil {
		return nil, err
	}
	return wasmhost.AttachManifest(wasm, manifest)
}

// newRunner returns a runner of the guest.
func newRunner(t *testing.T) *Runner {
	t.Helper()
	built.once.Do(func() { built.wasm, built.err = build() })
	if built.err != nil {
		t.Fatal(built.err)
	}
	ctx := context.Background()
	h, err := wasmhost.New(ctx, wasmhost.Config{Dir: cache})
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.Open(ctx, built.wasm)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Needs{Host: h, Module: m, Codecs: codecs.All()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		m.Close(ctx)
		h.Close(ctx)
	})
	return r
}

func parse(t *testing.T, text string) *Transcript {
	t.Helper()
	tr, err := Parse("test.transcript", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestGolden runs a transcript of everything, and one of every dialect. GINNEL_UPDATE=1 writes what
// comes.
func TestGolden(t *testing.T) {
	r := newRunner(t)
	for _, path := range []string{golden, "testdata/dialects.transcript"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := Parse(path, text)
		if err != nil {
			t.Fatal(err)
		}
		if os.Getenv("GINNEL_UPDATE") != "" {
			if _, err := r.Update(t.Context(), tr); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, tr.Format(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		results, err := r.Test(t.Context(), tr)
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range results {
			for _, d := range res.Diffs {
				t.Errorf("%s:%d: %s: %s\n%s", path, d.Line, res.Case, d.Section, d.Text)
			}
		}
		if changed, err := r.Update(t.Context(), tr); err != nil || changed {
			t.Errorf("what is as expected needs no update: %t, %v", changed, err)
		}
	}
}

// TestEveryDialectSpeaks: a dialect that clients chat in has its answers written from words.
func TestEveryDialectSpeaks(t *testing.T) {
	for _, c := range codecs.All() {
		_, chats := c.(conversation.Codec)
		if _, ok := speakers[c.Name()]; chats && !ok {
			t.Errorf("%s does not", c.Name())
		}
	}
}

const asked = "-- request --\nPOST /v1/chat/completions\n\n{\"model\": \"m\", \"messages\": [{\"role\": \"user\", \"content\": \"my secret\"}]}\n\n"

// TestWhatDiffersIsShown: an expectation that is not met names its line and both texts.
func TestWhatDiffersIsShown(t *testing.T) {
	r := newRunner(t)
	for _, c := range []struct{ name, sections, section, diff string }{
		{"words", "-- expect answer --\n\"no\"\n", "expect answer (unary)", "- \"no\"\n+ \"ok\"\n"},
		{"one way", "-- expect answer unary --\n\"ok\"\n\n-- expect answer streamed --\n\"no\"\n", "expect answer (streamed)", "- \"no\"\n+ \"ok\"\n"},
		{"request", "-- expect request --\n{\"model\": \"m\"}\n", "expect request (unary)", "+ {\"model\": \"m\", \"messages\": [{\"role\": \"user\", \"content\": \"my [1]\"}]}\n"},
		{"record", "-- expect record --\nend completed\n", "expect record (unary)", "  end completed\n+ note hidden \"1\"\n"},
		{"nothing", "", "expect", "  nothing is expected"},
	} {
		tr := parse(t, "== "+c.name+" ==\n\n"+asked+c.sections)
		results, err := r.Test(t.Context(), tr)
		if err != nil {
			t.Fatal(err)
		}
		if len(results) != 1 || results[0].OK() {
			t.Fatalf("%s: %+v", c.name, results)
		}
		d := results[0].Diffs[0]
		if d.Section != c.section || !strings.Contains(d.Text, c.diff) {
			t.Errorf("%s: %s\n%s", c.name, d.Section, d.Text)
		}
		changed, err := r.Update(t.Context(), tr)
		if err != nil || !changed {
			t.Fatalf("%s: %t, %v", c.name, changed, err)
		}
		again := parse(t, string(tr.Format()))
		if results, err := r.Test(t.Context(), again); err != nil || !results[0].OK() {
			t.Errorf("%s: after an update: %+v, %v\n%s", c.name, results, err, tr.Format())
		}
	}
}

// TestAFailureNobodyExpectsFails: a filter that broke is no success, whatever else is expected.
func TestAFailureNobodyExpectsFails(t *testing.T) {
	r := newRunner(t)
	request := "-- request --\nPOST /v1/chat/completions\nX-Case: %\n\n{\"model\": \"m\", \"messages\": []}\n\n"
	for _, how := range []string{"fail", "loop"} {
		tr := parse(t, "-- filter --\non_error = \"open\"\nlimits   = { time = \"1ms\" }\n\n== a ==\n"+strings.ReplaceAll(request, "%", how)+"-- expect answer --\n\"ok\"\n")
		results, err := r.Test(t.Context(), tr)
		if err != nil {
			t.Fatal(err)
		}
		if results[0].OK() || !strings.Contains(results[0].Diffs[0].Text, "+ failed request_head: ") {
			t.Errorf("%s: %+v", how, results[0])
		}
		if how == "fail" && results[0].Logs != "error as asked\nerror as asked\n" {
			t.Errorf("%q", results[0].Logs)
		}
	}
}

// TestMistakesAreLocated: what is wrong with a transcript is said with its line.
func TestMistakesAreLocated(t *testing.T) {
	r := newRunner(t)
	for _, c := range []struct{ text, want string }{
		{"", "t:1: it has no case"},
		{"-- request --\n", "t:1: the section \"request\" belongs to a case"},
		{"== a ==\n-- requets --\n", "t:2: there is no section \"requets\""},
		{"== a ==\n== a ==\n", "t:2: the case \"a\" stands in line 1 already"},
		{"== a ==\n-- answer --\n\"x\"\n", "t:1: the case has no request"},
		{"== a ==\n" + asked + "-- answer --\n\"x\"\n-- stream --\ndata: 1\n", "one of answer, response and stream"},
		{"== a ==\n-- request --\nGET\n", "t:3: \"GET\" does not begin a request"},
		{"== a ==\n-- request --\nPOST /v1/chat/completions\n{\"model\": 1}\n", "t:4: \"{\\\"model\\\": 1}\" is no header field"},
		{"== a ==\n" + asked + "-- answer --\nx\n", "is no JSON string"},
		{"== a ==\n-- client --\nteam: a\n\n" + asked, "t:3: a client has no \"team\""},
		{"== a ==\n-- request --\nPOST /v1/embeddings\n\n{}\n", "t:3: the words of an answer are written for chats only"},
		{"== a ==\n-- call https://x.test/ --\nok\n\n" + asked, "t:2: a call goes to an http:// URL"},
		{"== a ==\n-- filter --\n\nconfig { werd = \"x\" }\n\n" + asked, "on t line 4"},
		{"-- filter --\nlimits = { memory = \"64KiB\" }\n\n== a ==\n" + asked, "t:4: filter guest: its module begins with"},
	} {
		tr, err := Parse("t", []byte(c.text))
		if err == nil {
			_, err = r.Test(t.Context(), tr)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n%v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestBenchCountsWhatCallbacksUse(t *testing.T) {
	r := newRunner(t)
	costs, err := r.Bench(t.Context(), parse(t, "== a ==\n"+asked+"-- answer --\n\"a\"\n\"b\"\n"), time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	callbacks := map[string]int{}
	for _, c := range costs {
		callbacks[c.Way+" "+c.Event] = c.Callbacks
		if c.NS <= 0 || c.P99 < c.NS || c.HostCalls < 1 || c.Fuel < 1 || c.Memory < 1<<16 {
			t.Errorf("%+v", c)
		}
	}
	// a role without words, two words and an end of the channel are shown to delta
	for event, n := range map[string]int{"unary request_head": 1, "unary request_text": 1, "unary delta": 1, "streamed response_head": 1} {
		if callbacks[event] != n {
			t.Errorf("%s: %d callbacks, want %d: %v", event, callbacks[event], n, callbacks)
		}
	}
	if n := callbacks["streamed delta"]; n < 3 {
		t.Errorf("%d deltas: %v", n, callbacks)
	}
}

func TestLineDiff(t *testing.T) {
	for _, c := range []struct{ want, got, diff string }{
		{"a\nb\nc", "a\nb\nc", "  a\n  b\n  c\n"},
		{"a\nb\nc", "a\nx\nc\nd", "  a\n- b\n+ x\n  c\n+ d\n"},
		{"", "a", "+ a\n"},
		{"a", "", "- a\n"},
	} {
		if got := lineDiff(c.want, c.got); got != c.diff {
			t.Errorf("%q and %q: %q", c.want, c.got, got)
		}
	}
}

// FuzzParse: a text that is read is written so that it is read the same.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile(golden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add("-- filter --\n\n== a ==\n" + asked + "-- answer --\n\\-- x --\n\\\\== y ==\n\n\n")
	f.Add("== a ==\r\n-- request --\r\nGET / \r\n")
	f.Add("== 0 ==\n-- request --\n\r")
	r := &Runner{Needs: Needs{Codecs: codecs.All()}}
	f.Fuzz(func(t *testing.T, text string) {
		one, err := Parse("t", []byte(text))
		if err != nil {
			return
		}
		for _, c := range one.Cases { // none of it panics
			for _, w := range c.ways() {
				r.scene(c, w)
			}
		}
		first := one.Format()
		two, err := Parse("t", first)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, first)
		}
		if second := two.Format(); string(second) != string(first) {
			t.Errorf("written again it differs:\n%s\n--\n%s", first, second)
		}
		for i, c := range one.Cases {
			for j, s := range c.sections {
				if two.Cases[i].sections[j].text != s.text {
					t.Errorf("section %s: %q became %q", s.name, s.text, two.Cases[i].sections[j].text)
				}
			}
		}
	})
}
