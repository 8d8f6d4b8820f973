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
