package store

import "github.com/redis/go-redis/v9"

// The bus's keys, all with the hash tag {prefix} so that a cluster keeps them in one place and a script may touch them together:
//
//	{prefix}:head        hash: epoch, and offset, the place of the newest event
//	{prefix}:stream      the newest events, as entries <offset>-0 with one field e, the event's JSON
//	{prefix}:seen:<n>    set: revisions of messages that were published in the n-th period of Remember
//	{prefix}:seq:<match> the highest Event.Seq of the match that was published
//	{prefix}:beat        held for a second by the process that beats
//	{prefix}:events      channel: "e <epoch> <offset> <event>" and, as a beat, "b <epoch> <offset>"
//
// States: {prefix:s<n>}:state:<topic>, a hash of "<version> <state>" by key, and a channel of the same name that carries the states, one a
// line. n is the topic's shard on a cluster, else 0.

// ensureEpoch gives local variables epoch and offset (a number) and makes them if the memory of the bus is gone. KEYS[1] head, KEYS[2] stream,
// ARGV[1] a random epoch to take then. Offsets are exact up to 2^53.
const ensureEpoch = `
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
	epoch = ARGV[1]
	redis.call('DEL', KEYS[2])
	redis.call('HSET', KEYS[1], 'epoch', epoch, 'offset', '0')
end
local offset = tonumber(redis.call('HGET', KEYS[1], 'offset'))
`

// publishScript publishes events in order. KEYS: 3 and 4 seen in this and in the last period; from 5 the seq of each event's match. ARGV: 2 channel,
// 3 PUBLISH or SPUBLISH, 4 length of the stream, 5 and 6 how long seen and seq are kept, s; from 7 for each event: key, Seq, mode, JSON. The answers, one
// per event: its offset, 0 for one that was published before, -1 for a hole: an earlier one of its match has to come first. mode "any" takes the first
// event of a match that nothing is known of, "strict" calls that a hole, since after a wipe the earlier ones may not have been published; "force"
// takes every event. Revisions of a match are told apart by their Seq alone: published is what is not above the last one.
const publishScript = ensureEpoch + `
local answers = {}
for i = 1, (#ARGV - 6) / 4 do
	local last = KEYS[4 + i]
	local key, seq, mode, body = ARGV[3 + 4 * i], tonumber(ARGV[4 + 4 * i]), ARGV[5 + 4 * i], ARGV[6 + 4 * i]
	local known, repeated
	if seq > 0 then
		known = tonumber(redis.call('GET', last) or nil)
		repeated = known and seq <= known
	else
		repeated = redis.call('SISMEMBER', KEYS[3], key) == 1 or redis.call('SISMEMBER', KEYS[4], key) == 1
	end
	if repeated then
		answers[i] = 0
	elseif mode ~= 'force' and (known and seq > known + 1 or mode == 'strict' and not known and seq > 1) then
		answers[i] = -1
	else
		offset = offset + 1
		local place = string.format('%.0f', offset)
		redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], place .. '-0', 'e', body)
		redis.call('HSET', KEYS[1], 'offset', place)
		if seq > 0 then
			redis.call('SET', last, string.format('%.0f', seq), 'EX', ARGV[6])
		else
			redis.call('SADD', KEYS[3], key)
			redis.call('EXPIRE', KEYS[3], ARGV[5])
		end
		redis.call(ARGV[3], ARGV[2], 'e ' .. epoch .. ' ' .. place .. ' ' .. body)
		answers[i] = offset
	end
end
return answers
`

// readScript returns epoch, offset and the stream's entries from offset ARGV[2] on, at most ARGV[3].
const readScript = ensureEpoch + `
return {epoch, offset, redis.call('XRANGE', KEYS[2], ARGV[2] .. '-0', '+', 'COUNT', ARGV[3])}
`

// beatScript beats if nobody else does: KEYS[3] beat, ARGV 2 channel, 3 PUBLISH or SPUBLISH, 4 how long the others keep quiet, ms.
const beatScript = `
if not redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[4]) then
	return 0
end
` + ensureEpoch + `
redis.call(ARGV[3], ARGV[2], 'b ' .. epoch .. ' ' .. string.format('%.0f', offset))
return 1
`

// rollScript begins a new epoch, ARGV[1], if the epoch is still ARGV[4] and the bus went back in time: its offset is below ARGV[5], which was seen.
// That is what a failover to a replica does that did not have everything, or a restart from an old file. ARGV[6] "1": whatever the offset.
const rollScript = ensureEpoch + `
if epoch == ARGV[4] and (offset < tonumber(ARGV[5]) or ARGV[6] == '1') then
	redis.call('DEL', KEYS[2])
	redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'offset', '0')
	redis.call(ARGV[3], ARGV[2], 'b ' .. ARGV[1] .. ' 0')
	return 1
end
return 0
`

// stateScript keeps and tells states of one topic that are newer than what is known. KEYS[1] the hash; ARGV: 1 channel, 2 PUBLISH or SPUBLISH, 3 how long
// the topic is kept, s; then for each state: key, version as text of fixed length, JSON. It returns how many were new.
const stateScript = `
local lines = {}
for i = 4, #ARGV, 3 do
	local old = redis.call('HGET', KEYS[1], ARGV[i])
	if not old or string.sub(old, 1, #ARGV[i + 1]) < ARGV[i + 1] then
		redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2])
		lines[#lines + 1] = ARGV[i + 2]
	end
end
if #lines > 0 then
	redis.call('EXPIRE', KEYS[1], ARGV[3])
	redis.call(ARGV[2], ARGV[1], table.concat(lines, '\n'))
end
return #lines
`

// scripts are sent once and then called by their hash; a server that forgot them gets them again.
type scripts struct{ publish, read, beat, roll, state *redis.Script }

func newScripts() scripts {
	return scripts{redis.NewScript(publishScript), redis.NewScript(readScript), redis.NewScript(beatScript), redis.NewScript(rollScript),
		redis.NewScript(stateScript)}
}
