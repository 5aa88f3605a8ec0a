package route

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	var table Table[string]
	table.Add("GET", "/contract/search", "search")
	table.Add("GET", "/contract/{id}", "get")
	table.Add("PUT", "/contract/{id}", "put")
	table.Add("GET", "/a/{x}/b/{y}", "two")
	for name, c := range map[string]struct {
		method, path string
		value        string
		texts        []string
		known        bool
	}{
		"the first route wins":               {"GET", "/contract/search", "search", nil, true},
		"a text in braces":                   {"GET", "/contract/VN-1", "get", []string{"VN-1"}, true},
		"the method decides":                 {"PUT", "/contract/search", "put", []string{"search"}, true},
		"an escaped slash belongs to the id": {"GET", "/contract/a%2Fb", "get", []string{"a/b"}, true},
		"dots are an id":                     {"GET", "/contract/..", "get", []string{".."}, true},
		"two texts":                          {"GET", "/a/1/b/2", "two", []string{"1", "2"}, true},
		"an unknown method":                  {"POST", "/contract/1", "", nil, true},
		"an unknown path":                    {"GET", "/contracts/1", "", nil, false},
		"a raw slash is none of the id":      {"GET", "/contract/a/b", "", nil, false},
		"an empty id":                        {"GET", "/contract/", "", nil, false},
		"an escape that is none":             {"GET", "/contract/%zz", "", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			value, texts, found, known := table.Match(c.method, c.path)
			if value != c.value || found != (c.value != "") || known != c.known {
				t.Errorf("Match = %q, found %t, known %t; want %q, known %t", value, found, known, c.value, c.known)
			}
			if diff := cmp.Diff(c.texts, texts); diff != "" {
				t.Errorf("texts differ (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzMatch(f *testing.F) {
	var table Table[bool]
	table.Add("GET", "/contract/{id}", true)
	f.Add("/contract/a%2Fb")
	f.Add("/contract/%zz")
	f.Fuzz(func(t *testing.T, path string) {
		if _, texts, found, _ := table.Match("GET", path); found && (len(texts) != 1 || texts[0] == "") {
			t.Errorf("Match(%q) found the texts %q", path, texts)
		}
	})
}
