// Package simulator stands in for Powercloud, LynqTech, a generic ERP and Enneo in development, tests and load runs.
//
// It serves /powercloud, /lynqtech, /generic and /enneo/api/mind, each described in the package of its name, which also
// says what is confirmed about the real system and what is ours; and /control, which sets data and faults and tells what
// happened (GET /control/ lists everything; package simclient is the client).
//
// All three ERPs show the same generated contracts and customers. Enneo stores what it is sent, notices when two writes
// for one key are in progress at once, and when an older revision is written over a newer one.
//
// # Use in tests
//
//	sim := simulator.New(simulator.DefaultOptions())
//	server := httptest.NewServer(sim.Handler())
//	t.Cleanup(server.Close)
//	t.Cleanup(sim.Close) // before server.Close, which waits for requests that faults hold
//	control := simclient.New(server.URL, server.Client())
//
// # Concurrency
//
// A Simulator is safe for concurrent use. Nothing is kept beyond the process.
package simulator

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/control"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/directory"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/enneo"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/exchange"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/faultplan"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/generic"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/journal"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/lynqtech"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/powercloud"
)

// Simulator is all simulated systems and their control. Use New.
type Simulator struct {
	control *control.API
	systems []system
	closing chan struct{}
	close   sync.Once
}

type system struct {
	prefix  string
	handler http.Handler
}

// New returns a simulator with generated data. The options are taken as they are: DefaultOptions is where to begin.
func New(o Options) *Simulator { return newAt(o, time.Now) }

// newAt is New with a clock for the journal's times and for read lags. Delays are waited out in real time.
func newAt(o Options, now func() time.Time) *Simulator {
	s := &Simulator{closing: make(chan struct{})}
	data := directory.New(directory.Settings{
		Seed: o.Seed, Contracts: o.Contracts, SeveralShare: o.CustomerShare, BusinessShare: o.BusinessShare, GasShare: o.GasShare,
	}, now)
	parts := control.Parts{
		Directory: data, Store: enneo.NewStore(), Journal: journal.New(o.JournalEntries, o.Writes), Faults: faultplan.New(o.Seed),
	}
	parts.Systems = []exchange.System{
		powercloud.System(data, powercloud.Credentials{Hash: o.PowercloudHash, User: o.PowercloudUser, Password: o.PowercloudPassword.Reveal()}),
		lynqtech.System(data, o.LynqTechKey.Reveal()),
		generic.System(data, o.GenericToken.Reveal()),
		enneo.System(enneo.Options{Token: o.EnneoToken.Reveal(), Store: parts.Store, Journal: parts.Journal, Now: now, GoneAt: data.GoneAt}),
	}
	s.control = control.New(parts)
	shared := exchange.Shared{Journal: parts.Journal, Faults: parts.Faults, Inflight: &exchange.Inflight{}, Now: now, Closing: s.closing}
	for _, simulated := range parts.Systems {
		s.systems = append(s.systems, system{prefix: simulated.Prefix + "/", handler: exchange.New(shared, simulated)})
	}
	return s
}

// Handler serves everything.
func (s *Simulator) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Close lets every request go that a fault holds or delays, now and from now on, so that a server can end. It may be
// called more than once.
func (s *Simulator) Close() { s.close.Do(func() { close(s.closing) }) }

func (s *Simulator) serve(w http.ResponseWriter, r *http.Request) {
	// Faults and waits last as long as they are told to, not as long as the server's timeouts. A recorder in a test has
	// none, hence no error matters.
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Time{})
	_ = connection.SetWriteDeadline(time.Time{})
	path := r.URL.EscapedPath()
	for i := range s.systems {
		if strings.HasPrefix(path, s.systems[i].prefix) {
			s.systems[i].handler.ServeHTTP(w, r)
			return
		}
	}
	if path == "/" {
		http.Redirect(w, r, control.Prefix+"/", http.StatusFound)
		return
	}
	s.control.ServeHTTP(w, r)
}
