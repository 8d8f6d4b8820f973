package plugin_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/plugin"
	"github.com/ginnel/ginnel/sdk/schema"
)

func TestErrorsKeepTheirCode(t *testing.T) {
	if plugin.Status(nil) != nil || plugin.FromStatus(nil) != nil {
		t.Error("nil does not stay nil")
	}
	sent := &llm.Error{Code: llm.CodeRateLimited, Status: 429, RetryAfter: 1500 * time.Millisecond, Message: "slower"}
	var got *llm.Error
	if err := plugin.FromStatus(plugin.Status(fmt.Errorf("wrapped: %w", sent))); !errors.As(err, &got) || *got != *sent {
		t.Errorf("%+v", got)
	}
	for err, want := range map[error]llm.Code{
		errors.New("anything"):                   llm.CodeInternal,
		status.Error(codes.Unavailable, "x"):     llm.CodeUnavailable,
		context.DeadlineExceeded:                 llm.CodeTimeout,
		status.Error(codes.DeadlineExceeded, ""): llm.CodeTimeout,
	} {
		if e := plugin.FromStatus(plugin.Status(err)); !errors.As(e, &got) || got.Code != want {
			t.Errorf("%v becomes %v, want %s", err, e, want)
		}
	}
	if !plugin.Unimplemented(plugin.ErrUnimplemented()) || plugin.Unimplemented(nil) {
		t.Error("unimplemented is not recognised")
	}
}

// shape has an attribute of every kind that arrives as a JSON type of its own.
var shape = &schema.Block{
	Attrs: []schema.Attr{
		{Name: "text", Kind: schema.String},
		{Name: "kind", Kind: schema.String, Optional: true, Enum: []string{"a", "b"}},
		{Name: "n", Kind: schema.Int, Optional: true},
		{Name: "wait", Kind: schema.Duration, Default: "1s"},
		{Name: "part", Kind: schema.Ratio, Optional: true},
		{Name: "on", Kind: schema.Bool, Optional: true},
		{Name: "list", Kind: schema.Strings, Optional: true},
		{Name: "map", Kind: schema.Map, Optional: true},
	},
	Blocks: map[string]*schema.Block{"nested": {}},
}

func TestCheckConfig(t *testing.T) {
	for config, want := range map[string]string{
		`{"text":"x","kind":"a","n":1,"wait":5,"part":0.5,"on":true,"list":["x"],"map":{"a":"b"},"nested":[{}]}`: "",
		`{"text":"x","n":null}`:      "",
		`{}`:                         "text is missing",
		``:                           "text is missing",
		`{"text":1}`:                 "text must be a string",
		`{"text":null}`:              "text must be a string",
		`{"text":"x","kind":"c"}`:    "kind must be",
		`{"text":"x","n":1.5}`:       "n must be",
		`{"text":"x","wait":"5s"}`:   "wait must be",
		`{"text":"x","on":"yes"}`:    "on must be",
		`{"text":"x","list":"x"}`:    "list must be",
		`{"text":"x","map":{"a":1}}`: "map must be",
		`{"text":"x","other":1}`:     "there is no other",
		`{"text":"x"`:                "not a JSON object",
		`null`:                       "text is missing",
	} {
		err := plugin.CheckConfig(shape, []byte(config))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
	}
	if err := plugin.CheckConfig(nil, []byte(`{"a":1}`)); err == nil {
		t.Error("a plugin without a config took one")
	}
}

func FuzzCheckConfig(f *testing.F) {
	f.Add([]byte(`{"text":"x","kind":"a","n":1,"wait":5,"part":0.5,"nested":[{}]}`))
	f.Add([]byte(`{"text":null}`))
	f.Fuzz(func(t *testing.T, config []byte) {
		plugin.CheckConfig(shape, config)
	})
}
