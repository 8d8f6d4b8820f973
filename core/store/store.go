// Package store is the one bbolt file in which the gateway remembers: typed tables, versioned
// migrations and a consistency check.
//
// It holds what is made at run time (keys, certificates), never what gateway.hcl declares, and never
// the text of a request. It is opened by one process at a time: bbolt's lock is exclusive. What every
// request reads lives in memory; only those that name what a vendor keeps, or leave something there, come here.
package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Errors of Open.
var (
	ErrLocked = errors.New("store is in use by another process")
	ErrNewer  = errors.New("store was written by a newer version")
)

// Errors of a store that is open.
var (
	ErrCorrupt  = errors.New("store is corrupt")
	ErrDegraded = errors.New("store is out of order")
)

// DefaultTimeout is how long Open waits for the file's lock.
const DefaultTimeout = 2 * time.Second

// Needs is what a store works with.
type Needs struct {
	Path    string        // the file; its directory is made with mode 0700
	Timeout time.Duration // for the lock; 0 = DefaultTimeout
	Logger  *slog.Logger
}

// Store is an open file. It is safe for concurrent use; writes queue behind each other.
type Store struct {
	db     *bbolt.DB
	log    *slog.Logger
	broken atomic.Pointer[error]
	clean  bool           // the last process closed the file
	checks sync.WaitGroup // the check that follows an unclean stop
	shared shared
}

var meta = []byte("meta")

var (
	metaVersion = []byte("version")
	metaOpen    = []byte("open") // present while a process has the file: an unclean stop leaves it
)

// Open opens or makes the file and brings it to the current version.
func Open(n Needs) (*Store, error) {
	if n.Timeout == 0 {
		n.Timeout = DefaultTimeout
	}
	if err := os.MkdirAll(filepath.Dir(n.Path), 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	db, err := open(n)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, log: n.Logger}
	if err := s.Update(func(tx *Tx) error { return s.prepare(tx, migrations) }); err != nil {
		db.Close()
		return nil, fmt.Errorf("store %s: %w", n.Path, err)
	}
	if !s.clean {
		n.Logger.Warn("store was not closed cleanly; checking it", "path", n.Path)
		s.checks.Go(s.checkAfterCrash)
	}
	return s, nil
}

// checkAfterCrash takes a store that was not closed cleanly out of order if it is damaged.
func (s *Store) checkAfterCrash() {
	if err := s.Check(); err != nil {
		s.fail(err)
		return
	}
	s.log.Info("store is whole")
}

func (s *Store) fail(err error) {
	if s.broken.CompareAndSwap(nil, &err) {
		s.log.Error("store is out of order until it is restored", "error", err)
	}
}

// open guards bbolt's own opening, which panics on some corrupt files.
func open(n Needs) (db *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var file *os.File
	defer func() {
		if r := recover(); r != nil {
			unlock(file)
			db, err = nil, fmt.Errorf("store %s: %w: %v", n.Path, ErrCorrupt, r)
		}
	}()
	db, err = bbolt.Open(n.Path, 0o600, &bbolt.Options{
		Timeout:      n.Timeout,
		FreelistType: bbolt.FreelistMapType,
		OpenFile: func(name string, flag int, perm os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, perm)
			return file, err
		},
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("store %s: %w", n.Path, ErrLocked)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("store %s: %w: %w", n.Path, ErrCorrupt, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("store %s: %w (does another user own it?)", n.Path, err)
	case err != nil:
		return nil, fmt.Errorf("store %s: %w", n.Path, err)
	}
	return db, nil
}

// prepare runs the migrations that the file has not seen and marks it open.
func (s *Store) prepare(tx *Tx, steps []migration) error {
	b, err := tx.tx.CreateBucketIfNotExists(meta)
	if err != nil {
		return err
	}
	version := uint64(0)
	if v := b.Get(metaVersion); len(v) == 8 {
		version = binary.BigEndian.Uint64(v)
	} else if v != nil {
		return fmt.Errorf("%w: version of %d bytes", ErrCorrupt, len(v))
	}
	if version > uint64(len(steps)) {
		return fmt.Errorf("%w: version %d, this program knows %d", ErrNewer, version, len(steps))
	}
	for ; version < uint64(len(steps)); version++ {
		if err := steps[version].apply(tx); err != nil {
			return fmt.Errorf("migration %d (%s): %w", version+1, steps[version].name, err)
		}
	}
	s.clean = b.Get(metaOpen) == nil
	if err := b.Put(metaOpen, []byte{1}); err != nil {
		return err
	}
	return b.Put(metaVersion, binary.BigEndian.AppendUint64(nil, version))
}

// Tx is one transaction. It is valid only inside the function it is given to.
type Tx struct{ tx *bbolt.Tx }

// Update runs fn in a read-write transaction: all of it is on disk when Update returns nil, none of
// it where fn or the commit fails.
func (s *Store) Update(fn func(*Tx) error) error { return s.guard(s.db.Update, fn) }

// View runs fn in a read-only transaction.
func (s *Store) View(fn func(*Tx) error) error { return s.guard(s.db.View, fn) }

// guard turns the panic or fault of a corrupt page into a store that says it is out of order.
func (s *Store) guard(run func(func(*bbolt.Tx) error) error, fn func(*Tx) error) (err error) {
	if p := s.broken.Load(); p != nil {
		return fmt.Errorf("%w: %w", ErrDegraded, *p)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, r)
			s.fail(err)
		}
	}()
	return run(func(tx *bbolt.Tx) error { return fn(&Tx{tx}) })
}

// Degraded returns why the store is out of order, or nil.
func (s *Store) Degraded() error {
	if p := s.broken.Load(); p != nil {
		return *p
	}
	return nil
}

// Check reads the whole file: bbolt's own page check, then every value of every table. The error
// lists what it found.
func (s *Store) Check() error {
	return s.View(func(tx *Tx) error {
		var found []error
		for err := range tx.tx.Check() {
			found = append(found, err)
		}
		if len(found) == 0 {
			found = tx.checkTables()
		}
		if len(found) > 0 {
			return fmt.Errorf("%w: %w", ErrCorrupt, errors.Join(found...))
		}
		return nil
	})
}

// Path returns the file's path.
func (s *Store) Path() string { return s.db.Path() }

// Close marks the file as closed cleanly and releases it.
func (s *Store) Close() error {
	s.checks.Wait()
	err := s.Update(func(tx *Tx) error { return tx.tx.Bucket(meta).Delete(metaOpen) })
	if errors.Is(err, ErrDegraded) {
		err = nil // said already; the next Open checks the file
	}
	return errors.Join(err, s.db.Close())
}
