package lookup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

// Limits of what a call may hold.
const (
	maxBody   = 64 << 10
	maxFields = 64
	maxText   = 256 // characters of one attribute, or of a free text
	maxOffset = 100_000
)

// Names of inputs, as Enneo gives them.
const (
	fieldContractID = "contractId"
	fieldCustomerID = "customerId"
	fieldTicketID   = "ticketId"
	fieldQ          = "q"
	fieldLimit      = "limit"
	fieldOffset     = "offset"
)

// inputError says what is wrong with the input, and what to do. It holds no value.
type inputError struct {
	status int
	detail string
}

// Error implements error.
func (e *inputError) Error() string { return e.detail }

func wrongInput(format string, args ...any) error {
	return &inputError{status: http.StatusBadRequest, detail: fmt.Sprintf(format, args...)}
}

// fields are the inputs of a call as texts: from the query of a GET, else from the JSON object in the body. What is null, empty, or
// neither text nor number is left out.
func fields(w http.ResponseWriter, r *http.Request) (map[string]string, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return fromQuery(r)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &inputError{status: http.StatusRequestEntityTooLarge, detail: fmt.Sprintf("The body is longer than %d bytes.", tooLarge.Limit)}
	}
	if err != nil {
		return nil, wrongInput("The body could not be read to its end.")
	}
	return fromJSON(body)
}

func fromQuery(r *http.Request) (map[string]string, error) {
	found := map[string]string{}
	query := r.URL.Query()
	if len(query) > maxFields {
		return nil, wrongInput("The query has more than %d parameters.", maxFields)
	}
	for name, values := range query {
		if len(values) > 1 {
			return nil, wrongInput("%s: stands in the query %d times; give it once.", shown(name), len(values))
		}
		if err := keep(found, name, values[0]); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func fromJSON(body []byte) (map[string]string, error) {
	var object map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&object); err != nil || object == nil {
		return nil, wrongInput(`The body is not a JSON object, such as {"contractId": "VN-00001"}.`)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, wrongInput("Something follows the JSON object in the body.")
	}
	if len(object) > maxFields {
		return nil, wrongInput("The body has more than %d fields.", maxFields)
	}
	found := map[string]string{}
	for name, raw := range object {
		text, ok := scalar(raw)
		if !ok {
			if known(name) {
				return nil, wrongInput("%s: is neither a text nor a number.", name)
			}
			continue
		}
		if err := keep(found, name, text); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// scalar is a text, or a number as it was written. null is the empty text.
func scalar(raw json.RawMessage) (string, bool) {
	var value any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&value) != nil {
		return "", false
	}
	switch v := value.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	default:
		return "", false
	}
}

func keep(found map[string]string, name, text string) error {
	switch {
	case text == "":
		return nil
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return wrongInput("%s: is not valid UTF-8, or holds a null character.", shown(name))
	case utf8.RuneCountInString(text) > maxText:
		return wrongInput("%s: is longer than %d characters.", shown(name), maxText)
	}
	found[name] = text
	return nil
}

// known tells whether a field has a meaning for one of the calls.
func known(name string) bool {
	return name == fieldTicketID || name == fieldQ || name == fieldLimit || name == fieldOffset || placeOf(&model.Attributes{}, name) != nil
}

// shown is the name of a field for an answer: one that is not ours could be anything.
func shown(name string) string {
	if known(name) {
		return name
	}
	return "a further field"
}

// id is the id that calls A and B want.
func id(found map[string]string, name string) (string, error) {
	text, ok := found[name]
	switch {
	case !ok:
		return "", wrongInput(`%s: is missing; give the id, for example {"%s": "VN-00001"}.`, name, name)
	case !key.ValidID(text):
		return "", wrongInput("%s: is longer than the %d characters that an id may have.", name, key.MaxIDLength)
	}
	return text, nil
}

// placeOf is where the attribute of this name stands, nil for one that is not Enneo's.
func placeOf(a *model.Attributes, name string) *string {
	return map[string]*string{
		fieldContractID: &a.ContractID, fieldCustomerID: &a.CustomerID, "firstname": &a.Firstname, "lastname": &a.Lastname,
		"fullname": &a.Fullname, "phone": &a.Phone, "company": &a.Company, "email": &a.Email, "meterNumber": &a.MeterNumber,
		"address": &a.Address, "postalCode": &a.PostalCode, "city": &a.City,
	}[name]
}

// attributes are what call C searches by; given holds them by their names.
func attributes(found map[string]string) (a model.Attributes, given map[string]string, err error) {
	given = map[string]string{}
	a.Custom = map[string]string{}
	for name, text := range found {
		if name == fieldTicketID {
			continue
		}
		given[name] = text
		if place := placeOf(&a, name); place != nil {
			*place = text
		} else {
			a.Custom[name] = text
		}
	}
	if len(given) == 0 {
		return a, nil, wrongInput("There is nothing to search by: give at least one attribute, for example contractId, email, meterNumber, or lastname and address.")
	}
	return a, given, nil
}

// pageOf reads limit and offset of call D. Enneo reads ten customers at most, so more are never answered.
func pageOf(found map[string]string) (limit, offset int, err error) {
	if limit, err = number(found, fieldLimit, model.PageSize); err != nil {
		return 0, 0, err
	}
	if offset, err = number(found, fieldOffset, 0); err != nil {
		return 0, 0, err
	}
	if offset > maxOffset {
		return 0, 0, wrongInput("%s: is larger than %d.", fieldOffset, maxOffset)
	}
	return min(limit, model.PageSize), offset, nil
}

func number(found map[string]string, name string, otherwise int) (int, error) {
	text, ok := found[name]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, wrongInput("%s: is not a number from 0 on.", name)
	}
	return n, nil
}
