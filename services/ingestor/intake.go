package ingestor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/durability"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/health"
	"github.com/enneo-ai/enneo-bridge/libs/httpx"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// retryAfter is how long a sender is asked to wait when the log does not take its events.
const retryAfter = 5 * time.Second

// intake answers webhooks and CloudEvents.
type intake struct {
	guards     map[string]*guard // by source
	proxies    proxies
	attempts   *attempts
	now        func() time.Time
	pipeline   atomic.Pointer[pipeline.Pipeline] // nil until the log is there
	propagator propagation.TextMapPropagator
	maxBody    int64
	maxEvents  int
	logger     *slog.Logger
	metrics    *metrics
}

// guard puts a guard before each of the sources.
func (in *intake) guard(ctx context.Context, sources []*source.Source, trusted proxies) {
	in.guards, in.proxies, in.attempts, in.now = map[string]*guard{}, trusted, newAttempts(), time.Now
	for _, src := range sources {
		in.guards[src.Name] = newGuard(src)
		if src.WebhookSecretPrevious.IsSet() {
			// The series has to be there before it stands still.
			in.metrics.previousSecret(ctx, src.Name, 0)
		}
	}
}

// open lets the intake store events from now on.
func (in *intake) open(p *pipeline.Pipeline) { in.pipeline.Store(p) }

// found is the check that the log has been found once. From the given time on it passes all the same: if the log is away for
// everybody, somebody has to answer 503.
func (in *intake) found(latest time.Time) health.Check {
	return func(context.Context) error {
		if in.pipeline.Load() == nil && time.Now().Before(latest) {
			return errNotConnected
		}
		return nil
	}
}

var errNotConnected = errors.New("not connected to NATS yet: see NATS_URL")

// routes registers the fixed paths.
func (in *intake) routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /webhooks/{source}", in.from(in.webhook))
	mux.HandleFunc("POST /webhooks/{source}/{secret}", in.from(in.webhook))
	mux.HandleFunc("POST /events/{source}", in.from(in.cloudEvents))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if known := strings.HasPrefix(r.URL.Path, "/webhooks/") || strings.HasPrefix(r.URL.Path, "/events/"); known && r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			httpx.Problem(w, r, http.StatusMethodNotAllowed, "method", "Method not allowed", "Webhooks and events are sent with POST.")
			return
		}
		httpx.Problem(w, r, http.StatusNotFound, "unknown-path", "Unknown path",
			"There are POST /webhooks/{source}, POST /webhooks/{source}/{secret} and POST /events/{source}.")
	})
}

// receipt is the answer to what was accepted.
type receipt struct {
	Accepted     int      `json:"accepted"`
	Duplicates   int      `json:"duplicates"`
	Unrecognised int      `json:"unrecognised"`
	IDs          []string `json:"ids"`
}

// told is what a request tells, before anything is stored.
type told struct {
	changes []eventlog.Change
	// strange are the parts in which no identifier was found.
	strange []strange
}

type strange struct {
	mediaType string
	raw       []byte
	reason    string
	message   string
}

// refuse answers a request of which nothing was stored.
func (in *intake) refuse(w http.ResponseWriter, r *http.Request, src *source.Source, err error) {
	status, slug, title := http.StatusBadRequest, "malformed", "Malformed body"
	detail := err.Error()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		status, slug, title = http.StatusRequestEntityTooLarge, "too-large", "Body too large"
		detail = fmt.Sprintf("The body may have %d bytes; see INGEST_MAX_BODY.", in.maxBody)
	}
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		status, slug, title = http.StatusRequestEntityTooLarge, "too-large", "Body too large"
		detail = "The body is larger than a message of NATS may be; see INGEST_MAX_BODY and max_payload of the server."
	case errors.Is(err, errTooMany):
		status, slug, title = http.StatusRequestEntityTooLarge, "too-many", "Too many events"
		detail += "; send them in several requests, or see INGEST_MAX_EVENTS."
	case errors.Is(err, errMediaType), errors.Is(err, errNoEvent), errors.Is(err, errUncovered):
		status, slug, title = http.StatusUnsupportedMediaType, "media-type", "Unsupported media type"
	}
	in.metrics.request(r.Context(), src.Name, status)
	httpx.Problem(w, r, status, slug, title, detail)
}

// accept stores what a request tells and answers 202 once the log has all of it. If it does not take all of it, the
// answer is 503, never anything that a sender would not repeat: what was stored already is only told twice.
func (in *intake) accept(w http.ResponseWriter, r *http.Request, src *source.Source, t told) {
	answer, err := in.store(r.Context(), src, t)
	if errors.Is(err, nats.ErrMaxPayload) {
		// No repetition would help.
		in.refuse(w, r, src, err)
		return
	}
	if err != nil {
		in.logger.ErrorContext(r.Context(), "the log does not take events, the sender is asked to come again",
			"source", src.Name, "error", err.Error())
		in.metrics.request(r.Context(), src.Name, http.StatusServiceUnavailable)
		w.Header().Set("Retry-After", seconds(retryAfter))
		slug, title := "log-unavailable", "The event log does not take events"
		if errors.Is(err, durability.ErrBelow) {
			slug, title = "durability", "The event log is less durable than demanded"
		}
		httpx.Problem(w, r, http.StatusServiceUnavailable, slug, title, "Nothing is lost if you send the same request again.")
		return
	}
	in.metrics.request(r.Context(), src.Name, http.StatusAccepted)
	in.metrics.accepted(r.Context(), src.Name, answer)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	// The sender has gone if this fails, and may send again; that changes nothing.
	_ = json.NewEncoder(w).Encode(answer)
}

func (in *intake) store(ctx context.Context, src *source.Source, t told) (receipt, error) {
	p := in.pipeline.Load()
	if p == nil {
		return receipt{}, errNotConnected
	}
	// Before anything is stored: what has no identifier goes to DEAD, which the log does not guard.
	if err := p.Durability.Allow(ctx); err != nil {
		return receipt{}, err
	}
	answer := receipt{Unrecognised: len(t.strange), IDs: make([]string, 0, len(t.changes))}
	for _, s := range t.strange {
		if err := p.Dead.PutBody(ctx, src.Name, s.mediaType, s.raw, s.reason, s.message, src.Profile.Ref()); err != nil {
			return receipt{}, err
		}
		in.logger.WarnContext(ctx, "webhook without an identifier kept as a dead letter", "source", src.Name, "reason", s.reason, "detail", s.message)
	}
	events := make([]eventlog.Event, len(t.changes))
	for i, c := range t.changes {
		event, err := eventlog.NewEvent(ctx, in.propagator, c)
		if err != nil {
			return receipt{}, err
		}
		events[i] = event
		answer.IDs = append(answer.IDs, event.ID)
	}
	acks, errs := p.Log.Append(ctx, events)
	if err := errors.Join(errs...); err != nil {
		return receipt{}, err
	}
	for _, ack := range acks {
		if ack.Duplicate {
			answer.Duplicates++
		} else {
			answer.Accepted++
		}
	}
	return answer, nil
}

// maxSenderID is the longest sender's id of an event in bytes that is kept as it is: each event of a request has a copy.
const maxSenderID = 400

// senderIDOf names a sender's id that is too long, or no text, by its hash: it has to be the same in each repetition of
// the request, nothing more.
func senderIDOf(id string) string {
	if len(id) <= maxSenderID && utf8.ValidString(id) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// changesOf makes a change of every key that was identified.
func changesOf(src *source.Source, found profile.Identified, origin bridgev1.Origin, senderID string, now time.Time) []eventlog.Change {
	changes := make([]eventlog.Change, 0, len(found.ContractIDs)+len(found.CustomerIDs))
	add := func(kind key.Kind, ids []string) {
		for _, id := range ids {
			changes = append(changes, eventlog.Change{
				Key:    key.Key{Source: src.Name, Kind: kind, ID: id},
				Origin: origin, SenderID: senderID, ChangeType: found.ChangeType, ReceivedAt: now,
				// Of a customer alone nobody but the ERP knows which contracts it is about.
				WithContracts: kind == key.Customer && len(found.ContractIDs) == 0,
			})
		}
	}
	add(key.Contract, found.ContractIDs)
	add(key.Customer, found.CustomerIDs)
	return changes
}

// strangenessOf tells what is wrong with identifiers, if anything: none was found, or something in the place of one is none.
func strangenessOf(found profile.Identified, src *source.Source) (reason, message string) {
	var bad []string
	for _, text := range found.Invalid {
		if strings.HasPrefix(text, "contract id") || strings.HasPrefix(text, "customer id") {
			bad = append(bad, text)
		}
	}
	switch {
	case len(bad) > 0:
		return "invalid_identifier", strings.Join(bad, "; ") + "; mend the sender or the webhook pointers of profile " + src.Profile.Name() + ", then replay"
	case len(found.ContractIDs)+len(found.CustomerIDs) == 0:
		return "no_identifier", "none of the webhook pointers of profile " + src.Profile.Name() + " finds an identifier; mend the profile, then replay"
	default:
		return "", ""
	}
}
