#!lua flags=allow-oom
-- pair: makes one match that a caller proposes, of two tickets of one queue.
-- Guarantee: both tickets wait and become the match in one step, or nothing changes. The same proposal again gets the
--   same match. No rule is asked but the sides: who proposes knows better. Of two ways round the better one is taken,
--   unless the caller says which.
--
-- KEYS 1-13  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  queue           whose line KEYS[12] is
-- ARGV[4]  ticket
-- ARGV[5]  ticket
-- ARGV[6]  side            that the first ticket is to play, or ""
-- ARGV[7]  rules           version of the rules under which the caller chose, or "" for any
--
-- Reply: an array that begins with a code
--   matched          event id of the match, event body
--   proposed         event id of the ready check, event body, where the queue has one
--   changed          then each ticket that no longer waits in this queue; both if the rules are of another version, or
--                    new rules cancel all that waits
--   invalid          field, bound
--   unknown_queue    queue
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: matched proposed
-- @include lib/realm lib/text lib/record lib/events lib/read_event lib/line lib/terms lib/remember lib/ended
-- @include lib/unmatched lib/leaving lib/willingness lib/announce
-- @lazy pair_rules: lib/pair_checks lib/compatible
-- @lazy pair_moments: lib/moments
-- @lazy meeting_noter: lib/met
-- @lazy going_on: lib/trails lib/deadlines lib/opening lib/going_on

local realm, refusal = open_realm()
if not realm then return refusal end

local queue = ARGV[3]
local stored = call("HMGET", KEYS[3], "q:" .. queue, "n:" .. queue, "c:" .. queue)
if not stored[1] then return { "unknown_queue", queue } end
local rules, now, wanted = cjson.decode(stored[1]), realm.now, ARGV[6] or ""
local sides = rules.constraints and rules.constraints.sides or {}
if wanted ~= "" and wanted ~= sides[1] and wanted ~= sides[2] then
  return { "invalid", "side", #sides > 0 and table.concat(sides, " or ") or "none, in a queue without sides" }
end

-- Whether the ticket waits in the queue, be it as one of several.
local function waits_in(name, record)
  if record.queue == name then return true end
  local terms = record.has_terms and read_terms(record.ticket)
  for _, place in ipairs(terms and terms.at or {}) do
    if queue_of(place[1]) == name then return true end
  end
  return false
end

local packed, records, gone, ends, checks = {}, {}, {}, {}, {}
for i = 1, 2 do
  local ticket = ARGV[3 + i]
  packed[i] = call("HGET", KEYS[4], ticket)
  records[i] = packed[i] and unpack_record(ticket, packed[i])
  checks[i] = records[i] and realm.has_lifecycle and call("HGET", key_of("checking"), ticket)
  if not records[i] or checks[i] or not waits_in(queue, records[i]) then
    gone[#gone + 1] = ticket
    local ended = find_ended(realm, ticket)
    ends[i] = ended and ended.how == "matched" and ended.end_event
  end
end
if ARGV[4] == ARGV[5] then
  gone[#gone + 1] = ARGV[5]
elseif ends[1] and ends[1] == ends[2] then
  return { "matched", ends[1], read_event(ends[1]) or "" }
end
if checks[1] and checks[1] == checks[2] and ARGV[4] ~= ARGV[5] then
  return { "proposed", checks[1], call("HGET", key_of("bodies"), checks[1]) or "" }
end
if #gone > 0 then return { "changed", unpack(gone) } end
-- Under new sides or classes the places of these tickets mean nothing.
local version = ARGV[7] or ""
if stored[3] == "reshape" or (version ~= "" and version ~= stored[2]) then return { "changed", ARGV[4], ARGV[5] } end

-- A ticket's standing in this queue, with its places there by side.
local function standing(ticket, record, of_packed)
  local t = record.has_terms and read_terms(ticket) or plain_terms(queue, ticket, of_packed)
  t.ticket, t.packed, t.place = ticket, of_packed, {}
  for _, place in ipairs(t.at) do
    if queue_of(place[1]) == queue then t.place[place[2]] = place end
  end
  return t
end

-- What most calls do without is not made: who pairs by a function of their own has few rules here.
local c = rules.constraints or {}
local allows = (c.latency or c.servers or c.pool or c.distance) and load_pair_rules()(rules)
local willing = not c.provisional and judge(rules)
local points = c.provisional and load_pair_moments()(rules, allows or {}).points
  or function(t, place) return willing(now - t.since, place[4]) end

-- The better way round, as { one, its place, other, its place, gap, value }; of equal ones the older ticket is first.
local function arranged(a, b)
  local best
  if b.since < a.since or (b.since == a.since and b.ticket < a.ticket) then a, b = b, a end
  for _, ways in ipairs({ { a, b, 1, 2 }, { b, a, 1, 2 }, { a, b, 0, 0 } }) do
    local one, other, pa, pb = ways[1], ways[2], ways[1].place[ways[3]], ways[2].place[ways[4]]
    -- The side the first ticket is asked to play is that of its place: the other plays the other one.
    local asked = one.ticket == ARGV[4] and pa or pb
    if pa and pb and (wanted == "" or asked[6] == wanted) then
      local gap = math.abs(pa[3] - pb[3])
      local value = points(one, pa, now) + points(other, pb, now) - gap
      if not best or value > best[6] then best = { one, pa, other, pb, gap, value } end
    end
  end
  -- Without sides the lower rating comes first.
  if best and best[2][2] == 0 and best[2][3] > best[4][3] then
    best = { best[3], best[4], best[1], best[2], best[5], best[6] }
  end
  return best
end

local found = arranged(standing(ARGV[4], records[1], packed[1]), standing(ARGV[5], records[2], packed[2]))
if not found then return { "invalid", "tickets", "one of each side" } end
local one, pa, other, pb, gap, value = unpack(found)
local price = allows and allows.price(one, other, now) or 0
local text = (allows and pair_text(rules, allows, one, other, now) or "") .. ',"proposed":true'
local endings = new_endings()
if rules.ready or rules.results then endings.goes_on = load_going_on()(realm, queue, stored[2], rules) end
local pair = { gap = gap, value = value - price, price = price, text = text }
local id = commit_standings(realm, endings, queue, stored[2], one, pa, other, pb, pair)
remember(realm, endings, queue, "matched")
if c.rematch and not rules.ready then load_meeting_noter()(now, c.rematch.after_ms)(one.player, other.player) end
settle_left(queue, now)
return { rules.ready and "proposed" or "matched", id, read_event(id) }
