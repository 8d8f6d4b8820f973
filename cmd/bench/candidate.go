package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The references.
const (
	direct        = "direct"
	fasthttpProxy = "fasthttp"
	nginxProxy    = "nginx"
)

// The gateway's variants.
const (
	emptyRelay    = "ginnel, empty pipeline"
	fullNoScan    = "ginnel, full pipeline without sanitize"
	fullRelay     = "ginnel, full pipeline"
	secureRelay   = "ginnel, TLS upstream"
	secureInvoked = "ginnel, TLS upstream, invoked"
	fourPlugins   = "ginnel, four plugins"
)

// What the load asks for. The upstream takes its orders from the model's name.
const (
	modelWhole = "mock"
	modelBurst = "mock+chunks=50"
	modelPaced = "mock+chunks=10+gap=2ms"
	burst      = 50 // chunks of a stream that comes as fast as it can
	paced      = 10 // of one that takes its time
)

// candidate is one way to the upstream, with what was measured of it, a value per round.
type candidate struct {
	name       string
	addr       string
	streamAddr string // where streams go, which some have to be configured for
	key        string // "" = none is asked for
	streams    bool   // it takes part in the streaming phases
	proc       *process
	started    time.Duration // until it listened

	perSecond, cpu []float64 // requests; seconds per 10,000 of them
	p50, p99       []float64 // seconds
	first, token   []float64 // seconds to the first byte of a stream and to its first words, the medians
	chunk          []float64 // processor seconds per chunk of a burst
	pacedChunk     []float64 // and of a paced stream
	memory         int64
}

// try makes one call of each kind, until they work: a gateway listens before its plugins answer.
func (c *candidate) try(ctx context.Context) error {
	var err error
	for begin := time.Now(); time.Since(begin) < readyWithin; time.Sleep(20 * time.Millisecond) {
		if err = c.tryOnce(); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return fmt.Errorf("%w (%s)", err, c.proc.errors.String())
}

func (c *candidate) tryOnce() error {
	one := &client{addr: c.addr}
	defer one.close()
	if _, err := one.do(c.request(modelWhole, false)); err != nil {
		return err
	}
	if !c.streams && c.name != direct {
		return nil
	}
	two := &client{addr: c.streamAddr}
	defer two.close()
	_, err := two.do(c.request(modelPaced, true))
	return err
}

// prose is what the load asks about: ordinary text, as most of what a gateway sees.
const prose = `Please read the notes below and write a short summary for the weekly letter to the team. The meeting began with a look at last month's figures: ` +
	`support requests went down by a tenth, and most of those that remained were about invoices. Two people asked whether the new form could be filled in on a phone, ` +
	`and everybody agreed that it should. The second topic was the move to the new building, which will take place in three steps between May and July. ` +
	`The kitchen comes first, then the workshops, then the offices; during the second week there will be no parking in front of the house. ` +
	`Somebody remarked that the lift is too small for the larger machines, so they will have to be taken apart and put together again, which needs two more days. ` +
	`After that there was a long discussion about training. Most would like shorter courses, spread over the year, rather than one week in autumn, ` +
	`and a list of topics was collected: first aid, reading drawings, writing clear reports, and using the planning tool without losing one's temper. `

// request returns the bytes of a request of about 1.9 KiB.
func (c *candidate) request(model string, stream bool) []byte {
	text := strings.Repeat(prose, 2)[:1560]
	body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"system","content":"You are a helpful assistant who answers briefly."},{"role":"user","content":%q}],"temperature":0.2,"max_tokens":256,"stream":%t}`, model, text, stream)
	auth := ""
	if c.key != "" {
		auth = "Authorization: Bearer " + c.key + "\r\n"
	}
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench\r\nAccept: application/json\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", auth, len(body), body)
}

// startNginx starts nginx with one server that buffers answers and one, for streams, that does not.
func (b *bench) startNginx(ctx context.Context, upstream string) (*candidate, error) {
	binary, err := b.nginxBinary()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, "nginx")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	whole, err := freeAddr()
	if err != nil {
		return nil, err
	}
	streamed, err := freeAddr()
	if err != nil {
		return nil, err
	}
	conf := fmt.Sprintf(nginxConf, dir, upstream, whole, streamed)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		return nil, err
	}
	p, err := startProcess(exec.Command(binary, "-p", dir, "-c", path, "-e", "stderr", "-g", "daemon off;"))
	if err != nil {
		return nil, err
	}
	b.procs = append(b.procs, p)
	started, err := p.ready(ctx, whole)
	if err != nil {
		return nil, err
	}
	return &candidate{addr: whole, streamAddr: streamed, proc: p, streams: true, started: started}, nil
}

const nginxConf = `worker_processes auto;
pid %[1]s/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  client_body_buffer_size 64k;
  keepalive_requests 1000000000;
  upstream up { server %[2]s; keepalive 512; keepalive_requests 1000000000; }
  server { listen %[3]s; location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; } }
  server { listen %[4]s; location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; } }
}
`
