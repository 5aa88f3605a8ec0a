package ingestor

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/go-cmp/cmp"

	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// cloudEventOf is an event as a sender that uses the CloudEvents SDK makes it.
func cloudEventOf(t *testing.T, id, source, subject string, data any) event.Event {
	t.Helper()
	ev := event.New()
	ev.SetID(id)
	ev.SetSource(source)
	ev.SetType("com.example.changed")
	if subject != "" {
		ev.SetSubject(subject)
	}
	if data != nil {
		if err := ev.SetData(event.ApplicationJSON, data); err != nil {
			t.Fatal(err)
		}
	}
	return ev
}

// sendEvent sends an event with the CloudEvents SDK, in binary or structured mode.
func (s *service) sendEvent(t *testing.T, path string, mode binding.Encoding, ev event.Event) answer {
	t.Helper()
	ctx := binding.WithForceBinary(t.Context())
	if mode == binding.EncodingStructured {
		ctx = binding.WithForceStructured(t.Context())
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if err := cehttp.WriteRequest(ctx, binding.ToMessage(&ev), req); err != nil {
		t.Fatal(err)
	}
	return send(t, req)
}

func TestCloudEventsInEveryModeBecomeEvents(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	b := server.Connect(t)
	for name, mode := range map[string]binding.Encoding{"binary": binding.EncodingBinary, "structured": binding.EncodingStructured} {
		for about, tc := range map[string]struct {
			subject string
			data    any
			want    []string
		}{
			"the subject":            {"S1", nil, []string{"contract S1"}},
			"the data":               {"", map[string]any{"contractId": "S2"}, []string{"contract S2"}},
			"both, once":             {"S3", map[string]any{"contractId": "S3"}, []string{"contract S3"}},
			"both, of two contracts": {"S4", map[string]any{"contracts": []any{map[string]any{"id": "S5"}}}, []string{"contract S4", "contract S5"}},
			"a customer as well":     {"S6", map[string]any{"customerId": 6}, []string{"contract S6", "customer 6"}},
		} {
			t.Run(name+": "+about, func(t *testing.T) {
				r := s.sendEvent(t, "/events/hooks", mode, cloudEventOf(t, "1", "/"+name+"/"+about[:3], tc.subject, tc.data)).receipt(t)
				told := r.told(t, b)
				if diff := cmp.Diff(tc.want, keysOf(told)); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				for _, ev := range told {
					if ev.Origin != bridgev1.Origin_ORIGIN_CLOUDEVENT || ev.Change != "com.example.changed" || ev.MsgID == "" {
						t.Errorf("event %+v, want the origin CloudEvent, the sender's type and a message id", ev)
					}
				}
			})
		}
	}
	batch := []event.Event{cloudEventOf(t, "1", "/batch", "B1", nil), cloudEventOf(t, "2", "/batch", "", map[string]any{"contractId": "B2"})}
	req, err := cehttp.NewHTTPRequestFromEvents(t.Context(), s.url+"/events/hooks", batch)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, contentType := range []string{req.Header.Get("Content-Type"), mediaBatch + "; charset=utf-8"} {
		r := s.post(t, "/events/hooks", contentType, string(body)).receipt(t)
		if r.Accepted+r.Duplicates != 2 {
			t.Errorf("%s: receipt %+v, want 2 events", contentType, r)
		}
		if diff := cmp.Diff([]string{"contract B1", "contract B2"}, keysOf(r.told(t, b))); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", contentType, diff)
		}
	}
}

func TestACloudEventIsKnownBySourceAndID(t *testing.T) {
	t.Parallel()
	s, _ := start(t, nil)
	for i, step := range []struct {
		mode             binding.Encoding
		path, id, source string
		accepted         int
	}{
		{binding.EncodingBinary, "/events/acme", "1", "/erp/a", 1},
		{binding.EncodingBinary, "/events/acme", "1", "/erp/a", 0},
		{binding.EncodingStructured, "/events/acme", "1", "/erp/a", 0},
		{binding.EncodingBinary, "/events/acme", "1", "/erp/b", 1},
		{binding.EncodingBinary, "/events/acme", "2", "/erp/a", 1},
		{binding.EncodingBinary, "/events/other", "1", "/erp/a", 1},
		// Joined with a blank, these two would be one.
		{binding.EncodingStructured, "/events/acme", "c d", "b", 1},
		{binding.EncodingStructured, "/events/acme", "d", "b%20c", 1},
		{binding.EncodingStructured, "/events/acme", strings.Repeat("x", 100_000) + "1", "b", 1},
		{binding.EncodingStructured, "/events/acme", strings.Repeat("x", 100_000) + "2", "b", 1},
		{binding.EncodingStructured, "/events/acme", strings.Repeat("x", 100_000) + "1", "b", 0},
	} {
		r := s.sendEvent(t, step.path, step.mode, cloudEventOf(t, step.id, step.source, "4711", nil)).receipt(t)
		if r.Accepted != step.accepted || r.Duplicates != 1-step.accepted {
			t.Errorf("request %d: receipt %+v, want %d accepted", i+1, r, step.accepted)
		}
	}
}

func TestAnIDIsTheSameInEveryMode(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	b := server.Connect(t)
	for _, id := range []string{"4711", "a.b", "Ü 1", "100%", "%41", "契約", "a\"b", "😀"} {
		t.Run(id, func(t *testing.T) {
			structured, err := json.Marshal(map[string]string{"specversion": "1.0", "id": "1", "source": "/" + "s", "type": "t", "subject": id})
			if err != nil {
				t.Fatal(err)
			}
			// CloudEvents HTTP binding 1.0.2, section 3.1.3.2.
			encoded := strings.NewReplacer("%", "%25", "Ü", "%C3%9C", " ", "%20", "契約", "%E5%A5%91%E7%B4%84", `"`, "%22", "😀", "%F0%9F%98%80").Replace(id)
			answers := []answer{
				s.post(t, "/events/acme", mediaEvent, string(structured)),
				s.post(t, "/events/acme", mediaBatch, "["+string(structured)+"]"),
				s.post(t, "/events/acme", "", "", "Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "/s", "Ce-Type", "t", "Ce-Subject", encoded),
			}
			for i, a := range answers {
				r := a.receipt(t)
				if diff := cmp.Diff([]string{"contract " + id}, keysOf(r.told(t, b))); diff != "" {
					t.Errorf("mode %d: events (-want +got):\n%s", i, diff)
				}
				if (i == 0) != (r.Accepted == 1) {
					t.Errorf("mode %d: receipt %+v, want one accepted in the first mode and a duplicate in the others", i, r)
				}
			}
		})
	}
}

func TestDataOfACloudEventIsReadAsItsTypeSays(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	b := server.Connect(t)
	for name, tc := range map[string]struct {
		members string
		want    []string
	}{
		"base64":            {`"data_base64":"eyJjb250cmFjdElkIjoiQjEifQ=="`, []string{"contract B1"}},
		"a type on JSON":    {`"datacontenttype":"application/vnd.x+json; v=1","data":{"contractId":"B2"}`, []string{"contract B2"}},
		"another type":      {`"datacontenttype":"text/plain","data":"{\"contractId\":\"B3\"}","subject":"B4"`, []string{"contract B4"}},
		"null members":      {`"datacontenttype":null,"data":null,"data_base64":null,"subject":"B5"`, []string{"contract B5"}},
		"unknown extension": {`"myext":[1,{}],"subject":"B6"`, []string{"contract B6"}},
		"ids as numbers":    {`"data":{"contractId":900719925474099301}`, []string{"contract 900719925474099301"}},
	} {
		t.Run(name, func(t *testing.T) {
			told := s.post(t, "/events/hooks", mediaEvent, `{"specversion":"1.0","id":"1","source":"s","type":"t",`+tc.members+`}`).receipt(t).told(t, b)
			if diff := cmp.Diff(tc.want, keysOf(told)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestACloudEventWithoutAnIdentifierIsKept(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	b := server.Connect(t)
	for name, tc := range map[string]struct{ body, reason, message string }{
		"nothing":       {`{"specversion":"1.0","id":"1","source":"s","type":"t"}`, "no_identifier", "none of the webhook pointers"},
		"a long id":     {`{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"` + strings.Repeat("x", 51) + `"}`, "invalid_identifier", "contract id in the subject is longer than 50 characters"},
		"an id in data": {`{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"contractId":[1]}}`, "invalid_identifier", "contract id at /contractId is a list"},
	} {
		t.Run(name, func(t *testing.T) {
			if r := s.post(t, "/events/hooks", mediaEvent, tc.body).receipt(t); r.Unrecognised != 1 || r.Accepted != 0 {
				t.Errorf("receipt %+v, want one unrecognised", r)
			}
			l := letter(t, b, "hooks", tc.body)
			if string(l.GetBody()) != tc.body || l.GetReason() != tc.reason || l.GetContentType() != mediaEvent || !strings.Contains(l.GetMessage(), tc.message) {
				t.Errorf("dead letter %s %q of type %s, want %s %q", l.GetReason(), l.GetMessage(), l.GetContentType(), tc.reason, tc.message)
			}
		})
	}
	ev := cloudEventOf(t, "7", "/erp", "", map[string]string{"odd": "one"})
	if r := s.sendEvent(t, "/events/hooks", binding.EncodingBinary, ev).receipt(t); r.Unrecognised != 1 {
		t.Errorf("binary: receipt %+v, want one unrecognised", r)
	}
	// A binary event is kept in structured mode, where nothing of it is lost.
	want := `{"data":{"odd":"one"},"datacontenttype":"application/json","id":"7","source":"/erp","specversion":"1.0","type":"com.example.changed"}`
	if l := letter(t, b, "hooks", want); string(l.GetBody()) != want {
		t.Errorf("kept %s, want %s", l.GetBody(), want)
	}
}

func TestWhatIsNoCloudEventIsRefused(t *testing.T) {
	t.Parallel()
	s, server := start(t, nil)
	const head = `"id":"1","source":"s","type":"t","subject":"4711"`
	for name, tc := range map[string]struct{ contentType, body, detail string }{
		"nothing":               {mediaEvent, ``, "not JSON"},
		"a scalar":              {mediaEvent, `1`, "no JSON object"},
		"a batch in its place":  {mediaEvent, `[{"specversion":"1.0",` + head + `}]`, "no JSON object"},
		"cut off":               {mediaEvent, `{"specversion":"1.0",` + head, "not JSON"},
		"no version":            {mediaEvent, `{` + head + `}`, "specversion is not 1.0"},
		"an old version":        {mediaEvent, `{"specversion":"0.3",` + head + `}`, "specversion is not 1.0"},
		"no id":                 {mediaEvent, `{"specversion":"1.0","source":"s","type":"t"}`, "attribute id is missing"},
		"no source":             {mediaEvent, `{"specversion":"1.0","id":"1","type":"t"}`, "attribute source is missing"},
		"no type":               {mediaEvent, `{"specversion":"1.0","id":"1","source":"s"}`, "attribute type is missing"},
		"no URI":                {mediaEvent, `{"specversion":"1.0","id":"1","source":"%","type":"t"}`, "source is no URI reference"},
		"a number as id":        {mediaEvent, `{"specversion":"1.0","id":1,"source":"s","type":"t"}`, "attribute id is no string"},
		"half a character":      {mediaEvent, `{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"\ud800"}`, "attribute subject is not valid UTF-8"},
		"invalid UTF-8":         {mediaEvent, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"subject\":\"\xff\"}", "not valid UTF-8"},
		"base64 as number":      {mediaEvent, `{"specversion":"1.0",` + head + `,"data_base64":1}`, "data_base64 must be a string"},
		"base64 beside data":    {mediaEvent, `{"specversion":"1.0",` + head + `,"data":{},"data_base64":""}`, "without data"},
		"no base64":             {mediaEvent, `{"specversion":"1.0",` + head + `,"data_base64":"*"}`, "not base64"},
		"base64 of no JSON":     {mediaEvent, `{"specversion":"1.0",` + head + `,"data_base64":"eA=="}`, "data is not JSON"},
		"base64 of no UTF-8":    {mediaEvent, `{"specversion":"1.0",` + head + `,"data_base64":"/w=="}`, "data is not valid UTF-8"},
		"one of a batch":        {mediaBatch, `[{"specversion":"1.0",` + head + `},{"specversion":"1.0"}]`, "event 2 of 2 is no CloudEvent: attribute id is missing"},
		"an object as batch":    {mediaBatch, `{"specversion":"1.0",` + head + `}`, "no array of CloudEvents"},
		"binary data, no JSON":  {"application/json", `{`, "data is not JSON"},
		"binary data, no UTF-8": {"application/json", "\"\xff\"", "data is not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			var headers []string
			if tc.contentType == typeJSON {
				headers = []string{"Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "/s", "Ce-Type", "t", "Ce-Subject", "4711"}
			}
			got := s.post(t, "/events/hooks", tc.contentType, tc.body, headers...)
			if p := got.problem(t); got.status != 400 || !strings.Contains(p.Detail, tc.detail) {
				t.Errorf("answered %d %q, want 400 and %q", got.status, p.Detail, tc.detail)
			}
		})
	}
	for name, headers := range map[string][]string{
		"an old version":      {"Ce-Specversion", "0.3", "Ce-Id", "1", "Ce-Source", "/s", "Ce-Type", "t"},
		"no id":               {"Ce-Specversion", "1.0", "Ce-Source", "/s", "Ce-Type", "t"},
		"half an escape":      {"Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "/s", "Ce-Type", "t", "Ce-Subject", "100%"},
		"escaped invalid":     {"Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "/s", "Ce-Type", "t", "Ce-Subject", "%FF"},
		"half a character":    {"Ce-Specversion", "1.0", "Ce-Id", "%EF%BF%BD", "Ce-Source", "/s", "Ce-Type", "t", "Ce-Subject", "1"},
		"no time":             {"Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "/s", "Ce-Type", "t", "Ce-Time", "now"},
		"a header of its own": {"Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "/s", "Ce-Type", "t", "Ce-My-Ext", "x"},
	} {
		if got := s.post(t, "/events/hooks", "", "", headers...); got.status != 400 || got.problem(t).Status != 400 {
			t.Errorf("binary, %s: answered %d %s, want 400", name, got.status, got.body)
		}
	}
	if n := len(events(t, server.Connect(t))); n != 0 {
		t.Errorf("refused requests left %d events in the log", n)
	}
}
