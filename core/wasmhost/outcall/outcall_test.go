package outcall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// origin serves what its path names and returns the granted origins with one granted: itself.
func origin(t *testing.T) (*Origins, string) {
	t.Helper()
	gone := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/big":
			w.Write(make([]byte, MaxBody+1))
		case "/redirect":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/slow":
			select {
			case <-r.Context().Done():
			case <-gone:
			}
		case "/cut":
			w.Header().Set("content-length", "10")
			w.Write([]byte("half"))
		default:
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("x-got", r.Header.Get("x-key"))
			fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Host, r.URL, body)
		}
	}))
	o, err := Open(egress.New(egress.Needs{}), []string{s.URL}, egress.ByName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close(); close(gone); s.Close() })
	return o, s.URL
}

func TestCalls(t *testing.T) {
	o, url := origin(t)
	host := strings.TrimPrefix(url, "http://")
	for _, c := range []struct {
		r            Request
		status       int
		body, reason string
	}{
		{Request{URL: url + "/a?b=c", Header: llm.Header{{Name: "x-key", Value: "k"}, {Name: "Host", Value: "elsewhere"}}}, 200, "GET " + host + " /a?b=c ", ""},
		{Request{URL: strings.ToUpper(url[:4]) + url[4:], Body: []byte("hello")}, 200, "POST " + host + " / hello", ""},
		{Request{URL: url + "/redirect", Method: "GET"}, 302, "", ""},
		{Request{URL: url + "/big"}, 200, "", "too_large"},
		{Request{URL: url + "/cut"}, 200, "half", "cut"},
		{Request{URL: url + "/slow", Timeout: time.Millisecond}, 0, "", "timeout"},
	} {
		calls := o.New()
		id, err := calls.Start(t.Context(), c.r)
		if err != nil || id != 1 || calls.Outstanding() != 1 {
			t.Errorf("%s: call %d, %v", c.r.URL, id, err)
			continue
		}
		got, err := calls.Wait(t.Context())
		if err != nil || calls.Outstanding() != 0 {
			t.Errorf("%s: %v", c.r.URL, err)
			continue
		}
		if got.Status != c.status || got.Reason() != c.reason || c.body != "" && string(got.Body) != c.body {
			t.Errorf("%s: %d %q, %s (%v)", c.r.URL, got.Status, got.Body, got.Reason(), got.Err)
		}
		if len(got.Body) > MaxBody {
			t.Errorf("%s: a body of %d bytes", c.r.URL, len(got.Body))
		}
		if want := c.r.Header.Get("x-key"); got.Header.Get("x-got") != want {
			t.Errorf("%s: header %v", c.r.URL, got.Header)
		}
	}
}

func TestWhatMayNotBeCalled(t *testing.T) {
	o, url := origin(t)
	for _, c := range []struct {
		r    Request
		want error
	}{
		{Request{URL: "http://example.com/"}, ErrDenied},
		{Request{URL: strings.Replace(url, "http", "https", 1)}, ErrDenied},
		{Request{URL: "ftp" + strings.TrimPrefix(url, "http")}, ErrDenied},
		{Request{URL: url + "0/"}, ErrDenied},
		{Request{URL: strings.Replace(url, "//", "//user@", 1)}, ErrInvalid},
		{Request{URL: strings.Replace(url, "//", "//"+strings.TrimPrefix(url, "http://")+"@example.com", 1)}, ErrInvalid},
		{Request{URL: "file:///etc/passwd"}, ErrInvalid},
		{Request{URL: "/relative"}, ErrInvalid},
		{Request{URL: "http:" + strings.TrimPrefix(url, "http://")}, ErrInvalid},
		{Request{URL: url, Method: "CONNECT"}, ErrInvalid},
		{Request{URL: url, Method: "GET / HTTP/1.1\r\n"}, ErrInvalid},
		{Request{URL: url, Header: llm.Header{{Name: "a b", Value: ""}}}, ErrInvalid},
		{Request{URL: url, Header: llm.Header{{Name: "a", Value: "\r\nb: c"}}}, ErrInvalid},
		{Request{URL: url, Header: llm.Header{{Name: "a", Value: strings.Repeat("x", MaxHeader)}}}, ErrTooLarge},
		{Request{URL: url, Body: make([]byte, MaxBody+1)}, ErrTooLarge},
	} {
		calls := o.New()
		if _, err := calls.Start(t.Context(), c.r); !errors.Is(err, c.want) {
			t.Errorf("%s %q: %v, want %v", c.r.Method, c.r.URL, err, c.want)
		}
		if _, err := calls.Wait(t.Context()); err != ErrNone {
			t.Errorf("waiting for what was refused: %v", err)
		}
	}
	if o.Open() != 0 {
		t.Errorf("%d calls are open", o.Open())
	}
}

func TestCallsAreBounded(t *testing.T) {
	o, url := origin(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	calls := o.New()
	for range MaxOutstanding {
		if _, err := calls.Start(ctx, Request{URL: url + "/slow"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := calls.Start(ctx, Request{URL: url}); err != ErrLimit {
		t.Errorf("one too many: %v", err)
	}
	gone := errors.New("gone")
	cancel(gone)
	if _, err := calls.Wait(ctx); err != nil && err != gone {
		t.Errorf("the client left: %v", err)
	}
	all := o.New()
	for range MaxStarted {
		if _, err := all.Start(t.Context(), Request{URL: url}); err != nil {
			t.Fatal(err)
		}
		if _, err := all.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := all.Start(t.Context(), Request{URL: url}); err != ErrLimit {
		t.Errorf("one too many in all: %v", err)
	}
}

func TestCloseEndsCalls(t *testing.T) {
	o, url := origin(t)
	calls := o.New()
	for range 3 {
		if _, err := calls.Start(context.Background(), Request{URL: url + "/slow", Timeout: MaxTime}); err != nil {
			t.Fatal(err)
		}
	}
	o.Close()
	if n := o.Open(); n != 0 {
		t.Errorf("%d calls are open", n)
	}
	for range 3 {
		if r, err := calls.Wait(t.Context()); err != nil || r.Err == nil {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if _, err := calls.Start(context.Background(), Request{URL: url}); err != ErrLimit {
		t.Errorf("after the end: %v", err)
	}
}

func TestOriginsThatAreNone(t *testing.T) {
	for _, url := range []string{"", "ftp://a", "http://u:p@a", "http://a/path", "http://", ":"} {
		if o, err := Open(egress.New(egress.Needs{}), []string{url}, egress.ByName); err == nil {
			o.Close()
			t.Errorf("%q passes", url)
		}
	}
}

// TestCallsPassTheGuard: nothing is connected to but what is granted, and not where a granted name leads
// to if it is not the public address that such a name has.
func TestCallsPassTheGuard(t *testing.T) {
	leads, dials := "8.8.8.8", 0
	transport := egress.New(egress.Needs{
		Dial: func(context.Context, string, string) (net.Conn, error) {
			dials++
			return nil, errors.New("nobody is there")
		},
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr(leads)}, nil
		},
	})
	for _, c := range []struct {
		url, leads string
		reach      egress.Reach
		dials      int
	}{
		{"https://hooks.vendor.com/a", "8.8.8.8", egress.ByName, 1},
		{"https://hooks.vendor.com/a", "10.0.0.1", egress.ByName, 0},
		{"https://hooks.vendor.com/a", "127.0.0.1", egress.ByName, 0},
		{"https://hooks.vendor.com/a", "169.254.169.254", egress.ByName, 0},
		{"https://hooks.vendor.com/a", "64:ff9b::a00:1", egress.ByName, 0},
		{"https://hooks.vendor.com/a", "10.0.0.1", egress.Private, 1},
		{"https://hooks.vendor.com/a", "169.254.169.254", egress.Private, 0},
		{"https://other.vendor.com/a", "8.8.8.8", egress.Private, 0},
		{"https://8.8.8.8/a", "8.8.8.8", egress.Private, 0},
	} {
		o, err := Open(transport, []string{"https://hooks.vendor.com"}, c.reach)
		if err != nil {
			t.Fatal(err)
		}
		leads, dials = c.leads, 0
		calls := o.New()
		if _, err := calls.Start(t.Context(), Request{URL: c.url}); err == nil {
			if r, err := calls.Wait(t.Context()); err != nil || r.Reason() != "unavailable" {
				t.Errorf("%s at %s: %+v, %v", c.url, c.leads, r, err)
			}
		} else if !errors.Is(err, ErrDenied) {
			t.Errorf("%s: %v", c.url, err)
		}
		o.Close()
		if dials != c.dials {
			t.Errorf("%s at %s, reach %d: %d connections, want %d", c.url, c.leads, c.reach, dials, c.dials)
		}
	}
}
