#!lua flags=allow-oom
-- tend: goes on with the slow work that new rules gave a line: its certificates and expiries are renewed, or, if its
--   queue was removed, its tickets are cancelled. A bounded part of it a call; passes go on meanwhile.
--
-- KEYS 1-13  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  queue           whose line KEYS[12] is
-- ARGV[4]  places          about so many places of the line are looked at, 1 to 1000
--
-- Reply: an array that begins with a code
--   passed           as of `pass`, with no matches
--   invalid          field, bound
--   unknown_queue    queue
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: cancelled
-- @include lib/realm lib/text lib/record lib/events lib/remember lib/line lib/leaving lib/willingness lib/sweep lib/slice
-- @include lib/certificates lib/position lib/recertify lib/agenda lib/passed

local places, refusal = whole_argument(4, "places", 1, 1000)
if not places then return refusal end
local realm
realm, refusal = open_realm()
if not realm then return refusal end

local queue = ARGV[3]
local stored = call("HMGET", KEYS[3], "q:" .. queue, "c:" .. queue)
if not stored[1] then return { "unknown_queue", queue } end
local looked = 0
if stored[2] == "closing" then
  looked = close_line(realm, queue, math.min(places, 50))
elseif stored[2] then
  looked = recertify(realm, queue, cjson.decode(stored[1]), stored[2], places)
end
return passed_reply(realm, queue, call("HGET", KEYS[3], "c:" .. queue), looked, 0, 0, {})
