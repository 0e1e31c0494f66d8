#!lua flags=allow-oom
-- ring: rings the doorbell of a match again. Listeners that have the event take no notice.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  unused
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  match           its id: that of its event
--
-- Reply: an array that begins with a code
--   rung           how many tickets' players were rung
--   unknown_match  match
--   upgrade        schema found, schema wanted
-- Events: none
-- @include lib/realm lib/reading lib/text lib/events lib/ended

local realm, refusal = read_realm()
if not realm then return refusal end

local ms, n = string.match(ARGV[3], "^(%d+)%-(%d+)$")
local found = ms and #ms <= 16 and #n <= 16 and call("XRANGE", KEYS[10], ARGV[3], ARGV[3])[1]
if not found or found[2][2] ~= "matched" then return { "unknown_match", ARGV[3] } end
local body = found[2][4]
local rung = 0
for _, team in ipairs(cjson.decode(body).teams) do
  for _, t in ipairs(team) do
    local ended = find_ended(realm, t.ticket)
    if ended then
      ring(ended.player, ended.end_event, ended.event, string.sub(body, 2))
      rung = rung + 1
    end
  end
end
return { "rung", rung }
