#!lua flags=allow-oom
-- abort: an open match ends without a result.
-- Guarantee: one step, with its event; players are free at once. Calling again gets the same answer.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  match           its id
-- ARGV[4]  by              "player" (soon after the match was made, where the queue has it; under a penalty), "server"
--                          (where the queue trusts one) or "operator" (always)
-- ARGV[5]  who             player, or name of the server or operator, 1 to 128 bytes
-- ARGV[6]  reason          word for the event, 1 to 64 of A-Z a-z 0-9 . _ : -
--
-- Reply: an array that begins with a code
--   finished         match, event id, event body: now or before
--   too_late         match, ms for which a player may, since it was made
--   match_over       match, outcome: it has ended otherwise
--   stranger         match, player: it does not play there
--   unknown_match    match
--   invalid          field, bound
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: finished
-- @include lib/realm lib/text lib/plain_text lib/record lib/events lib/read_event lib/trails lib/deadlines lib/ended
-- @include lib/telling lib/closing lib/finishing
-- @lazy offend: lib/penalties

local by, who, reason = ARGV[4], ARGV[5] or "", ARGV[6] or ""
if by ~= "player" and by ~= "server" and by ~= "operator" then
  return { "invalid", "by", "player, server or operator" }
end
if #who < 1 or #who > 128 or not is_plain_text(who) then
  return { "invalid", by, "1 to 128 bytes of UTF-8 without control characters" }
end
if not string.find(reason, "^[%w._:-]+$") or #reason > 64 then
  return { "invalid", "reason", "1 to 64 of A-Z a-z 0-9 . _ : -" }
end
local realm, refusal = open_realm()
if not realm then return refusal end

local id = ARGV[3]
local match, ended = find_match(id), nil
if not match then
  ended = remembered_end(realm, "m:" .. id)
  if not ended then return { "unknown_match", id } end
end
if by == "player" and not team_of(match or ended, who) then return { "stranger", id, who } end
if ended then
  if ended.outcome == "aborted" then return { "finished", id, ended.event, read_event(ended.event) or "" } end
  return { "match_over", id, ended.outcome }
end
-- What became of a match that was played an operator decides.
if match.state == "disputed" and by ~= "operator" then return { "match_over", id, "disputed" } end
if by == "server" and match.results.by == "players" then
  return { "invalid", "server", "no server: the queue's results are told by players" }
end
if by == "player" then
  local limit = match.results.abort_ms
  if realm.now - match.at >= limit or next(match.reports) then return { "too_late", id, whole(limit) } end
  load_offend()(realm, who, rules_of_version(match.queue, match.rules).penalties)
end
return { "finished", id, finish_match(realm, id, match, { outcome = "aborted", by = by, who = who, reason = reason }) }
