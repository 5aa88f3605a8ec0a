package images

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// repository is the name of the only repository of the registry.
const repository = "base"

// registry hands out a store on the loopback address, by the read-only part of the OCI distribution protocol.
type registry struct {
	server *http.Server
	addr   string
	ended  chan error
}

func serve(ctx context.Context, s *store) (*registry, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the base image: %w", err)
	}
	r := &registry{
		server: &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second},
		addr:   listener.Addr().String(), ended: make(chan error, 1),
	}
	go func() { r.ended <- r.server.Serve(listener) }()
	return r, nil
}

// reference is the name under which others pull the content with the digest.
func (r *registry) reference(digest string) string { return r.addr + "/" + repository + "@" + digest }

func (r *registry) close() error {
	err := r.server.Close()
	if served := <-r.ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("serve the base image: %w", err)
	}
	return nil
}

func (s *store) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/{$}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	send := func(w http.ResponseWriter, r *http.Request) {
		digest := r.PathValue("digest")
		content, found := s.content[digest]
		if !found {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", s.mediaTypes[digest])
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(content) // Who asked is gone.
		}
	}
	mux.HandleFunc("GET /v2/"+repository+"/manifests/{digest}", send)
	mux.HandleFunc("GET /v2/"+repository+"/blobs/{digest}", send)
	return mux
}
