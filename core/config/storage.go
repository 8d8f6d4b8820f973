package config

import "github.com/ginnel/ginnel/sdk/schema"

// minMaster is the least length of a master secret, in bytes.
const minMaster = 32

// Storage is the storage block.
type Storage struct {
	Master Secret // empty = the file master.key in the data directory
}

func storageShape() *schema.Block {
	return &schema.Block{
		Doc: "How state is kept.", Max: 1,
		Attrs: []schema.Attr{
			{Name: "encryption", Kind: schema.Object, Optional: true, Restart: true, Doc: "How secrets are sealed at rest.", Fields: []schema.Attr{
				{Name: "key", Kind: schema.String, Optional: true, Sensitive: true, Doc: "The master secret, at least 32 bytes: `secret.NAME`. Without it, `master.key` is made in the data directory."},
			}},
		},
	}
}

func (b *builder) storage() {
	n := b.cfg.root.one("storage")
	if n == nil {
		return
	}
	key := get[string](n, "encryption.key")
	if at := n.at("encryption.key"); key != "" && len(key) < minMaster {
		b.errorf(at.rng, "Secret too short", "The master secret needs at least %d bytes.", minMaster)
	}
	b.cfg.Storage.Master = NewSecret(key)
}
