package uploads

import (
	"strconv"
	"time"

	"github.com/ginnel/ginnel/core/store"
)

// What an answer left is remembered for the rest of its week and five more: OpenAI keeps responses for 30 days.
const (
	week      = 7 * 24 * time.Hour
	weeksKept = 5
)

// longest bounds an id that is remembered, in bytes. Those of vendors have a hundred.
const longest = 1 << 10

// Left is what is remembered of what an answer left.
type Left = store.Left

// weekly returns how the keys of a week begin, some weeks ago.
func (u *Uploads) weekly(ago int64) string {
	const fixed = 1 << 16 // so that all have as many digits
	n := strconv.FormatInt(u.now().Unix()/int64(week/time.Second)-ago+fixed, 16)
	return n + "\x00"
}

// Left returns what an owner has of an answer under an id, or false.
func (u *Uploads) Left(o Owner, id string) (v Left, found bool, err error) {
	if u == nil {
		return Left{}, false, nil
	}
	err = u.store.View(func(tx *store.Tx) (err error) {
		v, _, found, err = u.left(tx, o.prefix()+id)
		return err
	})
	return v, found, err
}

// left looks for a record in all weeks, and returns its key in the table too.
func (u *Uploads) left(tx *store.Tx, key string) (v Left, at string, found bool, err error) {
	for ago := range int64(weeksKept + 1) {
		at = u.weekly(ago) + key
		if v, found, err = store.Lefts.Get(tx, at); found || err != nil {
			return v, at, found, err
		}
	}
	return Left{}, "", false, nil
}

// Leave gives an owner what an answer left: a response, of which v says more, if it is not "", and other things. What is
// known already stays as it is. It returns when that is on disk; many at a time share the wait.
func (u *Uploads) Leave(o Owner, response string, v Left, others []string) error {
	if u == nil {
		return nil
	}
	fresh := make(map[string]Left, 1+len(others))
	for _, id := range others {
		if id != "" && len(id) <= longest {
			fresh[o.prefix()+id] = Left{}
		}
	}
	if response != "" && len(response) <= longest {
		fresh[o.prefix()+response] = v
	}
	known := func(tx *store.Tx) error { // answers that are fetched come by here, too
		for key := range fresh {
			if _, _, found, err := u.left(tx, key); err != nil {
				return err
			} else if found {
				delete(fresh, key)
			}
		}
		return nil
	}
	if err := u.store.View(known); err != nil || len(fresh) == 0 {
		return err
	}
	return u.store.Share(func(tx *store.Tx) error {
		if err := known(tx); err != nil {
			return err
		}
		this := u.weekly(0)
		for key, v := range fresh {
			if err := store.Lefts.Put(tx, this+key, v); err != nil {
				return err
			}
		}
		return u.sweep(tx, 2*len(fresh))
	})
}

// sweep removes some of the records whose weeks are over. Who adds one has two removed, so that all go in time and no
// write takes long.
func (u *Uploads) sweep(tx *store.Tx, most int) error {
	var over []string
	oldest := u.weekly(weeksKept)
	err := store.Lefts.Scan(tx, "", most, func(key string, _ Left) bool {
		if key >= oldest {
			return false
		}
		over = append(over, key)
		return true
	})
	if err != nil {
		return err
	}
	for _, key := range over {
		if err := store.Lefts.Delete(tx, key); err != nil {
			return err
		}
	}
	return nil
}

// Tell notes that what a response used is told. It returns what is remembered of it, and whether it was not told before.
func (u *Uploads) Tell(o Owner, response string) (v Left, first bool, err error) {
	if v, found, err := u.Left(o, response); err != nil || !found || !v.Open {
		return v, false, err // who looks often writes once
	}
	err = u.store.Share(func(tx *store.Tx) (err error) {
		var at string
		var found bool
		v, at, found, err = u.left(tx, o.prefix()+response)
		if first = err == nil && found && v.Open; !first {
			return err
		}
		v.Open = false
		return store.Lefts.Put(tx, at, v)
	})
	return v, first && err == nil, err
}

// Forget removes what an answer left.
func (u *Uploads) Forget(o Owner, id string) error {
	if u == nil {
		return nil
	}
	return u.store.Share(func(tx *store.Tx) error {
		_, at, found, err := u.left(tx, o.prefix()+id)
		if err != nil || !found {
			return err
		}
		return store.Lefts.Delete(tx, at)
	})
}
