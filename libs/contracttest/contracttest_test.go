package contracttest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

func TestEverySystemHasItsTable(t *testing.T) {
	t.Parallel()
	for _, system := range simclient.Systems() {
		documented := 0
		for _, e := range Exchanges(t, system) {
			for _, origin := range []Origin{e.Request.Origin, e.Answer.Origin} {
				if origin.Documented != "" {
					documented++
				}
			}
		}
		if documented == 0 {
			t.Errorf("nothing of %s is documented", system)
		}
	}
	if given := Records(t); len(given.Contracts) == 0 || len(given.Customers) == 0 {
		t.Error("the simulated ERPs are to hold nothing")
	}
}

func TestATableThatIsNotWholeIsRefused(t *testing.T) {
	t.Parallel()
	good := func() Exchange {
		return Exchange{
			Name: "a", Request: Request{Origin: Origin{Ours: "x"}, Method: http.MethodGet, Target: "/"},
			Answer: Answer{Origin: Origin{Documented: "x"}, Status: 200, Header: map[string]string{"Content-Type": "application/json"}},
		}
	}
	for name, c := range map[string]struct {
		spoil func(*Exchange)
		want  string
	}{
		"whole":            {func(*Exchange) {}, ""},
		"no name":          {func(e *Exchange) { e.Name = "" }, "its name"},
		"no origin":        {func(e *Exchange) { e.Request.Origin = Origin{} }, "its request must say"},
		"two origins":      {func(e *Exchange) { e.Answer.Ours = "x" }, "its answer must say"},
		"an unknown one":   {func(e *Exchange) { e.After = []string{"b"} }, "stand above it: b"},
		"no target":        {func(e *Exchange) { e.Request.Target = "" }, "method, target"},
		"no media type":    {func(e *Exchange) { e.Answer.Header = nil }, "method, target"},
		"after its own":    {func(e *Exchange) { e.After = []string{"a"} }, "stand above it: a"},
		"without a status": {func(e *Exchange) { e.Answer.Status = 0 }, "method, target"},
	} {
		e := good()
		c.spoil(&e)
		err := whole([]Exchange{e})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if whole(nil) == nil {
		t.Error("an empty table is taken")
	}
}

func TestCheckFindsWhatDiffers(t *testing.T) {
	t.Parallel()
	e := Exchange{Answer: Answer{
		Status: 429, Header: map[string]string{"Content-Type": "application/json", "Retry-After": "7"},
		Body: `{"a":{"b":[1,"x"],"c":null},"m":"one"}`, Varies: []string{"m"},
	}}
	for name, c := range map[string]struct {
		status          int
		mediaType, wait string
		body            string
		same            bool
	}{
		"the same":             {429, "application/json", "7", `{"m":"one","a":{"c":null,"b":[1,"x"]}}`, true},
		"with a charset":       {429, "application/json; charset=utf-8", "7", `{"m":"one","a":{"c":null,"b":[1,"x"]}}`, true},
		"what varies":          {429, "application/json", "7", `{"m":"two","a":{"c":null,"b":[1,"x"]}}`, true},
		"its type":             {429, "application/json", "7", `{"m":2,"a":{"c":null,"b":[1,"x"]}}`, false},
		"another status":       {200, "application/json", "7", e.Answer.Body, false},
		"another media type":   {429, "text/json", "7", e.Answer.Body, false},
		"no media type":        {429, "", "7", e.Answer.Body, false},
		"another pause":        {429, "application/json", "8", e.Answer.Body, false},
		"another value":        {429, "application/json", "7", `{"m":"one","a":{"c":null,"b":[2,"x"]}}`, false},
		"a text for a number":  {429, "application/json", "7", `{"m":"one","a":{"c":null,"b":["1","x"]}}`, false},
		"null for nothing":     {429, "application/json", "7", `{"m":"one","a":{"b":[1,"x"]}}`, false},
		"one property more":    {429, "application/json", "7", `{"m":"one","a":{"c":null,"b":[1,"x"]},"d":1}`, false},
		"a body that is empty": {429, "application/json", "7", ``, false},
	} {
		diff := e.Check(c.status, http.Header{"Content-Type": {c.mediaType}, "Retry-After": {c.wait}}, []byte(c.body))
		if (diff == "") != c.same {
			t.Errorf("%s: %q", name, diff)
		}
	}
}
