package console

import (
	"fmt"
	"net/url"
	"regexp"

	"goalcast"
)

// advice is what to do about an alarm.
type advice struct {
	Text  string
	Links []link
}

type link struct{ To, Text string }

// adviceTexts say what to do next, by kind. docs/operations.md says more.
var adviceTexts = map[goalcast.AlarmKind]string{
	goalcast.AlarmNotStarted: "Is it late? If the broadcast shows it on, the provider does not tell: look at its " +
		"documents, then call the provider.",
	goalcast.AlarmSilent: "The provider does not send, or does not reach us. Look at the feeds: if only this " +
		"match is silent, call the provider; if all are, look at the load balancer and at secrets that were changed.",
	goalcast.AlarmNoClip:     "Nothing is urgent. Ask whoever cuts the clips.",
	goalcast.AlarmClipFailed: "A better cut, or a replay of its document, starts it again.",
	goalcast.AlarmNoSummary:  "Nothing is urgent. Ask whoever cuts the clips.",
	goalcast.AlarmUnreadable: "Nothing is lost: the documents are kept. Look at the error; when the reader is " +
		"mended, replay them.",
	goalcast.AlarmDisagree: "Compare the documents of the match with the broadcast. Until the feeds agree, an editor " +
		"can tell viewers.",
	goalcast.AlarmQueueLag: "Does a process with the role ingest or notify live, and does it reach Redis? What waits " +
		"is done as soon as one does.",
	goalcast.AlarmClockSkew: "Look at the clocks of our machines (timedatectl). If they are right, tell the provider.",
	goalcast.AlarmJobStale:  "The error of the job's last run says why. The next run tries again by itself.",
	goalcast.AlarmHeld: "Look at the broadcast. If the document is right, replay it; if it is wrong, wait: the next " +
		"one closes this.",
	goalcast.AlarmOddsSource: "Prices of this source are not shown, which is safe. Look at the log of the process " +
		"that holds the sources, then call the provider.",
	goalcast.AlarmOddsLate:  "Look at our clocks first, then call the provider.",
	goalcast.AlarmOddsQuota: "Soon the provider answers no more. Ask for more requests.",
	goalcast.AlarmPartner: "Call the partner. When it takes events again, have it go on: it is sent what is behind " +
		"its cursor, and nothing is left out.",
	goalcast.AlarmOddsStates: "Some markets are not shown. Raise GOALCAST_MAX_STATES, or have the provider send fewer.",
}

var documentInText = regexp.MustCompile(`\bdocuments?(?: of [^,]*? the newest is)? (\d+)\b|\bthe newest is (\d+)\b`)

// adviceOn finds what to do about an alarm, and where.
func adviceOn(a alarm) advice {
	out := advice{Text: adviceTexts[a.Kind]}
	add := func(text, to string, args ...any) {
		out.Links = append(out.Links, link{fmt.Sprintf(Path+to, args...), text})
	}
	if m := documentInText.FindStringSubmatch(a.Text); m != nil {
		add("Document "+m[1]+m[2], "documents/%s", m[1]+m[2])
	}
	if a.Match != 0 {
		add("Documents of the match", "feeds?match=%d#documents", a.Match)
	}
	switch a.Kind {
	case goalcast.AlarmUnreadable:
		add("Failed documents", "feeds?state=failed#documents")
	case goalcast.AlarmQueueLag, goalcast.AlarmJobStale:
		add("Queues and jobs", "queues")
	case goalcast.AlarmPartner:
		add("Partners", "partners")
	case goalcast.AlarmSilent, goalcast.AlarmNotStarted, goalcast.AlarmClockSkew:
		add("Feeds", "feeds")
	case goalcast.AlarmDisagree:
		add("Write a message", "message?topic=%s", url.QueryEscape(goalcast.ForMatch(a.Match).String()))
	case goalcast.AlarmOddsSource, goalcast.AlarmOddsLate, goalcast.AlarmOddsQuota, goalcast.AlarmOddsStates:
		add("Odds", "odds")
	}
	return out
}
