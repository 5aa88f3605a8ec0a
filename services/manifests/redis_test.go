package manifests_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

// TestRedisTakesItsConfiguration starts a real server with redis.conf; only where it listens and keeps its file is other.
func TestRedisTakesItsConfiguration(t *testing.T) {
	t.Parallel()
	binary := redistest.Binary(t)
	// Not t.TempDir: the path of a socket is limited to about 100 bytes.
	dir, err := os.MkdirTemp("", "redis") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	files, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	config, socket := filepath.Join(dir, "redis.conf"), filepath.Join(dir, "redis.sock")
	// The server goes to its folder as it reads of it.
	if err := os.WriteFile(config, bytes.Replace(files["components/redis/redis.conf"], []byte("dir /data"), []byte("dir "+dir), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	// Not the test's context: it ends before the clean-up functions run, and would kill the server under them.
	server := exec.CommandContext(context.WithoutCancel(t.Context()), binary, config, // a path of ours
		"--requirepass", "made-up", "--port", "0", "--unixsocket", socket)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, Password: "made-up"})
	t.Cleanup(func() { _ = client.Close() })
	bustest.Eventually(t, "redis-server answers", func() bool {
		if _, err := os.Stat(socket); err != nil {
			return false
		}
		return client.Ping(t.Context()).Err() == nil
	})
	for name, want := range map[string]string{
		"appendonly": "yes", "appendfsync": "everysec", "save": "", "maxmemory": "402653184", "maxmemory-policy": "noeviction",
	} {
		got, err := client.ConfigGet(t.Context(), name).Result()
		if err != nil || got[name] != want {
			t.Errorf("%s is %q (%v), want %q", name, got[name], err, want)
		}
	}
}
