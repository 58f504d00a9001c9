package bus

import (
	"maps"
	"slices"

	"goalcast"
)

// readings are the topics that are being read at this moment, each with what has come live
// meanwhile: it may be newer than what is read, and is delivered before it.
type readings map[goalcast.Topic][]goalcast.State

// state delivers a value that has come live.
func (r *reader) state(s goalcast.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if live, ok := r.readings[s.Topic]; ok {
		r.readings[s.Topic] = append(live, s)
	}
	r.listener.State(s)
}

// beginReading is called before topics are read; endReading has to follow.
func (r *reader) beginReading(topics []goalcast.Topic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range topics {
		r.readings[t] = nil
	}
}

func (r *reader) endReading(topics []goalcast.Topic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range topics {
		delete(r.readings, t)
	}
}

// reread delivers all values of a topic: those that were read, and what came while they were.
func (r *reader) reread(t goalcast.Topic, read []goalcast.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listener.Reread(t, newest(read, r.readings[t]))
}

// newest gives the values of a topic after it was read and some changes came, of which the reading
// may know some already. A newer gate takes all values with it (oddsScript). A gate that is not
// newer is known to the reading, and with it everything that came before.
func newest(read, live []goalcast.State) []goalcast.State {
	if len(live) == 0 {
		return read
	}
	values := byKey(read)
	for _, s := range live {
		is, known := values[s.Key]
		switch {
		case s.Key == goalcast.GateKey && known && s.Version <= is.Version:
			if is.Version == byKey(read)[s.Key].Version {
				values = byKey(read)
			}
		case s.Key == goalcast.GateKey:
			values = map[string]goalcast.State{s.Key: s}
		case known && s.Version <= is.Version:
		case s.Removed():
			delete(values, s.Key)
		default:
			values[s.Key] = s
		}
	}
	return slices.Collect(maps.Values(values))
}

func byKey(list []goalcast.State) map[string]goalcast.State {
	values := make(map[string]goalcast.State, len(list))
	for _, s := range list {
		values[s.Key] = s
	}
	return values
}
