package bus

import "github.com/redis/go-redis/v9"

// ensureEpoch gives local variables epoch and offset (a number) and makes them if the memory of the
// bus is gone. KEYS[1] head, KEYS[2] stream, ARGV[1] a random epoch to take then. Offsets are exact
// up to 2^53.
const ensureEpoch = `
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
	epoch = ARGV[1]
	redis.call('DEL', KEYS[2])
	redis.call('HSET', KEYS[1], 'epoch', epoch, 'offset', '0')
end
local offset = tonumber(redis.call('HGET', KEYS[1], 'offset'))
`

// publishScript publishes events in order. KEYS: 3 and 4 seen in this and in the last period; from
// 5 what was sent of each event's match. ARGV: 2 channel, 3 PUBLISH or SPUBLISH, 4 length of the
// stream, 5 and 6 how long seen and sent are kept, s, 7 of how many numbers; from 8 for each event:
// key, fingerprint, Seq, mode, JSON. The answers, one per event: its offset, 0 for one that was
// published before, -1 for a hole: an earlier one of its match has to come first. mode "strict"
// calls it a hole too if nothing is known of a match and the event is not its first, since after a
// wipe the earlier ones may not have been published; "holes" takes every event. On the channel it
// says "e <epoch> <offset> <event>".
//
// What was sent of a match: last, its highest Seq, and by Seq which event had it, "<fingerprint>
// <epoch>".
//
// A revision of a match was published before if its Seq was, with the same fingerprint. With
// another one the database has lost what had the number before, by a failover or a restore: the
// event is published, and what came after that number in the match is forgotten. If viewers may
// have been told of what was lost, which is so if it was published in this epoch, another epoch
// begins, so that all are reset.
const publishScript = ensureEpoch + `
local answers = {}
for i = 1, (#ARGV - 7) / 5 do
	local sent, at = KEYS[4 + i], 3 + 5 * i
	local key, fingerprint, seq, mode, body = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3], ARGV[at + 4]
	local known, repeated, other
	if seq > 0 then
		local got = redis.call('HMGET', sent, 'last', ARGV[at + 2])
		known = got[1] and tonumber(got[1])
		if known and seq <= known then
			repeated = not got[2] or string.sub(got[2], 1, #fingerprint + 1) == fingerprint .. ' '
			other = got[2]
		end
	else
		repeated = redis.call('SISMEMBER', KEYS[3], key .. fingerprint) == 1
			or redis.call('SISMEMBER', KEYS[4], key .. fingerprint) == 1
	end
	if repeated then
		answers[i] = 0
	elseif mode == 'strict' and seq > (known or 0) + 1 then
		answers[i] = -1
	else
		if other and epoch ~= ARGV[1] and string.sub(other, -#epoch) == epoch then
			epoch, offset = ARGV[1], 0
			redis.call('DEL', KEYS[2])
			redis.call('HSET', KEYS[1], 'epoch', epoch)
		end
		offset = offset + 1
		local place = string.format('%.0f', offset)
		redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], place .. '-0', 'e', body)
		redis.call('HSET', KEYS[1], 'offset', place)
		if seq > 0 then
			redis.call('HSET', sent, 'last', ARGV[at + 2], ARGV[at + 2], fingerprint .. ' ' .. epoch)
			if seq > tonumber(ARGV[7]) then
				redis.call('HDEL', sent, string.format('%.0f', seq - ARGV[7]))
			end
			redis.call('EXPIRE', sent, ARGV[6])
		else
			redis.call('SADD', KEYS[3], key .. fingerprint)
			redis.call('EXPIRE', KEYS[3], ARGV[5])
		end
		redis.call(ARGV[3], ARGV[2], 'e ' .. epoch .. ' ' .. place .. ' ' .. body)
		answers[i] = offset
	end
end
return answers
`

// readScript returns epoch, offset and the stream's entries from offset ARGV[2] on, at most
// ARGV[3].
const readScript = ensureEpoch + `
return {epoch, offset, redis.call('XRANGE', KEYS[2], ARGV[2] .. '-0', '+', 'COUNT', ARGV[3])}
`

// heartbeatScript publishes "b <epoch> <offset>" if no other process has: KEYS[3] beat, ARGV 2
// channel, 3 PUBLISH or SPUBLISH, 4 how long the others stay silent, ms.
const heartbeatScript = `
if not redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[4]) then
	return 0
end
` + ensureEpoch + `
redis.call(ARGV[3], ARGV[2], 'b ' .. epoch .. ' ' .. string.format('%.0f', offset))
return 1
`

// rollScript begins a new epoch, ARGV[1], if the epoch is still ARGV[4] and the bus went back in
// time: its offset is below ARGV[5], which was seen. That is what a failover to a replica does that
// did not have everything, or a restart from an old file. ARGV[6] "1": whatever the offset.
const rollScript = ensureEpoch + `
if epoch == ARGV[4] and (offset < tonumber(ARGV[5]) or ARGV[6] == '1') then
	redis.call('DEL', KEYS[2])
	redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'offset', '0')
	redis.call(ARGV[3], ARGV[2], 'b ' .. ARGV[1] .. ' 0')
	return 1
end
return 0
`

// stateScript stores and publishes the states of one topic that are newer than what is known.
// KEYS[1] is a hash of "<version> <state>" by key. ARGV: 1 channel, 2 PUBLISH or SPUBLISH, 3 how
// long the topic is kept, s; then for each state: key, version as text of fixed length, JSON. It
// returns how many were new.
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

// oddsScript does an OddsStep at KEYS[1], a hash as stateScript has it, with the highest fence
// besides, and when somebody with a fence said something last. ARGV: 1 channel, 2 PUBLISH or
// SPUBLISH, 3 how long the topic is kept, s; 4 fence and 5 known version of the gate, as texts of
// fixed length; 6 "open", "shut" or "" for the gate as it is; 7 the time as a version; 8 and 9 the
// JSON of the new gate before and after its version; 10 "1" for an image; 11 the JSON of a price up
// to its key; then for each price: key, version, JSON.
//
// The answer is outcome, version of the gate, number of prices that were new, and the gate where
// the step was refused. Who has no fence shuts a gate only where there is one: a match without
// prices gets none. A gate that shuts takes all prices with it, and none gets past a gate that is
// shut: so whoever reads the hash sees either no price or right ones.
const oddsScript = `
local none = string.rep('0', 19)
local fence = redis.call('HGET', KEYS[1], '!fence') or none
local gate = redis.call('HGET', KEYS[1], '!')
local version = gate and string.sub(gate, 1, 19) or none
local mode = ARGV[6]
if ARGV[4] < fence and not (mode == 'shut' and ARGV[4] == none) then
	return {2, tonumber(version), 0, gate and string.sub(gate, 21) or ''}
end
if mode == 'shut' and ARGV[4] == none and not gate or mode ~= 'shut' and version ~= ARGV[5] or mode == '' and not string.find(gate or '', '"gate":"open"', 1, true) then
	return {1, tonumber(version), 0, gate and string.sub(gate, 21) or ''}
end
local function after(old)
	return old < ARGV[7] and ARGV[7] or string.format('%019.0f', tonumber(old) + 1)
end
local lines = {}
if mode ~= '' then
	version = after(version)
	gate = version .. ' ' .. ARGV[8] .. string.format('%.0f', tonumber(version)) .. ARGV[9]
	redis.call('DEL', KEYS[1])
	redis.call('HSET', KEYS[1], '!', gate, '!fence', ARGV[4] > fence and ARGV[4] or fence)
	lines[1] = string.sub(gate, 21)
elseif ARGV[4] > fence then
	redis.call('HSET', KEYS[1], '!fence', ARGV[4])
end
local listed, count = {['!'] = true, ['!fence'] = true, ['!beat'] = true}, 0
for i = 12, #ARGV, 3 do
	local key, at, body = ARGV[i], ARGV[i + 1], ARGV[i + 2]
	listed[key] = true
	local old = redis.call('HGET', KEYS[1], key)
	if not old or string.sub(old, 1, 19) < at then
		if string.find(body, '"value":null', 1, true) then
			redis.call('HDEL', KEYS[1], key)
		else
			redis.call('HSET', KEYS[1], key, at .. ' ' .. body)
		end
		lines[#lines + 1], count = body, count + 1
	end
end
if ARGV[10] == '1' then
	local all = redis.call('HGETALL', KEYS[1])
	for i = 1, #all, 2 do
		if not listed[all[i]] then
			redis.call('HDEL', KEYS[1], all[i])
			local at = string.format('%.0f', tonumber(after(string.sub(all[i + 1], 1, 19))))
			lines[#lines + 1] = ARGV[11] .. all[i] .. '","version":' .. at .. ',"value":null}'
		end
	end
end
if #lines == 0 then
	lines[1] = string.sub(gate, 21)
end
if ARGV[4] ~= none then
	redis.call('HSET', KEYS[1], '!beat', ARGV[7])
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call(ARGV[2], ARGV[1], table.concat(lines, '\n'))
return {0, tonumber(version), count, ''}
`

// scripts are sent once and then called by their hash; a server that forgot them gets them again.
type scripts struct{ publish, read, heartbeat, roll, state, odds *redis.Script }

func newScripts() scripts {
	return scripts{redis.NewScript(publishScript), redis.NewScript(readScript), redis.NewScript(heartbeatScript),
		redis.NewScript(rollScript), redis.NewScript(stateScript), redis.NewScript(oddsScript)}
}
