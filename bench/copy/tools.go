// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
)

// A tool brings images here as those who use it do.
type tool struct {
	name string
	peer bool
	way  way

	// pull gives the commands that bring all images into a layout, push those
	// that bring them to a registry. nil: the tool is not for that.
	pull, push func(j job) [][]string

	verify func(j job) []string // finds damage in the layout, and sets it aside
}

// A way is how a tool that takes one image at a time is used for many.
type way struct {
	name   string
	atOnce int
	apart  bool // each image into a layout of its own
	whole  bool // one command takes all images after all
}

var (
	allInOne = way{atOnce: 1, whole: true}
	together = way{name: "8 at once", atOnce: 8}
	apart    = way{name: "8 at once, a layout each", atOnce: 8, apart: true}
	inTurn   = way{name: "one at a time", atOnce: 1}
)

// A job is what a tool is to do.
type job struct {
	bins         binaries
	survey       survey
	dir          string // where it may leave things
	source       string // host of the source
	caFile       string // which to trust there
	destination  string // host that images are pushed to
	config       string // quayside's, which knows that the destination has no TLS
	layoutFolder folder
	apart        bool // each image has a folder of its own in it
}

// folder is the layout that an image goes to.
func (j job) folder(repository string) folder {
	if j.apart {
		return folder(filepath.Join(string(j.layoutFolder), path.Base(repository)))
	}
	return j.layoutFolder
}

// pushedTo is where an image goes at the destination.
func pushedTo(repository string) string { return "mirror/" + path.Base(repository) }

// each gives one command an image.
func (j job) each(command func(from, repository string) []string) [][]string {
	var all [][]string
	for _, repository := range slices.Sorted(maps.Keys(j.survey.digests)) {
		all = append(all, command(j.source+"/"+repository+":"+tag, repository))
	}
	return all
}

// to is an image's reference at the destination.
func (j job) to(repository string) string {
	return j.destination + "/" + pushedTo(repository) + ":" + tag
}

// in is an image's reference in a layout.
func (j job) in(repository string) string {
	return string(j.folder(repository)) + ":" + path.Base(repository)
}

// quayside finds the images and copies them.
func quayside() tool {
	copyTo := func(j job, destination string, flags ...string) [][]string {
		return [][]string{append([]string{
			j.bins["quayside"], "copy", j.source + "/" + namespace + "/*:" + tag, destination,
			"--ca-file", j.caFile, "--config", j.config, "--quiet",
		}, flags...)}
	}
	return tool{
		name: "quayside", way: allInOne,
		pull: func(j job) [][]string { return copyTo(j, "oci:"+string(j.layoutFolder)) },
		push: func(j job) [][]string { return copyTo(j, "docker://"+j.destination+"/mirror") },
		verify: func(j job) []string {
			return []string{j.bins["quayside"], "verify", string(j.layoutFolder), "--repair", "--config", "/dev/null"}
		},
	}
}

// peers gives those that there are binaries for, used in one way.
func peers(bins binaries, w way) []tool {
	crane, regctl, oras, skopeo := bins["crane"], bins["regctl"], bins["oras"], bins["skopeo"]
	all := []tool{
		{
			name: "crane",
			pull: func(j job) [][]string {
				return j.each(func(from, repository string) []string {
					return []string{crane, "pull", "--format=oci", "--annotate-ref", from, string(j.folder(repository))}
				})
			},
			push: func(j job) [][]string {
				return j.each(func(from, repository string) []string {
					return []string{crane, "copy", from, j.to(repository)}
				})
			},
		},
		{
			name: "regctl",
			pull: func(j job) [][]string {
				return j.each(func(from, repository string) []string {
					return []string{regctl, "image", "copy", from, "ocidir://" + j.in(repository)}
				})
			},
			push: func(j job) [][]string {
				return j.each(func(from, repository string) []string {
					return []string{regctl, "--host", "reg=" + j.destination + ",tls=disabled", "image", "copy", from, j.to(repository)}
				})
			},
		},
		{
			name: "oras",
			pull: func(j job) [][]string {
				return j.each(func(from, repository string) []string {
					return []string{oras, "copy", "--no-tty", from, "--to-oci-layout", j.in(repository)}
				})
			},
			push: func(j job) [][]string {
				return j.each(func(from, repository string) []string {
					return []string{oras, "copy", "--no-tty", from, "--to-plain-http", j.to(repository)}
				})
			},
		},
		{
			name: "skopeo",
			pull: func(j job) [][]string {
				return j.each(func(from, repository string) []string {
					return []string{skopeo, "--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests",
						"docker://" + from, "oci:" + j.in(repository)}
				})
			},
			push: func(j job) [][]string {
				return j.each(func(from, repository string) []string {
					return []string{skopeo, "--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests",
						"--dest-tls-verify=false", "docker://" + from, "docker://" + j.to(repository)}
				})
			},
		},
	}
	for i := range all {
		all[i].peer, all[i].way = true, w
	}
	if w == inTurn {
		all[0].way = way{name: "one command", atOnce: 1, whole: true}
		all[0].pull = func(j job) [][]string {
			command := []string{crane, "pull", "--format=oci", "--annotate-ref"}
			j.each(func(from, _ string) []string {
				command = append(command, from)
				return nil
			})
			return [][]string{append(command, string(j.layoutFolder))}
		}
	}
	return slices.DeleteFunc(all, func(t tool) bool { return bins[t.name] == "" })
}

// environment is all that a tool knows of the machine: no credentials, no file
// of an earlier run, and one certificate authority. To read the system's takes a
// tool longer than some of the work.
func (j job) environment() []string {
	return []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + filepath.Join(j.dir, "home"), "TMPDIR=" + j.dir,
		"SSL_CERT_FILE=" + j.caFile, "SSL_CERT_DIR=" + filepath.Join(j.dir, "none"),
	}
}
