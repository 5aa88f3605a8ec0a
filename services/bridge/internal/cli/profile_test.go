package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

const samples = "testdata/profile"

// shell runs "bridge …" lines as a person would in a folder with the samples; ">file" at the end keeps the output.
type shell struct {
	dir        string
	transcript strings.Builder
}

func newShell(t *testing.T) *shell {
	t.Helper()
	s := &shell{dir: t.TempDir()}
	if err := os.CopyFS(s.dir, os.DirFS(samples)); err != nil {
		t.Fatal(err)
	}
	return s
}

// bridge runs a line. Files are words with an extension; they lie in the shell's folder.
func (s *shell) bridge(t *testing.T, want int, line string) string {
	t.Helper()
	command, file, kept := strings.Cut(line, " >")
	args := strings.Fields(command)
	for i, arg := range args {
		if ext := filepath.Ext(arg); ext == ".json" || ext == ".yaml" {
			args[i] = filepath.Join(s.dir, arg)
		}
	}
	code, out, errs := call(t.Context(), nil, args...)
	if code != want || want != exitFailure && errs != "" {
		t.Fatalf("bridge %s exits %d, want %d\n%s%s", line, code, want, out, errs)
	}
	out = strings.ReplaceAll(out+errs, s.dir+string(filepath.Separator), "")
	s.transcript.WriteString("$ bridge " + line + "\n")
	if kept {
		if err := os.WriteFile(filepath.Join(s.dir, file), []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		return out
	}
	s.transcript.WriteString(out)
	return out
}

func (s *shell) cat(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, file))
	if err != nil {
		t.Fatal(err)
	}
	s.transcript.WriteString("$ cat " + file + "\n" + string(text))
}

// TestProfilesPageSaysWhatTheProgramDoes runs the way from samples to a working profile, and compares it and the tables with
// docs/profiles.md; -update writes them there.
func TestProfilesPageSaysWhatTheProgramDoes(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for _, file := range []string{"vertrag.json", "kunde.json", "meldung.json"} {
		s.cat(t, file)
	}
	s.bridge(t, exitOK, "profile init --from vertrag.json --contract-path /api/vertraege/{id} --customer kunde.json --customer-path /api/kunden/{id} --webhook meldung.json --name stadtwerk >stadtwerk.yaml")
	s.cat(t, "stadtwerk.yaml")
	s.bridge(t, exitOK, "profile test --profile stadtwerk.yaml --webhook meldung.json --contract vertrag.json --customer kunde.json")
	operations, err := operationTable()
	if err != nil {
		t.Fatal(err)
	}
	const page = "../../../../docs/profiles.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, block := range map[string]string{"transcript": "```console\n" + s.transcript.String() + "```\n", "operations": operations, "fields": fieldTable()} {
		before, rest, began := strings.Cut(want, "<!-- begin "+name+" -->\n")
		_, after, ended := strings.Cut(rest, "<!-- end "+name+" -->\n")
		if !began || !ended {
			t.Fatalf("docs/profiles.md has no block %s", name)
		}
		want = before + "<!-- begin " + name + " -->\n" + block + "<!-- end " + name + " -->\n" + after
	}
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("docs/profiles.md is not what the program does; run the test with -update (-program +page):\n%s", diff)
	}
	code, docs, _ := call(t.Context(), nil, "profile", "docs")
	if code != exitOK || docs != fieldTable()+"\n"+operations {
		t.Errorf("bridge profile docs exits %d and prints something else than the page has", code)
	}
}

func TestTheDraftedProfileExtractsWhatTheSamplesHold(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.bridge(t, exitOK, "profile init --from vertrag.json --webhook meldung.json --name stadtwerk >my.yaml")
	var r tryReport
	if err := json.Unmarshal([]byte(s.bridge(t, exitOK, "profile test --json --profile my.yaml --contract vertrag.json --webhook meldung.json")), &r); err != nil {
		t.Fatal(err)
	}
	want := `{"billingAddress":"Postweg 1, 04103 Leipzig","business":false,"company":null,"consumption":2850.0,"counterNumber":"1EMH0012345678",` +
		`"customerId":"90071992547409931","deliveryAddress":"Lindenallee 7b, 04109 Leipzig","email":"ada@example.org","endDate":null,` +
		`"energy":"electricity","firstname":"Ada","iban":"DE02120300000000202051","id":"VT-2040018","lastname":"Beispiel","monthlyDeposit":1084.50,` +
		`"phone":"+49 30 5550100","productCode":"OEKO24","productName":"Öko fix 24","startDate":1743465600,"status":"active","statusCode":"AKTIV","zip":"04109"}`
	var got bytes.Buffer
	if err := json.Compact(&got, r.Contract.Body); err != nil || got.String() != want {
		t.Errorf("to Enneo goes (%v)\n%s, want\n%s", err, got.String(), want)
	}
	if !r.OK || r.Contract.Outcome != "success" || r.Contract.Data != "/ergebnis/vertrag" || strings.Join(r.Webhook.ContractIDs, " ") != "VT-2040018" {
		t.Errorf("report = %+v", r)
	}
}

func TestWhatIsMissingIsNamedWithFileLineAndRemedy(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.bridge(t, exitOK, "profile init --from vertrag.json --webhook meldung.json >my.yaml")
	for name, text := range map[string]string{
		"nameless.json": `{"erfolg":true,"ergebnis":{"vertrag":{"vertragsnummer":"V","kunde":{"kundennummer":1,"kundentyp":"PRIVAT"},"lieferbeginn":"heute"}}}`,
		"failed.json":   `{"erfolg":false}`,
		"nothing.json":  `{"meldung":{"ereignisId":"e"}}`,
		"gone.json":     ``,
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		line string
		code int
		want []string
	}{
		{"--contract nameless.json", exitFinding, []string{
			"✗ my.yaml:39: mapping.contract.lastname is missing, which is not allowed for a person; text(data.?kunde.?nachname) finds nothing",
			"mapping.contract.startDate: what it finds must be a date", "nothing goes to Enneo",
		}},
		{"--contract failed.json", exitFinding, []string{"the ERP says that the read failed; see success, gone and data in my.yaml"}},
		{"--contract vertrag.json --id VT-1", exitFinding, []string{"the ERP answered with another id", "GET /contracts/VT-1"}},
		{"--contract gone.json --status 404", exitOK, []string{"HTTP 404, gone; Enneo's contract is deleted after a second look"}},
		{"--contract gone.json --status 500", exitFinding, []string{"HTTP 500, failed"}},
		{"--webhook nothing.json", exitFinding, []string{"✗ webhook: no contract id and no customer id found, so it would become a dead letter"}},
		{"--webhook gone.json", exitFailure, []string{"--webhook gone.json is refused with 400"}},
		{"--webhook missing.json", exitFailure, []string{"--webhook: open missing.json"}},
		{"--contract - --customer -", exitFailure, []string{"cannot both read standard input"}},
		{"--id ..", exitFinding, []string{"get_contract: the ids . and .. cannot stand in a path"}},
		{"--webhook meldung.json --header nonsense", exitFailure, []string{"is not 'Name: value'"}},
		{"--contract vertrag.json --status 7", exitFailure, []string{"--status 7 is no HTTP status"}},
		{"", exitFailure, []string{"nothing to test"}},
	} {
		out := s.bridge(t, tc.code, strings.TrimSpace("profile test --profile my.yaml "+tc.line))
		for _, want := range tc.want {
			if !strings.Contains(out, want) {
				t.Errorf("profile test %s does not say %q:\n%s", tc.line, want, out)
			}
		}
	}
	for line, want := range map[string]string{
		"profile test --id 1":                            "--profile is missing",
		"profile test --id 1 --profile sap":              "no such built-in profile, and no such file",
		"profile init":                                   "--from is missing",
		"profile init --from vertrag.json --name X":      "must be 1 to 32 of a-z",
		"profile init --from vertrag.json --customer no": "--customer: open no",
	} {
		if out := s.bridge(t, exitFailure, line); !strings.Contains(out, want) {
			t.Errorf("bridge %s says %q, want %q", line, out, want)
		}
	}
}

func TestTheRequestIsShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"powercloud": "  GET /rest:client/HASH/getContractById?id=a%2Fb\n  Accept: text/json\n  Authorization: Basic <client#API user, password>\n    with an API key and no user: X-Api-Key: <API key>\n",
		"lynqtech":   "  GET /v1/contract/a%2Fb\n  Accept: application/json\n  X-Api-Key: <API key>\n",
		"generic":    "  GET /contracts/a%2Fb\n  Accept: application/json\n  Authorization: Bearer <API key>\n",
	} {
		if code, out, errs := call(t.Context(), nil, "profile", "test", "--profile", name, "--id", "a/b"); code != exitOK || !strings.Contains(out, want) {
			t.Errorf("%s exits %d and prints\n%s%s, want\n%s", name, code, out, errs, want)
		}
	}
}

func TestCloudEventsAndHeadersAreReadAsTheIngestorReadsThem(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	root := newRoot(config.Map(nil))
	root.SetArgs([]string{"profile", "test", "--profile", "generic", "--webhook", "-"})
	root.SetIn(strings.NewReader(`{"specversion":"1.0","id":"e-1","source":"/erp","type":"contract.changed","subject":"VN-1","data":{"customerId":"C-1"}}`))
	root.SetOut(&out)
	root.SetErr(&errs)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"VN-1              subject", "C-1               /customerId", "contract.changed  type", "e-1               id (together with source)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
	s := newShell(t)
	s.bridge(t, exitOK, "profile init --from vertrag.json --webhook meldung.json >my.yaml")
	file := filepath.Join(s.dir, "my.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, "  event_id_header: X-Event\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.bridge(t, exitOK, "profile test --profile my.yaml --webhook meldung.json --header X-Event:77"); !strings.Contains(got, "header X-Event") {
		t.Errorf("the header with the event id is not read:\n%s", got)
	}
}

func TestInputsHaveLimits(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "long.json")
	if err := os.WriteFile(file, make([]byte, profile.MaxAnswer+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"profile", "init", "--from", file},
		{"profile", "test", "--profile", "generic", "--contract", file},
		{"profile", "test", "--profile", "generic", "--webhook", file},
		{"profile", "test", "--id", "1", "--profile", file},
	} {
		if code, _, errs := call(t.Context(), nil, args...); code != exitFailure || !strings.Contains(errs, "longer than ") {
			t.Errorf("%v exits %d and says %q", args[:3], code, errs)
		}
	}
}

func TestNothingOfASampleReachesTheTerminalUnprinted(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if err := os.WriteFile(filepath.Join(s.dir, "evil.json"), []byte(`{"id":"1","customerId":"2","business":false,"lastname":"\u001b[2J\u009b1m","eventId":"\u001b]0;x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out := s.bridge(t, exitOK, "profile test --profile generic --contract evil.json --webhook evil.json")
	if strings.ContainsAny(out, "\x1b\u009b") {
		t.Errorf("control characters are printed: %q", out)
	}
}
