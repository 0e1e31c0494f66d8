#!lua flags=allow-oom
-- decline: a player of a ready check will not play. The check fails.
-- Guarantee: in one step the player's ticket is cancelled, under a penalty where the queue has any, and the others stand
--   in their lines again with their original wait, and know why. Calling again gets the same answer.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  check           its id: that of its proposed event
-- ARGV[4]  player
--
-- Reply: an array that begins with a code
--   declined         check, ticket, realm ms until which the player is barred or ""
--   check_over       check, how it ended: matched, declined (by others) or no_answer
--   stranger         check, player: the player is not asked
--   unknown_check    check
--   unknown_realm
--   invalid          field, bound
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: cancelled declined returned
-- @include lib/realm lib/text lib/record lib/events lib/line lib/terms lib/remember lib/trails lib/deadlines
-- @include lib/shape lib/penalties lib/checks lib/unmatched lib/returning lib/failing

local realm, refusal = open_realm()
if not realm then return refusal end

local id, player = ARGV[3], ARGV[4] or ""
local check, ended = find_check(realm, id)
if not check and not ended then return { "unknown_check", id } end
local ticket = ticket_in(check or ended, player)
if not ticket then return { "stranger", id, player } end
if ended then
  if ended.outcome == "declined" and ended.barred[player] then
    return { "declined", id, ticket, ended.barred[player] }
  end
  return { "check_over", id, ended.outcome }
end
if realm.now >= check["until"] then
  time_out(realm, id, check)
  return { "check_over", id, "no_answer" }
end
local barred = fail_check(realm, id, check, "declined", { [player] = true })
return { "declined", id, ticket, barred[player] }
