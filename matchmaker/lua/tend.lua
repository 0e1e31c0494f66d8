#!lua flags=allow-oom
-- tend: goes on with the slow work that new rules gave a queue: certificates and expiries are renewed, or, if the queue
--   was removed or its sides or classes changed, its tickets are cancelled. A bounded part of it a call.
--
-- KEYS 1-13  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  line            its queue, or queue=class; KEYS[12] and KEYS[13] are its
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
-- @include lib/realm lib/text lib/record lib/events lib/line lib/terms lib/remember lib/unmatched lib/leaving lib/willingness
-- @include lib/sweep lib/slice lib/certificates lib/position lib/recertify lib/rework lib/agenda lib/passed

local places, refusal = whole_argument(4, "places", 1, 1000)
if not places then return refusal end
local realm
realm, refusal = open_realm()
if not realm then return refusal end

local queue = queue_of(ARGV[3])
local stored = call("HMGET", KEYS[3], "q:" .. queue, "c:" .. queue)
if not stored[1] then return { "unknown_queue", queue } end
local rules, work, looked = cjson.decode(stored[1]), stored[2], 0
if work and string.sub(work, 1, 1) == "@" then
  looked = look_anew(realm, queue, rules, work, places)
elseif ARGV[3] ~= queue then
  -- All other work begins in the line that has the queue's own name; that one is due as well.
  looked = 0
elseif work == "closing" or work == "reshape" then
  local reason = work == "closing" and "queue_removed" or "rules_changed"
  local all
  looked, all = cancel_some(realm, queue, math.min(places, 50), reason)
  if all and work == "closing" then
    call("HDEL", KEYS[3], "q:" .. queue, "r:" .. queue, "c:" .. queue)
    call("DEL", key_of("due:" .. queue), key_of("propose:" .. queue))
  elseif all then
    save_work(queue, rules.constraints and "@" or "")
  end
elseif work and string.sub(work, 1, 1) == "=" then
  looked = give_terms(queue, string.sub(work, 2), places)
elseif work then
  looked = recertify(realm, queue, rules, work, places)
end
return passed_reply(realm, ARGV[3], call("HGET", KEYS[3], "c:" .. queue), looked, 0, 0, {})
