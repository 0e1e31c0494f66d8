#!lua flags=allow-oom
-- peek: what a matcher must know to sleep. Also moves the realm's clock, so an idle realm's time goes on.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  now   realm ms, or ""
-- ARGV[2]  most  how many lines to name, 0 to 1000
--
-- Reply: an array that begins with a code
--   peeked           realm ms, absorbed ms of all clock steps, earliest due moment or "", earliest expiry or "",
--                    then line and moment of each line due by now
--   invalid          field, bound
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: none
-- @include lib/realm lib/text lib/agenda

local most, refusal = whole_argument(2, "most", 0, 1000)
if not most then return refusal end
local realm
realm, refusal = open_realm()
if not realm then return refusal end

local _, due = earliest(KEYS[9])
local _, ends = earliest(KEYS[6])
local overdue = call("ZRANGE", KEYS[9], "-inf", whole(realm.now), "BYSCORE", "LIMIT", 0, most, "WITHSCORES")
local absorbed = string.match(call("GET", KEYS[2]), "(%-?%d+)$")
return { "peeked", whole(realm.now), absorbed, due, ends, unpack(overdue) }
