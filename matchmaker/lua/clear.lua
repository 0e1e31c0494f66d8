#!lua flags=allow-oom
-- clear: cancels the tickets of one queue, a few a call, from the lowest rating up.
--
-- KEYS 1-13  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  queue           whose line KEYS[12] is
-- ARGV[4]  until           realm ms: tickets enqueued later stay; "" at the first call
-- ARGV[5]  position        rating and ticket to go on after, "" at the first call
-- ARGV[6]  most            places to look at
--
-- Reply: an array that begins with a code
--   cleared          how many left, `until` and `position` for the next call ("" when done)
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: cancelled
-- @include lib/realm lib/text lib/record lib/events lib/line lib/remember lib/leaving lib/position

local realm, refusal = open_realm()
if not realm then return refusal end

local until_ms = tonumber(ARGV[4]) or realm.now
local page, position = page_after(ARGV[5], tonumber(ARGV[6]))
local records = {}
for _, ticket in ipairs(page) do
  local record = unpack_record(ticket, call("HGET", KEYS[4], ticket))
  if record.enqueued_ms <= until_ms then records[#records + 1] = record end
end
end_unmatched(realm, ARGV[3], records, "cancelled", function() return "cleared" end)
return { "cleared", #records, whole(until_ms), position }
