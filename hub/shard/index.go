package shard

import (
	"goalcast"
	"goalcast/hub/follow"
	"goalcast/hub/frame"
)

// index knows who follows what in a shard. Followers are found, added and removed in constant time.
type index struct {
	topics        map[goalcast.Topic]*topic
	subscriptions int64
	walking       bool    // through a topic's members: nobody may leave it now
	removals      []*Conn // who will leave after that
}

// topic is a topic's place in one shard: who follows it there.
type topic struct {
	followed *follow.Topic // in which each member is counted
	members  []member
	start    int    // where the next event or flush begins, so that nobody is always last
	joined   uint64 // place in the hub's count of events when the last of them joined

	flushed uint64         // change up to which states were given out
	batch   frame.Batch    // the last that was given out; most connections need exactly this
	longer  []*frame.Batch // what was put together since then for those who lack more
	dirty   bool
}

// member is a connection in a topic, and which of its subs that is.
type member struct {
	conn *Conn
	sub  int32
}

// sub is a topic that a connection follows and its place among the topic's connections.
type sub struct {
	topic *topic
	place int32
}

// follow subscribes a connection to a topic in which it was counted, and says whether that is new.
func (x *index) follow(c *Conn, followed *follow.Topic) bool {
	if c.find(followed.Name) >= 0 {
		return false
	}
	t := x.topics[followed.Name]
	if t == nil {
		t = &topic{followed: followed}
		x.topics[followed.Name] = t
	}
	c.subs = append(c.subs, sub{topic: t, place: int32(len(t.members))})
	t.members = append(t.members, member{conn: c, sub: int32(len(c.subs) - 1)})
	x.subscriptions++
	return true
}

// leave ends the subscription at place i of the connection. The last one of each list takes the
// free place.
func (x *index) leave(c *Conn, i int) {
	t, place := c.subs[i].topic, c.subs[i].place
	end := len(t.members) - 1
	if moved := t.members[end]; int(place) != end {
		t.members[place] = moved
		moved.conn.subs[moved.sub].place = place
	}
	t.members[end] = member{}
	t.members = t.members[:end]

	end = len(c.subs) - 1
	if i != end {
		c.subs[i] = c.subs[end]
		c.subs[i].topic.members[c.subs[i].place].sub = int32(i)
	}
	c.subs[end] = sub{}
	c.subs = c.subs[:end]

	for j := range c.lags {
		if c.lags[j].topic == t {
			c.lags = append(c.lags[:j], c.lags[j+1:]...)
			break
		}
	}
	if len(t.members) == 0 {
		delete(x.topics, t.followed.Name)
	} else if cap(t.members) > 64 && len(t.members) < cap(t.members)/4 {
		t.members = append(make([]member, 0, cap(t.members)/2), t.members...) // a match is over: give the memory back
	}
	x.subscriptions--
	t.followed.Leave()
}

// leaveAll ends all subscriptions, as soon as nobody walks through the members.
func (x *index) leaveAll(c *Conn) {
	if x.walking {
		x.removals = append(x.removals, c)
		return
	}
	for len(c.subs) > 0 {
		x.leave(c, len(c.subs)-1)
	}
	c.subs, c.lags = nil, nil
}

// stopWalking lets those leave who could not meanwhile.
func (x *index) stopWalking() {
	x.walking = false
	for i, c := range x.removals {
		x.leaveAll(c)
		x.removals[i] = nil
	}
	x.removals = x.removals[:0]
}
