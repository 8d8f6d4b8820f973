// Package certstore keeps certificates and their private keys in the store, sealed, for certmagic.
//
// It is the storage only: who issues a certificate and who serves it is package server's business.
package certstore

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/ginnel/ginnel/core/seal"
	"github.com/ginnel/ginnel/core/store"
)

// Storage implements certmagic.Storage. One process has the store, so its locks are the process's
// own. It is safe for concurrent use.
type Storage struct {
	store *store.Store
	box   *seal.Box

	mu    sync.Mutex
	locks map[string]chan struct{} // closed when the lock is free again
}

var _ certmagic.Storage = (*Storage)(nil)

// New returns the storage over a store; values are sealed under a key derived from master.
func New(s *store.Store, master *seal.Master) *Storage {
	return &Storage{store: s, box: master.Box("certificates"), locks: make(map[string]chan struct{})}
}

// Lock takes the named lock or waits for it until ctx ends.
func (s *Storage) Lock(ctx context.Context, name string) error {
	for {
		s.mu.Lock()
		free, taken := s.locks[name]
		if !taken {
			s.locks[name] = make(chan struct{})
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Unlock frees the named lock.
func (s *Storage) Unlock(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	free, taken := s.locks[name]
	if !taken {
		return fmt.Errorf("certificate lock %q is not taken", name)
	}
	delete(s.locks, name)
	close(free)
	return nil
}

// Store puts a value.
func (s *Storage) Store(_ context.Context, key string, value []byte) error {
	sealed := s.box.Seal(key, value)
	return s.store.Update(func(tx *store.Tx) error {
		return store.Certificates.Put(tx, key, store.Blob{Data: sealed, Modified: time.Now()})
	})
}

// Load returns a value or fs.ErrNotExist.
func (s *Storage) Load(_ context.Context, key string) ([]byte, error) {
	b, err := s.get(key)
	if err != nil {
		return nil, err
	}
	return s.box.Open(key, b.Data)
}

// Delete drops a value and, where key names a directory, all in it.
func (s *Storage) Delete(_ context.Context, key string) error {
	return s.store.Update(func(tx *store.Tx) error {
		names := []string{key}
		err := store.Certificates.Scan(tx, key+"/", 0, func(name string, _ store.Blob) bool {
			names = append(names, name)
			return true
		})
		for i := 0; err == nil && i < len(names); i++ {
			err = store.Certificates.Delete(tx, names[i])
		}
		return err
	})
}

// Exists reports whether key names a value or a directory.
func (s *Storage) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// List returns the names in a directory, of directories too unless recursive.
func (s *Storage) List(_ context.Context, path string, recursive bool) (names []string, err error) {
	prefix := path + "/"
	if path == "" {
		prefix = ""
	}
	err = s.store.View(func(tx *store.Tx) error {
		return store.Certificates.Scan(tx, prefix, 0, func(name string, _ store.Blob) bool {
			if rest, _, nested := strings.Cut(name[len(prefix):], "/"); nested && !recursive {
				name = prefix + rest
			}
			if len(names) == 0 || names[len(names)-1] != name {
				names = append(names, name)
			}
			return true
		})
	})
	if err == nil && len(names) == 0 {
		err = fs.ErrNotExist
	}
	return names, err
}

// Stat describes a value or a directory.
func (s *Storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	b, err := s.get(key)
	if err == nil {
		return certmagic.KeyInfo{Key: key, Modified: b.Modified, Size: int64(len(b.Data)), IsTerminal: true}, nil
	}
	if names, lerr := s.List(ctx, key, false); lerr == nil && len(names) > 0 {
		return certmagic.KeyInfo{Key: key}, nil
	}
	return certmagic.KeyInfo{}, err
}

func (s *Storage) get(key string) (b store.Blob, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		var found bool
		if b, found, err = store.Certificates.Get(tx, key); err == nil && !found {
			err = fs.ErrNotExist
		}
		return err
	})
	return b, err
}
