package enneo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/fault"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/exchange"
)

// check reads the body of an import: 400 for what is no JSON object, 422 for what breaks the rules of the structure. The
// revision is 0 if the body has none.
func check(ref simclient.Ref, body []byte) (json.RawMessage, int64, *exchange.Answer) {
	fields, err := decode(body)
	if err != nil || fields == nil {
		answer := refuse(http.StatusBadRequest, "invalid_request", "the body must be a JSON object", "")
		return nil, 0, &answer
	}
	validate := enneo.ValidateContract
	if ref.Kind == key.Customer {
		validate = enneo.ValidateCustomer
	}
	if err := validate(fields); err != nil {
		answer := refuse(http.StatusUnprocessableEntity, "invalid_"+string(ref.Kind), err.Error(), fault.Of(err).Field)
		return nil, 0, &answer
	}
	if text(fields["id"]) != ref.ID {
		answer := refuse(http.StatusUnprocessableEntity, "invalid_"+string(ref.Kind), "the id must be that of the path", string(ref.Kind)+".id")
		return nil, 0, &answer
	}
	revision, err := strconv.ParseInt(text(fields["revision"]), 10, 64)
	if err != nil {
		revision = 0
	}
	return json.RawMessage(body), revision, nil
}

// decode reads one JSON object and nothing behind it, numbers as they are written.
func decode(body []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return nil, fmt.Errorf("read object: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read object: something follows it")
	}
	return fields, nil
}

// text is a text, or a number as it is written; empty for anything else.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// without is an object without a property.
func without(body json.RawMessage, property string) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || fields[property] == nil {
		return body
	}
	delete(fields, property)
	return exchange.JSON(http.StatusOK, fields).Body
}

// webhookRefs finds the contracts and customers that a notification names: contractId, contract.id, customerId,
// customer.id and lists of them, at the top or under data.
func webhookRefs(c *exchange.Call) []simclient.Ref {
	fields, err := decode(c.Body)
	if err != nil {
		return nil
	}
	var refs []simclient.Ref
	levels := []any{fields}
	switch data := fields["data"].(type) {
	case []any:
		levels = append(levels, data...)
	default:
		levels = append(levels, data)
	}
	for _, level := range levels {
		object, _ := level.(map[string]any)
		for _, kind := range []key.Kind{key.Contract, key.Customer} {
			name := string(kind)
			refs = appendRefs(refs, kind, object[name+"Id"], object[name+"Ids"], object[name], object[name+"s"])
		}
	}
	return refs
}

// appendRefs adds the id that each value is, holds as "id", or lists.
func appendRefs(refs []simclient.Ref, kind key.Kind, values ...any) []simclient.Ref {
	for _, value := range values {
		switch v := value.(type) {
		case map[string]any:
			value = v["id"]
		case []any:
			refs = appendRefs(refs, kind, v...)
			continue
		}
		if id := text(value); id != "" {
			refs = append(refs, simclient.Ref{Kind: kind, ID: id})
		}
	}
	return refs
}
