// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"

	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/redact"
)

// proxyVariables are what net/http reads a proxy's address from.
func proxyVariables() []string {
	return []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"}
}

// environmentSecrets makes known the token of the environment, which may be typed in
// a wrong place, too, and the passwords in the addresses of proxies, also of those
// that are no addresses, which errors repeat as they are.
func environmentSecrets(hide *redact.Redactor, env func(string) (string, bool)) {
	if env == nil {
		return
	}
	token, _ := env("QUAYSIDE_TOKEN")
	hide.Add(strings.TrimSpace(token))
	for _, name := range proxyVariables() {
		address, _ := env(name)
		hide.AddAddress(address)
	}
}

// hidden is the text of an error without the secrets of the run.
func (a *app) hidden(err error) string { return a.talk.hide.Text(err.Error()) }

// hideReport keeps the secrets of the run out of the texts of a report.
func (a *app) hideReport(r mirror.Report) mirror.Report {
	hide := a.talk.hide.Text
	r.Error = hide(r.Error)
	for i := range r.Images {
		r.Images[i].Error = hide(r.Images[i].Error)
		for n, note := range r.Images[i].Notes {
			r.Images[i].Notes[n] = hide(note)
		}
	}
	for i := range r.Unknown {
		r.Unknown[i].Error = hide(r.Unknown[i].Error)
	}
	return r
}
