#!lua flags=allow-oom
-- rate: shows the ratings after matches that were settled, and tells their players.
-- Guarantee: each settled match is shown and told once, in the order of its number, whoever calls how often.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3…] settled         at most 100, each JSON: {"n": its number, "match": id, "queue": name, "players":
--                          [{"player", "rating", "before", "game", "deviation"?, "side"?}]}; numbers follow each other
--
-- Reply: an array that begins with a code
--   rated            the highest number told
--   gap              that number: the one after it is wanted first
--   invalid          field, bound
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: rated
-- @include lib/realm lib/text lib/plain_text lib/ticket_numbers lib/record lib/events lib/ended lib/trails lib/telling lib/rated

if #ARGV > 102 then return { "invalid", "settled", "at most 100 a call" } end
local settled = {}
for i = 3, #ARGV do
  local one, bound = parse_settled(ARGV[i])
  if not one then return { "invalid", "settled[" .. i - 2 .. "]", bound } end
  settled[i - 2] = one
end
local realm, refusal = open_realm()
if not realm then return refusal end

local done = tonumber(call("HGET", KEYS[1], "rated") or 0)
for _, one in ipairs(settled) do
  if one.n > done + 1 then return { "gap", whole(done) } end
  if one.n > done then
    show_ratings(one)
    local text = string.format('"v":1,"event":"rated","at":%d,"queue":"%s","match":"%s","n":%d,"players":%s}', realm.now,
      one.queue, one.match, one.n, players_text(one))
    local event = record_event(realm.now, "rated", "{" .. text)
    for _, p in ipairs(one.players) do tell_player(realm, p.player, event, text) end
    done = one.n
    call("HSET", KEYS[1], "rated", whole(done))
  end
end
return { "rated", whole(done) }
