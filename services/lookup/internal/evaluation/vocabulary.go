package evaluation

import "strings"

// What names, streets and towns are made of. Common ones are common in Germany as well; the rare ones are put together from parts.

func firstNames() []string {
	return strings.Fields(`
		Thomas Michael Andreas Peter Wolfgang Klaus Stefan Jürgen Frank Uwe Bernd Günter Heinz Manfred Werner Hans Karl Dieter Gerhard Horst
		Christian Martin Markus Alexander Matthias Ralf Jörg Jens Torsten Daniel David Florian Sebastian Tobias Jan Tim Lukas Jonas Leon
		Felix Max Paul Ben Elias Moritz Philipp Simon Fabian Dominik Kevin Marcel Dennis Sven Lars Dirk Holger Olaf Volker Rainer Norbert
		Bernhard Hubert Walter Otto Fritz Friedrich Wilhelm Georg Josef Johannes Franz Anton Ludwig Erich Robert Roland Alfred Heinrich
		Anna Anja Maria Sabine Susanne Petra Monika Martina Karin Ursula Renate Brigitte Ingrid Helga Christina Christine Erika Heike Birgit
		Angelika Andrea Claudia Barbara Gabriele Cornelia Silke Stefanie Nicole Melanie Sandra Katrin Katja Tanja Daniela Julia Laura Lara
		Lisa Lena Leonie Mia Emma Hannah Sophie Emilia Clara Johanna Jana Jasmin Jessica Vanessa Nina Nadine Simone Sonja Svenja Ulrike Ute
		Doris Elisabeth Eva Franziska Helene Jutta Karla Kirsten Kerstin Luise Magdalena Margarete Marlene Michaela Mona Nadja Olga Paula
		Regina Rita Rosa Tina Vera Veronika Yvonne Hildegard Edith Heidi Ines Isabell Mehmet Mustafa Ali Ahmet Fatma Ayşe Emine Hatice Ibrahim
		Murat Ivan Igor Tatjana Elena Svetlana Agnieszka Katarzyna Krzysztof Hans-Peter Karl-Heinz Anna-Lena Marie-Luise Klaus-Dieter André René`)
}

func lastNames() []string {
	return strings.Fields(`
		Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein Wolf Schröder Neumann Schwarz
		Zimmermann Braun Krüger Hofmann Hartmann Lange Schmitt Werner Krause Meier Lehmann Schmid Schulze Maier Köhler Herrmann König Walter
		Mayer Huber Kaiser Fuchs Peters Lang Scholz Möller Weiß Jung Hahn Schubert Vogel Friedrich Keller Günther Frank Berger Winkler Roth Beck
		Lorenz Baumann Franke Albrecht Schuster Simon Ludwig Böhm Winter Kraus Martin Schumacher Krämer Vogt Stein Jäger Otto Sommer Groß Seidel
		Heinrich Brandt Haas Schreiber Graf Schulte Dietrich Ziegler Kuhn Kühn Pohl Engel Horn Busch Bergmann Thomas Voigt Sauer Arnold Wolff
		Pfeiffer Yılmaz Kaya Demir Şahin Nowak Kowalski Ivanova Petrov Nguyen Jansen Petersen Hansen Christiansen Strauß Größer Heß Preuß`)
}

// stems and endings make rare last names, streets and villages.
func stems() []string {
	return strings.Fields(`
		Linden Birken Eichen Buchen Erlen Ahorn Tannen Rosen Apfel Birn Kirsch Nuss Stein Fels Sand Lehm Berg Tal Moos Heide Wald Wiesen Acker
		Mühlen Brunnen Quell Bach Fluss See Teich Moor Brücken Stadt Burg Schloss Kirch Kloster Kapellen Markt Schul Bahn Hafen Ufer Sonnen
		Mond Stern Winter Sommer Herbst Lerchen Amsel Finken Falken Adler Raben Schwanen Reh Hirsch Fuchs Hasen Wolfs Bären Löwen Ober Unter
		Nieder Hoch Lang Kurz Breit Schmal Alt Neu Grün Blau Weiß Schwarz Rot Gold Silber Eisen Kupfer Salz Korn Hopfen Wein Öl Köhler Schäfer
		Jäger Förster Gärtner Töpfer Böttcher Dreher Schmiede Weber Glaser Wende Gries Hol Kalt Warm Rain Rauh Süß Zwie Dorn Distel Klee Farn`)
}

func nameEndings() []string {
	return strings.Fields("mann bauer berger meier müller hofer stätter bacher felder horst wald kamp brink beck haus huber egger thaler graf hausen")
}

func streets() []string {
	return []string{
		"Hauptstraße", "Bahnhofstraße", "Schulstraße", "Gartenstraße", "Dorfstraße", "Bergstraße", "Burgstraße", "Kirchstraße", "Waldstraße", "Ringstraße",
		"Goethestraße", "Schillerstraße", "Lindenstraße", "Lindenweg", "Lindenallee", "Am Bahnhof", "Am Markt", "Marktplatz", "Berliner Straße",
		"Lange Straße", "Straße des 17. Juni", "Horst-Kohl-Straße", "Friedrich-Ebert-Straße", "Konrad-Adenauer-Allee", "Rosa-Luxemburg-Platz", "Breite Straße",
		"Mühlenweg", "Wiesenweg", "Birkenweg", "Ahornweg", "Eichenweg", "Am Sportplatz", "Auf der Höhe", "Im Wiesengrund", "An der Brücke",
		"Bismarckstraße", "Kaiserstraße", "Königstraße", "Wilhelmstraße", "Beethovenstraße", "Mozartstraße", "Jahnstraße", "Feldstraße", "Poststraße",
	}
}

func streetEndings() []string {
	return []string{"straße", "straße", "straße", "weg", "weg", "gasse", "allee", "platz", "ring", "steig"}
}

func towns() []string {
	return []string{
		"Berlin", "Hamburg", "München", "Köln", "Frankfurt am Main", "Stuttgart", "Düsseldorf", "Leipzig", "Dortmund", "Essen", "Bremen", "Dresden", "Hannover",
		"Nürnberg", "Duisburg", "Bochum", "Wuppertal", "Bielefeld", "Bonn", "Münster", "Karlsruhe", "Mannheim", "Augsburg", "Wiesbaden", "Gelsenkirchen",
		"Mönchengladbach", "Braunschweig", "Chemnitz", "Kiel", "Aachen", "Halle (Saale)", "Magdeburg", "Freiburg im Breisgau", "Krefeld", "Lübeck", "Oberhausen",
		"Erfurt", "Mainz", "Rostock", "Kassel", "Hagen", "Hamm", "Saarbrücken", "Mülheim an der Ruhr", "Potsdam", "Ludwigshafen", "Oldenburg", "Osnabrück",
	}
}

func townEndings() []string {
	return strings.Fields("dorf hausen burg feld stedt heim ingen bach rode walde kirchen bronn")
}

func trades() []string {
	return []string{
		"Bäckerei", "Metzgerei", "Autohaus", "Tischlerei", "Malerbetrieb", "Gasthof", "Apotheke", "Zahnarztpraxis", "Hausverwaltung", "Elektro", "Sanitär",
		"Dachdeckerei", "Gärtnerei", "Druckerei", "Spedition", "Physiotherapie", "Friseur", "Blumenhaus", "Reinigung", "Buchhandlung", "Maschinenbau", "Immobilien", //nolint:misspell // It is German.
	}
}

func legalForms() []string {
	return []string{"GmbH", "GmbH", "GmbH", "GmbH & Co. KG", "AG", "KG", "e.K.", "OHG", "GbR", "UG (haftungsbeschränkt)"}
}

func mailServices() []string {
	return []string{"web.example", "post.example", "mail.example", "online.example", "freenet.example", "gmz.example"}
}
