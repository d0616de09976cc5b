// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/quayside/quayside/internal/mirror"
)

// hidden returns the text of an error without the secrets of the run.
func (a *app) hidden(err error) string { return a.console.Redactor.Text(err.Error()) }

// hideReport removes the secrets of the run from the texts of a report.
func (a *app) hideReport(r mirror.Report) mirror.Report {
	hide := a.console.Redactor.Text
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
