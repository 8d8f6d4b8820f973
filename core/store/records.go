package store

import (
	"errors"
	"fmt"
	"time"
)

// Key is a virtual key as it is stored: never the key itself.
type Key struct {
	ID      string    `json:"id"`
	Name    string    `json:"name,omitempty"`
	Team    string    `json:"team,omitempty"`
	Models  []string  `json:"models,omitempty"` // empty = those of the team or the route
	Pepper  string    `json:"pepper"`           // id of the pepper Digest was made with
	Digest  []byte    `json:"digest"`           // HMAC-SHA256 of the key
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// Check reports what is wrong with a key stored under the given id.
func (k Key) Check(id string) error {
	switch {
	case k.ID != id:
		return fmt.Errorf("holds the key %q", k.ID)
	case len(k.Digest) != 32:
		return fmt.Errorf("digest of %d bytes", len(k.Digest))
	case k.Pepper == "":
		return errors.New("no pepper id")
	}
	return nil
}

// Upload is what a vendor keeps for a tenant: a file, or a batch of calls.
type Upload struct {
	Created time.Time `json:"created"`
	Kind    string    `json:"kind,omitempty"`    // "files", "batches", "conversations" or "containers"; "" where that was not remembered yet
	Expires time.Time `json:"expires,omitzero"`  // when the vendor deletes it
	Gone    time.Time `json:"gone,omitzero"`     // since when the vendor says that there is none
	Purpose string    `json:"purpose,omitempty"` // of a file
	Models  []string  `json:"models,omitempty"`  // that the calls in it are of
	Calls   int64     `json:"calls,omitempty"`   // in it
	Counted bool      `json:"counted,omitempty"` // what the batch used was told
}

// Left is what an answer left at a vendor for a tenant: a stored response, an item of it, a container.
type Left struct {
	Model  string `json:"model,omitempty"`  // that was asked, of a response
	Open   bool   `json:"open,omitempty"`   // what the response used is not told yet
	Tenant string `json:"tenant,omitempty"` // who made one that is or was open, also where it is everybody's
	Key    string `json:"key,omitempty"`    // id of the key that was used for it
}

// Blob is a value that somebody else defines.
type Blob struct {
	Data     []byte    `json:"data"`
	Modified time.Time `json:"modified"`
}
