#!lua flags=allow-oom
-- expire: ends tickets whose time is over.
-- Guarantee: a ticket that was extended, matched or cancelled since it was listed is left alone.
--
-- KEYS 1-13  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  queue           whose line KEYS[12] is
-- ARGV[4…] ticket          at most a hundred
--
-- Reply: an array that begins with a code
--   expired          how many ended
--   invalid          field, bound
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: expired
-- @include lib/realm lib/text lib/record lib/events lib/line lib/remember lib/leaving

if #ARGV > 103 then return { "invalid", "tickets", "at most 100 a call" } end
local realm, refusal = open_realm()
if not realm then return refusal end

local queue = ARGV[3]
local over, seen = {}, {}
for i = 4, #ARGV do
  local ticket = ARGV[i]
  local ends = not seen[ticket] and call("ZSCORE", KEYS[6], ticket)
  seen[ticket] = true
  if ends and tonumber(ends) <= realm.now then
    local packed = call("HGET", KEYS[4], ticket)
    local record = packed and unpack_record(ticket, packed)
    if record and record.queue == queue then over[#over + 1] = record end
  end
end

local rules = cjson.decode(call("HGET", KEYS[3], "q:" .. queue) or "{}")
end_unmatched(realm, queue, over, "expired", function(record)
  local longest = rules.expire_after_ms or 0
  return longest > 0 and realm.now >= record.enqueued_ms + longest and "max_wait" or "heartbeat"
end)
return { "expired", #over }
