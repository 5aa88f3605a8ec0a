package redisx

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/enneo-ai/enneo-bridge/libs/redisx/redistest"
)

func TestNewClientReadsOneServer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, url, network, addr string
		db                       int
		tls                      bool
	}{
		{"plain", "redis://host:7000/3", "tcp", "host:7000", 3, false},
		{"default port", " redis://host ", "tcp", "host:6379", 0, false},
		{"tls", "rediss://u:p@host:7000", "tcp", "host:7000", 0, true},
		{"socket", "unix:///run/redis.sock?db=2", "unix", "/run/redis.sock", 2, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rdb, err := newClient(tc.url)
			if err != nil {
				t.Fatalf("newClient: %v", err)
			}
			defer rdb.Close()
			client, ok := rdb.(*redis.Client)
			if !ok {
				t.Fatalf("got %T, want *redis.Client", rdb)
			}
			o := client.Options()
			if o.Network != tc.network || o.Addr != tc.addr || o.DB != tc.db || (o.TLSConfig != nil) != tc.tls {
				t.Errorf("got network %s, address %s, db %d, tls %t", o.Network, o.Addr, o.DB, o.TLSConfig != nil)
			}
			if o.ReadTimeout != ioTimeout || o.DialTimeout != dialTimeout || !o.ContextTimeoutEnabled {
				t.Errorf("got read timeout %s, dial timeout %s, context timeout %t", o.ReadTimeout, o.DialTimeout, o.ContextTimeoutEnabled)
			}
		})
	}
}

func TestNewClientReadsAClusterInEveryForm(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, url string
		addrs     []string
		password  string
		tls       bool
	}{
		{"scheme", "redis+cluster://:pw@a:1?addr=b:2", []string{"a:1", "b:2"}, "pw", false},
		{"scheme with tls", "rediss+cluster://a:1", []string{"a:1"}, "", true},
		{"list of urls", "redis://:pw@a:1,redis://:pw@b:2, redis://c", []string{"a:1", "b:2", "c:6379"}, "pw", false},
		{"list of hosts", "rediss://a:1,b:2", []string{"a:1", "b:2"}, "", true},
		{"scheme and list", "redis+cluster://a:1,b:2", []string{"a:1", "b:2"}, "", false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rdb, err := newClient(tc.url)
			if err != nil {
				t.Fatalf("newClient: %v", err)
			}
			defer rdb.Close()
			cluster, ok := rdb.(*redis.ClusterClient)
			if !ok {
				t.Fatalf("got %T, want *redis.ClusterClient", rdb)
			}
			o := cluster.Options()
			if diff := cmp.Diff(tc.addrs, o.Addrs); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
			if o.Password != tc.password || (o.TLSConfig != nil) != tc.tls {
				t.Errorf("got password set %t, tls %t", o.Password != "", o.TLSConfig != nil)
			}
		})
	}
}

func TestSettingsInTheURLWinOverTheDefaults(t *testing.T) {
	t.Parallel()
	rdb, err := newClient("redis://host?read_timeout=9s&max_retries=7")
	if err != nil {
		t.Fatalf("newClient: %v", err)
	}
	defer rdb.Close()
	client, ok := rdb.(*redis.Client)
	if !ok {
		t.Fatalf("got %T, want *redis.Client", rdb)
	}
	o := client.Options()
	if o.ReadTimeout != 9*time.Second || o.MaxRetries != 7 || o.WriteTimeout != ioTimeout {
		t.Errorf("got read timeout %s, %d retries, write timeout %s", o.ReadTimeout, o.MaxRetries, o.WriteTimeout)
	}
}

func TestErrorsShowNothingOfTheURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "hunter2", "http://u:hunter2@host", "redis://u:hunter2@host/hunter2", "redis://u:hunter2@ho st",
		"redis://u:hunter2@host?hunter2=1", "redis+cluster://u:hunter2@host?hunter2=1", "unix://u:hunter2@",
		"redis://u:hunter2@a,ftp://u:hunter2@b", "redis://u:hunter2@a,redis://u:hunter2@b b", "redis://a,,b",
	} {
		rdb, err := Open(t.Context(), url)
		if !errors.Is(err, ErrURL) {
			t.Errorf("a wrong URL gave client %v and error %v, want ErrURL", rdb, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows a part of the URL: %v", err)
		}
	}
}

func TestOpenWaitsForTheServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill(t)
	type opened struct {
		rdb redis.UniversalClient
		err error
	}
	done := make(chan opened, 1)
	go func() {
		rdb, err := Open(t.Context(), server.URL)
		done <- opened{rdb, err}
	}()
	server.Restart(t)
	got := <-done
	if got.err != nil {
		t.Fatalf("Open: %v", got.err)
	}
	defer got.rdb.Close()
	if err := Ping(t.Context(), got.rdb); err != nil {
		t.Errorf("Ping: %v", err)
	}
	server.Kill(t)
	if err := Ping(t.Context(), got.rdb); err == nil {
		t.Error("Ping of a dead server succeeded")
	}
}

func TestOpenGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, "unix:///nowhere/redis.sock"); err == nil {
		t.Error("Open without a server succeeded")
	}
}

func TestOpenDoesNotWaitWhenCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	if err := server.Client.ConfigSet(t.Context(), "requirepass", "right").Err(); err != nil {
		t.Fatalf("set a password: %v", err)
	}
	wrong := strings.Replace(server.URL, "unix://", "unix://default:hunter2@", 1)
	_, err := Open(t.Context(), wrong)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want a refusal that does not show the password", err)
	}
}
