package hubspot

import (
	"fmt"

	"syncd/connectors"
)

// Limits of a delivery (section 10; SECURITY S5). HubSpot sends at most 100
// events at once.
const (
	maxBody     = 1 << 20
	maxElements = 10_000
	maxDepth    = 64
	refusedCode = 401
)

// Receiver is the webhook side of the connector.
type Receiver struct {
	secrets   [][]byte
	signature string
	portalID  string
	appID     string
	objects   map[string]string // any name of an object to the configured one
}

var _ connectors.Receiver = (*Receiver)(nil)

// NewReceiver gives the receiver of an account's webhooks. Without a PortalID
// the account of a delivery is not checked: give the one that Probe found.
func NewReceiver(c Config) (*Receiver, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Receiver{signature: c.Signature, portalID: c.PortalID, appID: c.AppID, objects: map[string]string{}}
	for _, s := range c.Secrets {
		if s == "" {
			return nil, fmt.Errorf("system %q: an empty webhook secret", c.System)
		}
		r.secrets = append(r.secrets, []byte(s))
	}
	if len(r.secrets) == 0 {
		return nil, fmt.Errorf("system %q: webhooks need the client secret of the app", c.System)
	}
	for _, o := range c.Objects {
		r.objects[o] = o
		for _, n := range objectNames {
			if o == n.plural || o == n.singular || o == n.typeID {
				r.objects[n.plural], r.objects[n.singular], r.objects[n.typeID] = o, o, o
			}
		}
	}
	return r, nil
}

// Policy says how to answer: HubSpot tries again after any refusal.
func (r *Receiver) Policy() connectors.AnswerPolicy {
	return connectors.AnswerPolicy{MaxBody: maxBody, RefusedCode: refusedCode}
}
