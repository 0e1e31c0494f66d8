#!lua flags=allow-oom
-- cancel: a waiting ticket leaves, or the caller learns how it had ended before.
-- Guarantee: of a cancel and a pass exactly one wins; the other is told. Calling again gets the same answer.
--
-- KEYS 1-13  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  queue           whose line KEYS[12] is
-- ARGV[4]  kind            "ticket" or "player"
-- ARGV[5]  id              of the ticket or the player
-- ARGV[6]  reason          word for the event, 1 to 64 of A-Z a-z 0-9 . _ : -
--
-- Reply: an array that begins with a code
--   cancelled        ticket, realm ms, event id, previous event id, event body: now or earlier
--   matched          likewise: the pass was first
--   expired          likewise
--   elsewhere        queue in which the ticket waits: call again with its line
--   unknown_ticket   id
--   invalid          field and bound
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: cancelled declined returned
-- @include lib/realm lib/text lib/record lib/enqueued_text lib/events lib/read_event lib/line lib/terms lib/remember
-- @include lib/ended lib/unmatched lib/leaving lib/replies
-- @lazy decline_for: lib/trails lib/deadlines lib/shape lib/penalties lib/checks lib/returning lib/failing lib/declining

if not string.find(ARGV[6], "^[%w._:-]+$") or #ARGV[6] > 64 then
  return { "invalid", "reason", "1 to 64 of A-Z a-z 0-9 . _ : -" }
end
local realm, refusal = open_realm()
if not realm then return refusal end

local ticket = ARGV[4] == "ticket" and ARGV[5] or ticket_of(realm, ARGV[5])
if not ticket then return { "unknown_ticket", ARGV[5] } end
local reply, record = ticket_reply(realm, ticket)
if not reply then return { "unknown_ticket", ARGV[5] } end
if not record then return reply end
if reply[1] == "proposed" then
  -- Whoever goes while it is asked whether it is ready declines.
  load_decline_for()(realm, reply[4], record.player)
  reply = ticket_reply(realm, ticket)
  -- Its time was over, and having accepted it stands in the line again.
  return reply[1] == "waiting" and { "elsewhere", record.queue } or reply
end
if record.queue ~= ARGV[3] then return { "elsewhere", record.queue } end
end_unmatched(realm, record.queue, { record }, "cancelled", function() return ARGV[6] end)
return (ticket_reply(realm, ticket))
