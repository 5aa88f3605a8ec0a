package durability

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Report is what an acknowledgement of one stream is worth. Its texts are for people and hold neither secrets nor
// anything of the stream's content.
type Report struct {
	Stream string
	Level  Level
	// Replicas is how many copies the stream keeps, Current how many of them are up to date; both 0 if that is unknown.
	Replicas, Current int
	// Loss says what can be lost.
	Loss string
	// Reason says why the level is not a higher one; empty at Fsync.
	Reason string
	// Remedy says what to change for a higher one; empty at Fsync.
	Remedy string
}

const (
	// minReplicas is how many copies make a stream replicated: with two, the loss of one stops it.
	minReplicas = 3

	remedyLazy = "set sync_interval: always in the jetstream block of every NATS server that holds the log, " +
		"or STREAM_REPLICAS=3 on three servers that do not share one power supply"
	remedyUnknown = "set NATS_MONITOR_URL to the monitoring endpoints (http_port) of all NATS servers that hold the log"
)

// unknown is the report on a stream that could not be asked.
func unknown(stream, reason string) Report {
	return Report{
		Stream: stream, Level: None, Reason: reason,
		Loss:   "what an acknowledged event is worth is unknown, so it counts as one that a power failure can take",
		Remedy: "look at the NATS servers: the stream has to be there and to have a leader",
	}
}

// holders are the servers that hold a stream.
type holders struct {
	// online are the names of those that may acknowledge.
	online           []string
	replicas, actual int
	current          int
}

// holdersOf finds out who holds a stream. connected is the server to which we talk, which is the one if there is no
// cluster. ok is false if nobody leads the stream.
func holdersOf(info *jetstream.StreamInfo, connected string) (h holders, ok bool) {
	h = holders{replicas: info.Config.Replicas, actual: 1, current: 1}
	if info.Cluster == nil {
		h.online = []string{connected}
		return h, connected != ""
	}
	if info.Cluster.Leader == "" {
		return holders{}, false
	}
	h.online = []string{info.Cluster.Leader}
	for _, peer := range info.Cluster.Replicas {
		h.actual++
		if peer.Offline {
			continue
		}
		h.online = append(h.online, peer.Name)
		if peer.Current {
			h.current++
		}
	}
	slices.Sort(h.online)
	return h, true
}

// majority tells whether the stream has enough copies, and enough of them up to date, for an acknowledgement to stand
// for a majority of at least three. Three copies of which one is away still do: the other two have each event.
func (h holders) majority() bool {
	copies := min(h.replicas, h.actual)
	return copies >= minReplicas && h.current > max(h.replicas, h.actual)/2
}

// assess judges a stream by its own information and by what the servers tell; problems are those of the endpoints.
func assess(info *jetstream.StreamInfo, connected string, told map[string]server, problems []string) Report {
	stream := info.Config.Name
	h, led := holdersOf(info, connected)
	if !led {
		return unknown(stream, "the stream has no leader")
	}
	r := Report{Stream: stream, Level: None, Replicas: h.actual, Current: h.current}
	sync := h.syncing(told)
	switch {
	case info.Config.Storage != jetstream.FileStorage:
		r.Loss = "all acknowledged events can be lost when the servers that hold them end"
		r.Reason = "the stream keeps its events in memory"
		r.Remedy = "create the stream again with file storage"
	case info.Config.PersistMode == jetstream.AsyncPersistMode:
		r.Loss = "an acknowledged event can be lost by a power failure or a crash of the server " + sync.within()
		r.Reason = "the persist mode of the stream is async: it acknowledges before it writes, whatever sync_interval says"
		r.Remedy = "create the stream again with the default persist mode"
	case sync.always():
		r.Level = Fsync
		r.Loss = "an acknowledged event outlives a power failure; with one replica, not the loss of the server's disk"
		if h.majority() {
			r.Loss = "an acknowledged event outlives a power failure and the loss of a minority of the servers"
		}
	case h.majority():
		r.Level = Replicated
		r.Loss = "an acknowledged event can be lost by a power failure that takes a majority of its " +
			fmt.Sprint(h.actual) + " servers at once " + sync.within()
		r.Reason, r.Remedy = sync.reason(problems), sync.remedy()
	default:
		r.Loss = "an acknowledged event can be lost by a power failure " + sync.within()
		r.Reason, r.Remedy = sync.reason(problems), sync.remedy()
		if h.actual >= minReplicas {
			r.Reason = fmt.Sprintf("%d of %d replicas are current; %s", h.current, h.actual, r.Reason)
		}
	}
	return r
}

// syncing is how the servers of a stream that may acknowledge sync.
type syncing struct {
	// unknown and lazy are the names of the servers about which no endpoint tells, and of those that sync later.
	unknown, lazy []string
	// interval is the longest of all; silent means that a server does not say its own.
	interval time.Duration
	silent   bool
}

func (h holders) syncing(told map[string]server) syncing {
	var s syncing
	for _, name := range h.online {
		server, known := told[name]
		if !known {
			s.unknown = append(s.unknown, name)
			continue
		}
		if !server.syncAlways {
			s.lazy = append(s.lazy, name)
		}
		s.interval = max(s.interval, server.interval)
		s.silent = s.silent || server.interval == 0
	}
	return s
}

func (s syncing) always() bool { return len(s.unknown)+len(s.lazy) == 0 }

// within is the time whose events are at risk.
func (s syncing) within() string {
	if s.silent || len(s.unknown) > 0 {
		return "within the last sync_interval, which is unknown (2m0s unless it was configured)"
	}
	return "within the last " + s.interval.String() + " (sync_interval)"
}

func (s syncing) reason(problems []string) string {
	var parts []string
	if len(s.lazy) > 0 {
		parts = append(parts, "acknowledged before it is synced on "+strings.Join(s.lazy, ", "))
	}
	if len(s.unknown) > 0 {
		text := "no monitoring endpoint tells whether " + strings.Join(s.unknown, ", ") + " syncs before it acknowledges"
		if len(problems) > 0 {
			text += " (" + strings.Join(problems, "; ") + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func (s syncing) remedy() string {
	if len(s.lazy) > 0 {
		return remedyLazy
	}
	return remedyUnknown
}
