package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/stack"
)

// statuses are what a contract goes through: order received, supplier change, active, cancelled, ended.
var statuses = []int{1000, 3000, 5000, 6000, 7000}

// maxAnswer bounds the answer of the ingestor.
const maxAnswer = 64 << 10

// sender plays an ERP: it changes a contract and then posts a webhook that says so.
type sender struct {
	sim     *simclient.Client
	http    *http.Client
	webhook string

	mu       sync.Mutex
	sent     map[string]*sending
	posted   int
	accepted int
}

func newSender(sim *simclient.Client, webhook string, senders int) *sender {
	transport := &http.Transport{MaxIdleConnsPerHost: senders}
	return &sender{sim: sim, http: &http.Client{Transport: transport}, webhook: webhook, sent: map[string]*sending{}}
}

// close ends idle connections, which the ingestor would wait for.
func (s *sender) close() { s.http.CloseIdleConnections() }

// change makes one change in the ERP and tells of it. That the webhook is refused is no error here, but counted.
func (s *sender) change(ctx context.Context, contract string, status int) error {
	changed := time.Now()
	if _, err := s.sim.Change(ctx, simclient.Change{Contracts: []string{contract}, StatusID: status}); err != nil {
		return fmt.Errorf("change a contract in the simulated ERP: %w", err)
	}
	posted := time.Now()
	accepted, err := s.post(ctx, contract)
	if err != nil {
		return err
	}
	answered := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.sent[contract]
	if one == nil {
		one = &sending{}
		s.sent[contract] = one
	}
	one.posted, one.answered = append(one.posted, posted), append(one.answered, answered)
	if changed.After(one.lastChange) {
		one.lastChange = changed
	}
	s.posted++
	if accepted {
		one.accepted++
		s.accepted++
	}
	return nil
}

// post sends the webhook; accepted means 202 for exactly one event.
func (s *sender) post(ctx context.Context, contract string) (accepted bool, err error) {
	body, err := json.Marshal(map[string]string{"event": "contract.status.changed", "contractId": contract})
	if err != nil {
		return false, fmt.Errorf("write a webhook: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.webhook, strings.NewReader(string(body)))
	if err != nil {
		return false, fmt.Errorf("write a webhook: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Webhook-Secret", stack.Secret)
	response, err := s.http.Do(request)
	if err != nil {
		return false, fmt.Errorf("post a webhook: %w", err)
	}
	defer response.Body.Close()
	limited := io.LimitReader(response.Body, maxAnswer)
	var receipt struct {
		Accepted int `json:"accepted"`
	}
	if response.StatusCode == http.StatusAccepted {
		if err := json.NewDecoder(limited).Decode(&receipt); err != nil {
			return false, fmt.Errorf("read the answer to a webhook: %w", err)
		}
	}
	// Read to the end, so that the connection can be used again.
	if _, err := io.Copy(io.Discard, limited); err != nil {
		return false, fmt.Errorf("read the answer to a webhook: %w", err)
	}
	return receipt.Accepted == 1, nil
}

// job is one change of one contract.
type job struct {
	contract string
	status   int
	place    float64
}

// underWay is how many contracts are changing at any moment, about; as many other changes come between two of a contract.
// It bounds the time between those two on a slow machine, which must stay within a window.
const underWay = 40

// interleave mixes the changes of all contracts at random; those of one contract keep their order.
func interleave(contracts []string, changes int) []job {
	apart := float64(min(underWay, len(contracts))) / float64(changes)
	jobs := make([]job, 0, len(contracts)*changes)
	for i, contract := range contracts {
		for change := range changes {
			// The random part is less than one, so that no change overtakes the one before it.
			place := float64(i) + (float64(change)+rand.Float64())*apart //nolint:gosec // Not for secrets.
			jobs = append(jobs, job{contract: contract, status: statuses[change%len(statuses)], place: place})
		}
	}
	slices.SortFunc(jobs, func(a, b job) int { return cmp.Compare(a.place, b.place) })
	return jobs
}

// burst sends the changes from several senders at once, of which none owns a contract.
func (s *sender) burst(ctx context.Context, jobs []job, senders int) error {
	next := make(chan job)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(next)
		for _, j := range jobs {
			select {
			case next <- j:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range senders {
		group.Go(func() error {
			for j := range next {
				if err := s.change(ctx, j.contract, j.status); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// counts is how many webhooks were posted and accepted so far.
func (s *sender) counts() (posted, accepted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.posted, s.accepted
}
