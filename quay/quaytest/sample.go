// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import "time"

// What SampleDataset holds, for those who write about it or ask for it.
const (
	SampleOrganization = "stackfleet"
	SampleOwner        = "harbourmaster" // of the organization; his password is his name and "-password"
	SampleTag          = "2025.1"        // the release in question
	// SampleToken is an application token of the owner with the scope repo:read.
	SampleToken = "demo-token-of-harbourmaster-repo-read-0001"
	// SamplePushToken is one with the scopes repo:read, repo:write and
	// repo:create: it can push, and make repositories by pushing.
	SamplePushToken = "demo-token-of-harbourmaster-repo-create-0004"
	// SamplePusher is a robot that can make repositories in the organization
	// emptyfleet by pushing, and has the password SamplePusherToken.
	SamplePusher      = "emptyfleet+pusher"
	SamplePusherToken = "demo-robot-token-0002"
	// SampleVanishing is a public repository, as namespace/name, that is meant
	// to go between listing and checking: WithQuirk("vanish", SampleVanishing).
	SampleVanishing = SampleOrganization + "/vitrage-api"
)

// sampleServices are the sample's repositories in the order of their making.
// Unless sampleOdd says otherwise, each is public and carries every release.
var sampleServices = []string{
	"kolla-base", "tools/kolla-toolbox", "mariadb-server", "rabbitmq", "memcached", "haproxy", "keepalived", "fluentd",
	"keystone", "keystone-fernet", "keystone-ldap", "glance-api", "placement-api",
	"nova-api", "nova-compute", "nova-conductor", "nova-scheduler", "nova-novncproxy",
	"neutron-server", "neutron-dhcp-agent", "neutron-l3-agent", "neutron-metadata-agent", "neutron-openvswitch-agent",
	"cinder-api", "cinder-scheduler", "cinder-volume", "cinder-backup", "heat-api", "heat-engine", "horizon",
	"ironic-api", "ironic-conductor", "magnum-api", "octavia-api", "octavia-worker", "designate-api", "barbican-api",
	"manila-api", "murano-api", "sahara-api", "senlin-api", "solum-api", "vitrage-api",
}

// sampleOdd says what is odd about some of the repositories.
var sampleOdd = map[string]struct {
	private bool
	state   string
	last    string // release after which there is none; "" is none
	gone    bool   // every tag was deleted
}{
	"keystone-ldap": {private: true},
	"rabbitmq":      {state: "MIRROR"},
	"murano-api":    {last: "2024.1", state: "READ_ONLY"},
	"sahara-api":    {last: "2024.1"},
	"senlin-api":    {last: "2024.1"},
	"solum-api":     {last: "2024.1", gone: true},
}

// sampleReleases are the releases and when they came out, oldest first.
var sampleReleases = []struct {
	tag string
	out time.Time
}{
	{"2024.1", time.Date(2024, 4, 3, 9, 0, 0, 0, time.UTC)},
	{"2024.2", time.Date(2024, 10, 2, 9, 0, 0, 0, time.UTC)},
	{SampleTag, time.Date(2025, 4, 2, 9, 0, 0, 0, time.UTC)},
}

// SampleDataset gives a small registry to show things with: the organization
// stackfleet, some 40 repositories modelled on the container images of an
// OpenStack release, with the tags 2024.1, 2024.2, 2025.1 and latest. Most of
// 2025.1 was built twice, so the tag moved. Four repositories stopped before
// 2025.1, one of them has no live tag at all, one is private, one is nested,
// one carries an index, and one is meant to vanish: see [SampleVanishing].
//
// Every image can be pulled; they share layers as real ones do. There is also
// an organization with nothing in it, emptyfleet, a robot, stackfleet+puller,
// that may pull what is private, and what it takes to push: [SamplePushToken]
// and [SamplePusher]. It is the same every time.
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
