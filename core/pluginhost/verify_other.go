//go:build !linux

package pluginhost

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

func shared(fs.FileInfo) bool { return false }

func sealed(context.Context, *os.File) (*os.File, error) { return nil, errors.ErrUnsupported }
