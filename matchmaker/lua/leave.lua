#!lua flags=allow-oom
-- leave: a player leaves an open match before its end, under a penalty where the queue has any.
-- Guarantee: one step, with its event. When one team alone has players left, it has won; unless a server is to tell the
--   result. Calling again changes nothing.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  match           its id
-- ARGV[4]  player
--
-- Reply: an array that begins with a code
--   left             match, realm ms: the others play on
--   finished         match, event id, event body: the match ended with it, or has ended since the player left
--   match_over       match, outcome: it had ended before the player left
--   stranger         match, player: it does not play there
--   unknown_match    match
--   unknown_realm
--   invalid          field, bound
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: left finished
-- @include lib/realm lib/text lib/record lib/events lib/read_event lib/trails lib/deadlines lib/ended
-- @include lib/telling lib/closing lib/finishing lib/judging
-- @lazy offend: lib/penalties

local realm, refusal = open_realm()
if not realm then return refusal end

local id, player = ARGV[3], ARGV[4] or ""
local match, ended = find_match(id), nil
if not match then
  ended = remembered_end(realm, "m:" .. id)
  if not ended then return { "unknown_match", id } end
end
if not team_of(match or ended, player) then return { "stranger", id, player } end
if ended then
  if ended.left[player] then return { "finished", id, ended.event, read_event(ended.event) or "" } end
  return { "match_over", id, ended.outcome }
end
-- A disputed match is played already.
if match.state == "disputed" then return { "match_over", id, "disputed" } end
if not match.left[player] then
  match.left[player] = true
  tell_all(realm, id, match, "left", ',"player":' .. cjson.encode(player))
  load_offend()(realm, player, rules_of_version(match.queue, match.rules).penalties)
  local winner = match.results.by ~= "server" and last_team(match)
  if winner then
    local result = { outcome = "played", by = "leaving", ranks = won_by(winner, #match.teams) }
    return { "finished", id, finish_match(realm, id, match, result) }
  end
  keep_match(id, match)
end
return { "left", id, whole(realm.now) }
