package store

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Table is a named set of values of one type, coded as JSON so that fields may be added, under
// keys in byte order. The key of a value that belongs to a tenant begins with the tenant.
type Table[V any] struct{ name string }

// Keys are the virtual keys by id.
var Keys = Table[Key]{"keys"}

// Certificates are certificates, their sealed private keys and the authority's state, by the name
// that certmagic gives them.
var Certificates = Table[Blob]{"certificates"}

// FilterValues are the values that filters keep, by tenant, NUL, filter, NUL and their name. A KV reads
// and writes them.
var FilterValues = Table[FilterValue]{"filter_values"}

// Uploads are the files and batches that vendors keep for tenants, by tenant, NUL, provider, NUL and the
// vendor's id.
var Uploads = Table[Upload]{"uploads"}

// Lefts are what answers left at vendors for tenants, by the week of the answer, NUL and a key as Uploads has it. So what
// is forgotten first stands first.
var Lefts = Table[Left]{"left"}

// tables lists every table, for the consistency check.
var tables = []checker{Keys, Certificates, FilterValues, Uploads, Lefts}

type checker interface {
	check(tx *Tx) []error
	id() string
}

// migration is a step from one version of the file to the next. A step is never changed once it
// has been released.
type migration struct {
	name  string
	apply func(*Tx) error
}

var migrations = []migration{
	{"first tables", func(tx *Tx) error {
		for _, name := range []string{"keys", "certificates"} {
			if _, err := tx.tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"values of filters", func(tx *Tx) error {
		_, err := tx.tx.CreateBucketIfNotExists([]byte("filter_values"))
		return err
	}},
	{"files and batches at vendors", func(tx *Tx) error {
		_, err := tx.tx.CreateBucketIfNotExists([]byte("uploads"))
		return err
	}},
	{"what answers left at vendors", func(tx *Tx) error {
		_, err := tx.tx.CreateBucketIfNotExists([]byte("left"))
		return err
	}},
}

// Get returns the value under key and whether there is one.
func (t Table[V]) Get(tx *Tx, key string) (V, bool, error) {
	var v V
	raw := tx.tx.Bucket([]byte(t.name)).Get([]byte(key))
	if raw == nil {
		return v, false, nil
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, false, fmt.Errorf("%w: %s %q: %w", ErrCorrupt, t.name, key, err)
	}
	return v, true, nil
}

// Put stores a value.
func (t Table[V]) Put(tx *Tx, key string, v V) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s %q: %w", t.name, key, err)
	}
	return tx.tx.Bucket([]byte(t.name)).Put([]byte(key), raw)
}

// Delete drops a value; one that is not there is no error.
func (t Table[V]) Delete(tx *Tx, key string) error {
	return tx.tx.Bucket([]byte(t.name)).Delete([]byte(key))
}

// Scan calls yield with the values whose keys begin with prefix, in order, until it returns false
// or limit values were seen (0 = no limit).
func (t Table[V]) Scan(tx *Tx, prefix string, limit int, yield func(key string, v V) bool) error {
	c := tx.tx.Bucket([]byte(t.name)).Cursor()
	n := 0
	for k, raw := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, raw = c.Next() {
		var v V
		if err := json.Unmarshal(raw, &v); err != nil {
			return fmt.Errorf("%w: %s %q: %w", ErrCorrupt, t.name, k, err)
		}
		if n++; !yield(string(k), v) || n == limit {
			return nil
		}
	}
	return nil
}

func (t Table[V]) id() string { return t.name }

// check decodes every value and asks it, where it can tell, whether it may stand under its key.
func (t Table[V]) check(tx *Tx) (found []error) {
	b := tx.tx.Bucket([]byte(t.name))
	if b == nil {
		return []error{fmt.Errorf("table %s is missing", t.name)}
	}
	err := b.ForEach(func(k, raw []byte) error {
		var v V
		if err := json.Unmarshal(raw, &v); err != nil {
			found = append(found, fmt.Errorf("%s %q: %w", t.name, k, err))
		} else if c, ok := any(v).(interface{ Check(key string) error }); ok {
			if err := c.Check(string(k)); err != nil {
				found = append(found, fmt.Errorf("%s %q: %w", t.name, k, err))
			}
		}
		return nil
	})
	if err != nil {
		found = append(found, err)
	}
	return found
}

// checkTables checks every table and that there is no other.
func (tx *Tx) checkTables() (found []error) {
	known := map[string]bool{string(meta): true}
	for _, t := range tables {
		known[t.id()] = true
		found = append(found, t.check(tx)...)
	}
	c := tx.tx.Cursor()
	for name, _ := c.First(); name != nil; name, _ = c.Next() {
		if !known[string(name)] {
			found = append(found, fmt.Errorf("unknown table %q", name))
		}
	}
	return found
}
