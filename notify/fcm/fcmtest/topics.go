package fcmtest

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// topicName is what Firebase takes as the name of a topic.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9-_.~%]{1,900}$`)

// maxConditionTopics is how many topics a condition may name.
const maxConditionTopics = 5

// holds says whether a device that listens to topics gets what is sent by a condition. A condition
// that is wrong never comes here.
func holds(condition string, topics map[string]bool) bool {
	f, err := parseCondition(condition)
	return err == nil && f(topics)
}

type formula func(topics map[string]bool) bool

// parseCondition reads a condition of topics: 'a' in topics && ('b' in topics || !('c' in topics)).
func parseCondition(text string) (formula, error) {
	p := &conditionParser{rest: text}
	f, err := p.or()
	switch {
	case err != nil:
		return nil, err
	case p.skip() != "":
		return nil, fmt.Errorf("condition: %q is left over", p.rest)
	case p.topics > maxConditionTopics:
		return nil, fmt.Errorf("condition: %d topics, more than %d", p.topics, maxConditionTopics)
	}
	return f, nil
}

type conditionParser struct {
	rest   string
	topics int
	depth  int
}

func (p *conditionParser) skip() string {
	p.rest = strings.TrimLeft(p.rest, " ")
	return p.rest
}

func (p *conditionParser) take(word string) bool {
	rest, found := strings.CutPrefix(p.skip(), word)
	p.rest = rest
	return found
}

func (p *conditionParser) or() (formula, error) {
	left, err := p.and()
	for err == nil && p.take("||") {
		var right formula
		before := left
		right, err = p.and()
		left = func(t map[string]bool) bool { return before(t) || right(t) }
	}
	return left, err
}

func (p *conditionParser) and() (formula, error) {
	left, err := p.one()
	for err == nil && p.take("&&") {
		var right formula
		before := left
		right, err = p.one()
		left = func(t map[string]bool) bool { return before(t) && right(t) }
	}
	return left, err
}

func (p *conditionParser) one() (formula, error) {
	if p.depth++; p.depth > 100 {
		return nil, errors.New("condition: too deep")
	}
	defer func() { p.depth-- }()
	switch {
	case p.take("!"):
		f, err := p.one()
		return func(t map[string]bool) bool { return !f(t) }, err
	case p.take("("):
		f, err := p.or()
		if err == nil && !p.take(")") {
			err = errors.New("condition: a bracket is not closed")
		}
		return f, err
	case p.take("'"):
		name, rest, found := strings.Cut(p.rest, "'")
		p.rest = rest
		p.topics++
		if !found || !topicName.MatchString(name) {
			return nil, fmt.Errorf("condition: %q is no topic's name", name)
		}
		if !p.take("in") || !p.take("topics") {
			return nil, errors.New("condition: want 'name' in topics")
		}
		return func(t map[string]bool) bool { return t[name] }, nil
	}
	return nil, fmt.Errorf("condition: want a topic at %q", p.skip())
}
