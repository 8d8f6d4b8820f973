package telemetry

import (
	goplugin "github.com/hashicorp/go-plugin"

	"github.com/ginnel/ginnel/sdk/plugin"
)

// Serve is a sink's process. It returns when the host has ended it, and exits the process with a
// message where no host started it.
func Serve(s Sink) {
	plugin.Run(goplugin.PluginSet{plugin.KindSink: &Plugin{Sink: s}})
}
