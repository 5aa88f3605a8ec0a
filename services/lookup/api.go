package lookup

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/httpx"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/feed"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/legitimation"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/tickets"
)

// Headers of our answers.
const (
	// headerOrigin says where an answer comes from: live, cache, model or stale. Age says how old it is.
	headerOrigin = "X-Enneo-Bridge-Origin"
	// headerLimited says that nothing was searched, since the ticket had found nobody too often.
	headerLimited = "X-Enneo-Bridge-Limited"
)

// api is the HTTP side of the four calls.
type api struct {
	finder  *finder
	tokens  *tokens
	tickets *tickets.Limit
	rules   *legitimation.Rules
	budget  time.Duration
	metrics *metrics
	logger  *slog.Logger
	// built is the finder's feed once there is one.
	built atomic.Pointer[feed.Feed]
}

// reply is what a call is answered with.
type reply struct {
	body    []byte
	origin  origin
	asOf    time.Time
	result  string
	limited bool
}

// answer answers one call; the ERP is waited for until then.
type answer func(ctx context.Context, input map[string]string, until time.Time) (reply, error)

// routes adds the four calls.
func (a *api) routes(mux *http.ServeMux) {
	for path, call := range map[string]struct {
		operation string
		answer    answer
	}{
		"/v1/contract":        {opContract, a.contract},
		"/v1/customer":        {opCustomer, a.customer},
		"/v1/contract/search": {opContractSearch, a.contractSearch},
		"/v1/customer/search": {opCustomerSearch, a.customerSearch},
	} {
		handler := a.handle(call.operation, call.answer)
		mux.Handle("GET "+path, handler)
		mux.Handle("POST "+path, handler)
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", "GET, HEAD, POST")
			httpx.Problem(w, r, http.StatusMethodNotAllowed, "method", "The method is not allowed", "Use POST with a JSON object, or GET with query parameters.")
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		httpx.Problem(w, r, http.StatusNotFound, "no-route", "There is no such call", "The calls are described at /openapi.yaml.")
	})
}

// handle makes a handler of an answer.
func (a *api) handle(operation string, answer answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		defer a.metrics.begun(r.Context(), operation)()
		granted, previous := a.tokens.grants(r)
		if !granted {
			w.Header().Set("WWW-Authenticate", "Bearer")
			httpx.Problem(w, r, http.StatusUnauthorized, "unauthorized", "The token is missing or wrong", "Send it as Authorization: Bearer with the value of LOOKUP_TOKEN.")
			a.metrics.called(r.Context(), operation, "", resultUnauthorized, time.Since(began))
			return
		}
		if previous {
			a.metrics.previous.Add(r.Context(), 1)
		}
		input, err := fields(w, r)
		var found reply
		if err == nil {
			found, err = answer(r.Context(), input, began.Add(a.budget))
		}
		if err != nil {
			found.result = a.refuse(w, r, operation, err)
		} else {
			found.write(w)
		}
		a.metrics.called(r.Context(), operation, found.origin, found.result, time.Since(began))
	})
}

// write sends the reply.
func (p *reply) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(headerOrigin, string(p.origin))
	if !p.asOf.IsZero() {
		h.Set("Age", strconv.Itoa(int(max(0, time.Since(p.asOf)).Seconds())))
	}
	if p.limited {
		h.Set(headerLimited, "ticket")
	}
	_, _ = w.Write(p.body) // The caller has gone if this fails.
}

// refuse answers with what went wrong and returns the call's result.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, operation string, err error) (result string) {
	if wrong, ok := errors.AsType[*inputError](err); ok {
		httpx.Problem(w, r, wrong.status, "invalid-input", "The input is not valid", wrong.detail)
		return resultInvalid
	}
	if none, ok := errors.AsType[*unavailableError](err); ok {
		return unavailable(w, r, none.fault)
	}
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		return unavailable(w, r, f)
	}
	switch {
	case errors.Is(err, errNotFound):
		httpx.Problem(w, r, http.StatusNotFound, "not-found", "There is none with this id", "Neither the ERP nor what is known of it has this id.")
		return resultNone
	case errors.Is(err, errAmbiguous):
		a.logger.ErrorContext(r.Context(), "an id is that of several sources; give each an ENNEO_ID of its own", "operation", operation)
		httpx.Problem(w, r, http.StatusInternalServerError, "ambiguous-id", "Several sources have this id", "Give each source an ENNEO_ID of its own; ENNEO_IDS_DISJOINT says that this does not happen.")
		return resultFailed
	case errors.Is(err, feed.ErrUnavailable):
		w.Header().Set("Retry-After", "1")
		httpx.Problem(w, r, http.StatusServiceUnavailable, "building", "The read model is being built", "Ask another replica, or again in a while.")
		return resultUnavailable
	}
	a.logger.ErrorContext(r.Context(), "a call cannot be answered", "operation", operation, "error", err.Error())
	httpx.Problem(w, r, http.StatusInternalServerError, "internal", "The call cannot be answered", "The reason is in the log of lookup.")
	return resultFailed
}

// unavailable says that the ERP did not answer, and nothing is known.
func unavailable(w http.ResponseWriter, r *http.Request, f *fault.Fault) (result string) {
	if f.Scope == fault.Key && f.Permanent {
		httpx.Problem(w, r, http.StatusBadGateway, "erp-answer", "The ERP's answer cannot be used", "Reason: "+f.Reason+". See bridge profile test.")
		return resultFailed
	}
	const shortest = time.Second
	seconds := int(min(max(f.RetryAfter, shortest), fault.MaxRetryAfter).Seconds())
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	httpx.Problem(w, r, http.StatusServiceUnavailable, "erp-unavailable", "The ERP cannot be asked at the moment", "Nothing is known that could be answered instead. Reason: "+f.Reason+".")
	return resultUnavailable
}

// encode writes an answer; what it is given can always be written.
func encode(value any) []byte {
	body, err := json.Marshal(value)
	if err != nil {
		panic("encode an answer: " + err.Error())
	}
	return body
}
