package contracttest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ownHeaders are those that an HTTP client sends by itself; they are no part of an interface.
var ownHeaders = []string{"Accept-Encoding", "Content-Length", "User-Agent"}

// Server is an HTTP server that takes exactly the request of the exchange, once, and gives its answer. Whatever differs fails the
// test.
func (e *Exchange) Server(t testing.TB) *httptest.Server {
	t.Helper()
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read the request: %v", err)
		}
		got := received{Method: r.Method, Target: r.RequestURI, Header: map[string]string{}, Body: string(body)}
		for name, values := range r.Header {
			if !slices.Contains(ownHeaders, name) {
				got.Header[name] = strings.Join(values, ", ")
			}
		}
		if diff := cmp.Diff(e.Request.wanted(), got); diff != "" {
			t.Errorf("the request differs from the table (-want +got):\n%s", diff)
		}
		for name, value := range e.Answer.Header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(e.Answer.Status)
		_, _ = io.WriteString(w, e.Answer.Body)
	}))
	t.Cleanup(func() {
		server.Close()
		if n := requests.Load(); n != 1 {
			t.Errorf("the client has sent %d requests, want one", n)
		}
	})
	return server
}

// received is a request as a server sees it.
type received struct {
	Method, Target string
	Header         map[string]string
	Body           string
}

func (r *Request) wanted() received {
	header := map[string]string{}
	for name, value := range r.Header {
		header[http.CanonicalHeaderKey(name)] = value
	}
	if r.Basic != "" {
		header["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(r.Basic))
	}
	return received{Method: r.Method, Target: r.Target, Header: header, Body: r.Body}
}

// Send sends the request of the exchange to a system at base, byte by byte as it stands in the table. The caller closes the body.
func (e *Exchange) Send(ctx context.Context, client *http.Client, base string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, e.Request.Method, base+e.Request.Target, strings.NewReader(e.Request.Body))
	if err != nil {
		return nil, fmt.Errorf("build the request: %w", err)
	}
	for name, value := range e.Request.wanted().Header {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("send the request: %w", err)
	}
	return response, nil
}

// Check tells how an answer differs from that of the exchange; empty if it does not. Status, media type, Retry-After and the body
// count: names, types and values, but for the values of what varies. Of a body that is not JSON only its being there counts.
func (e *Exchange) Check(status int, header http.Header, body []byte) string {
	want, err := e.Answer.content()
	if err != nil {
		return fmt.Sprintf("the table's answer: %v", err)
	}
	got, err := (&Answer{Status: status, Header: map[string]string{
		"Content-Type": header.Get("Content-Type"), "Retry-After": header.Get("Retry-After"),
	}, Body: string(body), Varies: e.Answer.Varies}).content()
	if err != nil {
		return fmt.Sprintf("the system's answer: %v", err)
	}
	return cmp.Diff(want, got)
}

// content is what counts of an answer.
type content struct {
	Status                int
	MediaType, RetryAfter string
	Body                  any
}

func (a *Answer) content() (content, error) {
	mediaType, _, err := mime.ParseMediaType(a.Header["Content-Type"])
	if err != nil {
		return content{}, fmt.Errorf("read the media type: %w", err)
	}
	c := content{Status: a.Status, MediaType: mediaType, RetryAfter: a.Header["Retry-After"]}
	if !strings.HasSuffix(mediaType, "json") {
		c.Body = a.Body != ""
		return c, nil
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(a.Body)))
	decoder.UseNumber()
	if err := decoder.Decode(&c.Body); err != nil {
		return content{}, fmt.Errorf("read the body: %w", err)
	}
	c.Body = a.plain(c.Body)
	return c, nil
}

// plain is a JSON value with words for the types in place of what varies.
func (a *Answer) plain(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if slices.Contains(a.Varies, name) {
				v[name] = typeOf(member)
			} else {
				v[name] = a.plain(member)
			}
		}
	case []any:
		for i := range v {
			v[i] = a.plain(v[i])
		}
	}
	return value
}

func typeOf(value any) string {
	switch value.(type) {
	case nil:
		return "a null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a text"
	case []any:
		return "a list"
	default:
		return "an object"
	}
}
