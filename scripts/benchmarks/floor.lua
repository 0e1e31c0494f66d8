-- The floor of a pass: writes what a pass writes for its matches, and decides nothing. It takes the places around the
-- line's earliest due ticket, as a pass does, reads their records in one command, and pairs neighbours as they stand. What
-- it writes is as long as what a pass writes, but not composed: three texts made beforehand.
--
-- KEYS 1-13  as in matchmaker/lua/lib/realm.lua
-- ARGV[1]  channel prefix
-- ARGV[2]  how many places to take
-- ARGV[3]  text of an event
-- ARGV[4]  text of a message to a player
-- ARGV[5]  text of an ended ticket
-- ARGV[6]  index of the ended hash in use (0 or 1)
-- Answers how many tickets it took.
local call = redis.call
local META, TICKETS, PLAYERS, ENDS, EVENTS = KEYS[1], KEYS[4], KEYS[5], KEYS[6], KEYS[10]
local LINE, LINE_DUE, ENDED = KEYS[12], KEYS[13], KEYS[7 + ARGV[6]]
local channel, body, message, ended = ARGV[1], ARGV[3], ARGV[4], ARGV[5]

local first = call("ZRANGE", LINE_DUE, 0, 0)[1]
if not first then return 0 end
local places = tonumber(ARGV[2])
local from = math.max(0, math.min(call("ZRANK", LINE, first) - places / 2, call("ZCARD", LINE) - places))
local ids = call("ZRANGE", LINE, from, from + places - 1)
if #ids % 2 == 1 then
  call("ZREM", LINE_DUE, ids[#ids])
  ids[#ids] = nil
end
if #ids == 0 then return 0 end
call("HMGET", TICKETS, unpack(ids))

local time = call("TIME")
local at = string.format("%.0f-*", time[1] * 1000 + math.floor(time[2] / 1000))
local players, remembered = {}, {}
for i = 1, #ids do
  -- Benchmark tickets are named so that the player's name follows from the ticket's.
  local player = "p" .. string.sub(ids[i], 10)
  players[i] = player
  remembered[4 * i - 3], remembered[4 * i - 2] = "t:" .. ids[i], ended
  remembered[4 * i - 1], remembered[4 * i] = "p:" .. player, ids[i]
end
for i = 1, #ids, 2 do
  call("XADD", EVENTS, at, "event", "matched", "body", body)
  call("PUBLISH", channel .. players[i], message)
  call("PUBLISH", channel .. players[i + 1], message)
end
call("ZREM", LINE, unpack(ids))
call("ZREM", LINE_DUE, unpack(ids))
call("HDEL", TICKETS, unpack(ids))
call("HDEL", PLAYERS, unpack(players))
call("ZREM", ENDS, unpack(ids))
call("HSET", ENDED, unpack(remembered))
call("HINCRBY", META, "matches", #ids / 2)
return #ids
