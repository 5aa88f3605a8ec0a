package ingestor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/ce"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
)

// TestACustomerThatIsNamedAloneStandsForItsContracts: the enricher asks the ERP which these are.
func TestACustomerThatIsNamedAloneStandsForItsContracts(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	b := server.Connect(t)
	for body, want := range map[string]bool{`{"customerId":"A"}`: true, `{"customerId":"B","contractId":"B"}`: false} {
		for _, ev := range s.post(t, "/webhooks/hooks", typeJSON, body).receipt(t).told(t, b) {
			if got := strings.Contains(string(ev.raw.Data), "with_contracts"); got != (want && strings.HasPrefix(ev.Key, "customer")) {
				t.Errorf("%s: with contracts %t", body, got)
			}
		}
	}
}

func TestEveryIdentifierInAWebhookBecomesAnEvent(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	b := server.Connect(t)
	for name, tc := range map[string]struct {
		contentType, body string
		want              []string
	}{
		"an object":                   {typeJSON, `{"contractId":"A1"}`, []string{"contract A1"}},
		"no content type":             {"", `{"contractId":"A2"}`, []string{"contract A2"}},
		"a media type built on JSON":  {"application/vnd.acme+json; charset=utf-8", `{"contractId":"A3"}`, []string{"contract A3"}},
		"the other name of JSON":      {"text/json", `{"contractId":"A4"}`, []string{"contract A4"}},
		"an array":                    {typeJSON, `[{"contractId":"B1"},{"customerId":"B2"}]`, []string{"contract B1", "customer B2"}},
		"one contract twice":          {typeJSON, `[{"contractId":"C1"},{"contractId":"C1"}]`, []string{"contract C1", "contract C1"}},
		"several contracts":           {typeJSON, `{"contracts":[{"id":"D1"},{"id":"D2"},{"id":"D1"}]}`, []string{"contract D1", "contract D2"}},
		"contract and customer":       {typeJSON, `{"contractId":"E1","customerId":"E1"}`, []string{"contract E1", "customer E1"}},
		"an id as number":             {typeJSON, `{"contractId":12345678901234567890}`, []string{"contract 12345678901234567890"}},
		"an id with zeros":            {typeJSON, `{"contractId":"007"}`, []string{"contract 007"}},
		"null, then a further place":  {typeJSON, `{"contractId":null,"data":{"contractId":"F1"}}`, []string{"contract F1"}},
		"a form":                      {typeForm, `contractId=G1&name=x`, []string{"contract G1"}},
		"a form in another alphabet":  {typeForm, `contractId=%C3%BC+1`, []string{"contract ü 1"}},
		"a form field that is JSON":   {typeForm, `data=%7B%22contractId%22%3A%22G2%22%7D`, []string{"contract G2"}},
		"a form field that is a list": {typeForm, `contracts=%5B%7B%22id%22%3A%22G3%22%7D%2C%7B%22id%22%3A4%7D%5D`, []string{"contract G3", "contract 4"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.post(t, "/webhooks/hooks", tc.contentType, tc.body).receipt(t)
			if r.Accepted != len(tc.want) || r.Duplicates != 0 || r.Unrecognised != 0 {
				t.Errorf("receipt %+v, want %d accepted and nothing else", r, len(tc.want))
			}
			told := r.told(t, b)
			if diff := cmp.Diff(tc.want, keysOf(told)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			for _, ev := range told {
				if ev.MsgID != "" {
					t.Errorf("%s has the message id %s although the sender gave none: a second real change would be dropped", ev.Key, ev.MsgID)
				}
			}
		})
	}
}

func TestOnlyAnEventIDOfTheSenderMakesADuplicate(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	b := server.Connect(t)
	type step struct {
		path, body, delivery string
		accepted, duplicates int
	}
	for name, steps := range map[string][]step{
		"the same bytes without an id": {
			{"/webhooks/acme", `{"contractId":"A"}`, "", 1, 0},
			{"/webhooks/acme", `{"contractId":"A"}`, "", 1, 0},
		},
		"the same id": {
			{"/webhooks/acme", `{"contractId":"B","eventId":"e1"}`, "", 1, 0},
			{"/webhooks/acme", `{"contractId":"B","eventId":"e1"}`, "", 0, 1},
			{"/webhooks/acme", `{"contractId":"B","eventId":"e1","more":1}`, "", 0, 1},
			{"/webhooks/acme", `{"contractId":"B","eventId":"e2"}`, "", 1, 0},
		},
		"the same id for another contract": {
			{"/webhooks/acme", `{"contractId":"C1","eventId":"e3"}`, "", 1, 0},
			{"/webhooks/acme", `{"contractId":"C2","eventId":"e3"}`, "", 1, 0},
		},
		"the same id for several contracts": {
			{"/webhooks/acme", `{"contractIds":["D1","D2"],"eventId":"e4"}`, "", 2, 0},
			{"/webhooks/acme", `{"contractIds":["D1","D2","D3"],"eventId":"e4"}`, "", 1, 2},
		},
		"the same id from two sources": {
			{"/webhooks/acme", `{"contractId":"E","eventId":"e5"}`, "", 1, 0},
			{"/webhooks/other", `{"contractId":"E","eventId":"e5"}`, "", 1, 0},
		},
		"a repeated delivery of an array": {
			{"/webhooks/hooks", `[{"contractId":"F"},{"contractId":"F"},{"contractId":"G"}]`, "d1", 3, 0},
			{"/webhooks/hooks", `[{"contractId":"F"},{"contractId":"F"},{"contractId":"G"}]`, "d1", 0, 3},
			{"/webhooks/hooks", `[{"contractId":"F"},{"contractId":"F"},{"contractId":"G"}]`, "d2", 3, 0},
		},
		"an element's own id before the delivery's": {
			{"/webhooks/hooks", `[{"contractId":"H","eventId":"e6"}]`, "d3", 1, 0},
			{"/webhooks/hooks", `[{"contractId":"I"},{"contractId":"H","eventId":"e6"}]`, "d4", 1, 1},
		},
		"a delivery id in no alphabet": {
			{"/webhooks/hooks", `{"contractId":"J"}`, "\xff\xfe", 1, 0},
			{"/webhooks/hooks", `{"contractId":"J"}`, "\xff\xfe", 0, 1},
			{"/webhooks/hooks", `{"contractId":"J"}`, "\xff\xfd", 1, 0},
		},
		"long delivery ids": {
			{"/webhooks/hooks", `{"contractId":"K"}`, strings.Repeat("x", 40_000) + "1", 1, 0},
			{"/webhooks/hooks", `{"contractId":"K"}`, strings.Repeat("x", 40_000) + "1", 0, 1},
			{"/webhooks/hooks", `{"contractId":"K"}`, strings.Repeat("x", 40_000) + "2", 1, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			before, want := len(events(t, b)), 0
			for i, step := range steps {
				headers := []string{}
				if step.delivery != "" {
					headers = append(headers, "X-Delivery", step.delivery)
				}
				r := s.post(t, step.path, typeJSON, step.body, headers...).receipt(t)
				if r.Accepted != step.accepted || r.Duplicates != step.duplicates {
					t.Errorf("request %d: accepted %d, duplicates %d, want %d and %d", i+1, r.Accepted, r.Duplicates, step.accepted, step.duplicates)
				}
				want += step.accepted
			}
			if got := len(events(t, b)) - before; got != want {
				t.Errorf("the log has %d more events, want %d", got, want)
			}
			seen := map[string]bool{}
			for _, ev := range events(t, b)[before:] {
				if ev.MsgID != "" && seen[ev.MsgID] {
					t.Errorf("two events have the message id %s", ev.MsgID)
				}
				seen[ev.MsgID] = true
				if len(ev.raw.Data) > 2000 {
					t.Errorf("an event has %d bytes: what a sender calls it is copied into it", len(ev.raw.Data))
				}
			}
		})
	}
}

func TestReceiptIsGolden(t *testing.T) {
	t.Parallel()
	s, _ := start(t, nil)
	body := `[{"contractId":"4711","customerId":"0815","eventId":"e-1"},{"contractId":"4711","eventId":"e-1"},{"name":"x"}]`
	got := s.post(t, "/webhooks/hooks", typeJSON, body)
	if got.status != http.StatusAccepted || got.header.Get("Content-Type") != typeJSON {
		t.Errorf("answered %d, %s", got.status, got.header.Get("Content-Type"))
	}
	want, err := os.ReadFile(filepath.Join("testdata", "receipt.golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(want)), got.body); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
}

func TestHostileIDsKeepTheirOwnSubject(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	b := server.Connect(t)
	ids := []string{
		"a.b", "a=2Eb", "a=2eb", "*", ">", "a b", "a  b", "..", ".", " ", "\t", "\n", "\r\n", "\x00", "a\x00", "=", "=41", "A", "$JS.API.>", "erp.event.acme.contract.A",
		"ü", "u\u0308", "Ω≈ç", "契約", "\u202e4711", "4711", "4711 ", "０", "0", "00", strings.Repeat("😀", 50), strings.Repeat("x", 50),
	}
	subjects := map[string]string{}
	for _, id := range ids {
		body, err := json.Marshal(map[string]string{"contractId": id})
		if err != nil {
			t.Fatal(err)
		}
		told := s.post(t, "/webhooks/acme", typeJSON, string(body)).receipt(t).told(t, b)
		if len(told) != 1 {
			t.Fatalf("%q became %d events, want 1", id, len(told))
		}
		subject := told[0].raw.Subject
		if other, taken := subjects[subject]; taken {
			t.Errorf("%q and %q share the subject %s", id, other, subject)
		}
		subjects[subject] = id
		k, err := bus.StageDebounce.KeyOf(subject)
		if want := (key.Key{Source: "acme", Kind: key.Contract, ID: id}); err != nil || k != want {
			t.Errorf("the subject of %q names %q: %v", id, k.ID, err)
		}
	}
}

// letter reads the dead letter of a body.
func letter(t *testing.T, b *bus.Bus, source, body string) *bridgev1.DeadLetter {
	t.Helper()
	stream, err := b.JetStream().Stream(calm(t), bus.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	msg, err := stream.GetLastMsgForSubject(calm(t), bus.DeadBodySubject(source, hex.EncodeToString(sum[:])))
	if err != nil {
		t.Fatalf("read the dead letter of a body of %d bytes: %v", len(body), err)
	}
	ev, err := ce.Decode(msg.Header, msg.Data)
	if err != nil {
		t.Fatal(err)
	}
	var l bridgev1.DeadLetter
	if err := ce.UnmarshalData(ev.Data(), &l); err != nil {
		t.Fatal(err)
	}
	return &l
}

func TestABodyWithoutAnIdentifierIsKept(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	b := server.Connect(t)
	for name, tc := range map[string]struct {
		contentType, body, kept, mediaType string
		accepted                           int
		reason, message                    string
	}{
		"nothing known":        {typeJSON, `{"some":"thing"}`, `{"some":"thing"}`, typeJSON, 0, "no_identifier", "none of the webhook pointers of profile hooks"},
		"a form":               {typeForm, `some=thing`, `some=thing`, typeForm, 0, "no_identifier", "none of the webhook pointers"},
		"a scalar in an array": {typeJSON, `[ 42 ]`, `42`, typeJSON, 0, "no_identifier", "none of the webhook pointers"},
		"51 characters":        {typeJSON, `{"contractId":"` + strings.Repeat("ü", 51) + `"}`, "", typeJSON, 0, "invalid_identifier", "contract id at /contractId is longer than 50 characters"},
		"a decimal number":     {typeJSON, `{"contractId":1.5}`, "", typeJSON, 0, "invalid_identifier", "contract id at /contractId is a decimal number"},
		"an exponent":          {typeJSON, `{"contractId":1e3}`, "", typeJSON, 0, "invalid_identifier", "is a decimal number"},
		"an object":            {typeJSON, `{"contractId":{"id":1}}`, "", typeJSON, 0, "invalid_identifier", "contract id at /contractId is an object"},
		"a boolean":            {typeJSON, `{"customerId":true}`, "", typeJSON, 0, "invalid_identifier", "customer id at /customerId is a boolean"},
		"an empty text":        {typeJSON, `{"contractId":""}`, "", typeJSON, 0, "invalid_identifier", "contract id at /contractId is empty"},
		"half a character":     {typeJSON, `{"contractId":"a\ud800"}`, "", typeJSON, 0, "invalid_identifier", "is not valid UTF-8"},
		"beside a good one":    {typeJSON, `{"contractId":7.5,"customerId":"7"}`, "", typeJSON, 1, "invalid_identifier", "contract id at /contractId is a decimal number"},
		"one element of an array": {
			typeJSON, `[{"contractId":"1"}, {"odd": "one"} ,{"contractId":"2"}]`, `{"odd": "one"}`, typeJSON, 2, "no_identifier", "none of the webhook pointers",
		},
		"the largest body": {typeJSON, `{"x":"` + strings.Repeat("x", 524288-8) + `"}`, "", typeJSON, 0, "no_identifier", "none of the webhook pointers"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.post(t, "/webhooks/hooks", tc.contentType, tc.body).receipt(t)
			if r.Unrecognised != 1 || r.Accepted != tc.accepted || len(r.IDs) != tc.accepted {
				t.Errorf("receipt %+v, want 1 unrecognised and %d accepted", r, tc.accepted)
			}
			if tc.kept == "" {
				tc.kept = tc.body
			}
			l := letter(t, b, "hooks", tc.kept)
			if l.GetStage() != "ingest" || l.GetSource() != "hooks" || l.GetReason() != tc.reason || l.GetContentType() != tc.mediaType {
				t.Errorf("dead letter of stage %s, source %s, reason %s, type %s", l.GetStage(), l.GetSource(), l.GetReason(), l.GetContentType())
			}
			if string(l.GetBody()) != tc.kept {
				t.Errorf("the dead letter has %d bytes of another body", len(l.GetBody()))
			}
			if !strings.Contains(l.GetMessage(), tc.message) || !strings.Contains(l.GetMessage(), "then replay") {
				t.Errorf("message %q, want %q and the way out", l.GetMessage(), tc.message)
			}
		})
	}
}

func TestWhatCannotBeTakenIsRefusedWithAProblem(t *testing.T) {
	t.Parallel()
	s, server := start(t, map[string]string{"INGEST_MAX_BODY": "2000", "INGEST_MAX_EVENTS": "3"})
	b := server.Connect(t)
	for name, tc := range map[string]struct {
		method, path, contentType, body string
		status                          int
		slug, detail                    string
	}{
		"unknown source":        {"POST", "/webhooks/nobody", typeJSON, `{}`, 404, "unknown-source", "see SOURCES"},
		"unknown event source":  {"POST", "/events/nobody", typeJSON, `{}`, 404, "unknown-source", "see SOURCES"},
		"unknown path":          {"POST", "/hook/acme", typeJSON, `{}`, 404, "unknown-path", "POST /webhooks/{source}"},
		"path too deep":         {"POST", "/webhooks/acme/a/b", typeJSON, `{}`, 404, "unknown-path", "POST /webhooks/{source}"},
		"no source":             {"POST", "/webhooks/", typeJSON, `{}`, 404, "unknown-path", "POST /webhooks/{source}"},
		"get":                   {"GET", "/webhooks/acme", "", ``, 405, "method", "sent with POST"},
		"put":                   {"PUT", "/events/acme", typeJSON, `{}`, 405, "method", "sent with POST"},
		"body too large":        {"POST", "/webhooks/acme", typeJSON, `{"contractId":"` + strings.Repeat("1", 2000) + `"}`, 413, "too-large", "may have 2000 bytes; see INGEST_MAX_BODY"},
		"event too large":       {"POST", "/events/acme", mediaEvent, strings.Repeat(" ", 2001), 413, "too-large", "may have 2000 bytes; see INGEST_MAX_BODY"},
		"too many elements":     {"POST", "/webhooks/acme", typeJSON, `[{},{},{},{}]`, 413, "too-many", "4 events, at most 3"},
		"too many ids":          {"POST", "/webhooks/acme", typeJSON, `{"contractIds":[1,2,3,4]}`, 413, "too-many", "see INGEST_MAX_EVENTS"},
		"too many events":       {"POST", "/events/acme", mediaBatch, `[{},{},{},{}]`, 413, "too-many", "4 events, at most 3"},
		"another media type":    {"POST", "/webhooks/acme", "application/xml", `<a/>`, 415, "media-type", `"application/xml": send application/json or application/x-www-form-urlencoded`},
		"no media type at all":  {"POST", "/webhooks/acme", "?;;", `{}`, 415, "media-type", "Content-Type cannot be read"},
		"no event":              {"POST", "/events/acme", typeJSON, `{"contractId":"1"}`, 415, "media-type", "other webhooks go to /webhooks/{source}"},
		"nothing":               {"POST", "/webhooks/acme", typeJSON, ``, 400, "malformed", "not JSON"},
		"half a document":       {"POST", "/webhooks/acme", typeJSON, `{"contractId":`, 400, "malformed", "not JSON"},
		"two documents":         {"POST", "/webhooks/acme", typeJSON, `{"contractId":"1"}{}`, 400, "malformed", "more than one JSON document"},
		"a scalar":              {"POST", "/webhooks/acme", typeJSON, `"1"`, 400, "malformed", "neither a JSON object nor an array"},
		"too deep":              {"POST", "/webhooks/acme", typeJSON, strings.Repeat("[", 2000), 400, "malformed", "not JSON"},
		"invalid UTF-8":         {"POST", "/webhooks/acme", typeJSON, "{\"contractId\":\"\xff\"}", 400, "malformed", "not valid UTF-8"},
		"invalid UTF-8 in form": {"POST", "/webhooks/acme", typeForm, "contractId=\xff", 400, "malformed", "not valid UTF-8"},
		"escaped invalid UTF-8": {"POST", "/webhooks/acme", typeForm, "contractId=%FF", 400, "malformed", "not valid UTF-8"},
		"malformed form":        {"POST", "/webhooks/acme", typeForm, "contractId=%zz", 400, "malformed", "not a URL-encoded form"},
		"another encoding":      {"POST", "/webhooks/acme", typeJSON + "; charset=iso-8859-1", "{\"name\":\"M\xfcller\"}", 400, "malformed", "not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tc.method, s.url+tc.path, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if tc.contentType != "" {
				req.Header.Set("Content-Type", tc.contentType)
			}
			got := send(t, req)
			p := got.problem(t)
			if got.status != tc.status || p.Status != tc.status || p.Type != "urn:enneo-bridge:problem:"+tc.slug {
				t.Errorf("answered %d with %+v, want %d and the type %s", got.status, p, tc.status, tc.slug)
			}
			if !strings.Contains(p.Detail, tc.detail) || p.Title == "" {
				t.Errorf("title %q and detail %q do not tell %q", p.Title, p.Detail, tc.detail)
			}
			if allow := got.header.Get("Allow"); (tc.status == 405) != (allow == "POST") {
				t.Errorf("status %d with the header Allow %q", tc.status, allow)
			}
		})
	}
	if n := len(events(t, b)); n != 0 {
		t.Errorf("refused requests left %d events in the log", n)
	}
}

func TestABodyThatNATSWillNeverTakeIsRefusedForGood(t *testing.T) {
	t.Parallel()
	s, _ := start(t, map[string]string{"INGEST_MAX_BODY": "2097152"})
	got := s.post(t, "/webhooks/acme", typeJSON, `{"x":"`+strings.Repeat("x", 1_500_000)+`"}`)
	if p := got.problem(t); got.status != 413 || !strings.Contains(p.Detail, "max_payload") {
		t.Errorf("answered %d %q, want 413: with 503 the sender would repeat it for ever", got.status, p.Detail)
	}
}

func TestAFullArrayWithoutIdentifiersIsKeptInTime(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	var elements []string
	for i := range 1000 {
		elements = append(elements, fmt.Sprintf(`{"odd":%d}`, i))
	}
	r := s.post(t, "/webhooks/acme", typeJSON, "["+strings.Join(elements, ",")+"]").receipt(t)
	if r.Unrecognised != 1000 {
		t.Errorf("receipt %+v, want 1000 unrecognised", r)
	}
	if l := letter(t, server.Connect(t), "acme", elements[999]); string(l.GetBody()) != elements[999] {
		t.Errorf("the last letter holds %s", l.GetBody())
	}
}

// canary stands for personal data: it must be found nowhere but in dead letters.
const canary = "Kanarienvogel"

func TestAnEventHoldsNothingOfTheBody(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	b := server.Connect(t)
	person := fmt.Sprintf(`"name":%q,"iban":%q,"nested":{%q:[%q]}`, canary, canary, canary, canary)
	told := s.post(t, "/webhooks/hooks", typeJSON, `{"contractId":"4711","eventId":"e-1","type":"move",`+person+`}`).receipt(t).told(t, b)
	want := logged{Key: "contract 4711", ID: told[0].ID, MsgID: told[0].ID, Type: ce.TypeContractChanged, Origin: bridgev1.Origin_ORIGIN_WEBHOOK, Change: "move"}
	got := told[0]
	got.raw = nil
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(logged{})); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	msg := told[0].raw
	if want := "erp.event.hooks.contract.4711"; msg.Subject != want {
		t.Errorf("subject %s, want %s", msg.Subject, want)
	}
	for name, want := range map[string]string{
		"ce-specversion": "1.0", "ce-source": "/sources/hooks", "ce-type": ce.TypeContractChanged,
		"ce-subject": "hooks.contract.4711", "content-type": typeJSON, "ce-id": told[0].ID,
	} {
		if got := strings.Join(msg.Header[name], "|"); got != want {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	// What is refused or kept must not reach the log of the service either.
	for _, body := range []string{`{` + person + `}`, `{"contractId":{"` + canary + `":1},` + person + `}`, `{` + person, `"` + canary + `"`} {
		s.post(t, "/webhooks/hooks", typeJSON, body)
		s.post(t, "/events/hooks", mediaEvent, body)
	}
	s.post(t, "/webhooks/hooks?name="+canary, typeForm, "name="+canary)
	s.post(t, "/"+canary, typeJSON, `{}`)
	for _, ev := range events(t, b) {
		if text := fmt.Sprint(ev.raw.Subject, ev.raw.Header, string(ev.raw.Data)); strings.Contains(text, canary) {
			t.Errorf("an event holds what only the body held: %s", text)
		}
	}
	if !strings.Contains(s.log.String(), "kept as a dead letter") {
		t.Error("the log of the service does not tell of the dead letters")
	}
	if strings.Contains(s.log.String(), canary) {
		t.Errorf("the log of the service holds what only bodies held: %s", s.log.String())
	}
}
