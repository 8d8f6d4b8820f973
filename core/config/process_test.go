package config

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const processed = `
provider "near" {
  plugin   = "openai"
  base_url = "http://127.0.0.1:1"
  process  = { hung_after = "10s", memory = "256MiB", children = true, read = ["./words", "/srv/words"] }
}
telemetry "far" {
  plugin  = "jsonl"
  process = { contain = true, write = ["out"] }
}
`

func TestProcess(t *testing.T) {
	c := must(t, load(t, base+processed, nil))
	p, sink := c.Providers[len(c.Providers)-1].Process, c.Telemetry[len(c.Telemetry)-1].Process
	if p.HungAfter != 10*time.Second || p.Memory != 256<<20 || !p.Contain || !p.Children || len(p.Read) != 2 || !filepath.IsAbs(p.Read[0]) || p.Read[1] != "/srv/words" {
		t.Errorf("%+v", p)
	}
	if !sink.Contain || len(sink.Write) != 1 || sink.HungAfter != 30*time.Second {
		t.Errorf("%+v", sink)
	}
	if d := c.Providers[0].Process; d.HungAfter != 30*time.Second || d.Memory != 0 || !d.Contain || d.Children {
		t.Errorf("defaults: %+v", d)
	}
	for name, m := range map[string]struct{ old, new, want string }{
		"hung_after":    {`"10s"`, `"10ms"`, `from "1s" to "1h"`},
		"memory":        {`"256MiB"`, `"1MiB"`, "at least"},
		"unknown field": {"hung_after", "hang_after", `Did you mean "hung_after"?`},
		"not contained": {"contain = true", "contain = false", "for a process that is contained"},
		"an empty path": {`"/srv/words"`, `""`, "a path is empty"},
	} {
		r := load(t, base+strings.Replace(processed, m.old, m.new, 1), nil)
		if out := said(r); r.Config != nil || !strings.Contains(out, m.want) {
			t.Errorf("%s: no %q in:\n%s", name, m.want, out)
		}
	}
}
