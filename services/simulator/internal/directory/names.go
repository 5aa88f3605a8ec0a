package directory

import "strconv"

// Building blocks of the generated data. Cities and their postal codes are real; names, streets and companies are common
// words, and every combination of them is made up.
var (
	firstnames = []string{
		"Anna", "Ben", "Björn", "Charlotte", "Clara", "David", "Dörte", "Elif", "Emilia", "Emre", "Fatma", "Felix", "Finn", "Frieda", "Greta",
		"Günther", "Hannah", "Heinz", "Ida", "Jörg", "Jonas", "Jürgen", "Karl-Heinz", "Käthe", "Klaus", "Lea", "Leon", "Lina", "Lukas", "Marie",
		"Matthias", "Mehmet", "Mia", "Monika", "Noah", "Olena", "Paul", "Petra", "Renate", "Rüdiger", "Sabine", "Sören", "Sofía", "Theo", "Ursula",
		"Uwe", "Wolfgang", "Zoë", "Anne-Kathrin", "Łukasz",
	}
	lastnames = []string{
		"Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Meyer", "Wagner", "Becker", "Schulz", "Hoffmann", "Schäfer", "Koch", "Bauer",
		"Richter", "Klein", "Wolf", "Schröder", "Neumann", "Schwarz", "Zimmermann", "Braun", "Krüger", "Hofmann", "Hartmann", "Lange", "Weiß",
		"Yılmaz", "Krause", "Lehmann", "Köhler", "Maier", "Kowalski", "Öztürk", "Groß", "Jäger", "von der Heide", "Meyer-Lüdenscheid", "Böhm",
		"Nguyen", "O'Neill", "Dvořák", "Strauß", "Jung", "Vogel", "Kühn", "Peters", "Roth", "Vogt", "Brandt", "Lübke",
	}
	companyWords = []string{
		"Müller & Söhne", "Nordlicht", "Bäckerei Krüger", "Elbtal Logistik", "Grünwerk", "Hanse Kontor", "Rhein-Metallbau", "Schäfer Elektrotechnik",
		"Havelland Agrar", "Zum Goldenen Löwen", "Autohaus Jäger", "Physio am Markt", "Gebäudereinigung Öztürk", "Tischlerei Weiß", "Spree-IT",
		"Isar Pharma", "Weserblick Hausverwaltung", "Hotel Drei Könige", "Druckerei Groß", "Obsthof Lühe", "Kühlhaus Süd", "Zahnarztpraxis Dr. Böhm",
	}
	companyForms = []string{"GmbH", "GmbH", "GmbH", "AG", "GmbH & Co. KG", "UG (haftungsbeschränkt)", "e. K.", "OHG"}
	streets      = []string{
		"Hauptstraße", "Bahnhofstr.", "Gartenweg", "Horst-Kohl-Str.", "Schillerstraße", "Goethestr.", "Lindenallee", "Am Mühlbach", "Kirchgasse",
		"Dorfstraße", "Bergstr.", "Straße des 17. Juni", "Unter den Eichen", "Friedrich-Ebert-Straße", "Rosenweg", "An der Schönen Aussicht",
		"Karl-Marx-Allee", "Ringstr.", "Marktplatz", "Amselweg", "Königsallee", "Große Elbstraße", "Zum Löwen", "Ostpreußendamm", "Wiesengrund",
	}
	places = []struct{ zip, city string }{
		{"01067", "Dresden"},
		{"04109", "Leipzig"},
		{"06108", "Halle (Saale)"},
		{"07743", "Jena"},
		{"09111", "Chemnitz"},
		{"10115", "Berlin"},
		{"10999", "Berlin"},
		{"12157", "Berlin"},
		{"12203", "Berlin"},
		{"14467", "Potsdam"},
		{"18055", "Rostock"},
		{"19053", "Schwerin"},
		{"20095", "Hamburg"},
		{"22767", "Hamburg"},
		{"23552", "Lübeck"},
		{"24103", "Kiel"},
		{"26122", "Oldenburg"},
		{"28195", "Bremen"},
		{"30159", "Hannover"},
		{"33602", "Bielefeld"},
		{"34117", "Kassel"},
		{"37073", "Göttingen"},
		{"38100", "Braunschweig"},
		{"39104", "Magdeburg"},
		{"40213", "Düsseldorf"},
		{"44135", "Dortmund"},
		{"45127", "Essen"},
		{"48143", "Münster"},
		{"49074", "Osnabrück"},
		{"50667", "Köln"},
		{"52062", "Aachen"},
		{"53111", "Bonn"},
		{"55116", "Mainz"},
		{"60311", "Frankfurt am Main"},
		{"65183", "Wiesbaden"},
		{"66111", "Saarbrücken"},
		{"68159", "Mannheim"},
		{"69117", "Heidelberg"},
		{"70173", "Stuttgart"},
		{"72070", "Tübingen"},
		{"76133", "Karlsruhe"},
		{"78462", "Konstanz"},
		{"79098", "Freiburg im Breisgau"},
		{"80331", "München"},
		{"86150", "Augsburg"},
		{"89073", "Ulm"},
		{"90402", "Nürnberg"},
		{"93047", "Regensburg"},
		{"97070", "Würzburg"},
		{"99084", "Erfurt"},
	}
	// phonePrefixes are followed by three digits: numbers that the Bundesnetzagentur keeps free for films.
	phonePrefixes = []string{"+493023125", "+496990009", "+494066969", "+492214710", "+498999998"}
	mailHosts     = []string{"example.com", "example.org", "example.net"}
	houseSuffixes = []string{"a", "b", "c", " HH", "/2", "–23"}
	meterMakers   = []string{"ESY", "ISK", "EMH", "ITR", "LGZ"}
	gasMakers     = []string{"ELS", "ITR", "PIP"}
)

// Statuses of contracts and their titles. 5000 is confirmed; the others are ours.
var statuses = map[int]string{
	1000: "Auftrag eingegangen",
	3000: "Lieferantenwechsel läuft",
	5000: "Aktiv",
	6000: "Gekündigt",
	7000: "Beendet",
}

// StatusTitle is the title of a status; one that is not in the list is named after its number.
func StatusTitle(id int) string {
	if title, known := statuses[id]; known {
		return title
	}
	return "Status " + strconv.Itoa(id)
}

type product struct {
	name, code string
	energy     int
}

var products = map[int][]product{
	1: {{"Ökostrom Fix 24", "OEKO-FIX-24", 1}, {"Strom Basis", "STR-BASIS", 1}, {"Wärmestrom", "WP-STROM", 1}, {"Strom Dynamisch", "STR-DYN", 1}},
	2: {{"Erdgas Komfort 12", "GAS-KOMF-12", 2}, {"Biogas 10", "BIOGAS-10", 2}, {"Gas Grundversorgung", "GAS-GV", 2}},
}
