package sdktest

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/provider"
	"github.com/ginnel/ginnel/sdk/schema"
)

// ProviderCase is a provider and what it needs to be held to its contract. A call that is nil is one
// that the provider cannot be made to take; its part of the list is skipped.
type ProviderCase struct {
	New    func() provider.Provider
	Start  func(t T) *Host // instead of New: starts a process that is not configured yet, until the check has ended
	Config string          // a config block that works, as JSON
	Part   bool            // Config leads to a part of the operations and dialects that the plugin has

	Unary  *llm.Call // a call that succeeds
	Stream *llm.Call // one that streams more than one chunk
	Fails  *llm.Call // one that fails before its first byte
	Cut    *llm.Call // a stream that breaks off after its first byte
	Stalls *llm.Call // a stream that says nothing more after its first byte
	Large  *llm.Call // one whose body has some megabytes
}

// Check is one item of the list.
type Check struct {
	Name string
	Run  func(T)
}

// Provider runs the list.
func Provider(t *testing.T, c ProviderCase) {
	for _, check := range c.Checks() {
		t.Run(check.Name, func(t *testing.T) { check.Run(t) })
	}
}

// Checks returns the list.
func (c ProviderCase) Checks() []Check {
	return []Check{
		{"describe", c.describe}, {"configure", c.configure}, {"relay", c.relay},
		{"unary", c.unary}, {"stream", c.stream}, {"fails", c.fails}, {"cut", c.cut}, {"stalls", c.stalls},
		{"large", c.large}, {"concurrent", c.concurrent}, {"drain", c.drain},
	}
}

// start returns a provider that is not configured.
func (c ProviderCase) start(t T) *Host {
	t.Helper()
	if c.Start != nil {
		return c.Start(t)
	}
	return StartProvider(t, c.New())
}

func deadline(t T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), Deadline)
	t.Cleanup(cancel)
	return ctx
}

// ready returns a provider that is configured.
func (c ProviderCase) ready(t T) *Host {
	t.Helper()
	h := c.start(t)
	if err := h.Provider.Configure(deadline(t), []byte(c.Config)); err != nil {
		t.Fatalf("configure: %v", err)
	}
	return h
}

func (c ProviderCase) describe(t T) {
	h := c.start(t)
	info, err := h.Provider.Describe(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if info.Name == "" || info.Version == "" || len(info.Ops) == 0 || len(info.Dialects) == 0 {
		t.Errorf("a name, a version, operations and dialects are needed: %+v", info)
	}
	if !info.Relays && !info.Invokes {
		t.Error("it is neither a Relayer nor an Invoker")
	}
	if err := checkShape(info.Config); err != nil {
		t.Error(err)
	}
}

func checkShape(b *schema.Block) error {
	if b == nil {
		return nil
	}
	return b.Check()
}

func (c ProviderCase) configure(t T) {
	refused(t, c.Config, func(t T) func(context.Context, []byte) error {
		return c.start(t).Provider.Configure
	})
	c.ready(t)
}

// refused tries configs that cannot be right.
func refused(t T, good string, fresh func(t T) func(context.Context, []byte) error) {
	var members map[string]any
	if err := json.Unmarshal([]byte(good), &members); err != nil {
		t.Fatalf("the config that works is no JSON object: %v", err)
	}
	members["sdktest_unknown"] = "sdktest-canary-value"
	unknown, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]string{"unknown member": string(unknown), "not an object": `[]`, "not JSON": `{"a":`} {
		err := fresh(t)(deadline(t), []byte(config))
		if code(err) != llm.CodeInvalid {
			t.Errorf("%s: %v, want a refusal with the code %s", name, err, llm.CodeInvalid)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error shows a value of the config: %v", name, err)
		}
	}
}

func (c ProviderCase) relay(t T) {
	h := c.ready(t)
	info, err := h.Provider.Describe(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if !info.Relays {
		t.Skip("it does not relay")
	}
	lease, err := h.Provider.Relay(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := info.Leads(lease); err != nil {
		t.Error(err)
	}
	ops, dialects := map[llm.Op]bool{}, map[llm.Dialect]bool{}
	for _, op := range info.Ops {
		for _, d := range info.Dialects {
			tmpl := lease.Find(op, d)
			if tmpl == nil { // not every dialect has every operation
				continue
			}
			ops[op], dialects[d] = true, true
			if tmpl.Method == "" || !strings.HasPrefix(tmpl.Path, "/") {
				t.Errorf("%s in %s has no method or no path: %+v", op, d, tmpl)
			}
		}
	}
	if whole := len(ops) == len(info.Ops) && len(dialects) == len(info.Dialects); len(ops) == 0 || !whole && !c.Part {
		t.Errorf("it says that it has %v in %v and leads to %v in %v", info.Ops, info.Dialects, ops, dialects)
	}
	again, err := h.Provider.Relay(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if !again.Same(lease) {
		t.Log("each lease has a content of its own")
	}
}

func (c ProviderCase) unary(t T) {
	if c.Unary == nil {
		t.Skip("no such call")
	}
	a, err := c.ready(t).Invoke(deadline(t), c.Unary)
	if err != nil || a.Err != nil {
		t.Fatal(err, a)
	}
	if a.Status != 200 || !json.Valid(a.Body) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func (c ProviderCase) stream(t T) {
	if c.Stream == nil {
		t.Skip("no such call")
	}
	a, err := c.ready(t).Invoke(deadline(t), c.Stream)
	if err != nil || a.Err != nil {
		t.Fatal(err, a)
	}
	if a.Status != 200 || !strings.HasPrefix(a.Header.Get("content-type"), "text/event-stream") {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	if !strings.HasSuffix(string(a.Body), "\n\n") {
		t.Errorf("the last event is not whole: %q", a.Body)
	}
}

func (c ProviderCase) fails(t T) {
	if c.Fails == nil {
		t.Skip("no such call")
	}
	a, err := c.ready(t).Invoke(deadline(t), c.Fails)
	if err != nil || a.Err != nil {
		t.Fatal(err, a)
	}
	if a.Status < 400 || a.Header.Get(provider.ErrorHeader) == "" || !json.Valid(a.Body) {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
}

func (c ProviderCase) cut(t T) {
	if c.Cut == nil {
		t.Skip("no such call")
	}
	a, err := c.ready(t).Invoke(deadline(t), c.Cut)
	if err != nil {
		t.Fatal(err)
	}
	if a.Err == nil || len(a.Body) == 0 {
		t.Errorf("a stream that broke off after %d bytes ended as if it were whole", len(a.Body))
	}
}

// stalls holds that hanging up reaches a call that says nothing: the server has no open call any
// more, which is what Drain waits for.
func (c ProviderCase) stalls(t T) {
	if c.Stalls == nil {
		t.Skip("no such call")
	}
	h := c.ready(t)
	ctx, hangUp := context.WithCancel(deadline(t))
	resp, err := h.Open(ctx, c.Stalls)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	hangUp()
	if err := h.Provider.Drain(deadline(t)); err != nil {
		t.Errorf("the call did not end when its caller hung up: %v", err)
	}
}

func (c ProviderCase) large(t T) {
	if c.Large == nil {
		t.Skip("no such call")
	}
	a, err := c.ready(t).Invoke(deadline(t), c.Large)
	if err != nil || a.Err != nil {
		t.Fatal(err, a)
	}
	if a.Status != 200 {
		t.Errorf("%d %.200s", a.Status, a.Body)
	}
}

// concurrent makes many calls at once, of every kind that there is.
func (c ProviderCase) concurrent(t T) {
	if c.Unary == nil && c.Stream == nil {
		t.Skip("no such call")
	}
	h := c.ready(t)
	ctx := deadline(t)
	var wg sync.WaitGroup
	for range 16 {
		for _, call := range []*llm.Call{c.Unary, c.Stream, c.Fails, c.Cut} {
			if call == nil {
				continue
			}
			wg.Go(func() {
				a, err := h.Invoke(ctx, call)
				if err != nil {
					t.Error(err)
				} else if ok := call == c.Unary || call == c.Stream; ok != (a.Status == 200 && a.Err == nil) {
					t.Errorf("%s: %d, %v", call.ID, a.Status, a.Err)
				}
			})
		}
	}
	wg.Wait()
}

// drain holds that an open call ends whole and that no other begins.
func (c ProviderCase) drain(t T) {
	if c.Stream == nil {
		t.Skip("no such call")
	}
	h := c.ready(t)
	resp, err := h.Open(deadline(t), c.Stream)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	drained := make(chan error, 1)
	go func() { drained <- h.Provider.Drain(deadline(t)) }()
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Errorf("an open call was cut: %v", err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	a, err := h.Invoke(deadline(t), c.Stream)
	if err != nil || a.Status != 503 {
		t.Errorf("a call after the drain: %v %v", a, err)
	}
}
