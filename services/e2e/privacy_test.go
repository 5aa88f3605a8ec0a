package e2e

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/canary"
	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// All ids of the test hold idMark, by which they are recognised.
const (
	idMark = "Pirolruf"
	mainID = "VN-" + idMark
	// refusedID is one that the ERP, declinedID one that Enneo refuses for good.
	refusedID  = mainID + "-refused"
	declinedID = mainID + "-declined"
	customerID = "K-" + idMark
)

// The people of the test: contract and customer belong to one after the other, so what was replaced is recognised.
const (
	firstOwner, lastOwner = 1, 4
	inWebhooks            = 10 // stands in webhooks that are understood, or refused
	inAnswers             = 20 // stands in what ERP and Enneo answer
	withoutID             = 30 // stands in webhooks that name nobody
)

// TestPersonalDataAndSecretsStandOnlyWhereTheyMay is the table of docs/security.md: everything that knows personal data or a
// secret is disturbed while the services say all they can, then the contracts are deleted. Each search has to find what was
// planted for it.
func TestPersonalDataAndSecretsStandOnlyWhereTheyMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	writes := w.recordRedis()
	spans := collect(t)
	env := w.With(impatient)
	maps.Copy(env, map[string]string{
		"LOG_LEVEL": "debug", "GONE_CONFIRM": "1s",
		"OTEL_EXPORTER_OTLP_ENDPOINT": spans.url, "OTEL_BSP_SCHEDULE_DELAY": "100",
		// Half of it reaches spans and metrics, the other half is wrong and reaches the log.
		"OTEL_RESOURCE_ATTRIBUTES": "planted=" + planted + "," + planted,
	})
	services := map[string]*rig.Process{}
	readModel := t.TempDir()
	maps.Copy(env, map[string]string{
		"LOOKUP_TOKEN": lookupToken, "LOOKUP_TEMP_DIR": readModel, "LOOKUP_MODE": "live", "LOOKUP_TICKET_ATTEMPTS": "3", "LOOKUP_CACHE_TTL": "0",
	})
	for _, name := range []string{"ingestor", "debouncer", "enricher", "publisher", "lookup"} {
		services[name] = w.start(name, env)
	}
	ingestor := w.http(services["ingestor"])
	must(t, w.Accepting(t.Context(), ingestor))

	w.ownersChange(ingestor)
	w.faultsPass(ingestor)
	ids := append(w.keysDie(ingestor), mainID)
	w.knock(ingestor)
	w.onlyKnownPlacesHoldData()
	w.deadLettersTellNothing()
	w.ask(w.http(services["lookup"]))
	w.readModelHoldsTheOwner(readModel)

	w.delete(ingestor, ids)
	w.readModelForgets(readModel)
	w.dropBodies()
	metrics := w.metrics(services)
	for _, name := range []string{"lookup", "publisher", "enricher", "debouncer", "ingestor"} {
		must(t, services[name].Stop())
	}
	if left, err := os.ReadDir(readModel); err != nil || len(left) > 0 {
		t.Errorf("%d files of the read model are left: %v", len(left), err)
	}
	w.NATS.Kill()
	w.Redis.Kill()

	for name := range services {
		quiet(t, "the log of "+name, w.printed(name))
		quiet(t, "the spans of "+name, spans.of(name))
		quiet(t, "the metrics of "+name, metrics[name])
	}
	for _, name := range []string{"nats-server", "redis-server", "simulator"} {
		clean(t, "the log of "+name, w.printed(name))
	}
	clean(t, "what Redis was ever told", writes())
	store := w.store()
	for stream, text := range store {
		clean(t, stream+" in the store of NATS", text)
	}
	// Whoever reads the files at all finds the ids, which are there by purpose.
	for _, stream := range []string{bus.StreamEvents, bus.KVStream(bus.BucketSettled)} {
		if !strings.Contains(string(store[stream]), idMark) {
			t.Errorf("the ids are not found in the files of %s: the search is wrong", stream)
		}
	}
}

// ownersChange gives contract and customer one owner after the other; all of them reach Enneo.
func (w *world) ownersChange(ingestor string) {
	w.t.Helper()
	for n := firstOwner; n <= lastOwner; n++ {
		if n == firstOwner {
			w.put(mainID, n, nil)
		} else {
			w.patch(mainID, n)
		}
		w.tell(ingestor, mainID, customerID)
		w.settled(0)
	}
	w.sound()
}

// put makes a contract of a person, and a customer for it.
func (w *world) put(id string, owner int, override map[string]json.RawMessage) {
	w.t.Helper()
	c := contractOf(id, canary.NewPerson(owner))
	c.Override = override
	_, err := w.Sim.PutContract(w.t.Context(), c)
	must(w.t, err)
}

func contractOf(id string, p canary.Person) simclient.Contract {
	party, addresses := partyOf(p)
	return simclient.Contract{
		ID: id, CustomerID: strings.Replace(id, "VN-", "K-", 1), Party: party, Addresses: addresses,
		StatusID: simclient.StatusActive, StatusTitle: "Aktiv", EnergyTypeID: simclient.Electricity, CounterNumber: p.Meter, IBAN: p.IBAN,
		StartDate: "2026-01-01", ProductName: "Strom Basis", ProductCode: "STR-BASIS",
	}
}

func partyOf(p canary.Person) (simclient.Party, simclient.Addresses) {
	type optional = simclient.Optional
	party := simclient.Party{
		Firstname: optional(p.Firstname), Lastname: optional(p.Lastname), Company: optional(p.Company),
		Email: optional(p.Email), Phone: optional(p.Phone),
	}
	return party, simclient.Addresses{
		DeliveryStreet: p.Street, DeliveryHouseNumber: p.HouseNumber, DeliveryZip: p.Zip, DeliveryCity: p.City,
		BillingStreet: optional(p.Street), BillingHouseNumber: optional(p.HouseNumber), BillingZip: optional(p.Zip), BillingCity: optional(p.City),
	}
}

// patch makes a person the owner of a contract and its customer.
func (w *world) patch(id string, owner int) {
	w.t.Helper()
	p := canary.NewPerson(owner)
	party, addresses := partyOf(p)
	both, err := json.Marshal(struct {
		simclient.Party
		simclient.Addresses
	}{party, addresses})
	must(w.t, err)
	alone, err := json.Marshal(map[string]string{"iban": p.IBAN, "counterNumber": p.Meter})
	must(w.t, err)
	customer := strings.Replace(id, "VN-", "K-", 1)
	for _, change := range []simclient.Change{
		{Contracts: []string{id}, Customers: []string{customer}, Patch: both}, {Contracts: []string{id}, Patch: alone},
	} {
		_, err := w.Sim.Change(w.t.Context(), change)
		must(w.t, err)
	}
}

// tell sends a webhook that names contract and customer, and all of a person besides.
func (w *world) tell(ingestor, contract, customer string) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{
		"event": "contract.status", "contractId": contract, "customerId": customer, "contract": canary.NewPerson(inWebhooks),
	})
	must(w.t, err)
	must(w.t, w.Post(w.t.Context(), ingestor, string(body)))
}

// talkative is an answer with all of a person, as values and as a name.
func talkative(success bool) string {
	p := canary.NewPerson(inAnswers)
	body, err := json.Marshal(map[string]any{
		"success": success, "message": "no account " + p.IBAN + " of " + p.Lastname, p.Email: p, "errors": []any{p.Told()},
		"request": "Authorization: Bearer " + canary.Secret("told"),
	})
	if err != nil {
		panic(err) // Nothing in it cannot be encoded.
	}
	return string(body)
}

// faultsPass lets ERP and Enneo answer in every way that passes, with personal data in each answer.
func (w *world) faultsPass(ingestor string) {
	w.t.Helper()
	page := "<html>" + talkative(false)
	for _, fault := range []simclient.Fault{
		{Action: simclient.Status, Status: http.StatusInternalServerError, Body: talkative(false)},
		{Action: simclient.Status, Status: http.StatusUnauthorized, Body: talkative(false)},
		{Action: simclient.Status, Status: http.StatusTooManyRequests, RetryAfter: "1", Body: talkative(false)},
		{Action: simclient.Status, Status: http.StatusOK, Body: talkative(true)[:200]},
		{Action: simclient.HTML, Body: page},
		{Action: simclient.Truncate},
		{Action: simclient.Reset},
		{Action: simclient.WrongID},
		{System: simclient.Powercloud, Action: simclient.Failure, Body: talkative(false)},
	} {
		for _, system := range []string{simclient.Powercloud, simclient.Enneo} {
			if fault.System == "" || fault.System == system {
				fault.System, fault.EntityID, fault.Count = system, mainID, 1
				_, err := w.Sim.AddFault(w.t.Context(), fault)
				if system == simclient.Enneo && fault.Action == simclient.WrongID {
					continue // It answers no question.
				}
				must(w.t, err)
			}
		}
		w.patch(mainID, lastOwner)
		w.tell(ingestor, mainID, customerID)
		w.settled(0)
	}
	must(w.t, w.Sim.ClearFaults(w.t.Context(), ""))
}

// keysDie makes a dead letter of each kind of refusal, and returns the contracts concerned.
func (w *world) keysDie(ingestor string) []string {
	w.t.Helper()
	faults := map[string]string{refusedID: simclient.Powercloud, declinedID: simclient.Enneo}
	for id, system := range faults {
		_, err := w.Sim.AddFault(w.t.Context(), simclient.Fault{
			System: system, EntityID: id, Action: simclient.Status, Status: http.StatusUnprocessableEntity, Body: talkative(false),
		})
		must(w.t, err)
		w.put(id, lastOwner, nil)
	}
	ids := slices.Collect(maps.Keys(faults))
	// What cannot be mapped: the error must say which field it is, and not what stands there.
	p := canary.NewPerson(inAnswers)
	for name, value := range map[string]any{
		"business": p.Lastname, "startDate": p.Lastname, "monthlyDeposit": p.IBAN, "consumption": p.Told(), "iban": p, "email": []any{p},
		"deliveryStreet": p, "customerId": p, "energyTypeId": p, "statusId": p.Told(),
	} {
		raw, err := json.Marshal(value)
		must(w.t, err)
		id := mainID + "-" + name
		w.put(id, lastOwner, map[string]json.RawMessage{name: raw})
		ids = append(ids, id)
	}
	for _, id := range ids {
		w.tell(ingestor, id, strings.Replace(id, "VN-", "K-", 1))
	}
	// What Enneo refuses becomes a dead letter once others were taken since.
	eventually(w.t, "enneo has refused a contract", func() error {
		refused, err := w.Sim.Journal(w.t.Context(), simclient.JournalQuery{System: simclient.Enneo, ID: declinedID})
		if err == nil && len(refused) == 0 {
			err = errors.New("no request for it")
		}
		return err
	})
	w.patch(mainID, lastOwner)
	w.tell(ingestor, mainID, customerID)
	w.settled(0)
	return ids
}

// deadLettersTellNothing checks every dead letter of a key, and that there are some of each stage.
func (w *world) deadLettersTellNothing() {
	w.t.Helper()
	found := map[string]int{}
	w.letters(func(l deadletter.Letter) error {
		found[l.Value.GetStage()]++
		if l.Value.GetStage() == deadletter.StageIngest {
			if len(canary.Find(l.Value.GetBody())) == 0 {
				w.t.Errorf("the body of %s holds nothing of what was sent", l.Name)
			}
			l.Value.Body = nil
		}
		text, err := proto.Marshal(l.Value)
		clean(w.t, "the dead letter "+l.Name, text)
		return err
	})
	for stage, least := range map[string]int{deadletter.StageIngest: 3, deadletter.StageEnrich: 4, deadletter.StagePublish: 1} {
		if found[stage] < least {
			w.t.Errorf("%d dead letters of stage %s, want at least %d", found[stage], stage, least)
		}
	}
}

// letters visits every dead letter.
func (w *world) letters(visit func(deadletter.Letter) error) {
	w.t.Helper()
	b, err := w.Bus(w.t.Context())
	must(w.t, err)
	must(w.t, deadletter.Open(b).Each(w.t.Context(), deadletter.Filter{}, visit))
}

// delete deletes contracts in the ERP and tells of it; each of them is deleted in Enneo, and the customers follow by themselves.
func (w *world) delete(ingestor string, ids []string) {
	w.t.Helper()
	must(w.t, w.Sim.ClearFaults(w.t.Context(), ""))
	for _, id := range ids {
		_, err := w.Sim.Delete(w.t.Context(), simclient.Ref{Kind: key.Contract, ID: id})
		must(w.t, err)
		w.tell(ingestor, id, strings.Replace(id, "VN-", "K-", 1))
	}
	w.settled(0)
	w.sound()
	w.letters(func(l deadletter.Letter) error {
		if l.Value.GetStage() != deadletter.StageIngest {
			w.t.Errorf("the dead letter %s has outlived its key", l.Name)
		}
		return nil
	})
}

// dropBodies removes the bodies that name nobody, as an operator does with bridge dlq drop.
func (w *world) dropBodies() {
	w.t.Helper()
	b, err := w.Bus(w.t.Context())
	must(w.t, err)
	box := deadletter.Open(b)
	w.letters(func(l deadletter.Letter) error { return box.Remove(w.t.Context(), l) })
}
