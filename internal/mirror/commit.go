// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/manifest"
)

// commit stores an image whose blobs are all staged.
func (r *copying) commit(it *item) {
	// A sparse index is committed even if it is present: the entry in a layout records
	// which of its images were chosen.
	if it.found.Present && len(it.parts) == 1 && it.newRecord().Equal(it.found.Record) && (it.found.MaybePartial || !it.tree.sparse) {
		r.finishPresent(it, Present)
		return
	}
	if it.platforms == nil {
		it.platforms = r.platformsOf(it)
	}
	err := r.to.Commit(r.ctx, it.staged())
	var missing *destination.MissingError
	if errors.As(err, &missing) && it.rounds < maxRounds {
		it.rounds++
		if r.scheduler.fetchAfterAll(it, missing.Blobs) {
			return
		}
	}
	switch {
	case err == nil && it.found.Present:
		r.finishPresent(it, Present)
	case err == nil:
		r.finishPresent(it, Copied)
	case it.found.Present && !r.stopIfFatal(err):
		r.scheduler.failReferrers(it, err)
		r.finishPresent(it, Present)
	default:
		r.fail(it, err)
	}
}

// finishPresent ends an image that the destination has, or will have after Finish.
func (r *copying) finishPresent(it *item, s Status) {
	it.deferred = r.to.Deferred(it.Image)
	r.scheduler.finish(it, s, nil)
}

// finishDeferred ends the images that waited for the destination's Finish, which
// returned leftOut and err. An image of an earlier run that was left out is logged.
func (r *copying) finishDeferred(leftOut map[string]error, err error) {
	for _, name := range r.scheduler.finishDeferred(err, r.ctx.Err() != nil, leftOut) {
		r.o.Logger.WarnContext(r.ctx, "an image of an earlier run is not in the archive", "image", name, "error", leftOut[name])
	}
}

// maxRounds is how often a destination may report missing blobs.
const maxRounds = 2

// platformsOf reads the platform of an image without an index from its configuration, if
// the configuration is staged.
func (r *copying) platformsOf(it *item) []string {
	for _, d := range it.parts[0].tree.blobs {
		if !manifest.IsImageConfig(d.MediaType) || d.Size > maxConfig {
			continue
		}
		content, err := r.staging.Read(r.ctx, d)
		if err != nil {
			continue
		}
		if c, err := parseConfig(d.MediaType, content); err == nil && c.Platform.OS != "" {
			return []string{manifest.PlatformString(c.Platform)}
		}
	}
	return nil
}
