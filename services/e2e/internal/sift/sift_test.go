package sift_test

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/canary"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/sift"
)

// goTest runs go test on a package below testdata.
func goTest(t *testing.T, name string, arguments ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"test", "-count=1"}, arguments...), "./testdata/"+name)...)
	out, err := cmd.Output()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	}
	return out
}

// seconds are how long something took, which differs from run to run.
var seconds = regexp.MustCompile(`\d+\.\d+s`)

func TestTheOutputIsThatOfGoTest(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		arguments []string
	}{{"fine", nil}, {"fine", []string{"-v"}}, {"leaky", nil}, {"broken", []string{"-v"}}, {"none", nil}} {
		t.Run(strings.Join(append([]string{tc.name}, tc.arguments...), " "), func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			if err := sift.Sift(bytes.NewReader(goTest(t, tc.name, append(tc.arguments, "-json")...)), &got, io.Discard, len(tc.arguments) > 0); err != nil && !errors.Is(err, sift.ErrFound) {
				t.Fatal(err)
			}
			want := goTest(t, tc.name, tc.arguments...)
			if diff := cmp.Diff(seconds.ReplaceAllString(string(want), "0s"), seconds.ReplaceAllString(got.String(), "0s")); diff != "" {
				t.Errorf("output (-go test +sift):\n%s", diff)
			}
		})
	}
}

func TestATestThatFailsIsShownAndOneThatPassesIsNot(t *testing.T) {
	t.Parallel()
	for name, shown := range map[string][]string{
		"broken": {"broken_test.go:7: this is seen", "--- FAIL: TestFails", "FAIL\tgithub.com/"},
		"dying":  {"before the end", "panic: the end", "dying_test.go:8", "FAIL\tgithub.com/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			if err := sift.Sift(bytes.NewReader(goTest(t, name, "-json")), &got, io.Discard, false); err != nil {
				t.Fatal(err)
			}
			for _, want := range shown {
				if !strings.Contains(got.String(), want) {
					t.Errorf("%q is not shown:\n%s", want, got.String())
				}
			}
			for _, other := range []string{"this is not seen", "=== RUN"} {
				if strings.Contains(got.String(), other) {
					t.Errorf("%q is shown:\n%s", other, got.String())
				}
			}
		})
	}
}

func TestACanaryIsFoundWhereverItIsPrinted(t *testing.T) {
	t.Parallel()
	secret := canary.Secret("told")
	for _, tc := range []struct{ name, input, where string }{
		{"by a test that passes", `{"Action":"output","Package":"p","Test":"T","Output":"` + secret + `\n"}
{"Action":"pass","Package":"p","Test":"T"}
{"Action":"pass","Package":"p"}`, "p T"},
		{"in parts", `{"Action":"output","Package":"p","Test":"T","Output":"` + secret[:9] + `"}
{"Action":"output","Package":"p","Test":"U","Output":"in between\n"}
{"Action":"output","Package":"p","Test":"T","Output":"` + secret[9:] + `\n"}
{"Action":"fail","Package":"p"}`, "p T"},
		{"by a package", `{"Action":"output","Package":"p","Output":"` + secret + `\n"}
{"Action":"pass","Package":"p"}`, "p"},
		{"by a package that did not end", `{"Action":"output","Package":"p","Output":"` + secret + `\n"}`, "p"},
		{"by the compiler", `{"ImportPath":"p","Action":"build-output","Output":"` + secret + `\n"}`, "the build"},
		{"by something else", "warning: " + secret, "go test"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := sift.Sift(strings.NewReader(tc.input), io.Discard, io.Discard, false)
			if !errors.Is(err, sift.ErrFound) || !strings.Contains(err.Error(), tc.where+" printed a canary") || strings.Count(err.Error(), "printed") != 1 {
				t.Errorf("error %v, want one that says what %s has printed", err, tc.where)
			}
		})
	}
}

// TestTheScriptFailsIfATestTellsASecret runs the script that runs all tests.
func TestTheScriptFailsIfATestTellsASecret(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		code int
		says string
	}{
		"fine":   {0, ""},
		"leaky":  {1, "TestTellsASecret printed a canary"},
		"broken": {1, ""},
		"none":   {1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "bash", "../../../../scripts/test.sh")
			cmd.Env = append(cmd.Environ(), "PKG=./services/e2e/internal/sift/testdata/"+name)
			var said bytes.Buffer
			cmd.Stderr = &said
			err := cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != tc.code {
				t.Errorf("exit code %d, want %d: %v\n%s", code, tc.code, err, said.String())
			}
			if !strings.Contains(said.String(), tc.says) {
				t.Errorf("it does not say %q:\n%s", tc.says, said.String())
			}
		})
	}
}
