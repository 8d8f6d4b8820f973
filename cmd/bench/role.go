package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/valyala/fasthttp"

	"github.com/ginnel/ginnel/sdk/sdktest/mockllm"
)

// serveRole serves as the upstream or as the bare proxy, prints its address, and ends with in.
func serveRole(role, upstream string, in io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	switch role {
	case "mock":
		s := &http.Server{Handler: mockllm.New(mockllm.Options{}), ErrorLog: log.New(io.Discard, "", 0)}
		go func() { done <- s.Serve(l) }()
	case "tls": // the upstream with TLS; upstream is the file for its certificate
		s := httptest.NewUnstartedServer(mockllm.New(mockllm.Options{}))
		s.Listener.Close()
		s.Listener, s.Config.ErrorLog = l, log.New(io.Discard, "", 0)
		s.StartTLS()
		defer s.Close()
		certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
		if err := os.WriteFile(upstream, certificate, 0o600); err != nil {
			return err
		}
	case "proxy":
		s := &fasthttp.Server{Handler: bareProxy(upstream), NoDefaultServerHeader: true, Logger: log.New(io.Discard, "", 0)}
		go func() { done <- s.Serve(l) }()
	default:
		return fmt.Errorf("no role %q", role)
	}
	fmt.Fprintln(out, l.Addr())
	go func() {
		io.Copy(io.Discard, in)
		done <- nil
	}()
	return <-done
}

// bareProxy is the reference: fasthttp's server and client and nothing between them. A streamed answer
// passes through fasthttp's own body stream, which flushes each read.
func bareProxy(upstream string) fasthttp.RequestHandler {
	whole := &fasthttp.HostClient{Addr: upstream, MaxConns: 4096}
	streamed := &fasthttp.HostClient{Addr: upstream, MaxConns: 4096, StreamResponseBody: true}
	return func(ctx *fasthttp.RequestCtx) {
		client := whole
		if bytes.Contains(ctx.PostBody(), []byte(`"stream":true`)) {
			client = streamed
		}
		ctx.Request.SetHost(upstream)
		if err := client.Do(&ctx.Request, &ctx.Response); err != nil {
			ctx.Error("bad gateway", fasthttp.StatusBadGateway)
		}
	}
}
