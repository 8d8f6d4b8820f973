package uploads_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/ginnel/ginnel/core/store"
	"github.com/ginnel/ginnel/core/uploads"
)

func TestUploads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	open := func() (*store.Store, *uploads.Uploads) {
		t.Helper()
		s, err := store.Open(store.Needs{Path: path, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return s, uploads.New(s)
	}
	s, u := open()
	one, two, elsewhere := uploads.Owner{Tenant: "one", Provider: "p"}, uploads.Owner{Tenant: "two", Provider: "p"}, uploads.Owner{Tenant: "one", Provider: "q"}
	nobody := uploads.Owner{Provider: "p"}
	for _, o := range []uploads.Owner{one, nobody} {
		if err := u.Add(o, "file-1", uploads.Upload{Purpose: "batch", Models: []string{"m"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.Add(one, "file-1", uploads.Upload{Purpose: "other"}); err != nil { // it is known
		t.Fatal(err)
	}
	s.Close()
	s, u = open()
	defer s.Close()
	if v, found, err := u.Get(one, "file-1"); err != nil || !found || v.Purpose != "batch" || len(v.Models) != 1 || v.Created.IsZero() {
		t.Errorf("%+v, %t, %v", v, found, err)
	}
	for _, o := range []uploads.Owner{two, elsewhere, {Tenant: "on", Provider: "e\x00p"}} {
		if _, found, err := u.Get(o, "file-1"); found || err != nil {
			t.Errorf("%+v has it, %v", o, err)
		}
		if all, err := u.Own(o, "files"); len(all) != 0 || err != nil {
			t.Errorf("%+v has %v, %v", o, all, err)
		}
	}
	if all, err := u.Own(one, "files"); len(all) != 1 || all[0].ID != "file-1" || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	for i, want := range []bool{true, false} {
		if first, err := u.Count(one, "file-1"); first != want || err != nil {
			t.Errorf("%d: %t, %v", i, first, err)
		}
	}
	if first, err := u.Count(two, "file-1"); first || err != nil {
		t.Errorf("%t, %v", first, err)
	}
	if err := u.Remove(one, "file-1"); err != nil {
		t.Fatal(err)
	}
	if _, found, _ := u.Get(one, "file-1"); found {
		t.Error("it is still there")
	}
	if _, found, _ := u.Get(nobody, "file-1"); !found {
		t.Error("somebody else's is gone")
	}
}
