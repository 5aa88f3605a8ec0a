package german

import "strings"

// FirstName tells whether a folded word is a common first name, so that it is hardly a typing error for another one.
func FirstName(word string) bool { return firstNames[word] }

var firstNames = func() map[string]bool {
	all := map[string]bool{}
	for name := range strings.FieldsSeq(`
		peter thomas michael andreas wolfgang klaus stefan stephan juergen frank joachim heinz guenter guenther manfred werner hans karl uwe bernd
		helmut dieter gerhard horst christian martin markus marcus alexander matthias mathias ralf ralph juergen joerg jens torsten thorsten
		daniel david florian sebastian tobias jan tim tom timo lukas lucas jonas jonah leon finn felix max maximilian paul ben elias noah
		luca luka luis louis moritz philipp philip nico niklas niclas simon fabian dominik kevin marvin marcel pascal patrick dennis sven
		lars dirk holger kai kay olaf volker rainer reiner norbert bernhard hubert rudolf walter otto ernst kurt fritz friedrich wilhelm
		georg josef joseph johann johannes franz anton ludwig erich erwin robert rolf roland reinhard siegfried alfred herbert hermann heinrich
		emil oskar theo anna anne anja annika antje maria marie marina mario marian marion maren sabine susanne petra monika martina marta martha
		karin ursula renate brigitte ingrid helga gisela christa christina christine christiane kristina erika ruth gerda elke heike birgit
		angelika andrea claudia barbara gabriele cornelia silke silvia sylvia stefanie stephanie nicole melanie sandra katrin kathrin katharina
		katja tanja daniela julia laura lara lisa lena lina leonie lea leah mia emma hannah hanna sophie sofia sophia emilia emily clara klara
		johanna jana janina jasmin jessica jennifer vanessa nina nadine simone simona sonja svenja ulrike ute doris dorothea elisabeth eva
		franziska frieda friederike helene ilse inge irene irmgard jutta karla carla karl kirsten kerstin lieselotte luise louisa magdalena
		margarete margit marlene michaela mona nadja olga paula pauline regina rita rosa rosemarie tina vera veronika waltraud yvonne
		hildegard edith elfriede ella erna erik erika eric frauke greta gudrun heidi henrik hendrik ina ines iris isabell isabella
		mehmet mustafa ali ahmet fatma ayse emine hatice ibrahim hasan huseyin murat mohammed muhammad fatima
		marlon milan milad alina alisa aline elina elisa elise malte marte merle meike maike jonny jenny mandy heiko heino gerta bernt marija marijan
		aleksandra aleksandr alexandra alexandre nicola nicolai nikolai nicolas nikolas natalie nathalie valerie valeria viktor viktoria victor victoria
		sabrina samira samuel samantha saskia selina selma serkan sibel sarah sara salome ronja romy rosalie roswitha raphael rafael ramona rebecca
		ricarda richard robin roger romina ronny ruben sascha steffen steffi stella susann susanna sybille tamara teresa theresa therese till tilo thilo
		tino toni tony tristan udo ulf ulla ulrich ursel uta valentin valentina verena vincent vinzenz wiebke wilma winfried xaver yannick yannik
		zoe adrian agnes albert albrecht alfons alice amelie amelia amalia anastasia andre angela angelina angelika anneliese annemarie anneke annette
		annika antonia antonie antonio ariane armin arne arnold arthur artur astrid august aurelia axel beate beatrice beatrix benedikt benjamin benno
		bertha berta bettina bianca bjoern bodo boris bruno burkhard carina carmen carola carolin caroline carsten karsten caspar kaspar cedric celina
		charlotte chantal clemens klemens constanze corinna cosima dagmar damian dana daria detlef detlev diana diego dora edgar edda eduard edmund
		egon eike ekkehard eleonore ellen elvira emanuel emma emmi enrico erhard ernestine esther eugen eugenia fabienne fabio falk felicitas ferdinand
		flora franka frederik frederike fridolin gabi gabriel gabriela genoveva georgia gerald gerlinde gero gertrud gesa gottfried gregor gustav
		hannelore hanno hans harald hartmut hauke hedwig heiner heinrike helen helena helge helma henning henriette herta hertha hilde hugo ida ilona
		ilsa imke ingeborg ingo inga isolde ivonne jacob jakob jacqueline janine janne jannik jannis janosch jeanette jeannette jennifer joana johanne jolanda
		joris jost judith julian juliana juliane julius justus kaethe karina karoline katarina katerina kira klaudia knut konrad konstantin kristian
		larissa leandra lennart lennard leonard leonhard leopold liane lieselotte liesel lilli lilly linda linus lothar lotte lucia lucie ludger lutz lydia
		madeleine maik mike malina manuel manuela marcella margarethe margot margret mariana marianne mariella marita marius marlies marlis mathilde
		maurice maximiliane mechthild meinhard melina mercedes merlin mila milena mina mira miriam mirjam mirko moni nadia nathan nele nelli nora norma
		oliver olivia ottilie otmar ottmar patricia patrizia paulina penelope pia
		ivan igor dmitri natalia natalja tatjana irina elena jelena svetlana oleg olena piotr pawel agnieszka katarzyna krzysztof
	`) {
		all[name] = true
	}
	return all
}()
