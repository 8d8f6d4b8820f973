package plugin_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ginnel/ginnel/sdk/plugin"
)

// envConnect has the test binary connect to a socket, and end when its input does.
const envConnect = "GINNEL_TEST_CONNECT"

// TestAPeerThatIsGone: its pid may be another's, which would be taken for it.
func TestAPeerThatIsGone(t *testing.T) {
	if path := os.Getenv(envConnect); path != "" {
		if _, err := net.Dial("unix", path); err != nil {
			t.Fatal(err)
		}
		bufio.NewReader(os.Stdin).ReadByte()
		return
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestAPeerThatIsGone$")
	cmd.Env = append(os.Environ(), envConnect+"="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		var process int
		if process, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD); err == nil {
			unix.Close(process)
		}
	})
	if err != nil {
		t.Skip("the kernel does not give the process at the other end: ", err)
	}
	if pid, err := plugin.PeerPID(c); err != nil || pid != cmd.Process.Pid || plugin.PeerGone(c) {
		t.Errorf("process %d, %v; it is %d, and there", pid, err, cmd.Process.Pid)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if !plugin.PeerGone(c) {
		t.Error("it is not known to be gone")
	}
}
