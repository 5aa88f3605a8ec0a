package durability

import (
	"testing"
	"time"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"server_name":"nats-0","jetstream":{"config":{"sync_always":true,"sync_interval":120000000000}}}`))
	f.Add([]byte(`{"server_name":"nats-0","jetstream":{"config":{"sync_interval":-1}}}`))
	f.Add([]byte(`{"server_name":"a b","jetstream":{"config":{}}}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := parse(body)
		if err != nil {
			if s != (server{}) {
				t.Errorf("an answer that is refused tells %+v", s)
			}
			return
		}
		if s.name == "" || len(s.name) > 256 || s.interval < 0 {
			t.Errorf("accepted %+v", s)
		}
	})
}

func TestTheNextCheckComesSoonerWhileWritingIsRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		last *verdict
		want time.Duration
	}{
		"never checked": {nil, unmetInterval},
		"met":           {&verdict{}, time.Minute},
		"refusing":      {&verdict{refusal: ErrBelow}, unmetInterval},
	} {
		w := &Watcher{interval: time.Minute}
		w.last.Store(tc.last)
		if got := w.wait(); got != tc.want {
			t.Errorf("%s: the next check comes after %s, want %s", name, got, tc.want)
		}
	}
}
