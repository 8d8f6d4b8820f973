package provider

import (
	"log/slog"
	"os"

	goplugin "github.com/hashicorp/go-plugin"

	"github.com/ginnel/ginnel/sdk/plugin"
)

// Serve is a provider plugin's process. It returns when the host has ended it, and exits the process
// with a message where no host started it.
func Serve(p Provider) {
	served := &Plugin{Provider: p}
	if i, ok := p.(Invoker); ok {
		l, err := plugin.Listener()
		if err == nil && l != nil {
			served.Invoke, err = NewServer(i)
			if err == nil {
				go func() {
					err := served.Invoke.Serve(l, os.Getppid())
					slog.Error("calls are not served any more", "error", err)
					os.Exit(1) // the host starts another
				}()
			}
		}
		if err != nil {
			slog.Error("calls cannot be served", "error", err)
			os.Exit(1)
		}
	}
	plugin.Run(goplugin.PluginSet{plugin.KindProvider: served})
}
