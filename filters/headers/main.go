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
	h := request{x}
	if name := config.request.missing(h); name != "" {
		return refuse(x, 400, "invalid_request", "the header "+name+" is required")
	}
	if name := config.request.wrong(h); name != "" {
		return refuse(x, 400, "invalid_request", "the header "+name+" has a value that is not allowed")
	}
	return done(config.request.apply(x, h))
}

func responseHead(x filter.Exchange) filter.Action {
	h := response{x}
	if name := config.response.missing(h); name != "" {
		return refuse(x, 502, "upstream", "the answer lacks the header "+name)
	}
	if name := config.response.wrong(h); name != "" {
		return refuse(x, 502, "upstream", "the answer's header "+name+" has a value that is not allowed")
	}
	return done(config.response.apply(x, h))
}

func refuse(x filter.Exchange, status int, code, why string) filter.Action {
	return x.Respond(filter.Answer{Status: status, Code: code, Class: "headers", Body: why})
}

func done(err error) filter.Action {
	if err != nil {
		filter.Log(filter.LevelError, err.Error())
		return filter.Failed
	}
	return filter.Continue
}

type request struct{ x filter.Exchange }

func (r request) get(name string) string { return r.x.Header(name) }
func (r request) has(name string) bool   { return r.x.HasHeader(name) }
func (r request) del(name string) error  { return r.x.DelHeader(name) }

func (r request) put(name, value string, beside bool) error {
	if beside {
		return r.x.AddHeader(name, value)
	}
	return r.x.SetHeader(name, value)
}

type response struct{ x filter.Exchange }

func (r response) get(name string) string { return r.x.ResponseHeader(name) }
func (r response) has(name string) bool   { return r.x.HasResponseHeader(name) }
func (r response) del(name string) error  { return r.x.DelResponseHeader(name) }

func (r response) put(name, value string, beside bool) error {
	if beside {
		return r.x.AddResponseHeader(name, value)
	}
	return r.x.SetResponseHeader(name, value)
}
