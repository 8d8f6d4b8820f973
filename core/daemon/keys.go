package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/ginnel/ginnel/core/access"
	"github.com/ginnel/ginnel/core/config"
	"github.com/ginnel/ginnel/core/store"
)

// Keys are the virtual keys of a data directory that no daemon uses. Its methods are those of
// Client.
type Keys struct {
	cfg   *config.Config
	store *store.Store
	keys  *access.Keys
}

// OpenKeys opens the keys without a daemon. The caller closes them.
func OpenKeys(cfg *config.Config, logger *slog.Logger) (*Keys, error) {
	s, err := store.Open(store.Needs{Path: filepath.Join(cfg.Gateway.DataDir, stateFile), Logger: logger})
	if err != nil {
		return nil, err
	}
	master, _, err := OpenMaster(cfg)
	if err == nil {
		var keys *access.Keys
		if keys, err = access.Open(access.Needs{Store: s, Master: master}); err == nil {
			return &Keys{cfg, s, keys}, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("keys: %w", err), s.Close())
}

// CreateKey makes a virtual key.
func (k *Keys) CreateKey(_ context.Context, n NewKey) (CreatedKey, error) {
	if err := CheckKey(k.cfg, n); err != nil {
		return CreatedKey{}, err
	}
	return createKey(k.keys, n)
}

// ListKeys lists the virtual keys.
func (k *Keys) ListKeys(context.Context) ([]*access.Key, error) { return k.keys.List(), nil }

// RevokeKey ends a virtual key.
func (k *Keys) RevokeKey(_ context.Context, id string) (*access.Key, error) { return k.keys.Revoke(id) }

// Close closes the store.
func (k *Keys) Close() error { return k.store.Close() }
