package uploads

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/store"
)

// TestOwn: an owner's are listed by kind and time, those that have expired long ago are forgotten, and so is what its
// vendor does not know for a day.
func TestOwn(t *testing.T) {
	s, err := store.Open(store.Needs{Path: filepath.Join(t.TempDir(), "state.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	u, now := New(s), time.Unix(2_000_000_000, 0)
	u.now = func() time.Time { return now }
	o := Owner{"one", "p"}
	ids := func(kind string) string {
		t.Helper()
		own, err := u.Own(o, kind)
		if err != nil {
			t.Fatal(err)
		}
		out := []string{}
		for _, i := range own {
			out = append(out, i.ID)
		}
		return fmt.Sprint(out)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, v := range []struct{ id, kind string }{{"z", "files"}, {"a", "files"}, {"b", "batches"}, {"old", ""}, {"c", "files"}} {
		now = now.Add(time.Duration(i) * time.Second)
		must(u.Add(o, v.id, Upload{Kind: v.kind}))
	}
	must(u.Add(Owner{"two", "p"}, "x", Upload{Kind: "files"}))
	if files, batches := ids("files"), ids("batches"); files != "[c old a z]" || batches != "[old b]" {
		t.Errorf("%s, %s", files, batches)
	}

	must(u.Seen(o, "a", "answers", now.Add(time.Hour)))
	must(u.Seen(o, "a", "else", now.Add(time.Hour)))
	if v, _, _ := u.Get(o, "a"); v.Purpose != "answers" || !v.Expires.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v", v)
	}
	must(u.Seen(o, "none", "", time.Time{}))

	must(u.Missed(o, "z"))
	must(u.Missed(o, "c"))
	now = now.Add(longGone - time.Second)
	must(u.Missed(o, "z"))
	must(u.Seen(o, "c", "", time.Time{})) // it is there again
	if got := ids("files"); got != "[c old a z]" {
		t.Errorf("before a day is over: %s", got)
	}
	now = now.Add(time.Second)
	must(u.Missed(o, "z"))
	must(u.Missed(o, "c"))
	must(u.Missed(o, "z"))
	if got := ids("files"); got != "[c old a]" {
		t.Errorf("after a day: %s", got)
	}
	now = now.Add(2 * time.Hour)
	if got := ids("files"); got != "[c old]" {
		t.Errorf("a day after a file has expired: %s", got)
	}
	if _, found, _ := u.Get(o, "a"); found {
		t.Error("what has expired is remembered")
	}
}
