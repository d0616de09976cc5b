// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/x509"
	"net/http"

	"github.com/quayside/quayside/internal/transport"
)

// NewTransport returns the base for a registry's requests, to be paced by
// internal/pace or used as [Options.Transport] itself. roots are the authorities
// to trust; nil is the system's.
func NewTransport(roots *x509.CertPool) *http.Transport {
	t := transport.New(roots)
	t.DisableCompression = true // contents are hashed as they are stored
	return t
}
