package simulator

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// run starts the service in its frame and returns a fixture for it, and a function that stops it and returns its error.
func run(t *testing.T) (f *fixture, stop func() error) {
	t.Helper()
	options := DefaultOptions()
	env := config.Map(map[string]string{"LISTEN_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "SIM_CONTRACTS": "5"})
	address, ended := make(chan string, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		ended <- app.Run(ctx, "simulator", env, io.Discard, func(_, listener string, addr net.Addr) {
			if listener == "http" {
				address <- "http://" + addr.String()
			}
		}, Run)
	}()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() })
	select {
	case base := <-address:
		// Only the address and the client of the server are used.
		server := &httptest.Server{URL: base}
		return &fixture{t: t, options: options, server: server, control: simclient.New(base, nil)}, stop
	case err := <-ended:
		t.Fatalf("the service has not started: %v", err)
		return nil, nil
	}
}

func TestServiceServesAndStopsWhileRequestsAreHeld(t *testing.T) {
	t.Parallel()
	f, stop := run(t)
	get := func() (int, error) {
		response, err := http.DefaultClient.Do(f.request(http.MethodGet, genericPath("contract", "VN-100005"), "").WithContext(context.WithoutCancel(t.Context())))
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
	if status, err := get(); status != 200 || err != nil {
		t.Errorf("a request is answered %d, %v", status, err)
	}
	reset := f.fault(simclient.Fault{System: simclient.Generic, Action: simclient.Reset, Count: 10})
	if status, err := get(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a request that is reset is answered %d, %v: the middleware hides the connection", status, err)
	}
	if err := f.control.ClearFault(t.Context(), reset.ID); err != nil {
		t.Fatal(err)
	}
	hold := f.fault(simclient.Fault{System: simclient.Generic, Action: simclient.Hold})
	var wait sync.WaitGroup
	wait.Go(func() {
		if status, err := get(); status != 200 || err != nil {
			t.Errorf("the held request is answered %d, %v", status, err)
		}
	})
	if _, err := f.control.AwaitHeld(t.Context(), hold.ID, 1); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Errorf("the service ended with %v", err)
	}
	wait.Wait()
}

func TestFaultsOutlastTheTimeoutsOfTheServer(t *testing.T) {
	t.Parallel()
	const timeout = 50 * time.Millisecond
	f := start(t)
	server := httptest.NewUnstartedServer(f.simulator.Handler())
	server.Config.ReadTimeout, server.Config.WriteTimeout = timeout, timeout
	server.Start()
	t.Cleanup(server.Close)
	f.server, f.control = server, simclient.New(server.URL, server.Client())
	f.fault(simclient.Fault{System: simclient.Generic, Action: simclient.Delay, Delay: simclient.Duration(4 * timeout)})
	if got := f.call(http.MethodGet, genericPath("contract", "VN-100001"), ""); got.status != 200 {
		t.Errorf("a delayed request is answered %d", got.status)
	}
	if entry := f.one(simclient.JournalQuery{}); entry.Abandoned {
		t.Error("the client counts as gone although it waits")
	}
}

func TestServiceRefusesAWrongConfiguration(t *testing.T) {
	t.Parallel()
	for key, value := range map[string]string{
		"SIM_SEED": "x", "SIM_CONTRACTS": "-1", "SIM_CUSTOMER_SHARE": "1.5", "SIM_GAS_SHARE": "NaN", "SIM_POWERCLOUD_HASH": "xyz", "LISTEN_ADDR": "nowhere",
	} {
		env := config.Map(map[string]string{"LISTEN_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", key: value})
		err := app.Run(t.Context(), "simulator", env, io.Discard, nil, Run)
		name := strings.TrimPrefix(key, "SIM_")
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: the service ended with %v, want an error that names it", key, value, err)
		}
	}
}

func TestConfigIsDocumented(t *testing.T) {
	t.Parallel()
	fields, err := config.Fields(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if len(fields) < 14 {
		t.Errorf("%d variables are described", len(fields))
	}
}
