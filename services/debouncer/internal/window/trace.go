package window

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// noTrace stands for "no sampled event" in Redis.
const noTrace = "-"

// sampledFlag of a traceparent, https://www.w3.org/TR/trace-context/#sampled-flag.
const sampledFlag = 1

// packTrace makes 34 characters of the 55 of a traceparent (version 00), because a million windows may hold one: the
// bytes of trace id, parent id and flags as base64url. Everything else, and what is not sampled, becomes noTrace: there
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
	return base64.RawURLEncoding.EncodeToString(raw)
}

// unpackTrace is the inverse of packTrace; the empty string if there is no trace.
func unpackTrace(packed string) string {
	raw, err := base64.RawURLEncoding.DecodeString(packed)
	if err != nil || len(raw) != 25 {
		return ""
	}
	text := hex.EncodeToString(raw)
	return "00-" + text[:32] + "-" + text[32:48] + "-" + text[48:]
}
