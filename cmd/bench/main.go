// Command bench measures a gateway beside a bare fasthttp proxy and nginx, on the same machine in the
// same run, and prints the ratios next to their targets.
//
// Everything runs on loopback: a deterministic upstream, the proxies before it, and a load generator
// of its own. The figures are ratios between what ran side by side; the absolute ones, printed with
// -raw, mean nothing anywhere else. Linux only: processor time and memory come from /proc.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	plugins "github.com/ginnel/ginnel/sdk/plugin"
	"github.com/ginnel/ginnel/sdk/provider"
)

// plan is how long and how hard a run measures.
type plan struct {
	rounds int
	slice  time.Duration // of one candidate in one round of one phase
	conns  int           // of the closed loop
	rate   int           // requests per second of the latency phase
}

var (
	quickPlan = plan{rounds: 2, slice: time.Second, conns: 16, rate: 200}
	fullPlan  = plan{rounds: 5, slice: 2 * time.Second, conns: 32, rate: 200}
)

type options struct {
	ginnel, nginx string
	quick, raw    bool
	plan          plan
}

func main() {
	if os.Getenv(plugins.Handshake().MagicCookieKey) != "" {
		provider.Serve(&plugin{})
		return
	}
	var o options
	var role, upstream string
	flag.StringVar(&o.ginnel, "ginnel", "bin/ginnel", "the gateway's `binary`; empty measures the references only")
	flag.StringVar(&o.nginx, "nginx", "", "nginx's `binary`; empty looks for one in PATH, \"none\" leaves it out")
	flag.BoolVar(&o.quick, "quick", false, "fewer and shorter rounds")
	flag.BoolVar(&o.raw, "raw", false, "print the absolute figures too")
	flag.StringVar(&role, "role", "", "used by the program itself: what this process serves")
	flag.StringVar(&upstream, "upstream", "", "used by the program itself")
	flag.Parse()
	log.SetFlags(0)
	if role != "" {
		if err := serveRole(role, upstream, os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	o.plan = fullPlan
	if o.quick {
		o.plan = quickPlan
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run starts what is to be measured, measures it and prints the table. Whatever it started has ended
// when it returns.
func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "ginnel-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, dir: dir, four: new(candidate)}
	defer b.stop()
	if err := b.start(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	b.print(out)
	return nil
}

// bench is one run.
type bench struct {
	options
	dir        string
	procs      []*process
	mock       *candidate
	candidates []*candidate
	four       *candidate // of which only the start is measured
	notes      []string
}

// start starts the upstream and every candidate that can be started here; one that cannot is a note.
func (b *bench) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	mock, addr, err := startRole(ctx, self, "mock", "")
	if err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	b.procs = append(b.procs, mock)
	b.mock = &candidate{name: direct, addr: addr, streamAddr: addr, proc: mock}
	secure, secureAddr, err := startRole(ctx, self, "tls", filepath.Join(b.dir, certificate))
	if err != nil {
		return fmt.Errorf("upstream with TLS: %w", err)
	}
	b.procs = append(b.procs, secure)
	bare, proxyAddr, err := startRole(ctx, self, "proxy", addr)
	if err != nil {
		return fmt.Errorf("fasthttp proxy: %w", err)
	}
	b.procs = append(b.procs, bare)
	b.candidates = append(b.candidates, &candidate{name: fasthttpProxy, addr: proxyAddr, streamAddr: proxyAddr, proc: bare, streams: true})
	b.add(nginxProxy, func() (*candidate, error) { return b.startNginx(ctx, addr) })
	if b.ginnel != "" {
		for _, v := range variants {
			b.add(v.name, func() (*candidate, error) { return b.startGinnel(ctx, v, addr, secureAddr) })
		}
		if four, err := b.started(ctx, variant{name: fourPlugins, plugins: 4}, addr); err != nil {
			b.notes = append(b.notes, fourPlugins+" was not measured: "+err.Error())
		} else {
			b.four = four
		}
	}
	for _, c := range append([]*candidate{b.mock}, b.candidates...) {
		if err := c.try(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// add starts a candidate, or notes why there is none.
func (b *bench) add(name string, start func() (*candidate, error)) {
	c, err := start()
	if err != nil {
		b.notes = append(b.notes, name+" was not measured: "+err.Error())
		return
	}
	c.name = name
	b.candidates = append(b.candidates, c)
}

// stop ends every process, the last one first.
func (b *bench) stop() {
	for i := len(b.procs) - 1; i >= 0; i-- {
		b.procs[i].stop()
	}
}

func (b *bench) nginxBinary() (string, error) {
	switch b.nginx {
	case "none":
		return "", fmt.Errorf("left out")
	case "":
		return exec.LookPath("nginx")
	}
	return exec.LookPath(b.nginx)
}
