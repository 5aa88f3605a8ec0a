package httpx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of a Server. A handler that streams for longer sets its own deadline with http.ResponseController.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 64 << 10

	// DefaultShutdownTimeout is how long requests in flight may take after the end has begun, unless Options say.
	DefaultShutdownTimeout = 10 * time.Second
)

// Options describe a Server.
type Options struct {
	// Addr is where to listen, "host:port"; port 0 takes a free one.
	Addr string
	// Handler answers the requests.
	Handler http.Handler
	// Logger receives what net/http has to say about broken connections.
	Logger *slog.Logger
	// ShutdownTimeout limits the wait for requests in flight; 0 means DefaultShutdownTimeout.
	ShutdownTimeout time.Duration
}

// Server is an HTTP server whose port is open from New on.
type Server struct {
	http     *http.Server
	listener net.Listener
	timeout  time.Duration
}

// New opens the port. Connections wait in the backlog until Run serves them. A Server that is not run must be closed.
func New(ctx context.Context, o Options) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP: %w", err)
	}
	return &Server{
		http: &http.Server{
			Handler:           o.Handler,
			ReadHeaderTimeout: readHeaderTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
		},
		listener: listener,
		timeout:  cmp.Or(o.ShutdownTimeout, DefaultShutdownTimeout),
	}, nil
}

// Addr is the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close releases the port of a Server that is not run, and breaks all connections of one that is.
func (s *Server) Close() error {
	if err := errors.Join(s.http.Close(), ignoreClosed(s.listener.Close())); err != nil {
		return fmt.Errorf("close HTTP server: %w", err)
	}
	return nil
}

// Run serves until ctx ends, then takes no new connection and waits for the requests in flight, whose contexts do not
// end with ctx. It returns nil if all of them were answered in time; the connections of the others are broken.
func (s *Server) Run(ctx context.Context) error {
	requests := context.WithoutCancel(ctx)
	s.http.BaseContext = func(net.Listener) context.Context { return requests }
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve HTTP on %s: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(requests, s.timeout)
	defer cancel()
	err := s.http.Shutdown(deadline)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests on %s were not answered within %s: %w", s.Addr(), s.timeout, err), s.http.Close())
	}
	// What Serve returns is that it was shut down.
	<-served //nolint:errcheck // See above.
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
