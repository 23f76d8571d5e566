package config

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Keep says how long evidence is kept; 0 keeps it for ever.
type Keep struct {
	Deliveries Age `yaml:"deliveries"` // receipts of webhooks; default 14d
	History    Age `yaml:"history"`    // what was written, and why; default 400d
	Trash      Age `yaml:"trash"`      // trash that is settled; default 90d
}

// Defaults of Keep. History covers a year and the audit that follows it.
const (
	DefaultKeepDeliveries = Age(14 * day)
	DefaultKeepHistory    = Age(400 * day)
	DefaultKeepTrash      = Age(90 * day)
)

// Age is a number of whole days, written 14d.
type Age time.Duration

const (
	day = 24 * time.Hour
	// mostDays keeps an age within what a duration can hold.
	mostDays = 36500
)

var errAge = errors.New("an age is written in whole days, like 14d; 0d keeps for ever")

// UnmarshalYAML reads 14d.
func (a *Age) UnmarshalYAML(n *yaml.Node) error {
	digits, ok := strings.CutSuffix(n.Value, "d")
	days, err := strconv.ParseUint(digits, 10, 32)
	if n.Kind != yaml.ScalarNode || !ok || err != nil || days > mostDays {
		return errAge
	}
	*a = Age(time.Duration(days) * day)
	return nil
}

// String writes 14d.
func (a Age) String() string { return strconv.FormatInt(int64(time.Duration(a)/day), 10) + "d" }
