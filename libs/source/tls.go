package source

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
)

// maxCAFile bounds CA_FILE in bytes; all public authorities together have a quarter of it.
const maxCAFile = 1 << 20

// rootCAs reads CA_FILE: those authorities are trusted and no others. It is nil without one.
func (c *Config) rootCAs(prefix string) (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	pem, err := readLimited(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%sCA_FILE: %w", prefix, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%sCA_FILE: %s holds no certificate in PEM form", prefix, c.CAFile)
	}
	return pool, nil
}

func readLimited(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	defer func() { _ = file.Close() }() // Nothing was written.
	content, err := io.ReadAll(io.LimitReader(file, maxCAFile+1))
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if len(content) > maxCAFile {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxCAFile)
	}
	return content, nil
}

var errTokenURL = errors.New("must begin with https:// (or http://), name a host, and hold no credentials")

// tokenURL reads TOKEN_URL; nil without one. Its errors do not show the value, which may hold a password.
func (c *Config) tokenURL(prefix string) (*url.URL, error) {
	if c.TokenURL == "" {
		return nil, nil
	}
	u, err := url.Parse(c.TokenURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("%sTOKEN_URL: %w", prefix, errTokenURL)
	}
	return u, nil
}
