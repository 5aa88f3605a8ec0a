package e2e

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// balancer stands where an ingress controller does: it passes each request on to one of the pods that it was told of, in
// turn, over connections that it keeps. A request that no pod answers, it answers 502 and counts.
type balancer struct {
	URL string

	mu      sync.Mutex
	pods    []*pod
	next    int
	refused []error
}

// pod is a process behind a balancer.
type pod struct {
	*rig.Process
	address *url.URL
}

func newBalancer(t *testing.T) *balancer {
	t.Helper()
	b := &balancer{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			if to := b.pick(); to != nil {
				r.SetURL(to)
			}
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 16},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			// Whoever has left does not see the answer.
			if !errors.Is(r.Context().Err(), context.Canceled) {
				b.mu.Lock()
				b.refused = append(b.refused, err)
				b.mu.Unlock()
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	b.URL = server.URL
	return b
}

func (b *balancer) pick() *url.URL {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.pods) == 0 {
		return nil
	}
	b.next++
	return b.pods[b.next%len(b.pods)].address
}

// add tells the balancer of a pod that is ready.
func (b *balancer) add(p *pod) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pods = append(b.pods, p)
}

// remove takes a pod out of rotation; requests that are under way to it go on.
func (b *balancer) remove(gone *pod) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var left []*pod
	for _, p := range b.pods {
		if p != gone {
			left = append(left, p)
		}
	}
	b.pods = left
}

// unanswered are the errors of all requests that no pod has answered.
func (b *balancer) unanswered() []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]error(nil), b.refused...)
}
