package spool

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/openai"
	"github.com/ginnel/ginnel/sdk/llm"
)

func anyRoom(int64) bool { return true }

// form writes form data with fields and a file of a size between them.
func form(t testing.TB, size int) (body []byte, boundary string) {
	t.Helper()
	file := make([]byte, size)
	rand.Read(file)
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	w.WriteField("purpose", "user_data")
	part, err := w.CreateFormFile("file", "a.bin")
	if err != nil {
		t.Fatal(err)
	}
	part.Write(file)
	w.WriteField("model", "m")
	w.Close()
	return b.Bytes(), w.Boundary()
}

// sent returns what a body says, put together as it is sent.
func sent(t testing.TB, b *exchange.Body) []byte {
	t.Helper()
	text, held := b.Bytes(), b.Held()
	var out []byte
	last := 0
	for _, h := range held.Holes {
		out = append(out, text[last:h.At]...)
		last = h.At
		piece := make([]byte, h.Len)
		if _, err := held.File.ReadAt(piece, h.Off); err != nil {
			t.Fatal(err)
		}
		out = append(out, piece...)
	}
	return append(out, text[last:]...)
}

func receive(t testing.TB, body []byte, boundary string, how func(io.Reader) io.Reader) (*Form, error) {
	t.Helper()
	f := New(boundary, In(t.TempDir()), anyRoom)
	return f, f.Receive(how(bytes.NewReader(body)))
}

func plain(r io.Reader) io.Reader { return r }

func TestForms(t *testing.T) {
	for _, size := range []int{0, 1, Beginning, Whole - 300, Whole, Whole + 1, Whole + Beginning, 3*Whole + 12345} {
		body, boundary := form(t, size)
		for name, how := range map[string]func(io.Reader) io.Reader{"as it comes": plain, "half": iotest.HalfReader, "with the end": iotest.DataErrReader} {
			f, err := receive(t, body, boundary, how)
			if err != nil {
				t.Fatal(err)
			}
			b := f.Body()
			if !bytes.Equal(sent(t, &b), body) || b.Size() != int64(len(body)) {
				t.Errorf("%d bytes, %s: what is sent is another", size, name)
			}
			if holes := b.Held().Holes; len(b.Raw()) > Whole+2*Beginning || (len(holes) > 0) != (size >= Whole) {
				t.Errorf("%d bytes, %s: %d in memory, %d holes", size, name, len(b.Raw()), len(holes))
			}
			var read, want dialect.Request
			read.Boundary, want.Boundary = boundary, boundary
			if err := (openai.Codec{}).Request(llm.OpFiles, b.Raw(), &read); err != nil {
				t.Errorf("%d bytes, %s: %v", size, name, err)
			}
			if err := (openai.Codec{}).Request(llm.OpFiles, body, &want); err != nil || read.Purpose != want.Purpose || read.File.Len() == 0 && size > 0 {
				t.Errorf("%d bytes, %s: %+v, want %+v", size, name, read, want)
			}
			if err := b.Load(int64(len(body)) - 1); len(b.Held().Holes) > 0 && !errors.Is(err, exchange.ErrTooLong) {
				t.Errorf("%d bytes: %v", size, err)
			}
			if err := b.Load(int64(len(body))); err != nil || !bytes.Equal(b.Bytes(), body) || len(b.Held().Holes) > 0 {
				t.Errorf("%d bytes, %s: loaded: %v", size, name, err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestEditedForms: the model is another on the way, before the file and behind it.
func TestEditedForms(t *testing.T) {
	file := strings.Repeat("\x00some\r\nwords-", Whole/5)
	for _, order := range []string{"model file", "file model", "file file model file"} {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for i, name := range strings.Fields(order) {
			if name == "model" {
				w.WriteField("model", "m")
				continue
			}
			part, _ := w.CreateFormFile(fmt.Sprint("image", i), "a")
			io.WriteString(part, file)
		}
		w.Close()
		f, err := receive(t, b.Bytes(), w.Boundary(), plain)
		if err != nil {
			t.Fatal(err)
		}
		body := f.Body()
		read := dialect.Request{Boundary: w.Boundary()}
		if err := (openai.Codec{}).Request(llm.OpImageEdits, body.Raw(), &read); err != nil {
			t.Fatal(err)
		}
		if err := body.Splice(read.ModelSpan, []byte("another one")); err != nil {
			t.Fatal(err)
		}
		want := strings.Replace(b.String(), "\"model\"\r\n\r\nm\r\n", "\"model\"\r\n\r\nanother one\r\n", 1)
		if got := sent(t, &body); string(got) != want {
			t.Errorf("%s: %d bytes, want %d", order, len(got), len(want))
		}
		f.Close()
	}
}

// broken is a file whose disk is full after some bytes.
type broken struct{ left int64 }

func (b *broken) WriteAt(p []byte, _ int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(p), nil
}
func (b *broken) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (b *broken) Close() error                      { return nil }

func TestWhatCannotBeReceived(t *testing.T) {
	body, boundary := form(t, 3*Whole)
	f := New(boundary, func() (File, error) { return &broken{left: Whole}, nil }, anyRoom)
	if err := f.Receive(bytes.NewReader(body)); !errors.Is(err, ErrFile) {
		t.Errorf("a full disk: %v", err)
	}
	f = New(boundary, In("/nowhere/at/all"), anyRoom)
	if err := f.Receive(bytes.NewReader(body)); !errors.Is(err, ErrFile) {
		t.Errorf("no directory: %v", err)
	}
	room := int64(Whole / 2)
	f = New(boundary, In(t.TempDir()), func(n int64) bool { room -= n; return room >= 0 })
	if err := f.Receive(bytes.NewReader(body)); !errors.Is(err, ErrRoom) {
		t.Errorf("no room: %v", err)
	}
	cut := errors.New("cut")
	if _, err := receive(t, body, boundary, func(r io.Reader) io.Reader { return io.MultiReader(io.LimitReader(r, 2*Whole), iotest.ErrReader(cut)) }); !errors.Is(err, cut) {
		t.Errorf("cut: %v", err)
	}
	inside := bytes.Replace(body, []byte("\r\n--"+boundary+"\r\nContent-Disposition: form-data; name=\"model\""), []byte("xx--"+boundary+"\r\nContent-Disposition: form-data; name=\"model\""), 1)
	if _, err := receive(t, inside, boundary, plain); !errors.Is(err, ErrForm) {
		t.Errorf("a delimiter inside a part: %v", err)
	}
}

// TestFilesHaveNoNames: a file is gone from its directory as soon as it is there, and from the disk with its form.
func TestFilesHaveNoNames(t *testing.T) {
	dir := t.TempDir()
	body, boundary := form(t, 2*Whole)
	f := New(boundary, In(dir), anyRoom)
	if err := f.Receive(bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestADiskThatIsNearlyFull: what others need stays free.
func TestADiskThatIsNearlyFull(t *testing.T) {
	f, err := In(t.TempDir())()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	left, err := free(f.(*thrifty).dir)
	if err != nil || left <= 0 {
		t.Fatal(left, err)
	}
	if _, err := f.WriteAt([]byte("x"), 0); (err == nil) != (left >= spare+looked) {
		t.Errorf("%d MiB free: %v", left>>20, err)
	}
	f.(*thrifty).dir, f.(*thrifty).may = "/nowhere/at/all", 0
	if _, err := f.WriteAt([]byte("x"), 1); err == nil && left < math.MaxInt64 {
		t.Error("a disk that is not there")
	}
}

// FuzzForms: whatever comes, what is sent is what came, and the codec reads the same of what is in memory, or refuses
// it.
func FuzzForms(f *testing.F) {
	body, boundary := form(f, 100)
	f.Add(body, boundary, uint16(10))
	f.Add([]byte("--a-\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nxx-\r\n--a-\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--a---\r\n"), "a-", uint16(1))
	f.Add([]byte("--a\r\n\r\n--a--"), "a", uint16(3))
	f.Fuzz(func(t *testing.T, body []byte, boundary string, piece uint16) {
		if len(body) > 4<<10 || len(boundary) == 0 || len(boundary) > 70 || strings.ContainsAny(boundary, "\r\n") {
			return
		}
		// What is long is so behind a part's head: each line of a body becomes longer than what stays in memory here.
		var long []byte
		for line := range bytes.SplitAfterSeq(body, []byte("\r\n\r\n")) {
			long = append(long, line...)
			if bytes.HasSuffix(line, []byte("\r\n\r\n")) {
				long = append(long, bytes.Repeat([]byte("-\r"), 2<<10)...)
			}
		}
		for _, body := range [][]byte{body, long} {
			form := New(boundary, func() (File, error) { return new(memory), nil }, anyRoom)
			form.whole, form.beginning = 0, 2<<10
			err := form.Receive(pieces{bytes.NewReader(body), int(piece)%4096 + 1 + len(body)/64})
			if errors.Is(err, ErrForm) {
				if codecOf(body, boundary) != nil {
					t.Fatalf("a form that can be read is refused: %q", body[:min(len(body), 500)])
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			b := form.Body()
			if !bytes.Equal(sent(t, &b), body) {
				t.Fatal("what is sent is another")
			}
			read, want := codecOf(b.Raw(), boundary), codecOf(body, boundary)
			if (read == nil) != (want == nil) && len(b.Held().Holes) == 0 {
				t.Fatalf("read %v, want %v", read, want)
			}
			if read != nil && (want == nil || read.model != want.model || read.purpose != want.purpose || read.stream != want.stream) {
				t.Fatalf("read %+v, want %+v", read, want)
			}
		}
	})
}

type said struct {
	model, purpose string
	stream         bool
}

// codecOf returns what the codec reads of form data, nil where it refuses it.
func codecOf(body []byte, boundary string) *said {
	r := dialect.Request{Boundary: boundary}
	if (openai.Codec{}).Request(llm.OpTranscriptions, body, &r) != nil {
		return nil
	}
	return &said{r.Model, r.Purpose, r.Stream}
}

// memory is a file in memory.
type memory struct{ b []byte }

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	m.b = append(m.b[:off], p...)
	return len(p), nil
}
func (m *memory) ReadAt(p []byte, off int64) (int, error) { return copy(p, m.b[off:]), nil }
func (m *memory) Close() error                            { return nil }

// pieces reads so many bytes at a time.
type pieces struct {
	r io.Reader
	n int
}

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.n)]) }
