// Package bus connects to NATS and holds the one description of our streams, KV buckets and consumers.
//
// # Usage
//
// Connect gives a Bus; Bus.Ensure creates or updates everything idempotently, so that every service may call it at its
// start. Workers pull messages, one at a time per goroutine, and answer each by its handler's verdict.
//
// # Concurrency
//
// A Bus and everything got from it are safe for concurrent use.
//
// # Delivery
//
// Every message is delivered at least once. Publish returns only after the server's acknowledgement; while the
// connection is down it fails at once instead of buffering, so that nobody believes in a write that never happened.
package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/durability"
)

// Config is how to reach NATS, how large its streams may grow and what their acknowledgements must be worth.
type Config struct {
	URL             config.Secret `env:"NATS_URL, default=nats://127.0.0.1:4222" desc:"NATS servers, comma-separated; may hold user and password, so it is treated as a secret"`
	CredentialsFile string        `env:"NATS_CREDENTIALS_FILE" desc:"File with NATS user credentials (JWT and seed)"`
	CAFile          string        `env:"NATS_CA_FILE" desc:"File with the certificate authority of the NATS servers, PEM"`
	CertFile        string        `env:"NATS_CERT_FILE" desc:"File with the client certificate, PEM; needs NATS_KEY_FILE"`
	KeyFile         string        `env:"NATS_KEY_FILE" desc:"File with the client key, PEM; needs NATS_CERT_FILE"`
	Topology        Topology
	Durability      durability.Config
}

// Validate checks what belongs together.
func (c *Config) Validate() error {
	if (c.CertFile == "") != (c.KeyFile == "") {
		return errors.New("NATS_CERT_FILE and NATS_KEY_FILE: set both or neither")
	}
	return nil
}

// Bus is a connection to NATS with JetStream.
type Bus struct {
	conn   *nats.Conn
	js     jetstream.JetStream
	topo   Topology
	logger *slog.Logger
}

const (
	// publishTimeout bounds the wait for the acknowledgement of one message.
	publishTimeout = 5 * time.Second
	// requestTimeout bounds each call of the JetStream API; a create that is sent before a cluster has a meta leader is
	// never answered, so it is short and the caller repeats.
	requestTimeout = 2 * time.Second
	// stallWait is how long an asynchronous publish waits for room among those in flight; the client's default of 200 ms
	// gives up on a slow disk.
	stallWait = 30 * time.Second
	// maxInFlight bounds the asynchronous publishes that wait for their acknowledgement.
	maxInFlight = 8192
)

// Connect connects as the service called name and waits, with growing pauses, until NATS with JetStream answers or ctx
// ends. After that the connection heals by itself, for ever.
func Connect(ctx context.Context, cfg *Config, name string, logger *slog.Logger) (*Bus, error) {
	opts := []nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 500*time.Millisecond),
		nats.RetryOnFailedConnect(true),
		nats.ReconnectBufSize(-1),
		// The client gives up for good after two refusals otherwise, and credentials are exchanged while we run.
		nats.IgnoreAuthErrorAbort(),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				logger.WarnContext(ctx, "nats disconnected", "error", redactURL(err).Error())
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { logger.InfoContext(ctx, "nats connected again") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			logger.WarnContext(ctx, "nats reported an error", "error", withoutIDs(redactURL(err).Error()))
		}),
	}
	if cfg.CredentialsFile != "" {
		opts = append(opts, nats.UserCredentials(cfg.CredentialsFile))
	}
	if cfg.CAFile != "" {
		opts = append(opts, nats.RootCAs(cfg.CAFile))
	}
	if cfg.CertFile != "" {
		opts = append(opts, nats.ClientCert(cfg.CertFile, cfg.KeyFile))
	}
	conn, err := nats.Connect(cfg.URL.Reveal(), opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS (NATS_URL): %w", redactURL(err))
	}
	js, err := jetstream.New(conn,
		jetstream.WithPublishAsyncMaxPending(maxInFlight),
		jetstream.WithPublishAsyncTimeout(publishTimeout),
		jetstream.WithDefaultTimeout(requestTimeout),
	)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	b := &Bus{conn: conn, js: js, topo: cfg.Topology, logger: logger}
	if err := retry(ctx, logger, "reach nats", b.Check); err != nil {
		conn.Close()
		return nil, err
	}
	return b, nil
}

// errURL stands for a URL that cannot be parsed: the parser's own error quotes parts of it, such as a password with a slash.
var errURL = errors.New("not a valid URL; percent-encode special characters in user and password")

// redactURL keeps the credentials of a NATS URL out of an error's text.
func redactURL(err error) error {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return errURL
	}
	return err
}

// quotedSubject is a subject in what the server says, for example of a permission that is missing.
var quotedSubject = regexp.MustCompile(`"((?:[^".]*\.){3})[^"]+"`)

// withoutIDs leaves of each subject in a server's text what names stream and source: the rest holds the id of a contract.
func withoutIDs(text string) string { return quotedSubject.ReplaceAllString(text, `"$1…"`) }

// retry repeats a call until it succeeds or ctx ends, with pauses growing from 100 ms to 5 s. It logs the first failure
// and then one in ten.
func retry(ctx context.Context, logger *slog.Logger, what string, call func(context.Context) error) error {
	pause := 100 * time.Millisecond
	for attempt := 0; ; attempt++ {
		err := call(ctx)
		if err == nil {
			return nil
		}
		if attempt%10 == 0 {
			logger.WarnContext(ctx, "waiting for nats", "what", what, "attempt", attempt+1, "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", what, ctx.Err(), err)
		case <-time.After(pause):
		}
		pause = min(2*pause, 5*time.Second)
	}
}

// Check tells whether NATS and its JetStream answer; for readiness.
func (b *Bus) Check(ctx context.Context) error {
	if !b.conn.IsConnected() {
		return errors.New("not connected to NATS: see NATS_URL")
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if _, err := b.js.AccountInfo(ctx); err != nil {
		return fmt.Errorf("ask JetStream (is it enabled on the server?): %w", err)
	}
	return nil
}

// JetStream gives the JetStream context.
func (b *Bus) JetStream() jetstream.JetStream { return b.js }

// Reconnects counts how often the connection was lost and found again.
func (b *Bus) Reconnects() uint64 { return b.conn.Stats().Reconnects }

// Publish stores a message and returns after the server has acknowledged it.
func (b *Bus) Publish(ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	ack, err := b.js.PublishMsg(ctx, msg, opts...)
	if err != nil {
		return nil, fmt.Errorf("publish to %s: %w", subjectRoot(msg.Subject), err)
	}
	return ack, nil
}

// PublishAll stores messages together, so that they share the way to the server, and returns when each has been
// acknowledged or has failed. acks and errs have one element per message.
func (b *Bus) PublishAll(ctx context.Context, msgs []*nats.Msg, opts ...[]jetstream.PublishOpt) ([]*jetstream.PubAck, []error) {
	acks, errs := make([]*jetstream.PubAck, len(msgs)), make([]error, len(msgs))
	futures := make([]jetstream.PubAckFuture, len(msgs))
	for i, msg := range msgs {
		o := []jetstream.PublishOpt{jetstream.WithStallWait(stallWait)}
		if i < len(opts) {
			o = append(o, opts[i]...)
		}
		futures[i], errs[i] = b.js.PublishMsgAsync(msg, o...)
	}
	for i, f := range futures {
		if errs[i] == nil {
			select {
			case acks[i] = <-f.Ok():
			case errs[i] = <-f.Err():
			case <-ctx.Done():
				errs[i] = ctx.Err()
			}
		}
		if errs[i] != nil {
			errs[i] = fmt.Errorf("publish to %s: %w", subjectRoot(msgs[i].Subject), errs[i])
		}
	}
	return acks, errs
}

// subjectRoot is the part of a subject without the key, which may be personal.
func subjectRoot(subject string) string {
	for _, s := range Stages() {
		if len(subject) > len(s.subjectPrefix()) && subject[:len(s.subjectPrefix())] == s.subjectPrefix() {
			return s.Stream()
		}
	}
	return StreamDead
}

// Close closes the connection. Everything published has been acknowledged before, so there is nothing to flush but acks
// of consumed messages, which it does.
func (b *Bus) Close() {
	// Acks of consumed messages are written without waiting; losing them would repeat work.
	_ = b.conn.FlushTimeout(requestTimeout)
	b.conn.Close()
}
