package bus

import (
	"fmt"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// The streams and KV buckets. Other systems (KEDA, operators' tools) rely on these names.
const (
	StreamEvents = "EVENTS"
	StreamDue    = "DUE"
	StreamReady  = "READY"
	StreamDead   = "DEAD"

	BucketSettled   = "SETTLED"
	BucketContracts = "CONTRACTS"
	BucketBridge    = "BRIDGE"
)

// KVStream is the name of the stream behind a KV bucket, as every NATS client derives it.
func KVStream(bucket string) string { return "KV_" + bucket }

// Stage is a step of the pipeline that consumes a stream. Its word is the name of the service.
type Stage string

// The consuming stages.
const (
	StageDebounce Stage = "debouncer"
	StageEnrich   Stage = "enricher"
	StagePublish  Stage = "publisher"
)

// Stages lists the consuming stages in the order of the flow.
func Stages() []Stage { return []Stage{StageDebounce, StageEnrich, StagePublish} }

// Stream is the stream that the stage consumes.
func (s Stage) Stream() string {
	switch s {
	case StageDebounce:
		return StreamEvents
	case StageEnrich:
		return StreamDue
	default:
		return StreamReady
	}
}

func (s Stage) subjectPrefix() string {
	switch s {
	case StageDebounce:
		return "erp.event."
	case StageEnrich:
		return "contract.due."
	default:
		return "contract.ready."
	}
}

// Subject is where a message for the key waits for the stage.
func (s Stage) Subject(k key.Key) string { return s.subjectPrefix() + k.String() }

// Filter is the wildcard of all subjects of one source that the stage consumes.
func (s Stage) Filter(source string) string { return s.subjectPrefix() + source + ".>" }

// ConsumerName is the durable consumer of a stage for one source: a source that is dead holds up no other.
func (s Stage) ConsumerName(source string) string { return string(s) + "-" + source }

// KeyOf finds the key in a subject of the stage.
func (s Stage) KeyOf(subject string) (key.Key, error) {
	text, ok := strings.CutPrefix(subject, s.subjectPrefix())
	if !ok {
		return key.Key{}, fmt.Errorf("not a subject of the %s: %w", s, key.ErrToken)
	}
	return key.Parse(text)
}

// EventSubject is where events of the key stand in the log.
func EventSubject(k key.Key) string { return StageDebounce.Subject(k) }

// DeadSubject is where the newest dead letter of a stage for the key stands.
func DeadSubject(stage string, k key.Key) string { return "dead." + stage + "." + k.String() }

// DeadBodySubject is where a body without any identifier stands; hash names the body.
func DeadBodySubject(source, hash string) string { return "dead.ingest." + source + ".body." + hash }
