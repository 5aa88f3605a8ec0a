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
		ivan igor dmitri natalia natalja tatjana irina elena jelena svetlana oleg olena piotr pawel agnieszka katarzyna krzysztof
	`) {
		all[name] = true
	}
	return all
}()
