// Package uploads knows whose the files and batches are that a vendor keeps under the gateway's one account, so that
// a tenant sees its own and no others.
//
// It knows ids and owners; what is in a file stays at the vendor, and package gateway speaks with that.
package uploads

import (
	"time"

	"github.com/ginnel/ginnel/core/store"
)

// Uploads remembers owners in the state file. It is safe for concurrent use.
type Uploads struct{ store *store.Store }

// Upload is what is remembered of a file or batch.
type Upload = store.Upload

// New returns what a store remembers.
func New(s *store.Store) *Uploads { return &Uploads{s} }

// Owner is a tenant at a provider; the tenant is "" where nobody is asked for a key.
type Owner struct{ Tenant, Provider string }

func (o Owner) prefix() string { return o.Tenant + "\x00" + o.Provider + "\x00" }

// Get returns what an owner has under an id, or false.
func (u *Uploads) Get(o Owner, id string) (v Upload, found bool, err error) {
	err = u.store.View(func(tx *store.Tx) (err error) {
		v, found, err = store.Uploads.Get(tx, o.prefix()+id)
		return err
	})
	return v, found, err
}

// All returns the ids that an owner has.
func (u *Uploads) All(o Owner) (map[string]bool, error) {
	ids := make(map[string]bool)
	prefix := o.prefix()
	err := u.store.View(func(tx *store.Tx) error {
		return store.Uploads.Scan(tx, prefix, 0, func(key string, _ Upload) bool {
			ids[key[len(prefix):]] = true
			return true
		})
	})
	return ids, err
}

// Add gives an id to an owner; what is known of it already stays.
func (u *Uploads) Add(o Owner, id string, v Upload) error {
	if _, known, err := u.Get(o, id); err != nil || known {
		return err // lists come by here, and a write waits for the disk
	}
	v.Created = time.Now().UTC()
	return u.store.Update(func(tx *store.Tx) error {
		if _, known, err := store.Uploads.Get(tx, o.prefix()+id); err != nil || known {
			return err
		}
		return store.Uploads.Put(tx, o.prefix()+id, v)
	})
}

// Count notes that what a batch used is told, and reports whether it was not before.
func (u *Uploads) Count(o Owner, id string) (first bool, err error) {
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
