package simclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxAnswer bounds an answer that is read as a whole; the journal and the writes are streamed instead.
const maxAnswer = 64 << 20

// Error is a refusal by the control API.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Detail says what is wrong.
	Detail string
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("simulator refused (HTTP %d): %s", e.Status, e.Detail)
}

// Client speaks to the control API of one simulator.
type Client struct {
	base string
	http *http.Client
}

// New returns a client of the simulator at base, for example "http://127.0.0.1:8070". A nil client means
// http.DefaultClient. The client must not have a timeout below the longest wait that Await shall last.
func New(base string, client *http.Client) *Client {
	if client == nil {
		client = http.DefaultClient
	}
	return &Client{base: strings.TrimRight(base, "/"), http: client}
}

// URL is the address of a simulated system, for example URL(Enneo) + "/api/mind".
func (c *Client) URL(system string) string { return c.base + "/" + system }

// do sends one call; path holds escaped segments. answer may be nil.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body, answer any) error {
	response, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	limited := io.LimitReader(response.Body, maxAnswer)
	if answer == nil {
		_, err = io.Copy(io.Discard, limited)
	} else {
		err = json.NewDecoder(limited).Decode(answer)
	}
	if err != nil {
		return fmt.Errorf("read answer to %s %s: %w", method, path, err)
	}
	return nil
}

// send returns only answers of success; the caller closes the body.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode %s %s: %w", method, path, err)
		}
		content = bytes.NewReader(encoded)
	}
	address := c.base + "/control" + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return nil, fmt.Errorf("build %s %s: %w", method, path, err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("call simulator: %w", err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		defer response.Body.Close()
		return nil, refusal(response)
	}
	return response, nil
}

// refusal reads the reason out of an answer that is none of success.
func refusal(response *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		text = nil // the status alone has to do
	}
	// A refusal is a problem of RFC 9457.
	var problem struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(text, &problem) != nil || problem.Detail == "" {
		problem.Detail = strings.TrimSpace(string(text))
	}
	return &Error{Status: response.StatusCode, Detail: problem.Detail}
}

// stream calls each with every JSON value of the answer, in order, until it returns an error.
func stream[T any](ctx context.Context, c *Client, path string, query url.Values, each func(T) error) error {
	response, err := c.send(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(response.Body)
	for {
		var item T
		if err := decoder.Decode(&item); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if err := each(item); err != nil {
			return err
		}
	}
}
