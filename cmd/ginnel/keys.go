package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ginnel/ginnel/core/access"
	"github.com/ginnel/ginnel/core/daemon"
)

// keyring is the virtual keys: a running daemon's, through its control socket, or the store's own
// where none runs.
type keyring interface {
	CreateKey(context.Context, daemon.NewKey) (daemon.CreatedKey, error)
	ListKeys(context.Context) ([]*access.Key, error)
	RevokeKey(context.Context, string) (*access.Key, error)
}

// openKeys returns the keys that the flags mean and what closes them.
func openKeys(cmd *cobra.Command, src *source) (keyring, func() error, error) {
	client, err := src.dial(cmd)
	if err == nil {
		return client, func() error { return nil }, nil
	}
	if !errors.Is(err, daemon.ErrNoDaemon) {
		return nil, nil, err
	}
	cfg, err := src.must(cmd)
	if err != nil {
		return nil, nil, err
	}
	offline, err := daemon.OpenKeys(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	return offline, offline.Close, nil
}

func keysCommand() *cobra.Command {
	return group("keys", "Make, list and end virtual keys", keysCreateCommand(), keysListCommand(), keysRevokeCommand())
}

// withKeys runs do with the keys that the flags mean.
func withKeys(cmd *cobra.Command, src *source, do func(keyring) error) (err error) {
	keys, closeKeys, err := openKeys(cmd, src)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeKeys()) }()
	return do(keys)
}

func keysCreateCommand() *cobra.Command {
	var src source
	var asJSON bool
	var n daemon.NewKey
	cmd := &cobra.Command{
		Use: "create", Short: "Make a virtual key; it is shown once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withKeys(cmd, &src, func(keys keyring) error {
				key, err := keys.CreateKey(cmd.Context(), n)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, key)
				}
				fmt.Fprintln(cmd.OutOrStdout(), key.Text)
				fmt.Fprintf(cmd.ErrOrStderr(), "This is key %s. It is shown this once and kept nowhere.\n", key.ID)
				return nil
			})
		},
	}
	src.flags(cmd)
	jsonFlag(cmd, &asJSON)
	cmd.Flags().StringVar(&n.Name, "name", "", "what it is for")
	cmd.Flags().StringVar(&n.Team, "team", "", "the team it belongs to, as declared")
	cmd.Flags().StringSliceVar(&n.Models, "model", nil, "a model it may use; may be repeated (all of its team or route without)")
	cmd.Flags().DurationVar(&n.TTL, "ttl", 0, "how long it is valid, such as 720h (for ever without)")
	return cmd
}

func keysListCommand() *cobra.Command {
	var src source
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the virtual keys", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withKeys(cmd, &src, func(keys keyring) error {
				list, err := keys.ListKeys(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, list)
				}
				writeKeys(cmd.OutOrStdout(), list)
				return nil
			})
		},
	}
	src.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func writeKeys(out io.Writer, list []*access.Key) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	defer w.Flush()
	fmt.Fprintln(w, "ID\tNAME\tTEAM\tMODELS\tSTATE\tCREATED\tEXPIRES")
	for _, k := range list {
		expires := "never"
		if !k.Expires.IsZero() {
			expires = k.Expires.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Team, strings.Join(k.Models, ","), k.State(time.Now()), k.Created.Format(time.RFC3339), expires)
	}
}

func keysRevokeCommand() *cobra.Command {
	var src source
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "End a virtual key at once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withKeys(cmd, &src, func(keys keyring) error {
				key, err := keys.RevokeKey(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is revoked.\n", key.ID)
				return nil
			})
		},
	}
	src.flags(cmd)
	return cmd
}
