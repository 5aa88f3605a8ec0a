package durability

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// askTimeout bounds one question to an endpoint.
	askTimeout = 2 * time.Second
	// maxAnswer bounds an answer in bytes: /varz has about 10 KB, and some bytes more for each route and cluster URL.
	maxAnswer = 1 << 20
)

// server is what a server tells about its own disk.
type server struct {
	name       string
	syncAlways bool
	// interval is how often the server syncs in the background, 0 if it does not say.
	interval time.Duration
}

// monitors asks the monitoring endpoints.
type monitors struct {
	endpoints []*url.URL
	client    *http.Client
}

func newMonitors(endpoints []*url.URL) *monitors {
	return &monitors{
		endpoints: endpoints,
		client: &http.Client{
			// One question a minute: a connection that is kept would only break in between. No proxy: these are neighbours.
			Transport: &http.Transport{DisableKeepAlives: true},
			Timeout:   askTimeout,
			// The servers never redirect; whoever does is none of them.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// ask asks all endpoints at once. It returns what each server tells, by its name, and what is wrong with the other
// endpoints, in their order and without credentials.
func (m *monitors) ask(ctx context.Context) (told map[string]server, problems []string) {
	servers, errs := make([]server, len(m.endpoints)), make([]error, len(m.endpoints))
	var wg sync.WaitGroup
	for i, u := range m.endpoints {
		wg.Go(func() { servers[i], errs[i] = m.askOne(ctx, u) })
	}
	wg.Wait()
	told = map[string]server{}
	for i, s := range servers {
		if errs[i] != nil {
			problems = append(problems, m.endpoints[i].Host+": "+errs[i].Error())
			continue
		}
		if known, twice := told[s.name]; twice {
			s.syncAlways = s.syncAlways && known.syncAlways
		}
		told[s.name] = s
	}
	return told, problems
}

var errNoVarz = errors.New("not the monitoring endpoint of a NATS server with JetStream")

func (m *monitors) askOne(ctx context.Context, u *url.URL) (server, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return server{}, errEndpoint
	}
	res, err := m.client.Do(req)
	if err != nil {
		return server{}, reachable(err)
	}
	defer func() { _ = res.Body.Close() }() // Read only.
	if res.StatusCode != http.StatusOK {
		return server{}, fmt.Errorf("%w: it answers %d", errNoVarz, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return server{}, reachable(err)
	}
	if len(body) > maxAnswer {
		return server{}, fmt.Errorf("%w: its answer is larger than %d bytes", errNoVarz, maxAnswer)
	}
	return parse(body)
}

// parse reads an answer of /varz.
func parse(body []byte) (server, error) {
	var varz struct {
		Name      string `json:"server_name"`
		JetStream struct {
			Config *struct {
				SyncInterval int64 `json:"sync_interval"` // nanoseconds
				SyncAlways   bool  `json:"sync_always"`
			} `json:"config"`
		} `json:"jetstream"`
	}
	if err := json.Unmarshal(body, &varz); err != nil {
		return server{}, fmt.Errorf("%w: its answer is not that of /varz", errNoVarz)
	}
	// A server name is one line of configuration; blanks and control characters are refused by NATS itself.
	if varz.Name == "" || len(varz.Name) > 256 || strings.ContainsFunc(varz.Name, unprintable) || varz.JetStream.Config == nil {
		return server{}, fmt.Errorf("%w: its answer is not that of /varz", errNoVarz)
	}
	c := varz.JetStream.Config
	return server{name: varz.Name, syncAlways: c.SyncAlways, interval: time.Duration(max(0, c.SyncInterval))}, nil
}

func unprintable(r rune) bool { return r <= ' ' || r == 0x7f }

var (
	errSilent      = fmt.Errorf("no answer within %s", askTimeout)
	errUnreachable = errors.New("cannot be reached")
)

// reachable says why there was no answer, in words that stay the same from check to check and hold no address: the
// library's own have the URL and changing ports in them.
func reachable(err error) error {
	if timed, ok := errors.AsType[net.Error](err); ok && timed.Timeout() {
		return errSilent
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("%w: %s", errUnreachable, dns.Err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return fmt.Errorf("%w: %w", errUnreachable, op.Err)
	}
	return errUnreachable
}
