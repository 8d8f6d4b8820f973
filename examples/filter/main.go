// Command filter is an example of a third party's filter: it refuses requests that do not say which
// cost centre pays for them. README.md says how it is built and declared.
package main

import "github.com/ginnel/ginnel/sdk/filter"

// header is what a request must carry; the config may name another.
var header = "x-cost-centre"

func init() {
	filter.Register(filter.Filter{
		Init: func(config []byte) error {
			v, err := filter.Parse(config)
			if err == nil {
				header = v.Get("header").String(header)
			}
			return err
		},
		RequestHead: func(x filter.Exchange) filter.Action {
			if !x.HasHeader(header) {
				return x.Deny("cost-centre", "the header "+header+" is missing")
			}
			return filter.Continue
		},
	})
}

func main() {}
