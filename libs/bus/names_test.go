package bus_test

import (
	"errors"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

func TestNamesAreTheOnesOnTheWire(t *testing.T) {
	t.Parallel()
	k := contract("pc-north", "a.b")
	for name, tc := range map[string]struct{ got, want string }{
		"event":                  {bus.EventSubject(k), "erp.event.pc-north.contract.a=2Eb"},
		"due":                    {bus.StageEnrich.Subject(k), "contract.due.pc-north.contract.a=2Eb"},
		"ready":                  {bus.StagePublish.Subject(k), "contract.ready.pc-north.contract.a=2Eb"},
		"dead letter":            {bus.DeadSubject("enrich", k), "dead.enrich.pc-north.contract.a=2Eb"},
		"body":                   {bus.DeadBodySubject("pc-north", "ff00"), "dead.ingest.pc-north.body.ff00"},
		"filter of a source":     {bus.StageEnrich.Filter("pc"), "contract.due.pc.>"},
		"consumer of the log":    {bus.StageDebounce.ConsumerName("pc"), "debouncer-pc"},
		"consumer of DUE":        {bus.StageEnrich.ConsumerName("pc"), "enricher-pc"},
		"consumer of READY":      {bus.StagePublish.ConsumerName("pc"), "publisher-pc"},
		"stream of the debounce": {bus.StageDebounce.Stream(), "EVENTS"},
		"stream of the enricher": {bus.StageEnrich.Stream(), "DUE"},
		"stream of the publish":  {bus.StagePublish.Stream(), "READY"},
		"stream of a bucket":     {bus.KVStream("SETTLED"), "KV_SETTLED"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s = %q, want %q", name, tc.got, tc.want)
		}
	}
}

func TestSubjectsNameTheirKey(t *testing.T) {
	t.Parallel()
	want := contract("pc", "a.b*>")
	for _, stage := range bus.Stages() {
		if got, err := stage.KeyOf(stage.Subject(want)); err != nil || got != want {
			t.Errorf("key of the %s's subject = %v, %v; want %v", stage, got, err, want)
		}
		for _, subject := range []string{"", want.String(), "dead.enrich." + want.String(), stage.Subject(want) + ".x"} {
			if got, err := stage.KeyOf(subject); !errors.Is(err, key.ErrToken) {
				t.Errorf("key of %q for the %s = %v, %v; want ErrToken", subject, stage, got, err)
			}
		}
	}
}
