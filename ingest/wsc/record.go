package wsc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"goalcast"
)

// state says what has to happen to a clip next.
type state string

const (
	unresolved state = "unresolved" // its match is not known
	waiting    state = "waiting"    // to be uploaded
	processing state = "processing" // Brightcove works on it
	ready      state = "playable"   // at Brightcove
	local      state = "local"      // nothing to upload, or nowhere to: only WSC's own file
	failed     state = "failed"     // given up until a newer document comes
	withdrawn  state = "withdrawn"  // deleted or a draft: nobody may see it
)

// record is all that is known of a clip. The store copies match, event, version, video, job, state,
// attempts, error and due into columns. Times are in ms since 1970 UTC.
type record struct {
	Match    goalcast.MatchID `json:"match,omitempty"`
	Event    string           `json:"event"`
	Version  int64            `json:"version"` // of the newest document
	Video    string           `json:"video,omitempty"`
	Job      string           `json:"job,omitempty"`
	State    state            `json:"state"`
	Attempts int              `json:"attempts,omitempty"` // jobs for this cut that failed
	Error    string           `json:"error,omitempty"`    // what went wrong last
	Due      int64            `json:"due,omitempty"`      // when the next step is to be made; 0 is none

	// The newest document.
	Document goalcast.DocumentID `json:"document"`
	At       int64               `json:"at"`
	Digest   string              `json:"digest"`
	Title    string              `json:"title,omitempty"`
	Master   string              `json:"master,omitempty"`
	First    int64               `json:"first"` // when the first document came

	// The upload.
	JobCut    string `json:"job_cut,omitempty"` // what the job is for
	Playing   string `json:"playing,omitempty"` // the cut that Brightcove plays
	Poster    string `json:"poster,omitempty"`  // at Brightcove, of that cut
	Thumbnail string `json:"thumbnail,omitempty"`
	Started   int64  `json:"started,omitempty"` // the job
	Played    int64  `json:"played,omitempty"`  // since when that cut plays
	Hidden    bool   `json:"hidden,omitempty"`  // the video was made inactive

	Tries   int   `json:"tries,omitempty"`   // troubles in a row
	Step    int64 `json:"step,omitempty"`    // counts what was scheduled: part of the task's name
	Wakes   int64 `json:"wakes,omitempty"`   // counts callbacks, so that one which comes during a step is not forgotten
	Changed int64 `json:"changed,omitempty"` // version of what is to be told of the video; 0 is nothing
	Told    int64 `json:"told,omitempty"`    // the version that ingest was told
}

// cut names what would be uploaded: another version or another file is another cut.
func (r record) cut() string { return fmt.Sprintf("%d %s", r.Version, r.Master) }

// cutVersion is the version of a cut by its name; 0 for none.
func cutVersion(cut string) int64 {
	text, _, _ := strings.Cut(cut, " ")
	version, _ := strconv.ParseInt(text, 10, 64)
	return version
}

// order compares a document with the record's newest: below 0 if the document is older.
func (r record) order(k clip, digest string) int {
	if r.Document == 0 {
		return 1
	}
	return k.version(digest).Compare(clip{At: fromMillis(r.At), Version: r.Version}.version(r.Digest))
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// load returns a clip's record; ErrNotFound.
func (c *Clips) load(ctx context.Context, id string) (record, error) {
	var r record
	text, err := c.store.Clip(ctx, id)
	if err != nil {
		return r, err
	}
	return r, decode(id, text, &r)
}

func decode(id string, text []byte, r *record) error {
	if len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, r); err != nil {
		return fmt.Errorf("record of clip %s: %w: %w", id, goalcast.ErrPermanent, err)
	}
	return nil
}

// errSame ends a change that turns out to be none.
var errSame = errors.New("no change")

// change changes a record under its lock and then puts the next step into the queue, if the change
// scheduled one. fn may return errSame. It returns the record as it is now.
func (c *Clips) change(ctx context.Context, id string, fn func(*record) error) (record, error) {
	var r record
	var step int64
	err := c.store.UpdateClip(ctx, id, func(text []byte) ([]byte, error) {
		r = record{}
		if err := decode(id, text, &r); err != nil {
			return nil, err
		}
		step = r.Step
		if err := fn(&r); err != nil {
			return nil, err
		}
		return json.Marshal(r)
	})
	if errors.Is(err, errSame) {
		return r, nil
	} else if err != nil {
		return r, fmt.Errorf("clip %s: %w", id, err)
	}
	if r.Step != step && r.Due != 0 {
		c.enqueue(ctx, id, r)
	}
	return r, nil
}

// schedule says when the next step is to be made.
func (c *Clips) schedule(r *record, after time.Duration) {
	r.Due = c.now().Add(after).UnixMilli()
	r.Step++
}

// enqueue makes the task of the record's next step. If the queue does not take it, the
// sweeper will see to it.
func (c *Clips) enqueue(ctx context.Context, id string, r record) {
	kind := TaskCheck
	if r.State == unresolved || r.State == waiting {
		kind = TaskUpload
	}
	err := c.queue.Enqueue(ctx, goalcast.Task{
		Kind: kind, ID: fmt.Sprintf("%s:%s:%d", kind, id, r.Step), Payload: payload(id, r.Step),
		Delay: max(0, fromMillis(r.Due).Sub(c.now())), Retries: 3,
	})
	if err != nil {
		c.metrics.trouble.WithLabelValues("queue").Inc()
		c.log.Warn("clip's next step not queued, the sweeper will find it", "clip", id, "error", err)
	}
}

// growing is a pause that doubles with each trouble in a row.
func growing(first, most time.Duration, tries int) time.Duration {
	return min(first<<min(max(tries-1, 0), 20), most)
}
