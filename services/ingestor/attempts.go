package ingestor

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How often one client may fail: ten times at once, then ten times a minute.
const (
	failureBurst    = 10
	failureInterval = time.Minute / failureBurst
	// maxClients bounds the memory to about a megabyte, however many addresses a hostile sender has.
	maxClients = 4096
)

// attempts counts failed attempts by client. It forgets the client that has not failed for the longest time when there
// are too many: that one may then fail more often, which only makes its answers other ones. Safe for concurrent use.
type attempts struct {
	mu      sync.Mutex
	clients map[netip.Prefix]*list.Element
	recent  *list.List // of *failing, the one that failed last first
}

type failing struct {
	client  netip.Prefix
	limiter *rate.Limiter
}

func newAttempts() *attempts {
	return &attempts{clients: map[netip.Prefix]*list.Element{}, recent: list.New()}
}

// failed counts a failure. It returns 0 within the limit, else how long the client should wait.
func (a *attempts) failed(address netip.Addr, now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	client := clientOf(address)
	element := a.clients[client]
	if element == nil {
		if a.recent.Len() >= maxClients {
			oldest := a.recent.Back()
			delete(a.clients, a.recent.Remove(oldest).(*failing).client) //nolint:errcheck // The list holds nothing else.
		}
		element = a.recent.PushFront(&failing{client: client, limiter: rate.NewLimiter(rate.Every(failureInterval), failureBurst)})
		a.clients[client] = element
	}
	a.recent.MoveToFront(element)
	return take(element.Value.(*failing).limiter, now) //nolint:errcheck // As above.
}

// clientOf takes the addresses that one sender has at its disposal for one client: of IPv6 that is a whole network.
func clientOf(address netip.Addr) netip.Prefix {
	network, err := address.Prefix(min(64, address.BitLen()))
	if err != nil {
		return netip.Prefix{} // All unknown addresses are one client.
	}
	return network
}

// take takes a token and returns 0, or returns how long it is until there is one. A reservation that is cancelled would not
// always give its token back, so that those who are refused would hold up those who wait.
func take(l *rate.Limiter, now time.Time) time.Duration {
	if l.AllowN(now, 1) {
		return 0
	}
	missing := 1 - l.TokensAt(now)
	return max(time.Millisecond, time.Duration(missing/float64(l.Limit())*float64(time.Second)))
}
