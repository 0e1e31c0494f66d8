#!lua flags=allow-oom
-- report: how an open match ended, told by one of its players, a game server or an operator.
-- Guarantee: when the reports agree, or one is enough, the match is finished in one step with its event; when they
--   contradict each other it is disputed, and only an operator ends it. The same report again gets the answer of how it
--   stands, and changes nothing; a second, different one of the same player is refused.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  match           its id
-- ARGV[4]  by              "player", "server" (where the queue trusts one; final) or "operator" (always; final)
-- ARGV[5]  who             player, or name of the server or operator, 1 to 128 bytes
-- ARGV[6]  ranks           JSON list: a whole number a team, 1 is best, equal ones tie
-- ARGV[7]  left            JSON list of players who left before the end
--
-- Reply: an array that begins with a code
--   reported          match, realm ms: it waits for others
--   finished          match, event id, event body: now or before, by the same report
--   disputed          match, event id, event body
--   already_reported  match, player, its ranks as JSON
--   match_over        match, outcome
--   stranger          match, player: it does not play there
--   unknown_match     match
--   invalid           field, bound
--   unknown_realm
--   time_mode         mode of the realm
--   upgrade           schema found, schema wanted
-- Events: reported disputed finished
-- @include lib/realm lib/text lib/plain_text lib/record lib/events lib/read_event lib/trails lib/deadlines
-- @include lib/ended lib/telling lib/closing lib/reports
-- @lazy finish_reported: lib/finishing
-- @lazy dispute_match: lib/finishing
-- @lazy offend: lib/penalties

local by, who = ARGV[4], ARGV[5] or ""
if by ~= "player" and by ~= "server" and by ~= "operator" then
  return { "invalid", "by", "player, server or operator" }
end
if #who < 1 or #who > 128 or not is_plain_text(who) then
  return { "invalid", by, "1 to 128 bytes of UTF-8 without control characters" }
end
local realm, refusal = open_realm()
if not realm then return refusal end

local id = ARGV[3]
local match, text = find_match(id)
local ended
if not match then
  ended = remembered_end(realm, "m:" .. id)
  if not ended then return { "unknown_match", id } end
end
local one = match or ended
if by == "player" and not team_of(one, who) then return { "stranger", id, who } end
local report
report, refusal = parse_report(one, ARGV[6], ARGV[7])
if not report then return refusal end
local trusted = one.results.by
if by ~= "operator" and trusted ~= "either" and trusted ~= (by == "player" and "players" or by) then
  return { "invalid", by, "no " .. by .. ": the queue's results are told by " .. trusted }
end

local told = by == "player" and one.reports or one.told
local name = by == "player" and who or by .. ":" .. who
local before = told[name]
if before and not same_report(before, report) then
  return { "already_reported", id, who, cjson.encode(before.ranks) }
end
if ended then
  if before and ended.outcome == "played" then return { "finished", id, ended.event, read_event(ended.event) or "" } end
  return { "match_over", id, ended.outcome }
end

local function standing()
  if match.state == "disputed" then return { "disputed", id, match.event, read_event(match.event) or "" } end
  return { "reported", id, whole(realm.now) }
end

if before then return standing() end
told[name] = report
local shown = '"ranks":' .. cjson.encode(report.ranks) .. (report.left and ',"left":' .. cjson.encode(report.left) or "")
tell_all(realm, id, match, "reported", ',"by":"' .. by .. '","who":' .. cjson.encode(who) .. "," .. shown)
if by == "operator" or (by == "server" and match.state == "open") then
  local result = { outcome = "played", by = by, who = who, ranks = report.ranks }
  return { "finished", id, load_finish_reported()(realm, id, match, result, load_offend, report) }
end
local ranks, differ, everybody = verdict_of(match)
if match.state == "open" and differ then return { "disputed", id, load_dispute_match()(realm, id, match) } end
if match.state == "disputed" or not everybody then
  if by == "player" then
    call("HSET", key_of("matches"), id, with_member(text, who, "{" .. shown .. "}"))
  else
    keep_match(id, match)
  end
  return standing()
end
local result = { outcome = "played", by = "players", ranks = ranks }
return { "finished", id, load_finish_reported()(realm, id, match, result, load_offend) }
