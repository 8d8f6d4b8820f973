// Package uploads knows whose that is which a vendor keeps under the gateway's one account, so that a tenant sees its
// own and nothing else: files and batches, which it sent or began, and what answers left, such as stored responses.
//
// It knows ids and owners; what is in a file or a response stays at the vendor, and package gateway speaks with that.
package uploads

import (
	"cmp"
	"slices"
	"time"

	"github.com/ginnel/ginnel/core/store"
)

// Uploads remembers owners in the state file. It is safe for concurrent use. A nil one remembers nothing of what answers
// leave, and nobody has anything.
type Uploads struct {
	store *store.Store
	now   func() time.Time
}

// Upload is what is remembered of a file or batch.
type Upload = store.Upload

// New returns what a store remembers.
func New(s *store.Store) *Uploads { return &Uploads{store: s, now: time.Now} }

// Owner is a tenant at a provider; the tenant is "" where nobody is asked for a key.
type Owner struct{ Tenant, Provider string }

func (o Owner) prefix() string { return o.Tenant + "\x00" + o.Provider + "\x00" }

// Get returns what an owner has under an id, or false.
func (u *Uploads) Get(o Owner, id string) (v Upload, found bool, err error) {
	if u == nil {
		return Upload{}, false, nil
	}
	err = u.store.View(func(tx *store.Tx) (err error) {
		v, found, err = store.Uploads.Get(tx, o.prefix()+id)
		return err
	})
	return v, found, err
}

// Has reports whether an owner has what is under an id, whether it was sent or was left.
func (u *Uploads) Has(o Owner, id string) (found bool, err error) {
	if _, found, err = u.Get(o, id); found || err != nil {
		return found, err
	}
	_, found, err = u.Left(o, id)
	return found, err
}

// longGone is for how long a vendor has to say that there is none of what it kept, or that should have expired, until it
// is forgotten: it may not know everywhere yet what it has just taken, and a wrong account for an hour loses nobody's files.
const longGone = 24 * time.Hour

// Item is an upload under its id.
type Item struct {
	ID string
	Upload
}

// Own returns what an owner has of a kind, the newest first, and forgets what has expired long ago.
func (u *Uploads) Own(o Owner, kind string) (own []Item, err error) {
	var over []string
	prefix, before := o.prefix(), u.now().Add(-longGone)
	err = u.store.View(func(tx *store.Tx) error {
		return store.Uploads.Scan(tx, prefix, 0, func(key string, v Upload) bool {
			switch {
			case v.Kind != "" && v.Kind != kind:
			case !v.Expires.IsZero() && v.Expires.Before(before):
				over = append(over, key)
			default:
				own = append(own, Item{key[len(prefix):], v})
			}
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(own, func(a, b Item) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID)) })
	if len(over) == 0 {
		return own, nil
	}
	return own, u.store.Update(func(tx *store.Tx) error {
		for _, key := range over {
			if err := store.Uploads.Delete(tx, key); err != nil {
				return err
			}
		}
		return nil
	})
}

// Seen notes what a vendor says of what an owner has: that it is there, what it is for where nobody said so before, and
// when it expires.
func (u *Uploads) Seen(o Owner, id, purpose string, expires time.Time) error {
	return u.change(o, id, func(v *Upload) bool {
		old := *v
		v.Gone, v.Purpose, v.Expires = time.Time{}, cmp.Or(v.Purpose, purpose), expires
		return !old.Gone.IsZero() || v.Purpose != old.Purpose || !expires.Equal(old.Expires)
	})
}

// Missed notes that a vendor says that there is none. Where it has said so for long, that is forgotten.
func (u *Uploads) Missed(o Owner, id string) error {
	v, known, err := u.Get(o, id)
	if err != nil || !known {
		return err
	}
	if !v.Gone.IsZero() && u.now().Sub(v.Gone) >= longGone {
		return u.Remove(o, id)
	}
	return u.change(o, id, func(v *Upload) bool {
		first := v.Gone.IsZero()
		if first {
			v.Gone = u.now().UTC()
		}
		return first
	})
}

// change has a record changed, and writes it where edit reports that it did: a write waits for the disk.
func (u *Uploads) change(o Owner, id string, edit func(*Upload) bool) error {
	if v, known, err := u.Get(o, id); err != nil || !known || !edit(&v) {
		return err
	}
	return u.store.Update(func(tx *store.Tx) error {
		v, known, err := store.Uploads.Get(tx, o.prefix()+id)
		if err != nil || !known || !edit(&v) {
			return err
		}
		return store.Uploads.Put(tx, o.prefix()+id, v)
	})
}

// Add gives an id to an owner; what is known of it already stays.
func (u *Uploads) Add(o Owner, id string, v Upload) error {
	if _, known, err := u.Get(o, id); err != nil || known {
		return err // lists come by here, and a write waits for the disk
	}
	v.Created = u.now().UTC()
	return u.store.Update(func(tx *store.Tx) error {
		if _, known, err := store.Uploads.Get(tx, o.prefix()+id); err != nil || known {
			return err
		}
		return store.Uploads.Put(tx, o.prefix()+id, v)
	})
}

// Count notes that what a batch used is told, and reports whether it was not before.
func (u *Uploads) Count(o Owner, id string) (first bool, err error) {
	if v, known, err := u.Get(o, id); err != nil || !known || v.Counted {
		return false, err // who looks often writes once
	}
	err = u.store.Update(func(tx *store.Tx) error {
		v, known, err := store.Uploads.Get(tx, o.prefix()+id)
		if first = err == nil && known && !v.Counted; !first {
			return err
		}
		v.Counted = true
		return store.Uploads.Put(tx, o.prefix()+id, v)
	})
	return first && err == nil, err
}

// Remove forgets an id.
func (u *Uploads) Remove(o Owner, id string) error {
	return u.store.Update(func(tx *store.Tx) error { return store.Uploads.Delete(tx, o.prefix()+id) })
}
