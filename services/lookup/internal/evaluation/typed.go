package evaluation

import (
	"context"
	"slices"
	"strings"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/model"
)

// Typed is a way in which an agent looks for a customer by call D.
type Typed struct {
	Name string
	// text is what is typed; empty if the customer is none for it.
	text func(w *World, c *Customer) string
}

// TypedKinds are all of them.
func TypedKinds() []Typed {
	return []Typed{
		{"contract id", func(_ *World, c *Customer) string { return c.Contracts[0].ID }},
		{"contract id, digits only", func(_ *World, c *Customer) string { return strings.TrimPrefix(c.Contracts[0].ID, "VN-") }},
		{"contract id without its last digit", func(_ *World, c *Customer) string {
			return strings.ToLower(c.Contracts[0].ID[:len(c.Contracts[0].ID)-1])
		}},
		{"customer id", func(_ *World, c *Customer) string { return c.ID }},
		{"e-mail address", func(_ *World, c *Customer) string { return c.Email }},
		{"beginning of an e-mail address", func(_ *World, c *Customer) string { mailbox, _, _ := strings.Cut(c.Email, "@"); return mailbox }},
		{"meter number", func(_ *World, c *Customer) string { return c.Contracts[0].Meter }},
		{"meter number in groups", func(_ *World, c *Customer) string {
			m := c.Contracts[0].Meter
			return m[:1] + " " + m[1:4] + " " + m[4:]
		}},
		{"telephone number", func(_ *World, c *Customer) string {
			if c.Phone == "" {
				return ""
			}
			return "0" + strings.TrimPrefix(c.Phone, "+49")
		}},
		{"first name, last name, postal code", func(_ *World, c *Customer) string { return personal(c, c.First+" "+c.Last+" "+c.Home.Zip) }},
		{"last name, first name, street", func(_ *World, c *Customer) string { return personal(c, c.Last+", "+c.First+" "+c.Home.Street) }},
		{"last name, street, house number, town", func(_ *World, c *Customer) string {
			return personal(c, c.Last+" "+c.Home.Street+" "+c.Home.House+" "+c.Home.City)
		}},
		{"beginnings of first name, last name and street", func(_ *World, c *Customer) string {
			return personal(c, cut(c.First, 4)+" "+cut(c.Last, 5)+" "+cut(c.Home.Street, 6)+" "+c.Home.Zip)
		}},
		{"without umlauts", func(_ *World, c *Customer) string {
			text := umlautsOff(c.Last + " " + c.First + " " + c.Home.Street + " " + c.Home.Zip)
			if text == c.Last+" "+c.First+" "+c.Home.Street+" "+c.Home.Zip {
				return ""
			}
			return personal(c, text)
		}},
		{"typing error in the last name", func(w *World, c *Customer) string {
			return personal(c, typo(w.random, c.Last)+" "+c.First+" "+c.Home.Street+" "+c.Home.House+" "+c.Home.Zip)
		}},
		{"typing errors in last name and street", func(w *World, c *Customer) string {
			return personal(c, typo(w.random, c.Last)+" "+c.First+" "+typo(w.random, c.Home.Street)+" "+c.Home.House+" "+c.Home.Zip)
		}},
		{"company", func(_ *World, c *Customer) string {
			if c.Company == "" {
				return ""
			}
			return c.Company + " " + c.Home.Zip
		}},
		{"a word too many", func(_ *World, c *Customer) string {
			return personal(c, "Stromvertrag "+c.First+" "+c.Last+" "+c.Home.Zip)
		}},
	}
}

func personal(c *Customer, text string) string {
	if c.Company != "" {
		return ""
	}
	return text
}

func cut(s string, n int) string {
	runes := []rune(s)
	return string(runes[:min(n, len(runes))])
}

// Found are the counts of one way of typing.
type Found struct {
	Name string
	// Asked, and how often the customer was the first one, or one of the first page.
	Asked, First, Page int
	MissedIDs          []string
}

// Texts makes up to n texts of a kind, each with the customer that is meant.
func (w *World) Texts(k Typed, n int) (texts, ids []string) {
	for range 40 * n {
		if len(texts) == n {
			break
		}
		c := &w.Customers[w.random.IntN(len(w.Customers))]
		if text := k.text(w, c); text != "" {
			texts, ids = append(texts, text), append(ids, c.ID)
		}
	}
	return texts, ids
}

// EvaluateTyped searches for up to n texts of each kind.
func (w *World) EvaluateTyped(ctx context.Context, m *model.Model, n int) ([]Found, error) {
	var all []Found
	for _, k := range TypedKinds() {
		f := Found{Name: k.Name}
		texts, ids := w.Texts(k, n)
		for i, text := range texts {
			got, err := m.Search(ctx, text, model.PageSize, 0)
			if err != nil {
				return nil, err
			}
			f.Asked++
			switch at := slices.Index(got, ids[i]); {
			case at == 0:
				f.First++
				f.Page++
			case at > 0:
				f.Page++
			default:
				f.MissedIDs = append(f.MissedIDs, ids[i])
			}
		}
		all = append(all, f)
	}
	return all, nil
}
