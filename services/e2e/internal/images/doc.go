// Package images builds the image of every command without a container engine and without a registry, looks into each, and
// runs the pipeline from the programs that it finds there.
//
// ko builds them, from the same .ko.yaml as everywhere else. Only the base image is another one if no registry can be
// reached: a stand-in with the same user, certificates and time zones, which a registry on the loopback address hands to ko.
//
// # Guarantees
//
// The same commit, Go version and base image give the same digests, whatever the folder of the clone. The stand-in holds
// the CA certificates of the machine, so digests of images on top of it can be compared on one machine only.
//
// # Concurrency
//
// Command may be called several times at once for different output folders.
package images
