package ingestor

import (
	"io"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/httpx"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// admitted is a request of which is known who sends it.
type admitted struct {
	src  *source.Source
	body []byte
	// signed: by nothing but a signature of the body.
	signed bool
}

// from checks who sends. The body is read before that only if a signature of it may be right.
func (in *intake) from(next func(http.ResponseWriter, *http.Request, admitted)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		g := in.guards[r.PathValue("source")]
		if g == nil {
			in.metrics.request(r.Context(), "", http.StatusNotFound)
			httpx.Problem(w, r, http.StatusNotFound, "unknown-source", "Unknown source",
				"No source of this name is configured; see SOURCES.")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, in.maxBody)
		body := sync.OnceValues(func() ([]byte, error) { return io.ReadAll(r.Body) })
		var who sender
		who.address, who.known = in.proxies.client(r)
		now := in.now()
		v, err := g.judge(r, who, now, body)
		if err != nil {
			in.refuse(w, r, g.src, unreadable(err))
			return
		}
		if !v.granted {
			in.deny(w, r, g, v, in.attempts.failed(who.address, now))
			return
		}
		if v.previous {
			in.metrics.previousSecret(r.Context(), g.src.Name, 1)
		}
		// After the sender is known: nobody else can use up what the source may send.
		if wait := g.busy(now); wait > 0 {
			in.throttle(w, r, g, wait)
			return
		}
		text, err := body()
		if err != nil {
			in.refuse(w, r, g.src, unreadable(err))
			return
		}
		next(w, r, admitted{src: g.src, body: text, signed: v.signed})
	}
}

// deny answers a request that is not authenticated. A client that has failed too often is told to wait; one with the
// right secret at the same address, behind a proxy perhaps, never comes here.
func (in *intake) deny(w http.ResponseWriter, r *http.Request, g *guard, v verdict, wait time.Duration) {
	in.metrics.failure(r.Context(), g.src.Name, v)
	if wait > 0 {
		in.metrics.request(r.Context(), g.src.Name, http.StatusTooManyRequests)
		w.Header().Set("Retry-After", seconds(wait))
		httpx.Problem(w, r, http.StatusTooManyRequests, "too-many-attempts", "Too many failed attempts",
			"Too many requests from this address were not authenticated. "+g.demands())
		return
	}
	in.metrics.request(r.Context(), g.src.Name, http.StatusUnauthorized)
	w.Header().Set("WWW-Authenticate", `Bearer realm="enneo-bridge"`)
	httpx.Problem(w, r, http.StatusUnauthorized, "unauthenticated", "Unauthenticated", g.demands())
}

// throttle answers a request beyond WEBHOOK_RATE.
func (in *intake) throttle(w http.ResponseWriter, r *http.Request, g *guard, wait time.Duration) {
	in.metrics.request(r.Context(), g.src.Name, http.StatusTooManyRequests)
	in.metrics.throttled(r.Context(), g.src.Name)
	w.Header().Set("Retry-After", seconds(wait))
	httpx.Problem(w, r, http.StatusTooManyRequests, "rate", "Too many requests",
		"The source sends more requests than it may. Nothing is lost if you send the same request again.")
}

// seconds is a duration as Retry-After has it, rounded up.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
