package lookup

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// ask is call A for a contract.
func (r *replica) ask(t testing.TB, id string) result {
	t.Helper()
	return r.call(t, http.MethodPost, "/v1/contract", fmt.Sprintf(`{"contractId":%q}`, id))
}

// expect fails unless an answer has this status, origin and body.
func (r result) expect(t testing.TB, status int, from origin, body string) {
	t.Helper()
	if r.status != status || r.origin() != string(from) || body != "" && r.body != body {
		t.Errorf("answer = %d from %q, want %d from %q; the body is the wanted one: %t", r.status, r.origin(), status, from, body == "" || r.body == body)
	}
}

func TestAContractAndItsCustomerAreReadInTheERP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.start(nil)
	k := contract(w.contracts[0])
	want := w.structureOf(k)
	got := r.ask(t, k.ID)
	got.expect(t, http.StatusOK, fromERP, want)
	if got.header.Get("Age") != "0" || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers = %v", got.header)
	}
	got = r.call(t, http.MethodGet, "/v1/contract?contractId="+url.QueryEscape(k.ID), "")
	got.expect(t, http.StatusOK, fromCache, want)
	someone := customer(w.customers[0])
	got = r.call(t, http.MethodPost, "/v1/customer", fmt.Sprintf(`{"customerId":%q,"unknown":{"deep":[1]}}`, someone.ID))
	got.expect(t, http.StatusOK, fromERP, w.structureOf(someone))
	got = r.call(t, http.MethodGet, "/v1/customer?customerId="+url.QueryEscape(someone.ID), "")
	got.expect(t, http.StatusOK, fromCache, w.structureOf(someone))
}

func TestAnIdMayBeAnInteger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, err := w.sim.Contract(t.Context(), w.contracts[0])
	w.must(err)
	c.ID = "4711"
	_, err = w.sim.PutContract(t.Context(), c)
	w.must(err)
	r := w.start(nil)
	got := r.call(t, http.MethodPost, "/v1/contract", `{"contractId":4711}`)
	got.expect(t, http.StatusOK, fromERP, w.structureOf(contract("4711")))
}

func TestAnUnknownIdIsNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, mode := range []Mode{Live, Model, Auto} {
		r := w.start(map[string]string{"LOOKUP_MODE": string(mode)})
		if got := r.ask(t, "VN-nobody"); got.status != http.StatusNotFound {
			t.Errorf("mode %s answers %d %s", mode, got.status, got.body)
		}
	}
}

func TestModeModelCostsTheERPNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	w.carried(k)
	want := w.structureOf(k)
	w.forget()
	r := w.start(map[string]string{"LOOKUP_MODE": "model"})
	got := r.ask(t, k.ID)
	got.expect(t, http.StatusOK, fromModel, want)
	w.event(k)
	got = r.ask(t, k.ID)
	got.expect(t, http.StatusOK, fromStale, want)
	if n := w.reads("get_contract", ""); n != 0 {
		t.Errorf("the ERP was asked %d times", n)
	}
}

func TestModeAutoAsksTheERPOnlyForWhatItIsNotCoveredFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	w.carried(k)
	old := w.structureOf(k)
	r := w.start(map[string]string{"LOOKUP_MODE": "auto"})
	w.forget()
	got := r.ask(t, k.ID)
	got.expect(t, http.StatusOK, fromModel, old)
	w.change(k.ID, 6000)
	got = r.ask(t, k.ID) // Nobody has told of the change.
	got.expect(t, http.StatusOK, fromModel, old)
	if n := w.reads("get_contract", ""); n != 0 {
		t.Errorf("the ERP was asked %d times for what is known", n)
	}
	w.event(k)
	got = r.ask(t, k.ID)
	got.expect(t, http.StatusOK, fromERP, w.structureOf(k))
	w.enrich(k)
	got = r.ask(t, k.ID)
	got.expect(t, http.StatusOK, fromModel, w.structureOf(k))
}

func TestManyCallersAtTheSameTimeCostOneRead(t *testing.T) {
	t.Parallel()
	const callers = 50
	w := newWorld(t)
	k := contract(w.contracts[0])
	want := w.structureOf(k)
	// Whoever comes after the answer finds it in the cache; until then there is none.
	r := w.start(map[string]string{"LOOKUP_MODE": "live"})
	w.forget()
	held, err := w.sim.AddFault(t.Context(), simclient.Fault{System: simclient.Generic, Operation: "get_contract", Action: simclient.Hold})
	w.must(err)
	var group errgroup.Group
	for range callers {
		group.Go(func() error {
			got, err := r.try(t.Context(), http.MethodPost, "/v1/contract", fmt.Sprintf(`{"contractId":%q}`, k.ID), "Bearer "+testToken)
			if err == nil && got.body != want {
				err = fmt.Errorf("answer %d is not the contract", got.status)
			}
			return err
		})
	}
	_, err = w.sim.AwaitHeld(t.Context(), held.ID, 1)
	w.must(err)
	bustest.Eventually(t, "all of them wait", func() bool { return r.metric("bridge_lookup_calls_active") == callers })
	w.must(w.sim.Release(t.Context(), simclient.Release{Fault: held.ID}))
	w.must(group.Wait())
	if n := w.reads("get_contract", k.ID); n != 1 {
		t.Errorf("%d callers cost %d reads, want 1", callers, n)
	}
}

func TestAnEventEndsWhatTheCacheHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	r := w.start(map[string]string{"LOOKUP_MODE": "live", "LOOKUP_CACHE_TTL": "1h"})
	other := w.start(map[string]string{"LOOKUP_MODE": "live", "LOOKUP_CACHE_TTL": "1h"})
	old := w.structureOf(k)
	for _, one := range []*replica{r, other} {
		got := one.ask(t, k.ID)
		got.expect(t, http.StatusOK, fromERP, old)
		got = one.ask(t, k.ID)
		got.expect(t, http.StatusOK, fromCache, old)
	}
	w.change(k.ID, 6000)
	w.event(k)
	for _, one := range []*replica{r, other} {
		got := one.ask(t, k.ID)
		got.expect(t, http.StatusOK, fromERP, w.structureOf(k))
	}
	// A read of the pipeline ends it as well.
	w.enrich(k)
	got := r.ask(t, k.ID)
	got.expect(t, http.StatusOK, fromERP, w.structureOf(k))
}

func TestWhoKnowsOfAnEventDoesNotGetAReadThatBeganBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	r := w.start(map[string]string{"LOOKUP_MODE": "live"})
	// The first read has seen the old state, and its answer is late.
	late, err := w.sim.AddFault(t.Context(), simclient.Fault{
		System: simclient.Generic, Operation: "get_contract", Action: simclient.Hold, Phase: simclient.After, Count: 1,
	})
	w.must(err)
	first := make(chan result, 1)
	go func() {
		got, _ := r.try(t.Context(), http.MethodPost, "/v1/contract", fmt.Sprintf(`{"contractId":%q}`, k.ID), "Bearer "+testToken)
		first <- got
	}()
	_, err = w.sim.AwaitHeld(t.Context(), late.ID, 1)
	w.must(err)
	w.change(k.ID, 6000)
	w.event(k)
	got := r.ask(t, k.ID)
	want := w.structureOf(k)
	got.expect(t, http.StatusOK, fromERP, want)
	// Meanwhile the pipeline has told Enneo, so the first question is not answered with what it had read.
	w.enrich(k)
	w.must(w.sim.Release(t.Context(), simclient.Release{Fault: late.ID}))
	answer := <-first
	answer.expect(t, http.StatusOK, fromModel, want)
}

func TestWhatWasJustStoredIsAnsweredWhateverIsCached(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	for _, mode := range []Mode{Live, Model, Auto} {
		r := w.start(map[string]string{"LOOKUP_MODE": string(mode), "LOOKUP_CACHE_TTL": "1h"})
		for i := range 20 {
			w.change(k.ID, 6000+i)
			w.carried(k)
			if got, want := r.ask(t, k.ID), w.structureOf(k); got.status != http.StatusOK || got.body != want {
				t.Fatalf("mode %s, change %d: %d from %s is not what was stored", mode, i, got.status, got.origin())
			}
		}
	}
}

func TestAnERPThatIsInTroubleIsAnsweredForWithTheAgeOfWhatIsKnown(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]simclient.Fault{
		"down":    {Action: simclient.Reset},
		"slow":    {Action: simclient.Hang},
		"limited": {Action: simclient.Status, Status: http.StatusTooManyRequests, RetryAfter: "60"},
		"broken":  {Action: simclient.HTML, Status: http.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			k, unknown := contract(w.contracts[0]), contract(w.contracts[1])
			mapped, err := w.reader.Get(t.Context(), k.Kind, k.ID)
			w.must(err)
			const age = 2 * time.Hour
			w.event(k)
			w.store(k, w.last(k), mapped, time.Now().Add(-age))
			want := w.structureOf(k)
			w.event(k)
			r := w.start(map[string]string{"LOOKUP_MODE": "live", "LOOKUP_BUDGET": "300ms"})
			trouble.System, trouble.Operation = simclient.Generic, "get_contract"
			_, err = w.sim.AddFault(t.Context(), trouble)
			w.must(err)
			for range 5 {
				got := r.ask(t, k.ID)
				got.expect(t, http.StatusOK, fromStale, want)
				var seconds int
				if _, err := fmt.Sscan(got.header.Get("Age"), &seconds); err != nil || seconds < 7200 || seconds > 7800 {
					t.Errorf("Age = %q, want about two hours", got.header.Get("Age"))
				}
			}
			got := r.ask(t, unknown.ID)
			if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
				t.Errorf("a contract that nobody knows is answered %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
			}
			if n := r.metric("bridge_lookup_fallbacks_total"); n < 6 {
				t.Errorf("%v fallbacks were counted, want 6", n)
			}
			w.must(w.sim.ClearFaults(t.Context(), simclient.Generic))
			if name == "limited" {
				return // A minute is to be waited for.
			}
			bustest.Eventually(t, "the ERP is asked again", func() bool { return r.ask(t, unknown.ID).origin() == string(fromERP) })
		})
	}
}

func TestAPausedSourceIsNotAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	w.carried(k)
	w.event(k)
	r := w.start(map[string]string{"LOOKUP_MODE": "live"})
	w.pause(t)
	bustest.Eventually(t, "the pause is heard of", func() bool { return r.ask(t, k.ID).origin() == string(fromStale) })
	w.forget()
	got := r.ask(t, k.ID)
	got.expect(t, http.StatusOK, fromStale, "")
	if n := w.reads("get_contract", ""); n != 0 {
		t.Errorf("a paused ERP was asked %d times", n)
	}
}

func TestWhatIsGoneIsNotFoundAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := contract(w.contracts[0])
	w.carried(k)
	for _, mode := range []Mode{Model, Auto, Live} {
		r := w.start(map[string]string{"LOOKUP_MODE": string(mode)})
		got := r.ask(t, k.ID)
		if got.status != http.StatusOK {
			t.Fatalf("mode %s answers %d", mode, got.status)
		}
		w.event(k)
		entry, err := w.snapshots.Get(t.Context(), k.String())
		w.must(err)
		body := entry.Value.GetBody()
		entry.Value.Gone, entry.Value.Body = true, ""
		entry.Value.Covers, entry.Value.CoversLogTime = w.last(k).Position.Proto(), timestamppb.New(w.last(k).At)
		revision, err := w.snapshots.Put(t.Context(), k.String(), entry.Value, entry.Revision)
		w.must(err)
		if mode != Live { // The simulated ERP has it all the same.
			if got = r.ask(t, k.ID); got.status != http.StatusNotFound {
				t.Errorf("mode %s answers %d for what is gone", mode, got.status)
			}
		}
		entry.Value.Gone, entry.Value.Body = false, body
		_, err = w.snapshots.Put(t.Context(), k.String(), entry.Value, revision)
		w.must(err)
	}
}

func TestSeveralSourcesAreToldApartByTheirIds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.start(map[string]string{
		"SOURCES": "erp,lynq", "SOURCE_ERP_ENNEO_ID": "G-{id}", "SOURCE_LYNQ_ENNEO_ID": "L-{id}-x",
		"SOURCE_LYNQ_PROFILE": "lynqtech", "SOURCE_LYNQ_HOST": w.sim.URL(simclient.LynqTech),
		"SOURCE_LYNQ_API_KEY": lynqKey(), "SOURCE_LYNQ_RATE": "1000",
	})
	id := w.contracts[0]
	for _, enneoID := range []string{"G-" + id, "L-" + id + "-x"} {
		got := r.ask(t, enneoID)
		if got.status != http.StatusOK {
			t.Errorf("one of the two answers %d %s", got.status, got.body)
			continue
		}
		if got := idsIn(t, got.body); got[0] != enneoID || got[1][:2] != enneoID[:2] {
			t.Errorf("the ids in the answer are not Enneo's")
		}
	}
	for _, foreign := range []string{id, "L-" + id, "X-" + id, "G-"} {
		if got := r.ask(t, foreign); got.status != http.StatusNotFound {
			t.Errorf("an id of no source is answered %d", got.status)
		}
	}
}

func TestAnIdThatTwoSourcesHaveIsNotGuessed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.start(map[string]string{
		"SOURCES": "erp,twin", "ENNEO_IDS_DISJOINT": "true", "SOURCE_TWIN_PROFILE": "generic",
		"SOURCE_TWIN_HOST": w.sim.URL(simclient.Generic), "SOURCE_TWIN_API_KEY": w.environment(nil)["SOURCE_ERP_API_KEY"],
	})
	if got := r.ask(t, w.contracts[0]); got.status != http.StatusInternalServerError {
		t.Errorf("an id of both is answered %d", got.status)
	}
}

func TestAReplicaIsReadyWhenItsModelIsBuilt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var keys []key.Key
	for _, id := range w.contracts {
		keys = append(keys, contract(id))
	}
	w.carried(keys...)
	r := w.start(nil)
	if n := r.metric("bridge_lookup_model_keys", `kind="contract"`); n != float64(len(keys)) {
		t.Errorf("a replica that is ready has %v contracts, want %d", n, len(keys))
	}
	if built, left, lag := r.metric("bridge_lookup_model_built"), r.metric("bridge_lookup_model_left"), r.metric("bridge_lookup_model_lag_seconds"); built != 1 || left != 0 || lag != 0 {
		t.Errorf("a model that nothing has come to since is built %v, lacks %v records and lags by %v s", built, left, lag)
	}
	w.carried(keys[0])
	bustest.Eventually(t, "what comes to a built model is timed", func() bool { return r.metric("bridge_lookup_model_lag_seconds") > 0 })
}
