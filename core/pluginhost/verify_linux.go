package pluginhost

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxExecutable bounds an executable that is copied, which takes memory, in bytes.
const maxExecutable = 1 << 30

// shared reports whether somebody may write to a file who is neither root nor this process's user.
func shared(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || info.Mode().Perm()&0o022 != 0 || stat.Uid != 0 && int(stat.Uid) != os.Geteuid()
}

// sealed returns a copy of an executable, in memory, that cannot be changed.
func sealed(ctx context.Context, f *os.File) (*os.File, error) {
	fd, err := unix.MemfdCreate("plugin", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if err == unix.EINVAL { // a kernel before 6.3, in which all can be executed
		fd, err = unix.MemfdCreate("plugin", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("others may write to it, and it cannot be copied: %w", err)
	}
	twin := os.NewFile(uintptr(fd), f.Name())
	n, err := io.Copy(twin, io.LimitReader(during{ctx, f}, maxExecutable+1))
	if err == nil && n > maxExecutable {
		err = fmt.Errorf("others may write to it, and it is larger than %d MiB", maxExecutable>>20)
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	}
	if err != nil {
		twin.Close()
		return nil, err
	}
	return twin, nil
}
