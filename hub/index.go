package hub

import "goalcast"

// follow subscribes a connection to a topic and says whether that is new.
func (s *shard) follow(c *conn, name goalcast.Topic) bool {
	if c.find(name) >= 0 {
		return false
	}
	t := s.topics[name]
	if t == nil {
		t = &topic{name: name}
		s.topics[name] = t
	}
	c.subs = append(c.subs, sub{topic: t, place: int32(len(t.members))})
	t.members = append(t.members, member{conn: c, sub: int32(len(c.subs) - 1)})
	s.stats.subscriptions++
	return true
}

// leave ends the subscription at place i of the connection. The last one of each list takes the free place.
func (s *shard) leave(c *conn, i int) {
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

	for j := range c.behind {
		if c.behind[j].topic == t {
			c.behind = append(c.behind[:j], c.behind[j+1:]...)
			break
		}
	}
	if len(t.members) == 0 {
		delete(s.topics, t.name)
	} else if cap(t.members) > 64 && len(t.members) < cap(t.members)/4 {
		t.members = append(make([]member, 0, cap(t.members)/2), t.members...) // a match is over: give the memory back
	}
	s.stats.subscriptions--
	s.hub.release([]goalcast.Topic{t.name})
}

// leaveAll ends all subscriptions, as soon as nobody walks through the members.
func (s *shard) leaveAll(c *conn) {
	if s.walking {
		s.removals = append(s.removals, c)
		return
	}
	for len(c.subs) > 0 {
		s.leave(c, len(c.subs)-1)
	}
	c.subs, c.behind = nil, nil
}
