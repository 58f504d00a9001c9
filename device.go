package goalcast

import (
	"regexp"
	"strings"
	"time"
)

// UserID is who a request speaks for. It is made from what the user presents (rest) and is
// never itself a secret.
type UserID string

// PlatformBank is the platform of customers who get pushes through the bank's own app: there is no
// device that we know, and Device.Token is the reference that the bank gave its customer.
const PlatformBank = "bank"

var referenceText = regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`)

// IsReference says whether a token can be a reference of the bank.
func IsReference(token string) bool { return referenceText.MatchString(token) }

// Device is a phone or browser that gets pushes.
type Device struct {
	ID       int64  // the store's number, rising with the time of registration; batches of pushes are lists of it
	Token    string // FCM registration token; a secret of the device: never logged
	User     UserID
	Platform string // "android", "ios", "web", "bank"
	// App is which of several apps the token is of, as the configuration calls it; empty: the
	// first, or the only one. Tokens of the bank and of browsers have none.
	App      string
	Language string // of the app: "nl", "fr", "de", "en"; other values read as "en"
	Created  time.Time
	Proven   bool // a push to it was taken by its push service
	// LiveToken starts a Live Activity on an iPhone (ActivityKit's push-to-start token); empty:
	// none can be started. A secret like Token. Written only: Devices and the like leave it empty.
	LiveToken string
}

// appCarrier is what the carriers of apps begin with that have a name.
const appCarrier = "app:"

// Carrier tells, without the secret in it, what kind of push service a device is reached by: "" for
// the token of the first app, "app:kids" for one of the app of that name, PlatformBank, or the
// beginning of a browser's endpoint: "https://web.push.apple.com".
func (d Device) Carrier() string {
	if d.Platform == PlatformBank {
		return PlatformBank
	}
	rest, browser := strings.CutPrefix(d.Token, subscriptionStart)
	switch {
	case !browser && d.App == "":
		return ""
	case !browser:
		return appCarrier + d.App
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return subscriptionStart + strings.ToLower(rest)
}

// AppOfCarrier is Device.App of the devices that have a carrier; false if they are not an app's.
func AppOfCarrier(carrier string) (app string, ok bool) {
	if carrier == "" {
		return "", true
	}
	return strings.CutPrefix(carrier, appCarrier)
}

// Merged is what a user got of another.
type Merged struct {
	Devices int `json:"devices"`
	Follows int `json:"follows"` // that it had not itself
}
