// Package redistest is a Redis server for tests: strings, counters and logins of RESP2, on a port of its
// own, and answers that a test makes up. It is for the tests of the sandbox; a real server is started by Real.
package redistest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is a server that ends with its test.
type Server struct {
	Addr     string // host:port
	Password string // "" = none is asked for

	listener net.Listener
	wait     sync.WaitGroup

	mu     sync.Mutex // protects what follows
	values map[string]string
	conns  map[net.Conn]bool
	dials  int
	answer func(command []string) (reply string, ok bool)
}

// Start starts a server. Answer, if it is not nil, may take a command from it: with an empty reply the
// connection closes.
func Start(t testing.TB, password string, answer func(command []string) (reply string, ok bool)) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: l.Addr().String(), Password: password, listener: l, values: make(map[string]string), conns: make(map[net.Conn]bool), answer: answer}
	s.wait.Go(s.accept)
	t.Cleanup(s.Close)
	return s
}

// Close ends the server and its connections.
func (s *Server) Close() {
	s.listener.Close()
	s.Drop()
	s.wait.Wait()
}

// Drop closes the connections that are open.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Dials returns how many connections were made, Open how many are open.
func (s *Server) Dials() int { s.mu.Lock(); defer s.mu.Unlock(); return s.dials }

// Open returns how many connections are open.
func (s *Server) Open() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.conns) }

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.dials++
		s.mu.Unlock()
		s.wait.Go(func() {
			s.serve(c)
			c.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

func (s *Server) serve(c net.Conn) {
	in, in0, db := bufio.NewReader(c), s.Password == "", "0"
	for {
		command, err := read(in)
		if err != nil {
			return
		}
		reply := ""
		if s.answer != nil {
			var ok bool
			if reply, ok = s.answer(command); ok && reply == "" {
				return
			}
		}
		if reply == "" {
			reply = s.reply(command, &in0, &db)
		}
		if _, err := io.WriteString(c, reply); err != nil {
			return
		}
	}
}

func (s *Server) reply(command []string, known *bool, db *string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.ToUpper(command[0])
	key := ""
	if len(command) > 1 {
		key = *db + "/" + command[1]
	}
	switch {
	case name == "AUTH":
		*known = command[len(command)-1] == s.Password
		if !*known {
			return "-WRONGPASS no\r\n"
		}
		return "+OK\r\n"
	case !*known:
		return "-NOAUTH Authentication required.\r\n"
	case name == "PING":
		return "+PONG\r\n"
	case name == "SELECT":
		*db = command[1]
		return "+OK\r\n"
	case name == "SET" && len(command) > 2:
		s.values[key] = command[2]
		return "+OK\r\n"
	case name == "GET":
		v, ok := s.values[key]
		if !ok {
			return "$-1\r\n"
		}
		return fmt.Sprintf("$%d\r\n%s\r\n", len(v), v)
	case name == "INCR":
		n, _ := strconv.Atoi(s.values[key])
		s.values[key] = strconv.Itoa(n + 1)
		return fmt.Sprintf(":%d\r\n", n+1)
	}
	return "-ERR unknown command\r\n"
}

// read reads a command: an array of bulk strings.
func read(in *bufio.Reader) (command []string, err error) {
	n, err := number(in, '*')
	for range n {
		var size int
		if size, err = number(in, '$'); err != nil {
			return nil, err
		}
		b := make([]byte, size+2)
		if _, err = io.ReadFull(in, b); err != nil {
			return nil, err
		}
		command = append(command, string(b[:size]))
	}
	if err == nil && n == 0 {
		err = io.ErrUnexpectedEOF
	}
	return command, err
}

func number(in *bufio.Reader, kind byte) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil || line[0] != kind {
		return 0, io.ErrUnexpectedEOF
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

// Real starts a redis-server of this machine and returns its address; without one the test is skipped.
func Real(t testing.TB, password string) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("there is no redis-server here")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir(), "--requirepass", password)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); cmd.Wait() })
	for end := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return addr
		}
		if time.Now().After(end) {
			cancel()
			cmd.Wait()
			t.Fatalf("redis-server does not listen: %v\n%s", err, log.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
