package lookup

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

// golden is a file of testdata/enneo: questions and answers as docs.enneo.ai has them.
func golden(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "enneo", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(text), "\n")
}

// hold stores a structure as the newest snapshot of a key.
func (w *world) hold(k key.Key, body string) {
	w.t.Helper()
	w.must(enneo.ValidateText(k.Kind, body))
	w.event(k)
	last := w.last(k)
	ctx := context.WithoutCancel(w.t.Context())
	_, err := w.snapshots.Put(ctx, k.String(), &bridgev1.Snapshot{
		Covers: last.Position.Proto(), CoversLogTime: timestamppb.New(last.At), ReadStartedAt: timestamppb.New(time.Now()), Body: body,
	}, 0)
	w.must(err)
}

func TestQuestionsAndAnswersAreThoseOfEnneosDocumentation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hold(contract("VN-00001"), golden(t, "a.answer"))
	w.hold(customer("C-abcd-123"), golden(t, "b.answer"))
	r := w.start(map[string]string{"LOOKUP_MODE": "model"})
	for call, path := range map[string]string{"a": "/v1/contract", "b": "/v1/customer", "c": "/v1/contract/search", "d": "/v1/customer/search"} {
		question, want := golden(t, call+".question"), golden(t, call+".answer")
		got := r.call(t, http.MethodPost, path, question)
		got.expect(t, http.StatusOK, fromModel, want)
		input, err := fromJSON([]byte(question))
		w.must(err)
		query := url.Values{}
		for name, value := range input {
			query.Set(name, value)
		}
		got = r.call(t, http.MethodGet, path+"?"+query.Encode(), "")
		got.expect(t, http.StatusOK, fromModel, want)
	}
}
