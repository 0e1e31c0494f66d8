#!lua flags=allow-oom
-- lapse: ends ready checks and open matches whose time is over, a bounded number a call.
-- Guarantee: who accepted a check stands in the line again; who gave no answer leaves, under a penalty; but after a silence
--   of the realm itself the time to answer begins anew. An open match ends as its queue's rules have it.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  most            how many to end, 1 to 100
--
-- Reply: an array that begins with a code
--   lapsed           realm ms, how many ended, realm's earliest due moment or "", its line, earliest expiry or ""
--   invalid          field, bound
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: finished disputed cancelled declined returned
-- @include lib/realm lib/text lib/record lib/events lib/line lib/trails lib/deadlines lib/agenda
-- @lazy find_check: lib/checks
-- @lazy time_out: lib/checks lib/terms lib/remember lib/shape lib/penalties lib/unmatched lib/returning lib/failing
-- @lazy find_match: lib/ended lib/telling lib/closing
-- @lazy offend: lib/penalties
-- @lazy close_unreported: lib/ended lib/telling lib/closing lib/finishing lib/judging

local most, refusal = whole_argument(3, "most", 1, 100)
if not most then return refusal end
local realm
realm, refusal = open_realm()
if not realm then return refusal end

local deadlines, looked = key_of("deadlines"), 0
local over = call("ZRANGE", deadlines, "-inf", whole(realm.now), "BYSCORE", "LIMIT", 0, most)
local look_up, time_out, close
for _, name in ipairs(over) do
  local kind, id = string.match(name, "^(%a):(.*)$")
  looked = looked + 1
  if kind == "c" then
    look_up, time_out = look_up or load_find_check(), time_out or load_time_out()
    local check = look_up(realm, id)
    if check and check["until"] > realm.now then
      call("ZADD", deadlines, whole(check["until"]), name)
    elseif check then
      time_out(realm, id, check)
    end
  else
    close = close or load_close_unreported()
    local match = load_find_match()(id)
    if match then close(realm, id, match, load_offend) end
  end
  local at = call("ZSCORE", deadlines, name)
  if at and tonumber(at) <= realm.now then call("ZREM", deadlines, name) end
end
settle_due(OPEN, deadlines)
local due_line, due = earliest(KEYS[9])
local _, ends = earliest(KEYS[6])
return { "lapsed", whole(realm.now), looked, due, due_line, ends }
