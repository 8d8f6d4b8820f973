package spool

import "golang.org/x/sys/unix"

// free returns how many bytes of a directory's disk are free for everybody.
func free(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(min(s.Bavail, 1<<40)) * s.Bsize, nil
}
