#!lua flags=allow-oom
-- heartbeat: the player of a waiting ticket is still there; its lease begins anew, up to the queue's longest wait.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  now     realm ms, or ""
-- ARGV[2]  ticket
--
-- Reply: an array that begins with a code
--   waiting          ticket, enqueued realm ms, event id, previous event id, event body
--   proposed         ticket, enqueued realm ms, its ready check, previous event id, body of the proposed event
--   matched          ticket, realm ms, event id, previous event id, event body
--   cancelled        likewise
--   expired          likewise
--   unknown_ticket   ticket
--   invalid          field, bound
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: none
-- @include lib/realm lib/text lib/record lib/enqueued_text lib/read_event lib/ended lib/replies

local realm, refusal = open_realm()
if not realm then return refusal end

local ticket = ARGV[2]
local reply, record = ticket_reply(realm, ticket)
if not reply then return { "unknown_ticket", ticket } end
if record and reply[1] == "waiting" then
  local rules = cjson.decode(call("HGET", KEYS[3], "q:" .. record.queue))
  if rules.heartbeat_ms > 0 then
    local at = realm.now + rules.heartbeat_ms
    if rules.expire_after_ms > 0 then at = math.min(at, record.enqueued_ms + rules.expire_after_ms) end
    call("ZADD", KEYS[6], whole(at), ticket)
  end
end
return reply
