package filtertest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// providerHost is the name that the provider is played under.
const providerHost = "provider.ginnel.invalid"

// play answers everything that leaves the gateway during one run: the call to the provider and the
// filter's own. Nothing reaches the network: connections are pipes inside the process.
type play struct {
	answer *reply
	calls  []scripted

	mu   sync.Mutex // protects what follows
	got  *message   // by the provider, nil until it came
	made []string   // the filter's calls, as expectations write them
}

// scripted is an answer to a filter's call of that method and URL.
type scripted struct {
	method, url string
	reply       *reply
	used        bool
}

// message is a request as it arrived.
type message struct {
	header http.Header
	body   []byte
}

// stage is what a play needs of the process: a listener without an address, and the transport that
// leads to it.
type stage struct {
	listener  *pipes
	transport *egress.Transport
	server    *http.Server

	mu   sync.Mutex // protects play
	play *play
}

func newStage() *stage {
	s := &stage{listener: newPipes()}
	s.transport = egress.New(egress.Needs{Dial: s.listener.dial, Lookup: anywhere})
	s.server = &http.Server{Handler: s}
	go s.server.Serve(s.listener) // until close
	return s
}

func (s *stage) close() { s.server.Close() }

// begin makes p what is played.
func (s *stage) begin(p *play) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.play = p
}

// ServeHTTP answers as the play says.
func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	p := s.play
	s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	a := p.take(r, body)
	for _, f := range a.header {
		w.Header().Add(f.Name, f.Value)
	}
	w.Header()["Date"] = nil
	w.WriteHeader(a.status)
	w.Write(a.body) // whoever called may have left
}

func (p *play) take(r *http.Request, body []byte) *reply {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Host == providerHost {
		p.got = &message{r.Header, body}
		return p.answer
	}
	url := "http://" + r.Host + r.URL.RequestURI()
	p.made = append(p.made, showCall(r, url, body))
	for i := range p.calls {
		if c := &p.calls[i]; !c.used && c.url == url && (c.method == "" || c.method == r.Method) {
			c.used = true
			return c.reply
		}
	}
	return &reply{status: 404, body: []byte("the transcript has no answer to this call")}
}

// anywhere is the resolver of a play: every name leads to one public address, and every dial to the play.
func anywhere(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("2000::1")}, nil
}

// provider is the upstream.Provider that leads to the play.
type provider struct {
	origin *egress.Origin
	path   string
}

// Plan implements upstream.Provider.
func (p *provider) Plan(_ context.Context, _ llm.Op, d llm.Dialect, _ string) (*upstream.Plan, error) {
	return &upstream.Plan{Origin: p.origin, Dialect: d, Method: http.MethodPost, Path: p.path, StreamPath: p.path}, nil
}

// Refresh implements upstream.Provider.
func (p *provider) Refresh(context.Context, uint64) (bool, error) { return false, nil }

// script reads what the case says about calls of the filter.
func (c *Case) script() (all []scripted, err error) {
	for _, s := range slices.Concat(c.sections, c.shared) {
		target, ok := strings.CutPrefix(s.name, secCall+" ")
		if !ok {
			continue
		}
		one := scripted{url: target}
		if method, url, ok := strings.Cut(target, " "); ok {
			one.method, one.url = method, strings.TrimSpace(url)
		}
		if !strings.HasPrefix(one.url, "http://") {
			return nil, c.errorf(s.line, "a call goes to an http:// URL here: nothing is encrypted inside a test")
		}
		if host, path, _ := strings.Cut(strings.TrimPrefix(one.url, "http://"), "/"); path == "" && !strings.HasSuffix(one.url, "/") {
			one.url = "http://" + host + "/"
		}
		if one.reply, err = c.reply(s, "application/json"); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// pipes is a net.Listener whose connections come from its own dial.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

var errStageClosed = errors.New("the stage is closed")

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, errStageClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: providerHost, Net: "pipe"} }
