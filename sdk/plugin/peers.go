package plugin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/credentials"
)

// The environment by which go-plugin's host says which versions it speaks, and what it shows to a plugin that speaks TLS.
const (
	envVersions    = "PLUGIN_PROTOCOL_VERSIONS"
	envCertificate = "PLUGIN_CLIENT_CERT"
)

// errOther is the error of a connection whose other end is not who it should be.
var errOther = errors.New("another process is at the other end")

// OnlyPeer returns credentials of gRPC for a connection over a unix socket: the process at its other end is the one with this
// pid, as the kernel says. Nothing is encrypted, since nobody is between. Both ends have them, or neither.
func OnlyPeer(pid func() int) credentials.TransportCredentials { return onlyPeer{pid} }

type onlyPeer struct{ pid func() int }

// ClientHandshake implements credentials.TransportCredentials.
func (p onlyPeer) ClientHandshake(_ context.Context, _ string, c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return p.ServerHandshake(c)
}

// ServerHandshake implements credentials.TransportCredentials.
func (p onlyPeer) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	got, err := PeerPID(c)
	if want := p.pid(); err == nil && got != want {
		err = fmt.Errorf("%w: %d, not %d (a script that starts a plugin has to exec it)", errOther, got, want)
	}
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	return c, peerInfo{credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}, nil
}

// Info implements credentials.TransportCredentials.
func (onlyPeer) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "peer"}
}

// Clone implements credentials.TransportCredentials.
func (p onlyPeer) Clone() credentials.TransportCredentials { return p }

// OverrideServerName implements credentials.TransportCredentials.
func (onlyPeer) OverrideServerName(string) error { return nil }

type peerInfo struct{ credentials.CommonAuthInfo }

// AuthType implements credentials.AuthInfo.
func (peerInfo) AuthType() string { return "peer" }

// checksPeers reports whether the host that started this process looks who answers, and this process can look who asks.
func checksPeers() bool {
	host := strings.Split(os.Getenv(envVersions), ",")
	return slices.Contains(Versions[:], Version3) && slices.Contains(host, strconv.Itoa(Version3))
}
