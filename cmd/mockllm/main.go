// Command mockllm serves the deterministic LLM upstream of package mockllm, to try a gateway against
// or to measure it with. It is part of no installation.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

func main() {
	var o mockllm.Options
	addr := flag.String("addr", "127.0.0.1:9100", "listen `address`; port 0 takes a free one and prints it")
	cert := flag.String("cert", "", "TLS certificate (PEM `file`); with -key, serves https")
	key := flag.String("key", "", "TLS key (PEM `file`)")
	flag.DurationVar(&o.Delay, "delay", 0, "before the head of an answer")
	flag.DurationVar(&o.Gap, "gap", 0, "between two chunks of a stream")
	flag.IntVar(&o.Chunks, "chunks", 50, "content chunks of a stream")
	flag.StringVar(&o.Fault, "fault", "", "default `fault`; see the package's README")
	flag.StringVar(&o.RequireKey, "require-key", "", "answer 401 to any other `key`")
	flag.BoolVar(&o.Record, "record", false, "keep the last request for GET /__last")
	flag.Parse()
	if err := serve(*addr, *cert, *key, o); err != nil {
		log.Fatal(err)
	}
}

// serve listens until it is told to end.
func serve(addr, cert, key string, o mockllm.Options) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &http.Server{Handler: mockllm.New(o), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	context.AfterFunc(ctx, func() { s.Close() })
	log.Printf("listening on %s", l.Addr())
	if cert != "" {
		err = s.ServeTLS(l, cert, key)
	} else {
		err = s.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
