package pluginhost

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"sync"
)

// copies are the executables that are run from a copy in memory. All processes of one share it, as they would the pages
// of a file; it goes with the last of them.
type copies struct {
	mu sync.Mutex // protects what follows
	of map[[sha256.Size]byte]*copied
}

type copied struct {
	file  *os.File
	users int
}

// take returns a copy of an executable that has the sum, read only, and what gives it back when no process runs from
// it any more.
func (c *copies) take(ctx context.Context, exe *os.File, sum [sha256.Size]byte) (*os.File, func(), error) {
	if f, free, err := c.share(sum, nil); f != nil || err != nil {
		return f, free, err
	}
	twin, err := sealed(ctx, exe)
	if err != nil {
		return nil, nil, err
	}
	if err := hasSum(ctx, twin, sum); err != nil { // somebody has written meanwhile
		twin.Close()
		return nil, nil, err
	}
	return c.share(sum, twin)
}

// share returns the copy with a sum, which is twin where there was none before. It has no file where there is neither.
func (c *copies) share(sum [sha256.Size]byte, twin *os.File) (*os.File, func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.of[sum]
	switch {
	case one != nil && twin != nil:
		twin.Close()
	case one == nil && twin == nil:
		return nil, nil, nil
	case one == nil:
		one = &copied{file: twin}
	}
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", one.file.Fd()))
	if err != nil {
		if one.users == 0 {
			one.file.Close()
		}
		return nil, nil, err
	}
	if c.of == nil {
		c.of = make(map[[sha256.Size]byte]*copied)
	}
	c.of[sum] = one
	one.users++
	return f, sync.OnceFunc(func() { c.give(sum) }), nil
}

func (c *copies) give(sum [sha256.Size]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.of[sum]
	if one.users--; one.users == 0 {
		one.file.Close()
		delete(c.of, sum)
	}
}
