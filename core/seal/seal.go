// Package seal protects secrets at rest: one master key, keys derived from it by purpose, and
// authenticated encryption under a derived key.
//
// It does not decide what is a secret and stores nothing but the master key file.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// MinSecret is the least number of bytes of a secret that an operator supplies.
const MinSecret = 32

// Errors of this package.
var (
	ErrShort  = fmt.Errorf("master secret is shorter than %d bytes", MinSecret)
	ErrOpen   = errors.New("sealed value cannot be opened: wrong master key or changed data")
	ErrPublic = errors.New("master key file can be read by others; its mode must be 0600")
)

// Master is the secret from which all others derive.
type Master struct{ secret []byte }

// New returns the master key for a secret of at least MinSecret bytes.
func New(secret []byte) (*Master, error) {
	if len(secret) < MinSecret {
		return nil, ErrShort
	}
	return &Master{append([]byte(nil), secret...)}, nil
}

// Random returns a master key that lives as long as the process.
func Random() *Master {
	m := &Master{make([]byte, 32)}
	rand.Read(m.secret) // never fails
	return m
}

// File returns the master key in the file, which holds 64 hex digits; a file that is not there is
// made with mode 0600. Made reports that it was.
func File(path string) (m *Master, made bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		m = Random()
		return m, true, create(path, m)
	}
	if err != nil {
		return nil, false, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, false, fmt.Errorf("%s: %w", path, ErrPublic)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, false, err
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, false, fmt.Errorf("%s: not a key in hex digits", path)
	}
	m, err = New(secret)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", path, err)
	}
	return m, false, nil
}

// create writes the file whole or not at all: a torn key would lose every sealed value.
func create(path string, m *Master) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".master-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(hex.EncodeToString(m.secret) + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Link(f.Name(), path) // unlike a rename, fails where another process was first
}

// Derive returns the key of n bytes for a purpose (HKDF-SHA256, RFC 5869, with the label as info).
func (m *Master) Derive(label string, n int) []byte {
	key, err := hkdf.Key(sha256.New, m.secret, nil, "ginnel/"+label, n)
	if err != nil {
		panic(err) // n is a constant of the program
	}
	return key
}

// Box seals values of one purpose with AES-256-GCM.
type Box struct{ aead cipher.AEAD }

// Box returns the box for a purpose.
func (m *Master) Box(label string) *Box {
	block, err := aes.NewCipher(m.Derive(label, 32))
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return &Box{aead}
}

// Seal encrypts plain; name is bound to it, so that a value cannot be moved to another name.
func (b *Box) Seal(name string, plain []byte) []byte {
	return b.aead.Seal(nil, nil, plain, []byte(name))
}

// Open decrypts what Seal made under the same name.
func (b *Box) Open(name string, sealed []byte) ([]byte, error) {
	plain, err := b.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, ErrOpen)
	}
	return plain, nil
}
