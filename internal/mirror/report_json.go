// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
)

// The JSON of a report. Every key is always present; an unknown value is null. Times are
// RFC 3339 in UTC with whole seconds, sizes are bytes, durations are seconds with three
// decimals.
type (
	reportJSON struct {
		Destination string         `json:"destination"`
		Complete    bool           `json:"complete"`
		Error       *string        `json:"error"`
		Images      []imageJSON    `json:"images"`
		Unknown     []unknownJSON  `json:"unknown"`
		Copied      int            `json:"copied"`
		Present     int            `json:"present"`
		Failed      int            `json:"failed"`
		Pending     int            `json:"pending"`
		Absent      int            `json:"absent"`
		Blobs       int            `json:"blobs"`
		Bytes       int64          `json:"bytes"`
		Fetched     int64          `json:"fetched"`
		Saved       int64          `json:"saved"`
		Retried     int64          `json:"retried"` // bytes
		Retries     int            `json:"retries"` // times
		Uploaded    int64          `json:"uploaded"`
		Mounted     int64          `json:"mounted"`
		Signatures  signaturesJSON `json:"signatures"`
		Started     time.Time      `json:"started"`
		Elapsed     float64        `json:"elapsed_seconds"`
		Token       *string        `json:"token"`
		TokenHost   *string        `json:"token_host"`
	}
	imageJSON struct {
		Reference   string         `json:"reference"`
		Destination string         `json:"destination"`
		Status      Status         `json:"status"`
		Digest      *string        `json:"digest"`
		As          *string        `json:"as"`
		Reason      *string        `json:"reason"`
		Error       *string        `json:"error"`
		Notes       []string       `json:"notes"`
		Platforms   []string       `json:"platforms"`
		Bytes       int64          `json:"bytes"`
		Fetched     int64          `json:"fetched"`
		Signatures  signaturesJSON `json:"signatures"`
	}
	unknownJSON struct {
		Reference string  `json:"reference"`
		Reason    string  `json:"reason"`
		Error     *string `json:"error"`
	}
	signaturesJSON struct {
		Found   int `json:"found"`
		Copied  int `json:"copied"`
		Missing int `json:"missing"`
	}
)

// MaxReport is the maximal size of a report that is read, in bytes: about 100,000 images.
const MaxReport = 64 << 20

// ReadReport reads a report's JSON, to run again what failed. Unknown keys are ignored:
// they may be a later version's. FailedImages checks the names of images.
func ReadReport(from io.Reader) (Report, error) {
	text, err := io.ReadAll(io.LimitReader(from, MaxReport+1))
	if err != nil {
		return Report{}, fmt.Errorf("report: %w", err)
	}
	if len(text) > MaxReport {
		return Report{}, fmt.Errorf("report: larger than %d bytes", MaxReport)
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return Report{}, fmt.Errorf("this is not a report of quayside copy: %w", err)
	}
	return r, nil
}

// MarshalJSON writes the report.
func (r Report) MarshalJSON() ([]byte, error) {
	w := reportJSON{
		Destination: r.Destination, Complete: r.Complete, Error: text(r.Error),
		Images: []imageJSON{}, Unknown: []unknownJSON{},
		Copied: r.Copied, Present: r.Present, Failed: r.Failed, Pending: r.Pending, Absent: r.Absent,
		Blobs: r.Blobs, Bytes: r.Bytes, Fetched: r.Fetched, Saved: r.Saved,
		Retried: r.Retried, Retries: r.Retries, Uploaded: r.Uploaded, Mounted: r.Mounted,
		Signatures: signaturesJSON{r.SignaturesFound, r.SignaturesCopied, r.SignaturesMissing},
		Started:    r.Started.UTC().Truncate(time.Second), Elapsed: float64(r.Elapsed.Milliseconds()) / 1000,
		Token: text(r.Token), TokenHost: text(r.TokenHost),
	}
	for _, i := range r.Images {
		w.Images = append(w.Images, imageJSON{
			Reference: i.Reference, Destination: i.Destination, Status: i.Status,
			Digest: text(i.Digest.String()), As: text(i.As.String()), Reason: text(string(i.Reason)), Error: text(i.Error),
			Notes: append([]string{}, i.Notes...), Platforms: append([]string{}, i.Platforms...),
			Bytes: i.Bytes, Fetched: i.Fetched, Signatures: signaturesJSON(i.Signatures),
		})
	}
	for _, u := range r.Unknown {
		w.Unknown = append(w.Unknown, unknownJSON{u.Reference, u.Reason, text(u.Error)})
	}
	return marshalPlain(w)
}

// UnmarshalJSON reads the report. It refuses JSON that is not a report.
func (r *Report) UnmarshalJSON(data []byte) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		return err
	}
	for _, key := range []string{"destination", "complete", "images", "copied", "failed"} {
		if keys[key] == nil {
			return fmt.Errorf("it has no %q", key)
		}
	}
	var w reportJSON
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*r = Report{
		Destination: w.Destination, Complete: w.Complete, Error: value(w.Error),
		Copied: w.Copied, Present: w.Present, Failed: w.Failed, Pending: w.Pending, Absent: w.Absent,
		Blobs: w.Blobs, Bytes: w.Bytes, Fetched: w.Fetched, Saved: w.Saved,
		Retried: w.Retried, Retries: w.Retries, Uploaded: w.Uploaded, Mounted: w.Mounted,
		SignaturesFound: w.Signatures.Found, SignaturesCopied: w.Signatures.Copied, SignaturesMissing: w.Signatures.Missing,
		Started: w.Started, Elapsed: time.Duration(w.Elapsed * float64(time.Second)).Round(time.Millisecond),
		Token: value(w.Token), TokenHost: value(w.TokenHost),
	}
	for _, i := range w.Images {
		if i.Reference == "" {
			return errors.New("it has an image without a reference")
		}
		if !slices.Contains(statuses(), i.Status) {
			return fmt.Errorf("image %.200q has the unknown status %.50q", i.Reference, i.Status)
		}
		r.Images = append(r.Images, ImageReport{
			Reference: i.Reference, Destination: i.Destination, Status: i.Status,
			Digest: digest.Digest(value(i.Digest)), As: digest.Digest(value(i.As)), Reason: Reason(value(i.Reason)), Error: value(i.Error),
			Notes: i.Notes, Platforms: i.Platforms, Bytes: i.Bytes, Fetched: i.Fetched, Signatures: Signatures(i.Signatures),
		})
	}
	for _, u := range w.Unknown {
		r.Unknown = append(r.Unknown, UnknownReport{u.Reference, u.Reason, value(u.Error)})
	}
	return nil
}

// text returns s, or nil if s is empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
