package control

import (
	"bufio"
	"encoding/json"
	"iter"
	"net/http"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// journalQuery reads the parameters that select entries.
func (r *request) journalQuery() (simclient.JournalQuery, error) {
	q := simclient.JournalQuery{
		System: r.query.Get("system"), Operation: r.query.Get("operation"), ID: r.query.Get("id"),
		Overlapped: r.query.Get("overlapped") == "true", Regression: r.query.Get("regression") == "true",
	}
	kind, err := r.kind()
	if err != nil {
		return q, err
	}
	since, err := r.number("since")
	if err != nil {
		return q, err
	}
	q.Kind, q.Since = kind, int64(since)
	q.Limit, err = r.number("limit")
	return q, err
}

func (a *API) journal(w http.ResponseWriter, r *request) error {
	query, err := r.journalQuery()
	if err != nil {
		return err
	}
	lines(w, a.Journal.Entries(query))
	return nil
}

func (a *API) await(r *request) (any, error) {
	query, err := r.journalQuery()
	if err != nil {
		return nil, err
	}
	n, err := r.number("atLeast")
	if err != nil {
		return nil, err
	}
	count, err := a.Journal.Await(r.Context(), query, n)
	return simclient.Count{Count: count}, err
}

func (a *API) writes(w http.ResponseWriter, r *request) error {
	kind, err := r.kind()
	if err != nil {
		return err
	}
	lines(w, a.Journal.Writes(simclient.Ref{Kind: kind, ID: r.query.Get("id")}))
	return nil
}

// lines sends one JSON object a line, and ends with the first one that nobody takes.
func lines[T any](w http.ResponseWriter, items iter.Seq[*T]) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	buffer := bufio.NewWriterSize(w, 64<<10)
	encoder := json.NewEncoder(buffer)
	for item := range items {
		if encoder.Encode(item) != nil {
			return
		}
	}
	// The caller has gone if this fails; there is nobody left to tell.
	_ = buffer.Flush()
}
