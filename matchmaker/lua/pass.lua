#!lua flags=allow-oom
-- pass: matches what is due in one line, and answers when to come back.
-- Guarantee: a match, the removal of its tickets from the line, its event and both doorbells are one step. Places looked
--   at are bounded, so the call is short however long the line is; what it leaves due is due at once for the next call.
--   Calling twice is harmless: a pass takes what is due now.
--
-- KEYS 1-13  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  queue           whose line KEYS[12] is
-- ARGV[4]  places          at most about so many places of the line are looked at
-- ARGV[5]  ahead           1: also look at arrivals that the queue's interval still holds back
-- ARGV[6]  shown           at most so many matches are repeated in the reply
--
-- Reply: an array that begins with a code
--   passed           realm ms, places looked at, matches made, their value, line's next moment or "", realm's earliest
--                    due moment or "", its line, earliest expiry or "", then event id and body of each match shown
--   unknown_queue    queue
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: matched, cancelled (a queue that was removed)
-- @include lib/realm lib/text lib/record lib/events lib/line lib/housekeeping lib/ending lib/willingness lib/sweep
-- @include lib/matching lib/slice lib/position lib/recertify lib/agenda

local BATCH = 16

local realm, refusal = open_realm()
if not realm then return refusal end

local queue = ARGV[3]
local budget = tonumber(ARGV[4])
local stored = call("HMGET", KEYS[3], "q:" .. queue, "n:" .. queue, "c:" .. queue)
if not stored[1] then
  -- A line without rules holds nothing; a stale hint may still name it.
  call("ZREM", KEYS[9], queue)
  return { "unknown_queue", queue }
end
local rules, version, work = cjson.decode(stored[1]), stored[2], stored[3]

keep_house(realm)

if work == "closing" then
  return passed_reply(realm, queue, close_line(realm, queue, math.min(budget, 100)), {}, 0, 0)
end

local willingness = willingness_of(rules)
local allowed, due_at = acceptance_of(rules), certificate_of(rules, willingness)
local gated = rules.accept == "both"

local looked, made, value, shown = 0, 0, 0, {}
local most_shown = tonumber(ARGV[6])
local done = {}
local done_count = 0

if work then looked = recertify(realm, queue, rules, willingness, due_at, work, math.floor(budget / 2)) end

local function full_record(s, i)
  return unpack_record(s.id[i], s.packed[i])
end

local function commit(s, mate)
  local chosen = {}
  for i = 1, s.n do
    local j = mate[i]
    if j and j > i then
      local gap = s.x[j] - s.x[i]
      local worth = s.w[i] + s.w[j] - gap
      value = value + worth
      chosen[#chosen + 1] = { full_record(s, i), full_record(s, j), gap, worth }
    end
  end
  local ids = commit_pairs(realm, queue, version, chosen)
  for i = 1, math.min(#ids, most_shown - #shown / 2) do
    shown[#shown + 1] = ids[i]
    shown[#shown + 1] = read_event(ids[i])
  end
  made = made + #chosen
  return #chosen
end

-- Looks at the surroundings of one due ticket; `wanted` are others to look at soon, done with if they lie inside.
-- Answers how many places were read and how many pairs were made.
local function look_at(ticket, size, wanted)
  local rank = call("ZRANK", KEYS[12], ticket)
  if not rank then
    call("ZREM", KEYS[13], ticket)
    return 0, 0
  end
  local s = read_around(realm, willingness, allowed, rank, size, gated and LOOK_BACK + 1 or NARROW)
  local mate = match_slice(s, rules, allowed)
  local pairs_made = commit(s, mate)
  local whole_slice = gated or s.open_left or s.open_right or s.n > 2 * NARROW + 1
  local id = s.id
  renew(s, mate, rules, willingness, due_at, realm.now, function(i)
    return whole_slice or wanted[id[i]] or (i < s.n and (wanted[id[i + 1]] or mate[i + 1] ~= nil))
  end)
  for i = s.guard_left and 2 or 1, s.guard_right and s.n - 1 or s.n do
    if whole_slice or wanted[id[i]] then done[id[i]] = true end
  end
  return s.n, pairs_made
end

local horizon = realm.now + (ARGV[5] == "1" and rules.interval_ms or 0)
local size = call("ZCARD", KEYS[12])
local progress = true
while progress and looked < budget do
  progress = false
  local batch = call("ZRANGE", KEYS[13], "-inf", whole(horizon), "BYSCORE", "LIMIT", 0, BATCH + done_count)
  local wanted = {}
  for _, ticket in ipairs(batch) do wanted[ticket] = true end
  for _, ticket in ipairs(batch) do
    if not done[ticket] then
      local places, pairs_made = look_at(ticket, size, wanted)
      size = size - 2 * pairs_made
      looked = looked + places
      progress = true
      if horizon > realm.now then done_count = done_count + places end
      if looked >= budget then break end
    end
  end
end

return passed_reply(realm, queue, looked, shown, made, value)
