#!lua flags=no-writes
-- match: how an open match or a ready check stands, or how one ended lately. Writes nothing.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  id  of the match or of the ready check
--
-- Reply: an array that begins with a code
--   open             id, state as JSON {queue, rules, at, until, teams[][], tickets, reports, told, left}, matched event's body
--   disputed         likewise: an operator decides
--   finished         id, state as JSON {queue, rules, teams, reports, told, left, outcome, by, who, ranks, reason, event}, the
--                    finished event's body
--   checking         id, state as JSON {queue, rules, at, until, teams[][]{ticket, player}, accepted}, proposed event's body
--   check_over       id, state as JSON {queue, teams, accepted, outcome, match, barred}, ""
--   unknown_match    id: none of a queue with ready checks or results, or it ended longer ago than is remembered
--   unknown_realm
--   upgrade          schema found, schema wanted
-- Events: none
-- @include lib/realm lib/reading lib/text lib/read_event lib/deadlines

local realm, refusal = read_realm()
if not realm then return refusal end
if not realm.exists then return { "unknown_realm" } end

local id = ARGV[1]
local text = call("HGET", key_of("matches"), id)
if text then
  return { cjson.decode(text).state == "disputed" and "disputed" or "open", id, text, call("HGET", key_of("bodies"), id) or "" }
end
text = call("HGET", key_of("checks"), id)
if text then return { "checking", id, text, call("HGET", key_of("bodies"), id) or "" } end
local ended = remembered_end(realm, "m:" .. id)
if ended then
  return { "finished", id, cjson.encode(ended), read_event(ended.event) or "" }
end
ended = remembered_end(realm, "c:" .. id)
if ended then return { "check_over", id, cjson.encode(ended), "" } end
return { "unknown_match", id }
