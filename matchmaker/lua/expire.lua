#!lua flags=allow-oom
-- expire: ends tickets whose time is over.
-- Guarantee: a ticket that was extended, matched or cancelled since it was listed is left alone; so is one
--   that only the rules of before would end.
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
-- @include lib/realm lib/text lib/record lib/events lib/line lib/terms lib/remember lib/unmatched lib/leaving

if #ARGV > 103 then return { "invalid", "tickets", "at most 100 a call" } end
local realm, refusal = open_realm()
if not realm then return refusal end

local queue = ARGV[3]
local stored = call("HMGET", KEYS[3], "q:" .. queue, "c:" .. queue)
local rules = cjson.decode(stored[1] or "{}")
local longest, lease = rules.expire_after_ms or 0, rules.heartbeat_ms or 0
-- While new rules are still being worked in, a lease that ran out may be one of the old rules: it gets one of the new.
local worked_in = not stored[2] or stored[2] == "closing"
local over, seen = {}, {}
for i = 4, #ARGV do
  local ticket = ARGV[i]
  local ends = not seen[ticket] and call("ZSCORE", KEYS[6], ticket)
  seen[ticket] = true
  if ends and tonumber(ends) <= realm.now then
    local packed = call("HGET", KEYS[4], ticket)
    local record = packed and unpack_record(ticket, packed)
    -- A moment without a ticket would stand before all others for ever.
    if not record then call("ZREM", KEYS[6], ticket) end
    if record and record.queue == queue then
      local too_long = longest > 0 and realm.now >= record.enqueued_ms + longest
      if too_long or (lease > 0 and worked_in) then
        over[#over + 1] = record
      else
        -- The rules that ended this ticket are no more.
        local at = lease > 0 and realm.now + lease or nil
        if longest > 0 then at = math.min(at or math.huge, record.enqueued_ms + longest) end
        if at then call("ZADD", KEYS[6], whole(at), ticket) else call("ZREM", KEYS[6], ticket) end
      end
    end
  end
end

end_unmatched(realm, queue, over, "expired", function(record)
  return longest > 0 and realm.now >= record.enqueued_ms + longest and "max_wait" or "heartbeat"
end)
return { "expired", #over }
