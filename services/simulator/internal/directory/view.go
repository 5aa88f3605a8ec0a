package directory

import (
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// ServeContract is the contract that an ERP shows under an id: as it was lag ago, or another one if it shall err.
func (d *Directory) ServeContract(id string, lag time.Duration, wrong bool) (simclient.Contract, bool) {
	if wrong {
		return d.otherContract(id)
	}
	return d.Contract(id, lag)
}

// ServeCustomer is ServeContract for customers.
func (d *Directory) ServeCustomer(id string, lag time.Duration, wrong bool) (simclient.Customer, bool) {
	if wrong {
		return d.otherCustomer(id)
	}
	return d.Customer(id, lag)
}
