// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/x509"
	"net/http"

	"github.com/quayside/quayside/internal/transport"
)

// NewTransport returns the base transport for a registry's requests. Wrap it in
// internal/pace, or use it as [Options.Transport] directly. roots are the certificate
// authorities to trust; nil means the system's.
func NewTransport(roots *x509.CertPool) *http.Transport {
	t := transport.New(roots)
	t.DisableCompression = true // the digest covers the stored bytes
	return t
}
