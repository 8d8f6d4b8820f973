package server

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/ginnel/ginnel/core/server/guard"
)

// refuse answers a request that never becomes an exchange and ends its connection.
func (s *Server) refuse(rc *fasthttp.RequestCtx, r *guard.Refusal) {
	s.refused.Add(1)
	id := errorAnswer(rc, r.Status, r.Code, r.Message)
	rc.Response.SetConnectionClose()
	switch r {
	case guard.ErrMethod:
		rc.Response.Header.Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	case guard.ErrNoRoom:
		s.shed.Add(1)
		setRetryAfter(rc, s.set.Load().limits.RetryAfter)
	}
	s.log.LogAttrs(context.Background(), slog.LevelDebug, "request refused",
		slog.String("request_id", id), slog.Any("remote", rc.RemoteAddr()), slog.String("code", r.Code), slog.String("reason", r.Message))
}

// shedOne answers a request that is one too many; the connection stays.
func (s *Server) shedOne(rc *fasthttp.RequestCtx, retryAfter time.Duration) {
	s.shed.Add(1)
	errorAnswer(rc, errBusy.Status, errBusy.Code, errBusy.Message)
	setRetryAfter(rc, retryAfter)
	if s.draining.Load() || rc.Conn().(*conn).unread {
		rc.Response.SetConnectionClose()
	}
}

func setRetryAfter(rc *fasthttp.RequestCtx, after time.Duration) {
	seconds := int64((after + time.Second - 1) / time.Second)
	rc.Response.Header.Set("Retry-After", strconv.FormatInt(max(seconds, 1), 10))
}

// errorAnswer writes an error in OpenAI's shape, because no dialect is known yet, and returns the
// request's id.
func errorAnswer(rc *fasthttp.RequestCtx, status int, code, message string) string {
	id := newID(time.Now())
	resp := &rc.Response
	resp.SetStatusCode(status)
	resp.Header.SetContentType("application/json")
	resp.Header.Set("X-Request-Id", id)
	resp.SetBodyRaw(appendError(nil, status, code, message, id))
	return id
}

// appendError appends an error object in OpenAI's shape, with the request's id as the gateway's other
// errors have it. The texts are constants without anything that needs escaping.
func appendError(dst []byte, status int, code, message, id string) []byte {
	kind := "invalid_request_error"
	if status >= 500 {
		kind = "server_error"
	}
	dst = append(dst, `{"error":{"message":"`...)
	dst = append(dst, message...)
	dst = append(dst, `","type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","param":null,"code":"`...)
	dst = append(dst, code...)
	dst = append(dst, `","request_id":"`...)
	dst = append(dst, id...)
	return append(dst, `"}}`...)
}
