package enneo

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/simulator/internal/exchange"
)

// attributes are the parameters of GET /contract/search, and the properties of a contract that they are compared with.
var attributes = map[string]string{
	"contractId": "id", "customerId": "customerId", "firstname": "firstname", "lastname": "lastname", "fullname": "fullname",
	"birthday": "birthday", "company": "company", "email": "email", "meterNumber": "counterNumber", "address": "deliveryAddress",
	"postalCode": "zip", "city": "deliveryAddress",
}

// searchContract answers with the contract that most attributes fit, the one with the smallest id of equals.
func (s *system) searchContract(c *exchange.Call) exchange.Answer {
	matches := []json.RawMessage{}
	best := 0
	s.Store.each(key.Contract, func(_ simclient.Ref, body json.RawMessage) bool {
		fields, err := decode(body)
		if err != nil {
			return true
		}
		fields["fullname"] = strings.TrimSpace(text(fields["firstname"]) + " " + text(fields["lastname"]))
		score := 0
		for parameter, property := range attributes {
			want := c.Query.Get(parameter)
			has := text(fields[property])
			if want == "" {
				continue
			}
			if strings.EqualFold(want, has) || property == "deliveryAddress" && contains(has, want) {
				score++
			}
		}
		if score > best {
			best, matches = score, []json.RawMessage{body}
		}
		return true
	})
	return exchange.JSON(http.StatusOK, matches)
}

// searchCustomer answers with the customers in whose ids, name, company or e-mail address all words of q occur.
func (s *system) searchCustomer(c *exchange.Call) exchange.Answer {
	limit, offset := number(c.Query.Get("limit"), 10), number(c.Query.Get("offset"), 0)
	words := strings.Fields(c.Query.Get("q"))
	matches := []json.RawMessage{}
	s.Store.each(key.Customer, func(_ simclient.Ref, body json.RawMessage) bool {
		fields, err := decode(body)
		if err != nil || len(words) == 0 || !hasAll(fields, words) {
			return true
		}
		if offset--; offset < 0 && len(matches) < limit {
			matches = append(matches, body)
		}
		return len(matches) < limit
	})
	return exchange.JSON(http.StatusOK, matches)
}

func hasAll(fields map[string]any, words []string) bool {
	var b strings.Builder
	for _, property := range []string{"id", "firstname", "lastname", "company", "email"} {
		b.WriteString(text(fields[property]) + "\n")
	}
	ids, _ := fields["contractIds"].([]any)
	for _, id := range ids {
		b.WriteString(text(id) + "\n")
	}
	for _, word := range words {
		if !contains(b.String(), word) {
			return false
		}
	}
	return true
}

// customerOf answers with the customer who holds a contract.
func (s *system) customerOf(c *exchange.Call) exchange.Answer {
	answer := exchange.JSON(http.StatusOK, status{Success: true, Code: notFound(key.Customer)})
	s.Store.each(key.Customer, func(_ simclient.Ref, body json.RawMessage) bool {
		fields, err := decode(body)
		if err != nil {
			return true
		}
		ids, _ := fields["contractIds"].([]any)
		for _, id := range ids {
			if text(id) == c.Texts[0] {
				answer = exchange.JSON(http.StatusOK, body)
				return false
			}
		}
		return true
	})
	return answer
}

func contains(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

func number(text string, otherwise int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return otherwise
	}
	return n
}
