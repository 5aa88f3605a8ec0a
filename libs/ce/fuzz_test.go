package ce_test

import (
	"bytes"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/enneo-ai/enneo-bridge/libs/ce"
)

// FuzzDecode takes any header of six attributes and one extension. Whatever decodes must encode again to an event that
// decodes to the same one.
func FuzzDecode(f *testing.F) {
	f.Add("1.0", "1", "/sources/pc", "t", "a=2Eb", "2026-03-01T12:00:00.5+01:00", "tenant", "x", "application/json", []byte("{}"))
	f.Add("1.0", "%e2%82%ac", "urn:a%20b", "t", "%", "9999-12-31T23:59:59-23:59", "Tenant", "%00", "text/plain; a=b", []byte{0xff})
	f.Add("0.3", " ", "?", "%22", "", "0000-01-01T00:00:00+23:59", "data", "", "", []byte(nil))
	f.Add("1.0", "1", "//a%41/%2f", "t", "+", "0001-01-01T00:00:00Z", "dataschema", "#%C3%BC", "x", []byte(nil))
	f.Fuzz(func(t *testing.T, version, id, source, kind, subject, at, name, value, contentType string, data []byte) {
		ev, err := ce.Decode(nats.Header{
			"ce-specversion": {version}, "ce-id": {id}, "ce-source": {source}, "ce-type": {kind}, "ce-subject": {subject},
			"ce-time": {at}, "ce-" + name: {value}, "content-type": {contentType},
		}, data)
		if err != nil {
			return
		}
		msg, err := ce.Encode("x", ev)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v\n%s", err, ev)
		}
		again, err := ce.Decode(msg.Header, msg.Data)
		if err != nil {
			t.Fatalf("what was encoded cannot be decoded: %v\n%v", err, msg.Header)
		}
		compareEvents(t, ev, again)
		if !bytes.Equal(again.Data(), data) {
			t.Errorf("data = %q, want %q", again.Data(), data)
		}
	})
}
