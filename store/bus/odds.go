package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"goalcast"
)

// PublishOdds publishes steps, each as a whole, and says what became of each. Prices need no
// higher version than those of their keys before; older ones are dropped. A step without a gate and
// without prices says that the prices are still right: hubs hear it and keep showing them.
// ErrUnavailable: some may have been published; what is tried again may be refused (OddsShut) since
// it was.
func (b *Bus) PublishOdds(ctx context.Context, now time.Time, steps []goalcast.OddsStep) ([]goalcast.OddsDone, error) {
	done := make([]goalcast.OddsDone, 0, len(steps))
	for _, step := range steps {
		one, err := b.publishOdds(ctx, now, step)
		if err != nil {
			return done, err
		}
		done = append(done, one)
	}
	return done, nil
}

func (b *Bus) publishOdds(ctx context.Context, now time.Time, step goalcast.OddsStep) (done goalcast.OddsDone,
	err error) {
	args, err := b.oddsArgs(now, step)
	if err != nil {
		return done, fmt.Errorf("odds of %s: %w", step.Topic, err)
	}
	answer, err := b.scripts.odds.Run(ctx, b.redis.client, []string{b.stateKey(step.Topic)}, args...).Slice()
	if err != nil {
		return done, wrapRedis("publish odds", err)
	}
	return b.oddsDone(answer)
}

// oddsDone reads the answer of oddsScript.
func (b *Bus) oddsDone(answer []any) (done goalcast.OddsDone, err error) {
	wrong := fmt.Errorf("publish odds: %w: answer %v", goalcast.ErrUnavailable, answer)
	if len(answer) != 4 {
		return done, wrong
	}
	outcome, ok1 := answer[0].(int64)
	version, ok2 := answer[1].(int64)
	count, ok3 := answer[2].(int64)
	gate, ok4 := answer[3].(string)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return done, wrong
	}
	b.metrics.states.Add(float64(count))
	done = goalcast.OddsDone{Outcome: goalcast.OddsOutcome(outcome), Gate: version}
	if gate != "" {
		var st goalcast.State
		if err := json.Unmarshal([]byte(gate), &st); err != nil {
			return done, fmt.Errorf("publish odds: %w: gate %.200q: %w", goalcast.ErrUnavailable, gate, err)
		}
		done.Now = goalcast.ReadGate(st.Value)
	}
	return done, nil
}

// oddsArgs are the arguments of oddsScript.
func (b *Bus) oddsArgs(now time.Time, step goalcast.OddsStep) ([]any, error) {
	mode, before, after := "", "", ""
	if step.Set != nil {
		if mode = "shut"; step.Set.State == goalcast.GateOpen {
			mode = "open"
		}
		value, err := json.Marshal(step.Set)
		if err != nil {
			return nil, err
		}
		before = fmt.Sprintf(`{"topic":%q,"key":%q,"version":`, step.Topic, goalcast.GateKey)
		after = fmt.Sprintf(`,"value":%s,"at":%d}`, value, now.UnixMilli())
	}
	if mode != "shut" && step.Fence <= 0 {
		return nil, fmt.Errorf("%w: only who holds the source tells prices", goalcast.ErrPermanent)
	}
	image := "0"
	if step.Image {
		image = "1"
	}
	args := []any{b.stateChannel(step.Topic), b.publisher, seconds(stateMemory), versionText(step.Fence),
		versionText(step.Gate), mode, versionText(now.UnixMilli()), before, after, image,
		fmt.Sprintf(`{"topic":%q,"key":"`, step.Topic)}
	for _, s := range step.Prices {
		if s.Topic != step.Topic || strings.HasPrefix(s.Key, goalcast.GateKey) || s.Version < 0 {
			return nil, fmt.Errorf("%w: price %q, version %d of %s", goalcast.ErrPermanent, s.Key, s.Version, s.Topic)
		}
		body, err := encode(s)
		if err != nil {
			return nil, fmt.Errorf("%w: price %q: %w", goalcast.ErrPermanent, s.Key, err)
		}
		args = append(args, s.Key, versionText(s.Version), body)
	}
	return args, nil
}

// newsTime is how long after a document came what it tells shuts a gate; corrections days later do
// not.
const newsTime = 5 * time.Minute

// shutGates shuts the gates of matches in which something happens that their prices do not know
// yet: before the events are published, so that no viewer sees a goal beside a price from before.
// Where there are no prices it does nothing.
func (b *Bus) shutGates(ctx context.Context, events []goalcast.Event) error {
	now := time.Now()
	for _, e := range events {
		reason := e.ShutsGate()
		if received := e.Times.Received; reason == "" || received > 0 && now.Sub(time.UnixMilli(received)) > newsTime {
			continue
		}
		shut := goalcast.OddsStep{Topic: goalcast.ForOdds(e.Match),
			Set: &goalcast.Gate{State: goalcast.GateSuspended, Reason: reason, Since: now.UnixMilli()}}
		if _, err := b.publishOdds(ctx, now, shut); err != nil {
			return err
		}
	}
	return nil
}

// The fields of a topic's hash that are no states: the highest fence that was seen, and when
// somebody with a fence said something last, a version as text.
const (
	fenceKey = "!fence"
	beatKey  = "!beat"
)

// Odds gives the gate of a match's prices as it is now, and the prices if it is open.
// Without a gate (State is empty) there are no prices of the match. A gate that nobody
// vouched for lately is shut.
func (b *Bus) Odds(ctx context.Context, match goalcast.MatchID, now time.Time) (gate goalcast.Gate,
	prices []goalcast.State, err error) {
	topic := goalcast.ForOdds(match)
	values, err := b.redis.client.HGetAll(ctx, b.stateKey(topic)).Result()
	if err != nil {
		return gate, nil, wrapRedis(fmt.Sprintf("states of %s", topic), err)
	}
	beat, _ := strconv.ParseInt(values[beatKey], 10, 64)
	for _, s := range b.readStates(topic, values) {
		if s.Key == goalcast.GateKey {
			gate = goalcast.ReadGate(s.Value)
		} else {
			prices = append(prices, s)
		}
	}
	if heard := time.UnixMilli(beat); gate.State == goalcast.GateOpen && now.Sub(heard) > goalcast.GateSilence {
		gate = goalcast.Gate{State: goalcast.GateSuspended, Reason: goalcast.GateSilent,
			Since: heard.Add(goalcast.GateSilence).UnixMilli()}
	}
	if gate.State != goalcast.GateOpen {
		prices = nil
	}
	return gate, prices, nil
}
