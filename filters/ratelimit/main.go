package main

import (
	"errors"

	"github.com/ginnel/ginnel/sdk/filter"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

var config settings

func init() {
	filter.Register(filter.Filter{
		Init: func(raw []byte) (err error) {
			if config, err = parse(raw); err != nil {
				return err
			}
			// outside of an exchange nothing is counted, but the host says whether the block is there
			if _, err := filter.Take(config.rate, "", 0); err == filter.Error(abi.NotFound) {
				return errors.New(`there is no block rate "` + config.rate + `"`)
			}
			return nil
		},
		RequestHead: requestHead,
	})
}

func main() {}

func requestHead(x filter.Exchange) filter.Action {
	d, err := filter.Take(config.rate, config.subject(x), 1)
	switch {
	case err != nil:
		filter.Log(filter.LevelError, "rate "+config.rate+": "+err.Error())
		return filter.Failed
	case !d.OK:
		return x.Respond(refusal(d))
	case d.Delay > 0 && x.Delay(d.Delay) != nil:
		return filter.Failed
	}
	return filter.Continue
}
