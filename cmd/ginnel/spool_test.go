package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// made is a file of n bytes that are made as they are read.
type made struct {
	left  int64
	block []byte
}

func (m *made) Read(p []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.block)
	n = int(min(int64(n), m.left))
	m.left -= int64(n)
	return n, nil
}

// keeper is a vendor that takes the hash of each file it is sent, and fails as often as it is told to.
type keeper struct {
	*httptest.Server

	mu    sync.Mutex // protects what follows
	fails int
	sums  []string
	model string
	sizes []int64
}

func startKeeper(t *testing.T) *keeper {
	k := new(keeper)
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form, err := r.MultipartReader()
		if err != nil {
			w.WriteHeader(400)
			return
		}
		var sum hash.Hash
		model := ""
		for {
			part, err := form.NextPart()
			if err != nil {
				break
			}
			if part.FormName() == "file" {
				sum = sha256.New()
				io.Copy(sum, part)
				continue
			}
			b, _ := io.ReadAll(part)
			if part.FormName() == "model" {
				model = string(b)
			}
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.sums, k.model, k.sizes = append(k.sums, hex.EncodeToString(sum.Sum(nil))), model, append(k.sizes, r.ContentLength)
		w.Header().Set("Content-Type", "application/json")
		if k.fails > 0 {
			k.fails--
			w.WriteHeader(500)
			io.WriteString(w, `{"error":{"message":"once more"}}`)
			return
		}
		fmt.Fprintf(w, `{"id":"file-%d","object":"file","text":"it was said"}`, len(k.sums))
	}))
	t.Cleanup(k.Close)
	return k
}

// heap returns what watches how much of the heap is in use at most, and what says so.
func heap(t *testing.T) (most func() uint64) {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, top := m.HeapInuse, m.HeapInuse
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				top = max(top, m.HeapInuse)
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-done
		return top - before
	}
}

// TestLongUploads: files that are larger than any memory for them pass byte for byte, whatever stands before and behind
// them and however they are sent, are sent again where the first attempt failed, and are nowhere afterwards.
func TestLongUploads(t *testing.T) {
	const size = 200 << 20
	up := startKeeper(t)
	hcl := relay(up.URL, emptyPipeline, "m")
	hcl = strings.Replace(strings.Replace(hcl, `model = "m"`, `model = "there"`, 1), "  models ", "  files = provider.up\n  models ", 1)
	hcl = strings.Replace(hcl, "attempts = 1", "attempts = 2", 1)
	gw := start(t, hcl)
	block := make([]byte, 1<<20-7)
	rand.Read(block)
	want := sha256.New()
	io.Copy(want, &made{size, block})
	sum := hex.EncodeToString(want.Sum(nil))
	most := heap(t)
	for _, c := range []struct {
		path, fields, model string
		length              bool
		fails, status       int
	}{
		{"/v1/audio/transcriptions", "file model", "there", true, 0, 200},
		{"/v1/audio/transcriptions", "model file", "there", false, 1, 200},
		{"/v1/files", "purpose file", "", false, 0, 200},
		{"/v1/files", "file purpose", "", true, 0, 200},
		{"/v1/files", "file batch", "", true, 0, 413}, // its lines would have to be read
	} {
		var head, tail bytes.Buffer
		w := multipart.NewWriter(&head)
		for _, field := range strings.Fields(c.fields) {
			if field == "file" {
				w.CreateFormFile("file", "a.wav")
				tail = head
				head = bytes.Buffer{}
				continue
			}
			switch field {
			case "model":
				w.WriteField("model", "m")
			case "batch":
				w.WriteField("purpose", "batch")
			default:
				w.WriteField("purpose", "user_data")
			}
		}
		w.Close()
		head, tail = tail, head
		body := io.MultiReader(&head, &made{size, block}, &tail)
		length := int64(head.Len()) + size + int64(tail.Len())
		req, err := http.NewRequestWithContext(context.Background(), "POST", gw.url+c.path, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", w.FormDataContentType())
		if c.length {
			req.ContentLength = length
		}
		up.mu.Lock()
		up.fails, up.sums, up.sizes = c.fails, nil, nil
		up.mu.Unlock()
		resp, text := gw.do(req)
		up.mu.Lock()
		made := c.fails + 1
		if c.status != 200 {
			made = 0
		}
		if resp.StatusCode != c.status || len(up.sums) != made || made > 0 && up.model != c.model {
			t.Errorf("%s: %d %s, %d attempts, model %q", c.fields, resp.StatusCode, text, len(up.sums), up.model)
		}
		for i := range up.sums {
			if up.sums[i] != sum || up.sizes[i] != length+max(int64(len(c.model)-len("m")), 0) {
				t.Errorf("%s: attempt %d got another file, of %d bytes", c.fields, i, up.sizes[i])
			}
		}
		up.mu.Unlock()
	}
	if got := most(); got > 32<<20 {
		t.Errorf("%d MiB of memory for files of %d MiB", got>>20, size>>20)
	} else {
		t.Logf("%d MiB of memory for files of %d MiB", got>>20, size>>20)
	}
	if left, err := os.ReadDir(gw.data); err != nil || strings.Contains(fmt.Sprint(left), "upload-") {
		t.Errorf("%v, %v", left, err)
	}
}

// TestLongUploadsOfStrangers: who has no key is told before anything is kept, and heard to its end.
func TestLongUploadsOfStrangers(t *testing.T) {
	up := startKeeper(t)
	gw := start(t, strings.Replace(relay(up.URL, emptyPipeline, "m"), `auth     = "none"`, "", 1))
	body, kind := upload(t, make([]byte, 8<<20), "model", "m")
	for range 3 {
		resp, text := gw.do(gw.requestTo(context.Background(), "POST", "/v1/audio/transcriptions", body, "Content-Type", kind))
		if resp.StatusCode != 401 || !strings.Contains(text, "no API key was given") {
			t.Errorf("%d %s", resp.StatusCode, text)
		}
	}
	if len(up.sums) > 0 {
		t.Error("it was sent on")
	}
}

// TestAnUploadThatAFilterReads: a filter of raw bodies sees all of an upload, up to what a body may have.
func TestAnUploadThatAFilterReads(t *testing.T) {
	up := startKeeper(t)
	hcl := relay(up.URL, rewriter(t)+"pipeline \"p\" { filters = [filter.rewriter] }\n", "m")
	gw := start(t, strings.Replace(hcl, `{ drain = "5s" }`, `{ drain = "5s", body = "4MiB" }`, 1))
	for size, want := range map[int]int{3 << 20: 200, 5 << 20: 413} {
		file := make([]byte, size)
		rand.Read(file)
		body, kind := upload(t, file, "model", "m")
		resp, text := gw.do(gw.requestTo(context.Background(), "POST", "/v1/audio/transcriptions?swap=an.empty.path,b", body, "Content-Type", kind))
		if resp.StatusCode != want {
			t.Errorf("%d bytes: %d %.300s", size, resp.StatusCode, text)
		}
		if sum := sha256.Sum256(file); want == 200 && (len(up.sums) != 1 || up.sums[0] != hex.EncodeToString(sum[:])) {
			t.Errorf("%d bytes: another file", size)
		}
	}
}
