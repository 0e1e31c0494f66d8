#!lua flags=allow-oom
-- pair: makes one match that a caller proposes, of two tickets of one queue.
-- Guarantee: both tickets wait and become the match in one step, or nothing changes. The same proposal again gets the
--   same match.
--
-- KEYS 1-13  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  queue           whose line KEYS[12] is
-- ARGV[4]  ticket
-- ARGV[5]  ticket
--
-- Reply: an array that begins with a code
--   matched          event id of the match, event body
--   changed          then each ticket that no longer waits in this queue
--   invalid          field, bound
--   unknown_queue    queue
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: matched
-- @include lib/realm lib/text lib/record lib/events lib/read_event lib/line lib/remember lib/ended lib/leaving
-- @include lib/willingness lib/matching

local realm, refusal = open_realm()
if not realm then return refusal end

local queue = ARGV[3]
local stored = call("HMGET", KEYS[3], "q:" .. queue, "n:" .. queue)
if not stored[1] then return { "unknown_queue", queue } end

local packed, gone, ends = {}, {}, {}
for i = 1, 2 do
  local ticket = ARGV[3 + i]
  packed[i] = call("HGET", KEYS[4], ticket)
  if not packed[i] or unpack_record(ticket, packed[i]).queue ~= queue then
    gone[#gone + 1] = ticket
    local ended = find_ended(realm, ticket)
    ends[i] = ended and ended.how == "matched" and ended.end_event
  end
end
if ARGV[4] == ARGV[5] then
  gone[#gone + 1] = ARGV[5]
elseif ends[1] and ends[1] == ends[2] then
  return { "matched", ends[1], read_event(ends[1]) or "" }
end
if #gone > 0 then return { "changed", unpack(gone) } end

local willing = judge(cjson.decode(stored[1]))
local a, b = unpack_record(ARGV[4], packed[1]), unpack_record(ARGV[5], packed[2])
if a.rating > b.rating then
  a, b = b, a
  packed[1], packed[2] = packed[2], packed[1]
end
local gap = b.rating - a.rating
local value = willing(realm.now - a.enqueued_ms, a.deviation) + willing(realm.now - b.enqueued_ms, b.deviation) - gap
look_left_of(realm, a.ticket)
look_left_of(realm, b.ticket)
local endings = new_endings()
local id = commit_pair(realm, endings, queue, stored[2], a.ticket, packed[1], b.ticket, packed[2], gap, value)
remember(realm, endings, "matched")
settle_left(queue, realm.now)
return { "matched", id, read_event(id) }
