#!lua flags=no-writes
-- history: the events of one player that a listener may have missed, newest first, following each ticket to the one
-- before it. Writes nothing.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  player
-- ARGV[2]  after   id of the last event the listener has, or "" for the events of the latest ticket only
-- ARGV[3]  ticket  where to go on, or "" for the latest
-- ARGV[4]  most    tickets to look at, 1 to 1000
--
-- Reply: an array that begins with a code, then floor (realm ms since which nothing was forgotten), server ms, realm's
--   clock offset, the ticket to go on from or "", then id, previous id and body of each event
--   reached    the chain was followed back to `after` or past it, or (no `after`) to the latest ticket's beginning
--   start      the chain ends: nothing older is remembered of this player
--   forgotten  the chain goes on to a ticket that is no longer remembered
--   more       `most` tickets were looked at: call again with the ticket named
--   invalid    field, bound
--   unknown_realm
--   upgrade    schema found, schema wanted
-- Events: none
-- @include lib/realm lib/reading lib/text lib/record lib/enqueued_text lib/events lib/read_event lib/ended lib/replies
-- @lazy read_trail: lib/trails lib/telling lib/read_trail
-- @lazy read_lonely: lib/trails lib/telling lib/read_trail

local player, after, ticket = ARGV[1], ARGV[2], ARGV[3]
if after ~= "" and (#after > 33 or not string.find(after, "^%d+%-%d+$")) then
  return { "invalid", "after", "an event's id, as in 1732374000123-0" }
end
local most, refusal = whole_argument(4, "most", 1, 1000)
if not most then return refusal end
local realm
realm, refusal = read_realm()
if not realm then return refusal end
if not realm.exists then return { "unknown_realm" } end

local time = call("TIME")
local server = time[1] * 1000 + math.floor(time[2] / 1000)
local last, offset = string.match(call("GET", KEYS[2]) or "0 0 0 0", "^(%d+) (%-?%d+)")
-- A step of the clock that no script has absorbed yet: realm time will stand still over it (lib/realm).
local step = server - last
if step < 0 or step > LONGEST_STEP_MS then offset = offset - step end
local events = {}

local function reply(code, further)
  return {
    code, realm.floor_ms, whole(server), whole(offset), further or "", unpack(events),
  }
end

-- Adds the event unless the listener has it; answers whether to go on to older ones.
local function add(id, prev, body)
  if after ~= "" and not is_newer_event(id, after) then return false end
  events[#events + 1] = id
  events[#events + 1] = prev
  events[#events + 1] = body
  return after ~= prev or after == ""
end

if ticket == "" then ticket = ticket_of(realm, player) or "" end
for _ = 1, most do
  if ticket == "" then return reply(realm.has_lifecycle and load_read_lonely()(realm, player, add) or "start") end
  local packed = call("HGET", KEYS[4], ticket)
  local trail = realm.has_lifecycle and load_read_trail()(realm, ticket, packed, add)
  local record, go_on
  if trail then
    if trail.lost and (after ~= "" or #events == 0) then return reply("forgotten") end
    record, go_on = trail.record, trail.goes_on
  elseif packed then
    record = unpack_record(ticket, packed)
    go_on = true
    -- Its newest event is not its first, and what came between is forgotten.
    local is_first = string.match(record.event, "^%d+") == whole(record.enqueued_ms)
    if not is_first and after ~= "" and is_newer_event(record.event, after) then return reply("forgotten") end
  else
    record = find_ended(realm, ticket)
    if not record then return reply("forgotten") end
    local body = read_event(record.end_event)
    if not body then return reply("forgotten") end
    go_on = add(record.end_event, record.event, body)
  end
  if go_on and not trail then
    local body = packed and "{" .. enqueued_text(record) or read_event(record.event)
    if not body or not string.find(body, '^{"v":1,"event":"enqueued"') then return reply("forgotten") end
    go_on = add(record.event, record.prev_event, body)
  end
  if not go_on or after == "" then return reply("reached") end
  ticket = record.prev_ticket
end
return reply("more", ticket)
