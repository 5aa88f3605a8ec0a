package directory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// Change changes contracts and customers and returns all new revisions, also those of customers whose list of contracts
// changed. It changes either everything that was asked for or nothing.
func (d *Directory) Change(change simclient.Change) ([]simclient.Revision, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	contracts := make([]simclient.Contract, 0, len(change.Contracts))
	for _, id := range change.Contracts {
		v := d.contracts.get(id)
		if v == nil || v.gone {
			return nil, fmt.Errorf("contract %q: %w", id, ErrUnknown)
		}
		patched, err := patch(v.value, change.Patch)
		if err != nil {
			return nil, err
		}
		if patched.ID != id {
			return nil, fmt.Errorf("the patch must not change the id")
		}
		if change.StatusID != 0 {
			patched.StatusID, patched.StatusTitle = change.StatusID, StatusTitle(change.StatusID)
		}
		contracts = append(contracts, patched)
	}
	customers := make([]simclient.Customer, 0, len(change.Customers))
	for _, id := range change.Customers {
		v := d.customers.get(id)
		if v == nil || v.gone {
			return nil, fmt.Errorf("customer %q: %w", id, ErrUnknown)
		}
		patched, err := patch(v.value, change.Patch)
		if err != nil {
			return nil, err
		}
		if patched.ID != id {
			return nil, fmt.Errorf("the patch must not change the id")
		}
		customers = append(customers, patched)
	}
	var revisions []simclient.Revision
	for i := range contracts {
		revisions = append(revisions, d.putContract(contracts[i])...)
	}
	for i := range customers {
		revisions = append(revisions, d.putCustomer(customers[i], false))
	}
	return revisions, nil
}

// patch replaces the properties that the patch names in a copy of value. The copy shares no list or map with value.
func patch[T any](value T, properties json.RawMessage) (T, error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return value, fmt.Errorf("copy record: %w", err)
	}
	var patched T
	if err := json.Unmarshal(encoded, &patched); err != nil {
		return value, fmt.Errorf("copy record: %w", err)
	}
	if len(properties) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(properties))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&patched); err != nil {
			return value, fmt.Errorf("apply patch: %w", err)
		}
	}
	return patched, nil
}

// PutContract creates or replaces a contract. It is entered at its customer, who is created if need be, and struck off the
// customer it had before.
func (d *Directory) PutContract(c simclient.Contract) []simclient.Revision {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.putContract(c)
}

func (d *Directory) putContract(c simclient.Contract) []simclient.Revision {
	var revisions []simclient.Revision
	if old := d.contracts.get(c.ID); old != nil && !old.gone && old.value.CustomerID != c.CustomerID {
		revisions = append(revisions, d.strike(old.value.CustomerID, c.ID)...)
	}
	revision := d.contracts.put(c.ID, c, false, d.now(), d.number(), true)
	revisions = slices.Insert(revisions, 0, simclient.Revision{Ref: simclient.Ref{Kind: key.Contract, ID: c.ID}, Revision: revision})
	return append(revisions, d.enter(&c)...)
}

// enter puts the contract on its customer's list.
func (d *Directory) enter(c *simclient.Contract) []simclient.Revision {
	customer := simclient.Customer{ID: c.CustomerID, Party: c.Party, Addresses: c.Addresses}
	if v := d.customers.get(c.CustomerID); v != nil && !v.gone {
		customer = v.value
	}
	if slices.Contains(customer.ContractIDs, c.ID) {
		return nil
	}
	// Whoever has read the customer still holds the old list.
	customer.ContractIDs = append(slices.Clone(customer.ContractIDs), c.ID)
	return []simclient.Revision{d.putCustomer(customer, false)}
}

// strike takes the contract off the customer's list.
func (d *Directory) strike(customerID, contractID string) []simclient.Revision {
	v := d.customers.get(customerID)
	if v == nil || v.gone || !slices.Contains(v.value.ContractIDs, contractID) {
		return nil
	}
	customer := v.value
	customer.ContractIDs = slices.DeleteFunc(slices.Clone(customer.ContractIDs), func(id string) bool { return id == contractID })
	return []simclient.Revision{d.putCustomer(customer, false)}
}

// PutCustomer creates or replaces a customer; its list of contracts is taken as it is.
func (d *Directory) PutCustomer(c simclient.Customer) []simclient.Revision {
	d.mu.Lock()
	defer d.mu.Unlock()
	return []simclient.Revision{d.putCustomer(c, false)}
}

func (d *Directory) putCustomer(c simclient.Customer, gone bool) simclient.Revision {
	if c.ContractIDs == nil {
		c.ContractIDs = []string{} // a list in JSON, also when it is empty
	}
	revision := d.customers.put(c.ID, c, gone, d.now(), d.number(), true)
	return simclient.Revision{Ref: simclient.Ref{Kind: key.Customer, ID: c.ID}, Revision: revision}
}

// Delete removes a contract, and its mention at its customer, or a customer.
func (d *Directory) Delete(ref simclient.Ref) ([]simclient.Revision, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ref.Kind == key.Customer {
		v := d.customers.get(ref.ID)
		if v == nil || v.gone {
			return nil, ErrUnknown
		}
		return []simclient.Revision{d.putCustomer(v.value, true)}, nil
	}
	v := d.contracts.get(ref.ID)
	if v == nil || v.gone {
		return nil, ErrUnknown
	}
	customer := v.value.CustomerID
	revision := d.contracts.put(ref.ID, v.value, true, d.now(), d.number(), true)
	return append([]simclient.Revision{{Ref: ref, Revision: revision}}, d.strike(customer, ref.ID)...), nil
}
