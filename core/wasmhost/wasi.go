package wasmhost

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// wasiModule is the stub of WASI preview 1: clocks, random bytes and a log. There are no files, no
// environment and no waiting.
const wasiModule = "wasi_snapshot_preview1"

// The errno values of WASI preview 1 that the stub gives.
const (
	wasiOK      = 0
	wasiBadFD   = 8
	wasiFault   = 21
	wasiInvalid = 28
)

// maxLine bounds a line that a guest prints.
const maxLine = 1024

func wasiFuncs() []hostFunc {
	r := words(1)
	all := []hostFunc{
		{"args_get", words(2), r, "", wasiNothing},
		{"args_sizes_get", words(2), r, "", wasiZeroSizes},
		{"environ_get", words(2), r, "", wasiNothing},
		{"environ_sizes_get", words(2), r, "", wasiZeroSizes},
		{"clock_time_get", []api.ValueType{i32, i64, i32}, r, "", wasiClock},
		{"fd_write", words(4), r, "", wasiWrite},
		{"poll_oneoff", words(4), r, "", wasiPoll},
		{"proc_exit", words(1), nil, "", func(*instance, []uint64) { panic(errExit) }},
		{"random_get", words(2), r, "", wasiRandom},
		{"sched_yield", nil, r, "", wasiNothing},
	}
	for name, params := range wasiFiles {
		f := hostFunc{name: name, result: r, f: func(_ *instance, st []uint64) { st[0] = wasiBadFD }}
		for _, c := range params {
			f.params = append(f.params, map[rune]api.ValueType{'i': i32, 'I': i64}[c])
		}
		all = append(all, f)
	}
	return all
}

// wasiFiles is the rest of preview 1, with the parameters of each function: i for i32, I for i64.
// Languages link them even where nothing opens a file; here every descriptor is a bad one.
var wasiFiles = map[string]string{
	"clock_res_get": "ii", "proc_raise": "i",
	"fd_advise": "iIIi", "fd_allocate": "iII", "fd_close": "i", "fd_datasync": "i",
	"fd_fdstat_get": "ii", "fd_fdstat_set_flags": "ii", "fd_fdstat_set_rights": "iII", "fd_filestat_get": "ii",
	"fd_filestat_set_size": "iI", "fd_filestat_set_times": "iIIi", "fd_pread": "iiiIi", "fd_prestat_get": "ii",
	"fd_prestat_dir_name": "iii", "fd_pwrite": "iiiIi", "fd_read": "iiii", "fd_readdir": "iiiIi",
	"fd_renumber": "ii", "fd_seek": "iIii", "fd_sync": "i", "fd_tell": "ii",
	"path_create_directory": "iii", "path_filestat_get": "iiiii", "path_filestat_set_times": "iiiiIIi",
	"path_link": "iiiiiii", "path_open": "iiiiiIIii", "path_readlink": "iiiiii", "path_remove_directory": "iii",
	"path_rename": "iiiiii", "path_symlink": "iiiii", "path_unlink_file": "iii",
	"sock_accept": "iii", "sock_recv": "iiiiii", "sock_send": "iiiii", "sock_shutdown": "ii",
}

// defineWASI makes the stub known to a runtime.
func defineWASI(ctx context.Context, r wazero.Runtime) error {
	return define(ctx, r, wasiModule, wasiFuncs())
}

func wasiNothing(_ *instance, st []uint64) { st[0] = wasiOK }

func (in *instance) errno(st []uint64, ok bool) {
	st[0] = wasiOK
	if !ok {
		st[0] = wasiFault
	}
}

func wasiZeroSizes(in *instance, st []uint64) {
	ok := in.mem.WriteUint32Le(api.DecodeU32(st[0]), 0) && in.mem.WriteUint32Le(api.DecodeU32(st[1]), 0)
	in.errno(st, ok)
}

func wasiClock(in *instance, st []uint64) {
	var t int64
	switch api.DecodeU32(st[0]) {
	case 0:
		t = time.Now().UnixNano()
	case 1:
		t = int64(time.Since(in.filter.started))
	default:
		st[0] = wasiInvalid
		return
	}
	in.errno(st, in.mem.WriteUint64Le(api.DecodeU32(st[2]), uint64(t)))
}

func wasiRandom(in *instance, st []uint64) {
	b, ok := in.bytes(st, 0)
	if ok {
		in.pay(len(b) << byteShift) // a random byte costs more than a copied one
		rand.Read(b)
	}
	in.errno(st, ok)
}

// wasiWrite sends what the guest prints to the log, line by line. Languages print when they die.
func wasiWrite(in *instance, st []uint64) {
	if fd := api.DecodeU32(st[0]); fd != 1 && fd != 2 {
		st[0] = wasiBadFD
		return
	}
	vectors, count, size := api.DecodeU32(st[1]), min(api.DecodeU32(st[2]), 64), api.DecodeU32(st[3])
	total := uint32(0)
	for i := range count {
		p, ok1 := in.mem.ReadUint32Le(vectors + 8*i)
		n, ok2 := in.mem.ReadUint32Le(vectors + 8*i + 4)
		b, ok3 := in.mem.Read(p, n)
		if !ok1 || !ok2 || !ok3 {
			st[0] = wasiFault
			return
		}
		in.pay(len(b))
		in.print(b)
		total += n
	}
	in.errno(st, in.mem.WriteUint32Le(size, total))
}

// print gathers bytes into lines.
func (in *instance) print(b []byte) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		part := b
		if i >= 0 {
			part, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		in.line = append(in.line, part[:min(len(part), maxLine-len(in.line))]...)
		if i >= 0 {
			in.flushLine()
		}
	}
}

func (in *instance) flushLine() {
	if len(in.line) > 0 {
		in.logLine(slog.LevelError, string(in.line))
		in.line = in.line[:0]
	}
}

// The layout of poll_oneoff's records.
const (
	subscription = 48
	wasiEvent    = 32
	maxPolled    = 64
)

// wasiPoll says that everything has happened, without waiting: a callback's time is too short to
// sleep in.
func wasiPoll(in *instance, st []uint64) {
	from, to, n := api.DecodeU32(st[0]), api.DecodeU32(st[1]), api.DecodeU32(st[2])
	if n == 0 || n > maxPolled {
		st[0] = wasiInvalid
		return
	}
	for i := range n {
		s, ok := in.mem.Read(from+subscription*i, subscription)
		e, ok2 := in.mem.Read(to+wasiEvent*i, wasiEvent)
		if !ok || !ok2 {
			st[0] = wasiFault
			return
		}
		user, kind := binary.LittleEndian.Uint64(s), s[8]
		clear(e)
		binary.LittleEndian.PutUint64(e, user)
		e[10] = kind
	}
	in.errno(st, in.mem.WriteUint32Le(api.DecodeU32(st[3]), n))
}
