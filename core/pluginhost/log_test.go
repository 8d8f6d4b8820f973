package pluginhost

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestAFloodIsNotRead faster than it may come: its lines are dropped, and to drop them takes time too.
func TestAFloodIsNotRead(t *testing.T) {
	l := &lines{log: slog.New(slog.DiscardHandler)}
	chunk, total, begin := append(bytes.Repeat([]byte("x"), 32<<10), '\n'), 0, time.Now()
	for time.Since(begin) < 3*linesInterval {
		n, err := l.Write(chunk)
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if most := (maxBytes + len(chunk)) * (int(time.Since(begin)/linesInterval) + 2); total > most {
		t.Errorf("%d bytes, at most %d", total, most)
	}
}

// TestSecretsInOtherWriting are hidden as well: in a line of JSON that is too long to be read as one, in quotes, in an address.
func TestSecretsInOtherWriting(t *testing.T) {
	first, last := rand.Text(), rand.Text()
	key := first + "\"<&>\t+/" + last
	line, err := json.Marshal(map[string]string{"msg": key, "rest": strings.Repeat("x", maxLine)})
	if err != nil {
		t.Fatal(err)
	}
	for what, said := range map[string]string{
		"json": string(line), "plain json": strings.NewReplacer(`\u003c`, "<", `\u0026`, "&", `\u003e`, ">").Replace(string(line)),
		"quotes": fmt.Sprintf("config: %q", key), "query": "GET /?k=" + url.QueryEscape(key), "path": "GET /" + url.PathEscape(key),
	} {
		var log bytes.Buffer
		all := secretsOf([]string{key})
		l := &lines{log: all.in(slog.New(slog.NewTextHandler(&log, nil))), secrets: all}
		l.write([]byte(said + "\n"))
		if text := log.String(); strings.Contains(text, first) || strings.Contains(text, last) || !strings.Contains(text, masked) {
			t.Errorf("%s: %.300s", what, text)
		}
	}
}

// TestSecretsThatAreNumbers are hidden where they stand as such in a line of JSON, also within a value, and in a line that is
// no JSON to its end; other numbers are as they were written.
func TestSecretsThatAreNumbers(t *testing.T) {
	const key = "90071992547409931234"
	for _, said := range []string{`{"msg":"m","n":` + key + `,"x":12345678901234567890}`, `{"msg":"m","n":{"in":[` + key + `]},"x":12345678901234567890}`, `{"n":` + key + `} 12345678901234567890`} {
		var log bytes.Buffer
		all := secretsOf([]string{key})
		l := &lines{log: all.in(slog.New(slog.NewJSONHandler(&log, nil))), secrets: all}
		l.write([]byte(said + "\n"))
		if text := log.String(); strings.Contains(text, "9007199") || !strings.Contains(text, masked) || !strings.Contains(text, "12345678901234567890") {
			t.Errorf("%s: %s", said, text)
		}
	}
	const short = "4711081"
	var log bytes.Buffer
	to := secretsOf([]string{short}).in(slog.New(slog.NewJSONHandler(&log, nil)))
	to.Info("x", "int", 4711081, "uint", uint64(4711081), "float", 0.4711081)
	if text := log.String(); strings.Contains(text, short) || strings.Count(text, masked) != 3 {
		t.Errorf("%s", text)
	}
}

// TestALineThatIsDropped is not looked at before: a plugin could keep the host busy with what nobody reads.
func TestALineThatIsDropped(t *testing.T) {
	var all []string
	for range 100 {
		all = append(all, rand.Text())
	}
	l := &lines{log: slog.New(slog.DiscardHandler), secrets: secretsOf(all), begin: time.Now().Add(time.Hour), count: maxLines}
	line := append(bytes.Repeat([]byte("x"), 2*maxLine), '\n')
	l.write(line)
	if n := testing.AllocsPerRun(100, func() { l.write(line) }); n > 0 || l.dropped < 100 {
		t.Errorf("%v allocations, %d dropped", n, l.dropped)
	}
}

// TestTheLongestSecretIsHidden where several begin, in one go: what stands for one is not looked at again.
func TestTheLongestSecretIsHidden(t *testing.T) {
	s := secretsOf([]string{"secret", "abcdef", "abcdefghij"})
	if got := s.hide("abcdefghij abcdefg secret"); got != "(secret) (secret)g (secret)" {
		t.Errorf("%q", got)
	}
}

// BenchmarkHide is the longest line of a plugin with a hundred secrets.
func BenchmarkHide(b *testing.B) {
	var all []string
	for range 100 {
		all = append(all, rand.Text()+"+<")
	}
	s, line := secretsOf(all), strings.Repeat("a line ", maxLine/7)
	for b.Loop() {
		s.hide(line)
	}
}
