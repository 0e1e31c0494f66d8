#!lua flags=no-writes
-- status: what became of a ticket, or of a player's latest one. Writes nothing.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  kind  "ticket" or "player"
-- ARGV[2]  id    of the ticket or the player
--
-- Reply: an array that begins with a code
--   waiting          ticket, enqueued realm ms, event id, previous event id, event body
--   proposed         ticket, enqueued realm ms, its ready check, previous event id, body of the proposed event
--   matched          ticket, realm ms, event id, previous event id, event body
--   cancelled        likewise
--   expired          likewise
--   unknown_ticket   id
--   upgrade          schema found, schema wanted
-- Events: none
-- @include lib/realm lib/reading lib/text lib/record lib/enqueued_text lib/read_event lib/ended lib/replies

local realm, refusal = read_realm()
if not realm then return refusal end
local ticket = ARGV[1] == "ticket" and ARGV[2] or ticket_of(realm, ARGV[2])
return ticket and (ticket_reply(realm, ticket)) or { "unknown_ticket", ARGV[2] }
