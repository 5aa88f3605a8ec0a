package erp

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

// answers answers every request in the same way.
type answers struct {
	status    int
	mediaType string
	body      []byte
}

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Header: http.Header{"Content-Type": {a.mediaType}}, Body: io.NopCloser(bytes.NewReader(a.body)), Request: r,
	}, nil
}

// FuzzTokenAnswer holds for every answer of a token endpoint: it is a token, or a fault of the whole ERP that quotes nothing of it.
func FuzzTokenAnswer(f *testing.F) {
	f.Add(200, "application/json", []byte(`{"access_token":"t","token_type":"bearer","expires_in":60}`))
	f.Add(200, "application/json", []byte(`{"access_token":"t","expires_in":"99999999999999999999"}`))
	f.Add(200, "application/x-www-form-urlencoded", []byte(`access_token=t&expires_in=-1`))
	f.Add(400, "application/json", []byte(`{"error":"quoted-by-nobody","error_description":"quoted-by-nobody"}`))
	f.Add(503, "text/html", []byte(`<html>quoted-by-nobody`))
	f.Fuzz(func(t *testing.T, status int, mediaType string, body []byte) {
		if status < 200 || status > 999 || status >= 300 && status < 400 {
			return // No final status, or a redirect, which net/http follows.
		}
		tokens := newTokens(&source.Source{Auth: profile.OAuth2, APIUser: "api", TokenURL: &url.URL{Scheme: "https", Host: "token.invalid"}},
			&http.Client{Transport: answers{status, mediaType, body}})
		token, err := tokens.token()
		if err == nil {
			if token == "" || status >= 300 {
				t.Errorf("status %d gives the token %q", status, token)
			}
			return
		}
		got, ok := errors.AsType[*fault.Fault](err)
		if !ok || got.Scope != fault.Target || got.Permanent || got.Reason == "" {
			t.Errorf("%v is no passing fault of the whole ERP", err)
		}
		for _, text := range []string{err.Error(), got.Answer} {
			if strings.Contains(text, "quoted-by-nobody") {
				t.Errorf("%q quotes the answer", text)
			}
		}
	})
}
