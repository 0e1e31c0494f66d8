#!lua flags=allow-oom
-- clear: cancels the tickets of one queue, a few a call, from the lowest rating up.
--
-- KEYS 1-13  as in lib/realm.lua
--            of a queue with constraints ages:<line> stands for the line
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  queue           whose line KEYS[12] is
-- ARGV[4]  until           realm ms: tickets enqueued later stay; "" at the first call
-- ARGV[5]  position        rating (or enqueued ms) and ticket to go on after, "" at the first call
-- ARGV[6]  most            places to look at, 1 to 1000
--
-- Reply: an array that begins with a code
--   cleared          how many left, `until` and `position` for the next call ("" when done)
--   invalid          field, bound
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: cancelled
-- @include lib/realm lib/text lib/record lib/events lib/line lib/terms lib/remember lib/unmatched lib/leaving lib/position

local most, refusal = whole_argument(6, "most", 1, 1000)
if not most then return refusal end
local until_ms
if ARGV[4] ~= "" then
  until_ms, refusal = whole_argument(4, "until", 0, MOST_MS)
  if not until_ms then return refusal end
end
if not is_position(ARGV[5]) then return { "invalid", "position", POSITION } end
local realm
realm, refusal = open_realm()
if not realm then return refusal end

until_ms = until_ms or realm.now
local page, position = page_after(ARGV[5], most)
local records = {}
for _, ticket in ipairs(page) do
  local record = unpack_record(ticket, call("HGET", KEYS[4], ticket))
  local is_its = record.queue == ARGV[3] or record.has_terms
  if is_its and record.enqueued_ms <= until_ms then records[#records + 1] = record end
end
end_unmatched(realm, ARGV[3], records, "cancelled", function() return "cleared" end)
return { "cleared", #records, whole(until_ms), position }
