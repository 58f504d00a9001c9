package goalcast

import "strings"

// Subscription is where and how a browser takes pushes: what its PushSubscription says of itself. A
// device of a browser has one instead of a registration token, and Token writes it as one.
type Subscription struct {
	Endpoint string // URL at the browser's push service; a secret of the browser: never logged
	Key      string // p256dh, the browser's public key, in base64url without padding
	Auth     string // the secret that messages to it are encrypted with, in base64url without padding
}

// subscriptionStart is what the token of a subscription begins with, and no other.
const subscriptionStart = "https://"

// IsSubscription says whether a device's token is a browser's subscription, by what it begins with.
func IsSubscription(token string) bool { return strings.HasPrefix(token, subscriptionStart) }

// Token writes a subscription as the token of a device: the endpoint, and behind its "#", which no
// endpoint has, what messages are encrypted with.
func (s Subscription) Token() string { return s.Endpoint + "#" + s.Key + "." + s.Auth }

// ParseSubscription reads what Token wrote; false for any other text.
func ParseSubscription(token string) (s Subscription, ok bool) {
	endpoint, keys, found := strings.Cut(token, "#")
	key, auth, both := strings.Cut(keys, ".")
	if !IsSubscription(token) || !found || !both {
		return s, false
	}
	return Subscription{Endpoint: endpoint, Key: key, Auth: auth}, true
}
