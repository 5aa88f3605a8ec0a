package generic

import (
	"strconv"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// party holds what contract and customer have in common, in Enneo's words.
type party struct {
	Business        bool               `json:"business"`
	Firstname       simclient.Optional `json:"firstname"`
	Lastname        simclient.Optional `json:"lastname"`
	Company         simclient.Optional `json:"company"`
	Email           simclient.Optional `json:"email"`
	Phone           simclient.Optional `json:"phone"`
	DeliveryAddress string             `json:"deliveryAddress"`
	BillingAddress  simclient.Optional `json:"billingAddress"`
}

// Contract is a contract in Enneo's words.
type Contract struct {
	ID         string `json:"id"`
	CustomerID string `json:"customerId"`
	party
	Zip             string  `json:"zip"`
	Status          string  `json:"status"`
	StatusCode      int     `json:"statusCode"`
	StatusCodeTitle string  `json:"statusCodeTitle"`
	Energy          string  `json:"energy"`
	EnergyTypeID    int     `json:"energyTypeId"`
	CounterNumber   string  `json:"counterNumber"`
	IBAN            string  `json:"iban"`
	MonthlyDeposit  float64 `json:"monthlyDeposit"`
	// StartDate and EndDate are Unix seconds, midnight UTC.
	StartDate   *int64 `json:"startDate"`
	EndDate     *int64 `json:"endDate"`
	Consumption int    `json:"consumption"`
	ProductName string `json:"productName"`
	ProductCode string `json:"productCode"`
	Revision    int64  `json:"revision"`
}

// Customer is a customer in Enneo's words.
type Customer struct {
	ID string `json:"id"`
	party
	ContractIDs []string `json:"contractIds"`
	Revision    int64    `json:"revision"`
}

// ContractOf puts a contract into Enneo's words.
func ContractOf(c *simclient.Contract) Contract {
	energy := "electricity"
	if c.EnergyTypeID == simclient.Gas {
		energy = "gas"
	}
	return Contract{
		ID: c.ID, CustomerID: c.CustomerID, party: partyOf(&c.Party, &c.Addresses), Zip: c.DeliveryZip,
		Status: status(c.StatusID), StatusCode: c.StatusID, StatusCodeTitle: c.StatusTitle, Energy: energy, EnergyTypeID: c.EnergyTypeID,
		CounterNumber: c.CounterNumber, IBAN: c.IBAN, MonthlyDeposit: c.MonthlyDeposit, StartDate: unix(c.StartDate), EndDate: unix(string(c.EndDate)),
		Consumption: c.Consumption, ProductName: c.ProductName, ProductCode: c.ProductCode, Revision: c.Revision,
	}
}

// CustomerOf puts a customer into Enneo's words.
func CustomerOf(c *simclient.Customer) Customer {
	return Customer{ID: c.ID, party: partyOf(&c.Party, &c.Addresses), ContractIDs: c.ContractIDs, Revision: c.Revision}
}

func partyOf(p *simclient.Party, a *simclient.Addresses) party {
	return party{
		Business: p.Business, Firstname: p.Firstname, Lastname: p.Lastname, Company: p.Company, Email: p.Email, Phone: p.Phone,
		DeliveryAddress: a.Delivery(), BillingAddress: a.Billing(),
	}
}

// status is a status in one word; "active" is Enneo's, the others are ours.
func status(id int) string {
	switch id {
	case 1000, 3000:
		return "pending"
	case simclient.StatusActive:
		return "active"
	case 6000:
		return "cancelled"
	case 7000:
		return "ended"
	default:
		return "status-" + strconv.Itoa(id)
	}
}

func unix(date string) *int64 {
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return nil
	}
	seconds := day.Unix()
	return &seconds
}
