package scaffold

import (
	"slices"
	"strings"
	"unicode"
)

// kind is what a field's expression makes of a value.
type kind int

const (
	asText kind = iota
	asNumber
	asTime
	asRaw
)

// target is one of Enneo's fields with the names under which ERPs are known to have it, normalised (see normal), the most
// telling first. A name also matches when it is split between an object and its member (kunde.nummer). "/id" stands for a
// member of the data object itself.
type target struct {
	field string
	kind  kind
	names []string
}

func words(list string) []string { return strings.Fields(list) }

func contractID() target {
	return target{"id", asText, words("contractid contractnumber contractno vertragsnummer vertragnummer vertragsnr vertragnr vertragsid vertragid contractaccount agreementid agreementnumber agreementno policynumber policyno vertragskontonummer vertragskonto /id /nummer /number /nr")}
}

func customerID() target {
	return target{"customerId", asText, words("customerid customernumber customerno kundennummer kundenummer kundennr kundenid kundeid geschaeftspartnernummer geschaeftspartner gpnummer businesspartnerid businesspartner partnernummer partnerid debitorennummer accountholderid accountholder clientid clientnumber clientno partyid partynumber partyno partyref")}
}

// person are the fields that contracts and customers share.
func person() []target {
	return []target{
		{"company", asText, words("company companyname firma firmenname firmenbezeichnung firmierung unternehmen unternehmensname legalname tradingname organisationname organizationname organisation organization")},
		{"firstname", asText, words("firstname givenname given vorname forename")},
		{"lastname", asText, words("lastname surname familyname nachname familienname name2 customername kundename kundenname /name")},
		{"email", asText, words("email emailadresse emailaddress mailadresse mail")},
		{"phone", asText, words("phone phonenumber telefon telefonnummer telefonnr tel mobilnummer mobil mobile handy")},
	}
}

// ofContract are the optional fields of a contract.
func ofContract() []target {
	return []target{
		{"statusCodeTitle", asText, words("statuscodetitle statustitle statustext statusbezeichnung statusname")},
		{"statusCode", asRaw, words("status vertragsstatus vertragstatus contractstatus statusid statuscode zustand state")},
		{"energy", asText, words("energy energytype energietraeger energieart sparte commodity medium division")},
		{"counterNumber", asText, words("counternumber meternumber meterid meterno meterserialnumber meterserial zaehlernummer zaehlernr zaehlerid geraetenummer")},
		{"iban", asText, words("iban")},
		{"monthlyDeposit", asNumber, words("monthlydeposit abschlag abschlagsbetrag abschlagbetrag monatsabschlag monatlicherabschlag monthlypayment installment instalment deposit")},
		{"startDate", asTime, words("startdate contractstart deliverystart vertragsbeginn lieferbeginn belieferungsbeginn startdatum beginndatum beginn gueltigab validfrom start")},
		{"endDate", asTime, words("enddate contractend deliveryend vertragsende lieferende belieferungsende enddatum ende gueltigbis validto validuntil end")},
		{"consumption", asNumber, words("consumption annualconsumption yearlyconsumption verbrauch jahresverbrauch prognoseverbrauch verbrauchsprognose")},
		{"productCode", asText, words("productcode productid produktcode produktid tarifcode tarifid tariffcode tariffid")},
		{"productName", asText, words("productname tariffname produktname tarifname produktbezeichnung tarifbezeichnung produkt tarif product tariff")},
	}
}

// addressParts are the parts of an address, by their names.
func addressParts() map[string][]string {
	return map[string][]string{
		"street": words("strasse street streetname strassenname str"),
		"number": words("hausnummer hausnr hnr housenumber houseno streetnumber no nr"),
		"zip":    words("plz postleitzahl zip zipcode postalcode postcode"),
		"city":   words("ort stadt city town wohnort"),
		"whole":  words("deliveryaddress billingaddress lieferadresse rechnungsadresse adresse anschrift address"),
	}
}

func deliveryWords() []string {
	return words("liefer verbrauchsstelle abnahmestelle deliver supply anschluss entnahme")
}
func billingWords() []string { return words("rechnung billing invoice korrespondenz post bank") }

func businessFlags() []string {
	return words("business isbusiness gewerbe istgewerbe gewerbekunde istgewerbekunde gewerblich geschaeftskunde istgeschaeftskunde firmenkunde commercial iscommercial b2b")
}

func customerTypes() []string {
	return words("customertype kundentyp kundetyp kundenart kundeart kundengruppe personentyp partnertyp partnertype partytype legalform segment kundensegment typ type kind")
}

func privateValues() []string {
	return words("privat private privatkunde person pers natuerlicheperson individual residential b2c pk p haushalt household consumer")
}

func businessValues() []string {
	return words("gewerbe business firma company b2b gk g geschaeftskunde gewerbekunde organisation organization org juristischeperson commercial industrie")
}

func energies() map[string]string {
	return map[string]string{"strom": "electricity", "electricity": "electricity", "power": "electricity", "elektrizitaet": "electricity", "gas": "gas", "erdgas": "gas"}
}

func contractLists() []string {
	return words("contractids contracts contractnumbers vertraege vertragsnummern vertragsids vertragids contractlist")
}

func eventIDs() []string {
	return words("eventid ereignisid messageid nachrichtenid notificationid deliveryid webhookid evtid")
}

func changeTypes() []string {
	return words("eventtype ereignistyp ereignisart changetype ereignis event aktion action topic evt /type /typ")
}

// normal makes names comparable: lower case, umlauts written out, letters and digits only.
func normal(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r == 'ä':
			b.WriteString("ae")
		case r == 'ö':
			b.WriteString("oe")
		case r == 'ü':
			b.WriteString("ue")
		case r == 'ß':
			b.WriteString("ss")
		case unicode.IsLetter(r), unicode.IsDigit(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// similar is how well a path fits the names, 0 for not at all. What is nested deeper is less likely to be meant.
func similar(path, names []string) int {
	if len(path) == 0 {
		return 0
	}
	last := normal(path[len(path)-1])
	joined := last
	if len(path) > 1 {
		joined = normal(path[len(path)-2]) + last
	}
	depth := 10 * len(path)
	for i, name := range names {
		if own, ok := strings.CutPrefix(name, "/"); ok {
			if len(path) == 1 && last == own {
				return 900 - i
			}
		} else if last == name || joined == name {
			return 1000 - i - depth
		}
	}
	const telling = 6 // Shorter words stand inside unrelated ones.
	for i, name := range names {
		if len(name) >= telling && strings.Contains(last, name) {
			return 500 - i - depth
		}
	}
	return 0
}

// among tells whether the value, normalised, is one of the words.
func among(value any, list []string) bool {
	text, ok := value.(string)
	return ok && slices.Contains(list, normal(text))
}
