// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
)

// A tool copies images with the commands that its users run.
type tool struct {
	name string
	peer bool
	way  way

	// pull returns the commands that copy all images into a layout, and push the commands
	// that copy them to a registry. Either is nil if the tool cannot do that.
	pull, push func(j job) [][]string

	verify func(j job) []string // finds damage in the layout and moves it away
}

// A way is how a tool that copies one image at a time is used for many images.
type way struct {
	name   string
	atOnce int
	apart  bool // each image gets a layout of its own
	whole  bool // one command copies all images
}

var (
	allInOne = way{atOnce: 1, whole: true}
	together = way{name: "8 at once", atOnce: 8}
	apart    = way{name: "8 at once, a layout each", atOnce: 8, apart: true}
	inTurn   = way{name: "one at a time", atOnce: 1}
)

// A job describes one run of a tool.
type job struct {
	bins         binaries
	survey       survey
	dir          string // the tool's working folder
	source       string // host of the source
	caFile       string // the certificate authority of the source
	destination  string // host that images are pushed to
	config       string // quayside's config file; it says that the destination has no TLS
	layoutFolder folder
	apart        bool // each image has a folder of its own in dir
}

// folder returns the layout for an image.
func (j job) folder(repository string) folder {
	if j.apart {
		return folder(filepath.Join(string(j.layoutFolder), path.Base(repository)))
	}
	return j.layoutFolder
}

// pushedTo returns the repository of an image at the destination.
func pushedTo(repository string) string { return "mirror/" + path.Base(repository) }

// each returns one command for each image.
func (j job) each(command func(from, repository string) []string) [][]string {
	var all [][]string
	for _, repository := range slices.Sorted(maps.Keys(j.survey.digests)) {
		all = append(all, command(j.source+"/"+repository+":"+tag, repository))
	}
	return all
}

// to returns an image's reference at the destination.
func (j job) to(repository string) string {
	return j.destination + "/" + pushedTo(repository) + ":" + tag
}

// in returns an image's reference in a layout.
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

// peers returns the tools whose binaries exist, used in one way.
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

// environment returns the environment of a tool: no credentials, no file of an earlier run,
// and one certificate authority, because reading the system's authorities takes longer than
// some of the work.
func (j job) environment() []string {
	return []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + filepath.Join(j.dir, "home"), "TMPDIR=" + j.dir,
		"SSL_CERT_FILE=" + j.caFile, "SSL_CERT_DIR=" + filepath.Join(j.dir, "none"),
	}
}
