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
--   unknown_queue    queue
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: matched
-- @include lib/realm lib/text lib/record lib/events lib/line lib/ending lib/willingness lib/matching

local realm, refusal = open_realm()
if not realm then return refusal end

local queue = ARGV[3]
local stored = call("HMGET", KEYS[3], "q:" .. queue, "n:" .. queue)
if not stored[1] then return { "unknown_queue", queue } end

local records, gone, ends = {}, {}, {}
for i = 1, 2 do
  local ticket = ARGV[3 + i]
  local packed = call("HGET", KEYS[4], ticket)
  records[i] = packed and unpack_record(ticket, packed)
  if not records[i] or records[i].queue ~= queue then
    gone[#gone + 1] = ticket
    local ended = find_ended(realm, ticket)
    ends[i] = ended and ended.how == "matched" and ended.end_event
  end
end
if ends[1] and ends[1] == ends[2] and ARGV[4] ~= ARGV[5] then
  return { "matched", ends[1], read_event(ends[1]) or "" }
end
if ARGV[4] == ARGV[5] then gone[#gone + 1] = ARGV[5] end
if #gone > 0 then return { "changed", unpack(gone) } end

local w = willingness_of(cjson.decode(stored[1]))
local one, other = records[1], records[2]
if one.rating > other.rating then one, other = other, one end
local gap = other.rating - one.rating
local value = w.at(realm.now - one.enqueued_ms, one.deviation) + w.at(realm.now - other.enqueued_ms, other.deviation)
  - gap
leave_line(realm, one.ticket)
leave_line(realm, other.ticket)
local id = commit_pairs(realm, queue, stored[2], { { one, other, gap, value } })[1]
local earliest = settle_due(queue)
if earliest and earliest <= realm.now then hint(queue) end
return { "matched", id, read_event(id) }
