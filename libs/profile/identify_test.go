package profile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

func TestIdentify(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("9", 51)
	for _, tc := range []struct {
		name, profile, body string
		want                profile.Identified
	}{
		{"a text", "powercloud", `{"contractId":"00123"}`, profile.Identified{ContractIDs: []string{"00123"}}},
		{"an integer in its literal form", "powercloud", `{"contractId":12345678901234567890123}`, profile.Identified{ContractIDs: []string{"12345678901234567890123"}}},
		{"the first pointer that finds one counts", "powercloud", `{"contract":{"id":"2"},"contractId":"1"}`, profile.Identified{ContractIDs: []string{"1"}}},
		{"null is absent", "powercloud", `{"contract":{"id":"2"},"contractId":null}`, profile.Identified{ContractIDs: []string{"2"}}},
		{"an array, each id once", "powercloud", `{"contracts":[{"id":"1"},{"id":2},{"id":"1"},{}]}`, profile.Identified{ContractIDs: []string{"1", "2"}}},
		{"a body that is an array", "powercloud", `[{"contractId":"1"},{"contractId":"2"}]`, profile.Identified{ContractIDs: []string{"1", "2"}}},
		{"event id and change type", "powercloud", `{"contractId":"1","eventId":77,"event":"status.changed"}`, profile.Identified{ContractIDs: []string{"1"}, EventID: "77", ChangeType: "status.changed"}},
		{"a customer", "generic", `{"customerId":"C-1"}`, profile.Identified{CustomerIDs: []string{"C-1"}}},
		{"nothing", "generic", `{"x":1}`, profile.Identified{}},
		{"a scalar", "generic", `"x"`, profile.Identified{}},
		{"a decimal", "generic", `{"contractId":1.0}`, profile.Identified{Invalid: []string{"contract id at /contractId is a decimal number"}}},
		{"an exponent", "generic", `{"contractId":1e3}`, profile.Identified{Invalid: []string{"contract id at /contractId is a decimal number"}}},
		{"an object", "generic", `{"contractId":{"a":1}}`, profile.Identified{Invalid: []string{"contract id at /contractId is an object"}}},
		{"a list", "generic", `{"contractId":["1"]}`, profile.Identified{Invalid: []string{"contract id at /contractId is a list"}}},
		{"a boolean", "generic", `{"contractId":true}`, profile.Identified{Invalid: []string{"contract id at /contractId is a boolean"}}},
		{"an empty text", "generic", `{"contractId":""}`, profile.Identified{Invalid: []string{"contract id at /contractId is empty"}}},
		{"a text that is too long", "generic", `{"contractId":"` + long + `"}`, profile.Identified{Invalid: []string{"contract id at /contractId is longer than 50 characters"}}},
		{"an integer that is too long", "generic", `{"contractId":` + long + `}`, profile.Identified{Invalid: []string{"contract id at /contractId is longer than 50 characters"}}},
		{"50 letters that take more bytes", "generic", `{"contractId":"` + strings.Repeat("ü", 50) + `"}`, profile.Identified{ContractIDs: []string{strings.Repeat("ü", 50)}}},
		{"bytes that are no text", "generic", "{\"contractId\":\"a\xff\"}", profile.Identified{Invalid: []string{"contract id at /contractId is not valid UTF-8"}}},
		{"half a surrogate pair", "generic", `{"contractId":"a\ud800"}`, profile.Identified{Invalid: []string{"contract id at /contractId is not valid UTF-8"}}},
		{"what is invalid does not hide what is valid", "generic", `{"contractId":1.5,"contractIds":["1",{},"2",{}]}`, profile.Identified{
			ContractIDs: []string{"1", "2"}, Invalid: []string{"contract id at /contractId is a decimal number", "contract id at /contractIds/* is an object"},
		}},
		{"an event id that is too long", "generic", `{"id":"1","eventId":"` + strings.Repeat("e", 201) + `"}`, profile.Identified{
			ContractIDs: []string{"1"}, Invalid: []string{"event id at /eventId is longer than 200 characters"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			doc, err := jsonptr.Decode([]byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, load(t, tc.profile).Identify(doc)); diff != "" {
				t.Errorf("Identify (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzIdentify(f *testing.F) {
	var profiles []*profile.Profile
	for _, name := range profile.Builtin() {
		profiles = append(profiles, load(f, name))
	}
	for _, body := range []string{
		`{"contractId":"1"}`, `[{"contractId":1},{"contract":{"id":"ü"}}]`, `{"data":[{"contractId":1e5}]}`, `{"id":"` + "\xff" + `"}`, `null`, `{"contractIds":[[["1"]],null,-0]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		doc, err := jsonptr.Decode(body)
		if err != nil {
			return
		}
		for _, p := range profiles {
			found := p.Identify(doc)
			for _, ids := range [][]string{found.ContractIDs, found.CustomerIDs} {
				seen := map[string]bool{}
				for _, id := range ids {
					if !key.ValidID(id) || seen[id] {
						t.Fatalf("%s: %q is no id, or stands twice", p.Name(), id)
					}
					seen[id] = true
				}
			}
		}
	})
}
