// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ref reads what a user writes to say which images are meant: patterns
// (many images of one organization) and image references (one image). It knows
// text only: no server, no file, no clock. Its neighbour package discover takes
// a Pattern and finds the images.
//
// A pattern is
//
//	[quay://] [HOST/] ORG [/REPOSITORIES] [:TAGS] [?since=S&token=T]
//
//	quay://kolla/nova-*:2025.1            repositories nova-... that carry the tag 2025.1
//	quay.io/kolla/{nova,neutron}-*        two families on quay.io, the tag latest
//	quay://kolla                          every repository without a slash in its name, latest
//	localhost:5000/kolla/**:~2025.1       every repository of a server here, tags of 2025.1
//	kolla/*,!*-debug:2025.1?since=30d     all but some, and only what began in the last 30 days
//
// # How a pattern is parted
//
//   - The query begins at the first "?" that a word and "=" follow; any other
//     "?" belongs to a glob. The keys are since and token, each once at most;
//     another key is an error, never a glob. Values are percent-escaped; a "+"
//     is a plus.
//   - The scheme is "quay://" or left out.
//   - The first part is a host when a slash follows it and it has a dot or a
//     port or is "localhost". So an organization with a dot needs its host,
//     as in quay.io/my.org/nova, unless globs alone follow: my.org/*.
//   - The tags follow the first colon after the organization, outside braces and
//     classes; neither repositories nor tags hold a colon, nor tags a slash.
//   - In repositories and tags %XX is unescaped after the parts are told apart,
//     so that %2C parts a list and %3F is a "?" of a glob.
//   - Nothing after the organization's slash is "*"; no colon is "latest". A
//     colon with nothing after it is an error.
//
// # Repositories and tags
//
// Both are lists parted by commas outside braces. Spaces around an item do not
// count. A name is meant when it matches an item and no item that begins with
// "!"; a list of "!" items alone begins with "*".
//
//	item     stands for                       example      matches
//	*        any characters but "/"           nova-*       nova-api; not tools/nova-api
//	**       any characters                   tools/**     tools/a, tools/a/b; not tools
//	**/      at the start of a segment,       **/deep      deep, a/deep, a/b/deep
//	         no segment or more
//	?        one character but "/"            v?           v1
//	[a-z]    one of these                     image-[0-4]  image-0
//	[!a-z]   one but these and "/"            image-[!0-4] image-7; [^0-4] is the same
//	{a,b}    either; may be empty, may nest   nova{,-api}  nova, nova-api
//
// "*" does not cross a slash, unlike in Python's fnmatch: MatchAcross tells what
// that leaves out. There is no backslash, for no name holds a character that
// needs one. A name or a glob that the registry's grammar can never match is an
// error (upper case in a repository). All limits are generous, and matching
// takes no more than some length(glob) times length(name) steps.
//
// # Version ranges
//
// An item of a tag list that begins with one of >= > <= < = ~ ^ is a range:
// comparisons parted by spaces, all of which must hold. "!=" may stand after
// the first. A comma is "or"; ">=4.12,<4.15" would be everything and is refused.
//
//	~2025.1        2025.1, 2025.1.3; not 2025.2     ~4        4.0, 4.15
//	^1.2           1.2, 1.9; not 2.0                =4.12     4.12, 4.12.7
//	>=4.12 <4.15   4.12, 4.14.9; not 4.15           >4.12     4.13; not 4.12.7
//	<=4.12         4.12.7; not 4.13                 >=4 !=4.5 4.4, 4.6; not 4.5.1
//
// A tag is a version when it is an optional "v", one to three numbers parted by
// dots, and perhaps a suffix after "-" or "_". Missing numbers are 0, zeros
// before a number do not count. "latest" is none. A date never is: 20240101,
// 2024-01-01, 2024.01.31; nor is a first number of five digits or more.
//
// The suffix is a pre-release, a variant, or one and then the other:
//
//   - A pre-release begins with alpha, beta, canary, dev, devel, milestone,
//     nightly, pre, preview, rc or snapshot, or is a, b or m and a number:
//     4.14.0-rc.1, 2.0-beta3. It comes before its release, and is in a range
//     only when one of the comparisons names a pre-release: ">=4.14.0-rc.1".
//     Numbers in it compare as numbers: rc9 is before rc10.
//   - Anything else is a variant: ubuntu-noble, x86_64, alpine3.20. It does not
//     count: 2025.1-ubuntu-noble is in ~2025.1. A range that names one takes
//     only that one: "~2025.1-ubuntu-noble". "~2025.1,!*-*" takes none.
//
// # Image references
//
// [quay://][HOST/]ORG/REPO[:TAG][@DIGEST], with the same rule for the host, no
// patterns, no query and no escapes. Without tag and digest the tag is latest.
//
// # Errors and secrets
//
// Every error is a *SyntaxError: it shows the input and points at the
// character. Tokens and passwords are redacted in it, and a Secret never
// prints. The types are values, immutable and safe for concurrent use; what
// String gives parses to an equal value.
package ref
