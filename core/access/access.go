// Package access says who may use what: virtual keys, the teams they belong to, and their limits.
//
// Keys live in memory, loaded from the store when it opens and changed through it; checking one
// touches neither disk nor network, so a fault of the store is never answered as a wrong key. What a
// team may do is declared in gateway.hcl and handed in by the caller.
package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ginnel/ginnel/core/seal"
	"github.com/ginnel/ginnel/core/store"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Prefix begins every virtual key. The whole is "gnl-", the id of the pepper, "-" and 256 random
// bits in base64url.
const Prefix = "gnl-"

// Errors of Authenticate. None of them tells a client more than that its key is no good; the log
// gets the difference.
var (
	ErrMissing = errors.New("no key in the request")
	ErrSeveral = errors.New("different keys in one request")
	ErrUnknown = errors.New("unknown key")
	ErrExpired = errors.New("key has expired")
	ErrRevoked = errors.New("key was revoked")
)

// Errors of Create and Revoke.
var (
	ErrNoSuchKey = errors.New("no such key")
	ErrBadName   = errors.New("a name has at most 100 printable characters")
)

// Key is a virtual key as everybody but its holder sees it.
type Key struct {
	ID      string    `json:"id"`
	Name    string    `json:"name,omitempty"`
	Team    string    `json:"team,omitempty"`
	Models  []string  `json:"models,omitempty"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	Revoked time.Time `json:"revoked,omitzero"`

	digest [sha256.Size]byte
	tenant string
}

// Tenant is whose data and filter state the key's exchanges share: the team's or the key's own.
func (k *Key) Tenant() string { return k.tenant }

// TeamOf returns the team that a tenant is, or "".
func TeamOf(tenant string) string {
	team, ok := strings.CutPrefix(tenant, teams)
	if !ok {
		return ""
	}
	return team
}

// teams is how the tenants begin that are one.
const teams = "team/"

// Allows reports whether the key itself permits the model.
func (k *Key) Allows(model string) bool {
	return len(k.Models) == 0 || slices.Contains(k.Models, model)
}

// State says what the key is good for at a moment: "active", "expired" or "revoked".
func (k *Key) State(now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return "expired"
	}
	return "active"
}

// Spec is what a new key is to be.
type Spec struct {
	Name   string
	Team   string
	Models []string
	TTL    time.Duration // 0 = for ever
}

// Keys are all virtual keys. It is safe for concurrent use.
type Keys struct {
	store  *store.Store
	pepper string // id
	macs   sync.Pool
	now    func() time.Time

	writing  sync.Mutex // orders the store's and the memory's changes
	mu       sync.RWMutex
	byDigest map[[sha256.Size]byte]*Key // values are never changed, only replaced
}

// Needs is what Open works with.
type Needs struct {
	Store  *store.Store
	Master *seal.Master
	Now    func() time.Time // nil = time.Now
}

// Open loads the keys.
func Open(n Needs) (*Keys, error) {
	pepper := n.Master.Derive("key pepper", 32)
	id := sha256.Sum256(n.Master.Derive("key pepper id", 32))
	k := &Keys{
		store:    n.Store,
		pepper:   hex.EncodeToString(id[:2]),
		macs:     sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, pepper)} }},
		now:      n.Now,
		byDigest: make(map[[sha256.Size]byte]*Key),
	}
	if k.now == nil {
		k.now = time.Now
	}
	err := n.Store.View(func(tx *store.Tx) error {
		return store.Keys.Scan(tx, "", 0, func(_ string, r store.Key) bool {
			k.byDigest[[sha256.Size]byte(r.Digest)] = fromRecord(r)
			return true
		})
	})
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return k, nil
}

// Create makes a key and returns it with its text, which is shown once and kept nowhere.
func (k *Keys) Create(s Spec) (*Key, string, error) {
	if len(s.Name) > 100 || strings.ContainsFunc(s.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, "", ErrBadName
	}
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	id := make([]byte, 6)
	rand.Read(id)
	text := Prefix + k.pepper + "-" + base64.RawURLEncoding.EncodeToString(secret)
	digest := k.digest(text)
	now := k.now().UTC().Truncate(time.Second)
	r := store.Key{ID: "key_" + hex.EncodeToString(id), Name: s.Name, Team: s.Team, Models: s.Models, Pepper: k.pepper, Digest: digest[:], Created: now}
	if s.TTL > 0 {
		r.Expires = now.Add(s.TTL)
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	if err := k.store.Update(func(tx *store.Tx) error { return store.Keys.Put(tx, r.ID, r) }); err != nil {
		return nil, "", fmt.Errorf("key: %w", err)
	}
	key := fromRecord(r)
	k.mu.Lock()
	k.byDigest[digest] = key
	k.mu.Unlock()
	return key, text, nil
}

// List returns all keys, oldest first.
func (k *Keys) List() []*Key {
	k.mu.RLock()
	list := make([]*Key, 0, len(k.byDigest))
	for _, key := range k.byDigest {
		list = append(list, key)
	}
	k.mu.RUnlock()
	slices.SortFunc(list, func(a, b *Key) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list
}

// Revoke ends a key at once. Revoking it again changes nothing.
func (k *Keys) Revoke(id string) (*Key, error) {
	k.writing.Lock()
	defer k.writing.Unlock()
	var r store.Key
	err := k.store.Update(func(tx *store.Tx) (err error) {
		var found bool
		if r, found, err = store.Keys.Get(tx, id); err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("%q: %w", id, ErrNoSuchKey)
		}
		if r.Revoked.IsZero() {
			r.Revoked = k.now().UTC().Truncate(time.Second)
		}
		return store.Keys.Put(tx, id, r)
	})
	if err != nil {
		return nil, err
	}
	key := fromRecord(r)
	k.mu.Lock()
	k.byDigest[[sha256.Size]byte(r.Digest)] = key
	k.mu.Unlock()
	return key, nil
}

// Authenticate returns the key that a request carries: as a bearer token, in x-api-key, in
// x-goog-api-key or in the query parameter "key", the places where the official SDKs put it.
func (k *Keys) Authenticate(h llm.Header, query string) (*Key, error) {
	text, err := find(h, query)
	if err != nil {
		return nil, err
	}
	digest := k.digest(text)
	k.mu.RLock()
	key := k.byDigest[digest]
	k.mu.RUnlock()
	if err := k.usable(key); err != nil {
		return nil, err
	}
	return key, nil
}

// Still returns why a key that was let in would be no more, or nil.
func (k *Keys) Still(key *Key) error {
	k.mu.RLock()
	now := k.byDigest[key.digest]
	k.mu.RUnlock()
	return k.usable(now)
}

// usable returns why a key is of no use, or nil.
func (k *Keys) usable(key *Key) error {
	if key == nil {
		return ErrUnknown
	}
	switch key.State(k.now()) {
	case "revoked":
		return ErrRevoked
	case "expired":
		return ErrExpired
	}
	return nil
}

// find returns the one key in a request.
func find(h llm.Header, query string) (text string, err error) {
	take := func(s string) {
		if s == "" {
			return
		}
		if text != "" && text != s {
			err = ErrSeveral
		}
		text = s
	}
	for i := range h {
		switch {
		case llm.EqualFold(h[i].Name, "authorization"):
			if scheme, token, ok := strings.Cut(h[i].Value, " "); ok && llm.EqualFold(scheme, "bearer") {
				take(strings.TrimSpace(token))
			}
		case llm.EqualFold(h[i].Name, "x-api-key"), llm.EqualFold(h[i].Name, "x-goog-api-key"), llm.EqualFold(h[i].Name, "api-key"):
			take(h[i].Value)
		}
	}
	for part := range strings.SplitSeq(query, "&") {
		if value, ok := strings.CutPrefix(part, "key="); ok {
			take(value)
		}
	}
	if err == nil && text == "" {
		err = ErrMissing
	}
	return text, err
}

// mac digests keys, in memory of its own.
type mac struct {
	hash.Hash
	in  []byte
	out [sha256.Size]byte
}

func (k *Keys) digest(text string) [sha256.Size]byte {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	m.Reset()
	m.in = append(m.in[:0], text...)
	m.Write(m.in)
	clear(m.in)
	m.Sum(m.out[:0])
	return m.out
}

func fromRecord(r store.Key) *Key {
	tenant := "key/" + r.ID
	if r.Team != "" {
		tenant = teams + r.Team
	}
	return &Key{digest: [sha256.Size]byte(r.Digest), tenant: tenant, ID: r.ID, Name: r.Name, Team: r.Team, Models: r.Models, Created: r.Created, Expires: r.Expires, Revoked: r.Revoked}
}
