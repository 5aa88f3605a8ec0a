package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// ErrLater is the ingestor's word that the log does not take events now, and that the same request may come again; test
// with errors.Is.
var ErrLater = errors.New("503 with Retry-After")

// Post sends a webhook to the ingestor at a base URL as the ERP does, and fails unless it was answered 202.
func (w *World) Post(ctx context.Context, ingestor, body string) error {
	return w.PostTo(ctx, ingestor, SourceName, body)
}

// PostTo is Post for another source, which has to have the same secret.
func (w *World) PostTo(ctx context.Context, ingestor, source, body string) error {
	return post(ctx, ingestor+"/webhooks/"+source, "application/json", body)
}

// PostEvent sends a CloudEvent about a contract, in structured mode. The log recognises it by its id.
func (w *World) PostEvent(ctx context.Context, ingestor, id, contract string) error {
	body, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": id, "source": "/rig", "type": "contract.status", "subject": contract,
		"data": map[string]string{"contractId": contract},
	})
	if err != nil {
		return fmt.Errorf("encode an event: %w", err)
	}
	return post(ctx, ingestor+"/events/"+SourceName, "application/cloudevents+json", string(body))
}

// Hint is the body of a webhook about a contract.
func Hint(contract string) (string, error) {
	body, err := json.Marshal(map[string]any{"event": "contract.status", "contractId": contract})
	if err != nil {
		return "", fmt.Errorf("encode a webhook: %w", err)
	}
	return string(body), nil
}

// Change changes a contract in the ERP and tells the ingestor of it.
func (w *World) Change(ctx context.Context, ingestor, contract string, status int) error {
	if _, err := w.Sim.Change(ctx, simclient.Change{Contracts: []string{contract}, StatusID: status}); err != nil {
		return err
	}
	body, err := Hint(contract)
	if err != nil {
		return err
	}
	return w.Post(ctx, ingestor, body)
}

// Accepting waits until the ingestor has found the log. It is ready before that, to answer 503 itself; an empty array
// tells nothing, so it has no other effect.
func (w *World) Accepting(ctx context.Context, ingestor string) error {
	return Eventually(ctx, serverTimeout, "the ingestor takes events", func(ctx context.Context) error {
		return w.Post(ctx, ingestor, "[]")
	})
}

func post(ctx context.Context, url, mediaType, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewBufferString(body))
	if err != nil {
		return fmt.Errorf("build a webhook: %w", err)
	}
	req.Header.Set("Content-Type", mediaType)
	req.Header.Set("X-Webhook-Secret", webhookSecret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("send a webhook: %w", err)
	}
	defer resp.Body.Close()
	// The status alone says what became of it.
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	switch {
	case resp.StatusCode == http.StatusAccepted:
		return nil
	case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
		return ErrLater
	default:
		return fmt.Errorf("%w %s: %s", ErrRefused, resp.Status, text)
	}
}

// ErrRefused says that the ingestor has answered with neither 202 nor "later"; test with errors.Is.
var ErrRefused = errors.New("the ingestor has answered")
