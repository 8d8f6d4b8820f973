package upstream

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
)

// patient is a Judge to whom nothing is ever more than an opening.
type patient struct{ lengths }

func (patient) Begun(*Answer) (Look, error) { return Held, nil }

// TestWhatIsHeldBackIsGivenOn when its time is over, though nothing follows, and the rest comes behind it.
func TestWhatIsHeldBackIsGivenOn(t *testing.T) {
	more := make(chan struct{})
	goOn := sync.OnceFunc(func() { close(more) })
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, ": wait\n\n")
		w.(http.Flusher).Flush()
		<-more
		io.WriteString(w, "the rest")
	}))
	defer up.Close()
	defer goOn()
	origin, err := egress.New(egress.Needs{}).Origin(egress.Config{URL: up.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer origin.Close()
	resp, err := origin.Do(context.Background(), &egress.Request{Method: "GET", Path: "/"})
	if err != nil {
		t.Fatal(err)
	}
	const left = 20 * time.Millisecond
	a := &Answer{Status: 200, Came: time.Now().Add(left - heldFor), Body: resp.Body}
	if err := begin(a, &Call{Judge: patient{}}); err != nil || string(a.First) != ": wait\n\n" || a.Ended || a.Failure != nil {
		t.Fatalf("%q, %v, %v", a.First, err, a.Failure)
	}
	if time.Since(a.Came) < heldFor {
		t.Error("it was given on before its time was over")
	}
	goOn()
	if rest, err := a.Body.All(nil, 100); string(rest) != "the rest" || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
}
