package lookup

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// router finds the operation of a request in the description.
var router = sync.OnceValues(func() (routers.Router, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(description)
	if err != nil {
		return nil, err
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, err
	}
	return gorillamux.NewRouter(doc)
})

func TestTheDescriptionIsOpenAPI31(t *testing.T) {
	t.Parallel()
	if _, err := router(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(description), "openapi: 3.1.") {
		t.Error("the description is of another version")
	}
}

// result is what a call was answered with.
type result struct {
	status int
	header http.Header
	body   string
}

func (r result) origin() string { return r.header.Get(headerOrigin) }

// call sends a request with the token and holds request and answer against the description: what is answered with 200 must
// have been a valid request, and every answer must be one that is described.
func (r *replica) call(t testing.TB, method, path, body string) result {
	t.Helper()
	got, err := r.try(t.Context(), method, path, body, "Bearer "+testToken)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

// try is call for any goroutine, with an Authorization header of its own.
func (r *replica) try(ctx context.Context, method, path, body, authorization string) (result, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, strings.NewReader(body))
	if err != nil {
		return result{}, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return result{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return result{}, err
	}
	got := result{status: response.StatusCode, header: response.Header, body: string(text)}
	return got, described(ctx, method, path, body, &got)
}

// described holds a request and its answer against the description.
func described(ctx context.Context, method, path, body string, got *result) error {
	router, err := router()
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.URL, err = url.Parse(path)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	route, parameters, err := router.FindRoute(request)
	if err != nil {
		return err
	}
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}
	input := &openapi3filter.RequestValidationInput{Request: request, Route: route, PathParams: parameters, Options: options}
	if got.status == http.StatusOK {
		if err := openapi3filter.ValidateRequest(ctx, input); err != nil {
			return err
		}
	}
	return openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: got.status, Header: got.header, Options: options,
		Body: io.NopCloser(bytes.NewReader([]byte(got.body))),
	})
}
