package bus_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/config"
)

func TestConnectWaitsForAServerThatComesLater(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	cfg := srv.Config()
	srv.Stop(t)
	var log logs
	type result struct {
		b   *bus.Bus
		err error
	}
	connected := make(chan result, 1)
	go func() {
		b, err := bus.Connect(t.Context(), cfg, t.Name(), log.logger())
		connected <- result{b, err}
	}()
	bustest.Eventually(t, "the wait is told", func() bool { return strings.Contains(log.String(), "waiting for nats") })
	select {
	case r := <-connected:
		t.Fatalf("Connect = %v, %v without a server", r.b, r.err)
	default:
	}
	srv.Run(t)
	r := <-connected
	if r.err != nil {
		t.Fatal(r.err)
	}
	defer r.b.Close()
	if err := r.b.Check(t.Context()); err != nil {
		t.Errorf("Check = %v", err)
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	cfg := srv.Config()
	srv.Stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	b, err := bus.Connect(ctx, cfg, t.Name(), discard())
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Connect = %v, %v; want the end of its context", b, err)
	}
}

func TestServerWithoutJetStreamIsNamedAsTheCause(t *testing.T) {
	t.Parallel()
	srv := startServer(t, &server.Options{Port: server.RANDOM_PORT})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := bus.Connect(ctx, &bus.Config{URL: config.Secret(srv.ClientURL())}, t.Name(), discard())
	if err == nil || !strings.Contains(err.Error(), "JetStream") {
		t.Errorf("Connect = %v, want an error that names JetStream", err)
	}
}

// startServer runs a server with options of its own.
func startServer(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	o.Host, o.NoSigs, o.NoLog = "127.0.0.1", true, true
	srv, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	go srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS server was not ready within 20 s")
	}
	return srv
}

func TestPasswordNeverShows(t *testing.T) {
	t.Parallel()
	const password = "s3cr3t-word"
	srv := startServer(t, &server.Options{Port: server.RANDOM_PORT, Username: "bridge", Password: "another"})
	address := srv.Addr().String()
	closed, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for name, url := range map[string]string{
		"password that the server refuses": "nats://bridge:" + password + "@" + address,
		"server that is not there":         "nats://bridge:" + password + "@" + closed.Addr().String(),
		"host that does not exist":         "nats://bridge:" + password + "@nats.invalid:4222",
		"password with a slash":            "nats://bridge:" + password + "/x@" + address,
		"password with a blank":            "nats://bridge:" + password + " x@" + address,
		"password with a percent sign":     "nats://bridge:" + password + "%zz@" + address,
		"password with a hash":             "nats://bridge:" + password + "#x@" + address,
		"port that is none":                "nats://bridge:" + password + "@127.0.0.1:x",
		"unknown scheme":                   "bridge:" + password + "://" + address,
		"second server of two":             "nats://" + address + ",nats://bridge:" + password + "%@" + address,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log logs
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err := bus.Connect(ctx, &bus.Config{URL: config.Secret(url)}, t.Name(), log.logger())
			if err == nil {
				t.Fatal("Connect succeeded")
			}
			if strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "%z") {
				t.Errorf("the error shows the password: %v", err)
			}
			if strings.Contains(log.String(), "s3cr3t") {
				t.Errorf("the log shows the password:\n%s", log.String())
			}
		})
	}
}

func TestAMissingPermissionIsToldWithoutTheID(t *testing.T) {
	t.Parallel()
	o := server.Options{Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), Users: []*server.User{{
		Username: "bridge", Password: "word",
		Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"erp.event.>"}}},
	}}}
	srv := startServer(t, &o)
	var log logs
	b, err := bus.Connect(t.Context(), &bus.Config{URL: config.Secret("nats://bridge:word@" + srv.Addr().String())}, t.Name(), log.logger())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := b.Publish(ctx, nats.NewMsg("erp.event.pc.contract.VN-4711")); err == nil || strings.Contains(err.Error(), "4711") {
		t.Errorf("error %v, want one without the id", err)
	}
	bustest.Eventually(t, "the refusal is told", func() bool { return strings.Contains(log.String(), "nats reported an error") })
	if text := log.String(); strings.Contains(text, "4711") || !strings.Contains(text, "erp.event.pc.…") {
		t.Errorf("the log shows the id, or not which permission is missing:\n%s", text)
	}
}

func TestRefusedCredentialsAreTriedUntilTheyAreAccepted(t *testing.T) {
	t.Parallel()
	o := server.Options{Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), Username: "bridge", Password: "old"}
	first := o
	srv := startServer(t, &first)
	var ok bool
	if o.Port, ok = port(srv.Addr()); !ok {
		t.Fatalf("no port in %v", srv.Addr())
	}
	var log logs
	cfg := &bus.Config{URL: config.Secret("nats://bridge:old@" + srv.Addr().String()), Topology: bustest.Topology()}
	b, err := bus.Connect(within(t, 30*time.Second), cfg, t.Name(), log.logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	restart := func(password string) {
		srv.Shutdown()
		srv.WaitForShutdown()
		next := o
		next.Password = password
		srv = startServer(t, &next)
	}
	restart("new")
	// After two refusals in a row the client gives up, unless it is told not to.
	bustest.Eventually(t, "the server has refused several times", func() bool { return strings.Count(log.String(), "nats: authorization violation") >= 4 })
	restart("old")
	bustest.Eventually(t, "the connection is back", func() bool { return b.Check(t.Context()) == nil })
}

func port(a net.Addr) (int, bool) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return 0, false
	}
	return tcp.Port, true
}

func TestPublishFailsAtOnceWhileDisconnected(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	b := srv.Connect(t, "pc")
	srv.Stop(t)
	bustest.Eventually(t, "the connection is noticed to be gone", func() bool { return b.Check(t.Context()) != nil })
	begun := time.Now()
	msg := message(bus.StageEnrich, contract("pc", "4711"), "x")
	_, err := b.Publish(t.Context(), msg)
	if err == nil || strings.Contains(err.Error(), "4711") {
		t.Errorf("Publish = %v, want an error without the key", err)
	}
	_, errs := b.PublishAll(t.Context(), []*nats.Msg{msg, msg})
	for _, err := range errs {
		if err == nil || strings.Contains(err.Error(), "4711") {
			t.Errorf("PublishAll = %v, want an error without the key", err)
		}
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("publishing took %s, want it to fail at once", took)
	}
	srv.Run(t)
	bustest.Eventually(t, "the connection is back", func() bool { return b.Check(t.Context()) == nil })
	c := open(t, b, bus.StageEnrich, "pc")
	nothing(t, c) // What has failed was not sent later.
	publish(t, b, bus.StageEnrich, contract("pc", "4711"), "y")
	if got := b.Reconnects(); got != 1 {
		t.Errorf("Reconnects = %d, want 1", got)
	}
}

func TestPublishAllReportsEachMessage(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "pc")
	msgs := []*nats.Msg{
		message(bus.StageDebounce, contract("pc", "1"), "a"),
		message(bus.StageDebounce, contract("pc", "2"), "b"),
		{Subject: "nobody.listens"},
		message(bus.StageDebounce, contract("pc", "3"), "c"),
	}
	acks, errs := b.PublishAll(t.Context(), msgs,
		[]jetstream.PublishOpt{jetstream.WithMsgID("1")},
		[]jetstream.PublishOpt{jetstream.WithExpectStream("OTHER")},
	)
	if len(acks) != len(msgs) || len(errs) != len(msgs) {
		t.Fatalf("%d acks and %d errors for %d messages", len(acks), len(errs), len(msgs))
	}
	for i, ok := range []bool{true, false, false, true} {
		if (errs[i] == nil) != ok || (acks[i] != nil) != ok {
			t.Errorf("message %d: ack %v, error %v; want success %t", i, acks[i], errs[i], ok)
		}
	}
	if acks[0] != nil && acks[3] != nil && (acks[0].Sequence != 1 || acks[3].Sequence != 2) {
		t.Errorf("sequences %d and %d, want 1 and 2", acks[0].Sequence, acks[3].Sequence)
	}
}

func TestPublishAllEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t, "pc")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	const messages = 50
	msgs := make([]*nats.Msg, messages)
	for i := range msgs {
		msgs[i] = message(bus.StageDebounce, contract("pc", "1"), "a")
	}
	acks, errs := b.PublishAll(ctx, msgs)
	for i := range msgs {
		if (acks[i] == nil) == (errs[i] == nil) {
			t.Errorf("message %d: ack %v and error %v, want one of them", i, acks[i], errs[i])
		}
		if errs[i] != nil && !errors.Is(errs[i], context.Canceled) {
			t.Errorf("message %d: %v, want the end of the context", i, errs[i])
		}
	}
}

func TestCheckHonoursItsContext(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Check = %v, want the end of its context", err)
	}
}
