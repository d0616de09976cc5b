// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import "time"

// Names in the dataset of [SampleDataset].
const (
	SampleOrganization = "stackfleet"
	SampleOwner        = "harbourmaster" // of the organization; the password is harbourmaster-password
	SampleTag          = "2025.1"        // the newest release
	// SampleToken is an application token of the owner with the scope repo:read.
	SampleToken = "demo-token-of-harbourmaster-repo-read-0001"
	// SamplePushToken is an application token of the owner with the scopes repo:read,
	// repo:write and repo:create: it can push, and create repositories by pushing.
	SamplePushToken = "demo-token-of-harbourmaster-repo-create-0004"
	// SamplePusher is a robot that can create repositories in the organization
	// emptyfleet by pushing. Its password is SamplePusherToken.
	SamplePusher      = "emptyfleet+pusher"
	SamplePusherToken = "demo-robot-token-0002"
	// SampleVanishing is a public repository (namespace/name) for the quirk vanish:
	// WithQuirk("vanish", SampleVanishing).
	SampleVanishing = SampleOrganization + "/vitrage-api"
)

// sampleServices are the sample's repositories in order of creation. Except for those
// in sampleOdd, each is public and has the tags of every release.
var sampleServices = []string{
	"kolla-base", "tools/kolla-toolbox", "mariadb-server", "rabbitmq", "memcached", "haproxy", "keepalived", "fluentd",
	"keystone", "keystone-fernet", "keystone-ldap", "glance-api", "placement-api",
	"nova-api", "nova-compute", "nova-conductor", "nova-scheduler", "nova-novncproxy",
	"neutron-server", "neutron-dhcp-agent", "neutron-l3-agent", "neutron-metadata-agent", "neutron-openvswitch-agent",
	"cinder-api", "cinder-scheduler", "cinder-volume", "cinder-backup", "heat-api", "heat-engine", "horizon",
	"ironic-api", "ironic-conductor", "magnum-api", "octavia-api", "octavia-worker", "designate-api", "barbican-api",
	"manila-api", "murano-api", "sahara-api", "senlin-api", "solum-api", "vitrage-api",
}

// sampleOdd lists the repositories that differ from the others.
var sampleOdd = map[string]struct {
	private bool
	state   string
	last    string // its last release; "" is the newest
	gone    bool   // every tag was deleted
}{
	"keystone-ldap": {private: true},
	"rabbitmq":      {state: "MIRROR"},
	"murano-api":    {last: "2024.1", state: "READ_ONLY"},
	"sahara-api":    {last: "2024.1"},
	"senlin-api":    {last: "2024.1"},
	"solum-api":     {last: "2024.1", gone: true},
}

// sampleReleases are the releases with their dates, oldest first.
var sampleReleases = []struct {
	tag string
	out time.Time
}{
	{"2024.1", time.Date(2024, 4, 3, 9, 0, 0, 0, time.UTC)},
	{"2024.2", time.Date(2024, 10, 2, 9, 0, 0, 0, time.UTC)},
	{SampleTag, time.Date(2025, 4, 2, 9, 0, 0, 0, time.UTC)},
}

// SampleDataset returns a small registry for demonstrations and tests: the organization
// stackfleet with some 40 repositories, modelled on the container images of an OpenStack
// release, with the tags 2024.1, 2024.2, 2025.1 and latest. Most images of 2025.1 were
// built twice, so the tag moved. Four repositories have no 2025.1, one of them no live
// tag at all. One repository is private, one is nested, one has an index, and
// [SampleVanishing] is for the quirk vanish.
//
// Every image can be pulled, and the images share layers. The dataset also has an empty
// organization, emptyfleet, a robot, stackfleet+puller, that may pull the private
// repository, and [SamplePushToken] and [SamplePusher] for pushing. It is the same every
// time.
func SampleDataset() *Dataset {
	d := &Dataset{
		About: "A sample organization modelled on an OpenStack release.",
		Users: []User{
			{Name: SampleOwner, Enabled: true, Password: SampleOwner + "-password"},
			{Name: "visitor", Enabled: true, Password: "visitor-password"},
		},
		Organizations: []Organization{
			{Name: SampleOrganization, Enabled: true, Owners: []string{SampleOwner}},
			{Name: "emptyfleet", Enabled: true, Owners: []string{SampleOwner}, Creators: []string{SamplePusher}},
		},
		Tokens: []Token{
			{Name: SampleToken, User: SampleOwner, Scope: "repo:read"},
			{Name: SamplePushToken, User: SampleOwner, Scope: "repo:read repo:write repo:create"},
			{Name: "demo-token-of-visitor-repo-read-0002", User: "visitor", Scope: "repo:read"},
			{Name: "demo-token-of-harbourmaster-expired-0003", User: SampleOwner, Scope: "repo:read", Expired: true},
		},
		Robots: []Robot{{
			Name: SampleOrganization + "+puller", Token: "demo-robot-token-0001",
			Reads: []string{SampleOrganization + "/keystone-ldap"},
		}, {Name: SamplePusher, Token: SamplePusherToken}},
	}
	images := sampleImages{newBuilder(d)}
	for i, name := range sampleServices {
		odd := sampleOdd[name]
		r := Repository{Namespace: SampleOrganization, Name: name, Public: !odd.private, State: "NORMAL",
			Description: "The service " + name + " as a container image."}
		if odd.state != "" {
			r.State = odd.state
		}
		for _, release := range sampleReleases {
			// Images of a release come out one after another.
			out := release.out.Add(time.Duration(i) * 7 * time.Minute)
			r.Tags = append(r.Tags, images.tags(name, release.tag, out, i%3 != 0)...)
			if release.tag == odd.last {
				break
			}
		}
		newest := r.Tags[len(r.Tags)-1]
		newest.Name = "latest"
		r.Tags = append(r.Tags, newest)
		if odd.gone {
			for j := range r.Tags {
				r.Tags[j].End = r.Tags[j].Start.Add(200 * 24 * time.Hour)
			}
		}
		d.Repositories = append(d.Repositories, r)
	}
	return d
}
