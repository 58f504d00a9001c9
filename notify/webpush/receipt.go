package webpush

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// inData is the name of a receipt in a message's data.
const inData = "receipt"

// A receipt is text by which a browser says when it has shown a push, and nothing else: it names
// neither a browser nor a user, and all who get the same push have the same one. In it are, before
// base64url:
//
//	6 bytes   when the push could have been shown at the earliest, in milliseconds since 1970
//	4 bytes   when the receipt ends, in seconds since 1970
//	16 bytes  HMAC-SHA256 of these under a key that is made of ours
const (
	receiptTold = 6
	receiptEnds = receiptTold + 4
	receiptSize = receiptEnds + 16
)

// Receipt makes a receipt that ends with its push.
func (k Key) Receipt(told, ends time.Time) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(told.UnixMilli()))[8-receiptTold:]
	raw = binary.BigEndian.AppendUint32(raw, uint32(ends.Unix()))
	return base64.RawURLEncoding.EncodeToString(k.sign(raw))
}

// ReadReceipt returns when the push of a receipt could have been shown at the earliest; false if we
// never made it, or it has ended.
func (k Key) ReadReceipt(text string, now time.Time) (told time.Time, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != receiptSize || !hmac.Equal(raw, k.sign(raw[:receiptEnds:receiptEnds])) {
		return time.Time{}, false
	}
	var ms [8]byte
	copy(ms[8-receiptTold:], raw[:receiptTold])
	ends := time.Unix(int64(binary.BigEndian.Uint32(raw[receiptTold:])), 0)
	return time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:]))), now.Before(ends)
}

// sign appends the signature of what a receipt says.
func (k Key) sign(said []byte) []byte {
	of := hmac.New(sha256.New, []byte(k.private))
	of.Write([]byte("goalcast receipts"))
	signature := hmac.New(sha256.New, of.Sum(nil))
	signature.Write(said)
	return append(said, signature.Sum(nil)[:receiptSize-receiptEnds]...)
}
