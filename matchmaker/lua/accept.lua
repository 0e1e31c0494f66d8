#!lua flags=allow-oom
-- accept: a player of a ready check is ready. With the last one the match exists.
-- Guarantee: the match, the end of its tickets, its event and its doorbells are one step with the last accept. Calling
--   again changes nothing and answers how it stands. An accept after the check's time ends the check instead.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  check           its id: that of its proposed event
-- ARGV[4]  player
--
-- Reply: an array that begins with a code
--   accepted         check, how many accepted, how many there are
--   matched          event id of the match, event body: this was the last accept, or the match is made already
--   check_over       check, how it ended: declined or no_answer
--   stranger         check, player: the player is not asked
--   unknown_check    check
--   unknown_realm
--   invalid          field, bound
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: accepted matched cancelled declined returned
-- @include lib/realm lib/text lib/record lib/events lib/read_event lib/trails lib/deadlines lib/checks
-- @lazy complete_check: lib/terms lib/remember lib/opening lib/completing
-- @lazy time_out: lib/line lib/terms lib/remember lib/shape lib/penalties lib/unmatched lib/returning lib/failing
-- @lazy meeting_noter: lib/met

local realm, refusal = open_realm()
if not realm then return refusal end

local id, player = ARGV[3], ARGV[4] or ""
local check, ended, text = find_check(realm, id)
if not check and not ended then return { "unknown_check", id } end
local ticket, needed = ticket_in(check or ended, player)
if not ticket then return { "stranger", id, player } end
if ended then
  if ended.outcome ~= "matched" then return { "check_over", id, ended.outcome } end
  return { "matched", ended.match, call("HGET", key_of("bodies"), ended.match) or read_event(ended.match) or "" }
end
if realm.now >= check["until"] then
  load_time_out()(realm, id, check)
  return { "check_over", id, "no_answer" }
end
local accepted, news = 0, not check.accepted[player]
check.accepted[player] = true
for _ in pairs(check.accepted) do accepted = accepted + 1 end
if news then
  local body = string.format('"v":1,"event":"accepted","at":%d,"queue":"%s","check":"%s","player":%s,"accepted":%d,'
    .. '"needed":%d}', realm.now, check.queue, id, cjson.encode(player), accepted, needed)
  local event = record_event(realm.now, "accepted", "{" .. body)
  local tickets, players = {}, {}
  for _, team in ipairs(check.teams) do
    for _, t in ipairs(team) do
      tickets[#tickets + 1], players[#players + 1] = t.ticket, t.player
    end
  end
  tell_live(realm, tickets, players, event, body)
  if accepted < needed then call("HSET", key_of("checks"), id, with_member(text, player, "true")) end
end
if accepted < needed then return { "accepted", id, accepted, needed } end
local match, body = load_complete_check()(realm, id, check, load_meeting_noter)
return { "matched", match, body }
