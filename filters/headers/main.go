package main

import "github.com/ginnel/ginnel/sdk/filter"

var config rules

func init() {
	filter.Register(filter.Filter{
		Init: func(raw []byte) (err error) {
			config, err = parse(raw)
			return err
		},
		RequestHead:  requestHead,
		ResponseHead: responseHead,
	})
}

func main() {}

func requestHead(x filter.Exchange) filter.Action {
	if name := config.request.missing(request{x}); name != "" {
		return x.Respond(filter.Answer{Status: 400, Code: "invalid_request", Class: "headers", Body: "the header " + name + " is required"})
	}
	return done(config.request.apply(request{x}))
}

func responseHead(x filter.Exchange) filter.Action {
	if name := config.response.missing(response{x}); name != "" {
		return x.Respond(filter.Answer{Status: 502, Code: "upstream", Class: "headers", Body: "the answer lacks the header " + name})
	}
	return done(config.response.apply(response{x}))
}

func done(err error) filter.Action {
	if err != nil {
		filter.Log(filter.LevelError, err.Error())
		return filter.Failed
	}
	return filter.Continue
}

type request struct{ x filter.Exchange }

func (r request) has(name string) bool         { return r.x.HasHeader(name) }
func (r request) set(name, value string) error { return r.x.SetHeader(name, value) }
func (r request) add(name, value string) error { return r.x.AddHeader(name, value) }
func (r request) del(name string) error        { return r.x.DelHeader(name) }

type response struct{ x filter.Exchange }

func (r response) has(name string) bool         { return r.x.HasResponseHeader(name) }
func (r response) set(name, value string) error { return r.x.SetResponseHeader(name, value) }
func (r response) add(name, value string) error { return r.x.AddResponseHeader(name, value) }
func (r response) del(name string) error        { return r.x.DelResponseHeader(name) }
