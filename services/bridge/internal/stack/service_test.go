package stack

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/app"
)

func TestServiceThatEndsByItselfIsNoticed(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	env := map[string]string{"ADMIN_ADDR": FreePort}
	for name, tc := range map[string]struct {
		returns error
		want    string
	}{
		"with an error":    {broken, "some: broken"},
		"without an error": {nil, "some: ended by itself"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			noticed := make(chan struct{})
			run := func(context.Context, *app.Env) error { return tc.returns }
			s := launch(part{name: "some", run: run, listeners: []string{listenerHTTP}}, env, io.Discard, func() { close(noticed) })
			if err := s.await(t.Context()); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("await = %v, want %s", err, tc.want)
			}
			<-noticed
			if err := s.stop(); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("stop = %v, want %s", err, tc.want)
			}
		})
	}
}

func TestServiceIsReadyOnlyWithItsCheckAndItsListener(t *testing.T) {
	t.Parallel()
	proceed := make(chan struct{})
	run := func(ctx context.Context, env *app.Env) error {
		select {
		case <-proceed:
		case <-ctx.Done():
			return nil
		}
		env.OnListen(listenerHTTP, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
		env.Health.Add("nats", func(context.Context) error { return nil })
		<-ctx.Done()
		return nil
	}
	p := part{name: "some", run: run, listeners: []string{listenerHTTP}, checks: []string{"nats"}}
	s := launch(p, map[string]string{"ADMIN_ADDR": FreePort}, io.Discard, func() { t.Error("a service that was stopped counts as failed") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.await(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "does not listen yet") {
		t.Errorf("await = %v, want that it does not listen yet", err)
	}
	close(proceed)
	if err := s.await(t.Context()); err != nil {
		t.Errorf("await = %v, want nil", err)
	}
	if err := s.stop(); err != nil {
		t.Errorf("stop = %v, want nil", err)
	}
}
