package window

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

const (
	// noTrace stands for "no sampled event" in Redis.
	noTrace = "-"
	// traceSize is the length of a packed trace, MaxTraces how many of them a window keeps; state.lua has them as well.
	traceSize = 32
	// MaxTraces is how many events of a window are known by their trace when it is flushed.
	MaxTraces = 8
)

// sampledFlag of a traceparent, https://www.w3.org/TR/trace-context/#sampled-flag.
const sampledFlag = 1

// packTrace makes 32 characters of the 55 of a traceparent (version 00), because a million windows may hold some: the
// bytes of trace id and parent id as base64url. Everything else, and what is not sampled, becomes noTrace: there
// would be no span to link to.
func packTrace(traceParent string) string {
	version, rest, _ := strings.Cut(traceParent, "-")
	if version != "00" || len(traceParent) != 55 || traceParent[35] != '-' || traceParent[52] != '-' ||
		traceParent != strings.ToLower(traceParent) {
		return noTrace
	}
	raw, err := hex.DecodeString(rest[:32] + rest[33:49] + rest[50:])
	if err != nil || raw[24]&sampledFlag == 0 {
		return noTrace
	}
	return base64.RawURLEncoding.EncodeToString(raw[:24])
}

// unpackTraces is the inverse of packTrace for several, one after the other; nil if it is none.
func unpackTraces(packed string) []string {
	if len(packed)%traceSize != 0 {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(packed)
	if err != nil {
		return nil
	}
	var traces []string
	for ; len(raw) > 0; raw = raw[24:] {
		text := hex.EncodeToString(raw[:24])
		traces = append(traces, "00-"+text[:32]+"-"+text[32:]+"-01")
	}
	return traces
}

// takeTraces takes out of the answer of arm.lua what stands behind its codes, by the number of the event.
func (r reply) takeTraces() map[int]string {
	var traces map[int]string
	for i, value := range r.rest {
		text, ok := value.(string)
		if !ok {
			continue
		}
		packed, ok := strings.CutPrefix(text, "2 ")
		unpacked := unpackTraces(packed)
		if !ok || len(unpacked) != 1 {
			continue
		}
		if traces == nil {
			traces = map[int]string{}
		}
		r.rest[i], traces[i] = int64(2), unpacked[0]
	}
	return traces
}
