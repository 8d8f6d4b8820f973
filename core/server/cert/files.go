package cert

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// recheck is how often a handshake looks whether the files changed.
const recheck = 2 * time.Second

// files serves one certificate from two files, and reads them again when a handshake finds them
// changed. No goroutine watches them: without handshakes nobody needs the new one.
type files struct {
	cert, key string
	log       *slog.Logger
	now       func() time.Time

	mu      sync.Mutex // protects what follows
	current *tls.Certificate
	stamp   [2]stamp
	checked time.Time
}

// stamp tells two versions of a file apart.
type stamp struct {
	size int64
	mod  time.Time
}

func openFiles(c Config) (*Source, error) {
	f := &files{cert: c.CertFile, key: c.KeyFile, log: c.Logger, now: time.Now}
	if err := f.load(); err != nil {
		return nil, err
	}
	return &Source{get: f.get}, nil
}

func (f *files) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); now.Sub(f.checked) >= recheck {
		f.checked = now
		if f.stamps() != f.stamp {
			f.reload()
		}
	}
	return f.current, nil
}

// reload keeps the old certificate where the new one cannot be read: it may be half written.
func (f *files) reload() {
	old := f.stamp
	if err := f.load(); err != nil {
		f.stamp = old
		f.log.Warn("certificate not reloaded, the old one stays", "file", f.cert, "error", err)
		return
	}
	f.log.Info("certificate reloaded", "file", f.cert, "not_after", f.current.Leaf.NotAfter)
}

func (f *files) load() error {
	f.stamp = f.stamps() // before reading, so that a later write is noticed
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", f.cert, err)
	}
	f.current = &pair
	return nil
}

func (f *files) stamps() (s [2]stamp) {
	for i, name := range [...]string{f.cert, f.key} {
		if info, err := os.Stat(name); err == nil {
			s[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return s
}
