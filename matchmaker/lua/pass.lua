#!lua flags=allow-oom
-- pass: matches what is due in one line, and answers when to come back.
-- Guarantee: a match, the removal of its tickets from the line, its event and both doorbells are one step. Places looked
--   at are bounded, so the call is short however long the line is; what it leaves due is due at once for the next call.
--   Calling twice is harmless: a pass takes what is due now.
--
-- KEYS 1-13  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  line            its queue, or queue=class; KEYS[12] and KEYS[13] are its
-- ARGV[4]  places          at most about so many places of the line are looked at, 1 to 10000
-- ARGV[5]  ahead           1: also look at arrivals that the queue's interval still holds back
-- ARGV[6]  shown           at most so many matches are repeated in the reply, 0 to 1000
--
-- Reply: an array that begins with a code
--   passed           realm ms, places looked at, matches made, their value, line's next moment or "", realm's earliest
--                    due moment or "", its line, earliest expiry or "", 1 if the line has work for `tend` else 0, then
--                    event id and body of each match shown
--   invalid          field, bound
--   unknown_queue    queue
--   unknown_realm
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: matched proposed
-- @include lib/realm lib/text lib/record lib/events lib/read_event lib/housekeeping lib/line lib/terms
-- @include lib/remember lib/willingness lib/sweep lib/matching lib/announce lib/slice lib/certificates lib/agenda
-- @include lib/passed lib/work
-- @lazy constrained_pass: lib/met lib/pair_checks lib/compatible lib/moments lib/view lib/two_heaps
-- @lazy constrained_pass: lib/first_pairs lib/augment lib/solve_line lib/solve_sides
-- @lazy constrained_pass: lib/open_now lib/slices lib/solving lib/constrained
-- @lazy hand_over: lib/own
-- @lazy going_on: lib/trails lib/deadlines lib/opening lib/going_on

-- Places looked at to either side of a due ticket. One of them is enough to see that nothing is due after all; a few
-- hold all that is due in a line at rest; in a dense line the best matching settles well within the last.
local NEAR, NARROW, WIDE = 1, 6, 64
local BATCH = 16

local budget, refusal = whole_argument(4, "places", 1, 10000)
if not budget then return refusal end
local most_shown
most_shown, refusal = whole_argument(6, "shown", 0, 1000)
if not most_shown then return refusal end
local realm
realm, refusal = open_realm()
if not realm then return refusal end

local line, queue = ARGV[3], queue_of(ARGV[3])
local stored = call("HMGET", KEYS[3], "q:" .. queue, "n:" .. queue, "c:" .. queue)
if not stored[1] then
  -- A line without rules holds nothing; a stale hint may still name it. What is no line's name stands for open matches.
  if string.find(line, "^%w") then call("ZREM", KEYS[9], line) end
  return { "unknown_queue", queue }
end
keep_house(realm)
if keeps_from_matching(stored[3]) then return passed_reply(realm, line, true, 0, 0, 0, {}) end

local now, rules, version = realm.now, cjson.decode(stored[1]), stored[2]
local goes_on = (rules.ready or rules.results) and load_going_on()(realm, queue, version, rules)
if rules.constraints then
  local ahead = ARGV[5] == "1" and rules.interval_ms or 0
  local work = rules.constraints.own and load_hand_over() or load_constrained_pass()
  local looked, made, value, shown = work(realm, line, rules, version, budget, ahead, most_shown, goes_on)
  return passed_reply(realm, line, stored[3], looked, made, value, shown)
end
local willing, is_due, reach, due_at = judge(rules)
local gated = rules.accept == "both"
local size = call("ZCARD", KEYS[12])
-- With a quarter of the line due there is no use in looking closely first.
local dense = 4 * call("ZCOUNT", KEYS[13], "-inf", whole(now)) > size and size > 2 * NARROW
local halves = dense and { WIDE } or gated and { LOOK_BACK + 8, WIDE } or { NEAR, NARROW, WIDE }
local looked, made, value, shown, done = 0, 0, 0, {}, {}

-- Reads as much around `rank` as it takes to know everything that is due there, and answers whether anything is.
local function read_around(rank)
  local s
  for i = 1, #halves do
    local half = halves[i]
    -- Next to an end of the line, as many places the more to the other side: short lines are seen whole.
    local from = math.max(0, math.min(rank - half, size - 1 - 2 * half))
    s = read_slice(from, math.min(size - 1, from + 2 * half), size, now, willing)
    looked = looked + s.n
    if half == NEAR then
      if not has_due_neighbours(s, is_due) then return s, false end
    else
      s.open_left = s.guard_left and is_open(s, 1, is_due)
      s.open_right = s.guard_right and is_open(s, s.n, is_due)
      if not s.open_left and not s.open_right then return s, true end
    end
  end
  return s, true
end

local function commit(s, mate)
  local endings = new_endings()
  endings.goes_on = goes_on
  for i = 1, s.n do
    local j = mate[i]
    if j and j > i then
      local gap = s.x[j] - s.x[i]
      local worth = s.w[i] + s.w[j] - gap
      local commit_two = (s.termed[i] or s.termed[j]) and commit_termed or commit_pair
      local id = commit_two(realm, endings, queue, version, s.id[i], s.packed[i], s.id[j], s.packed[j], gap, worth)
      made, value = made + 1, value + worth
      if #shown < 2 * most_shown then
        shown[#shown + 1] = id
        shown[#shown + 1] = read_event(id)
      end
    end
  end
  remember(realm, endings, line, "matched")
  size = size - endings.n
end

-- Looks at the surroundings of one due ticket; `wanted` are others to look at soon, done with if they lie inside.
local function look_at(ticket, wanted)
  local rank = call("ZRANK", KEYS[12], ticket)
  if not rank then
    call("ZREM", KEYS[13], ticket)
    return
  end
  local s, due = read_around(rank)
  local mate = due and match_slice(s, rules, is_due) or {}
  if due then commit(s, mate) end
  if gated then
    renew_both(s, mate, rank - s.from + 1, wanted, done, rules, reach, due_at, now)
  else
    renew(s, mate, s.n > 2 * NARROW + 1, wanted, due_at, now, rules.interval_ms)
  end
  done[ticket] = true
  if due and not gated then
    local all = s.n > 2 * NARROW + 1
    for i = s.guard_left and 2 or 1, s.guard_right and s.n - 1 or s.n do
      if all or wanted[s.id[i]] then done[s.id[i]] = true end
    end
  end
end

local MOST_PASSED_OVER = 300
local ahead = ARGV[5] == "1" and rules.interval_ms or 0

-- `passed_over` counts those at the head of what is due that this call is done with and that stay there.
local progress, passed_over = true, 0
while progress and looked < budget and passed_over < MOST_PASSED_OVER do
  progress = false
  local batch = call("ZRANGE", KEYS[13], "-inf", whole(now + ahead), "BYSCORE", "LIMIT", 0, BATCH + passed_over)
  local overdue = ahead > 0 and call("ZCOUNT", KEYS[13], "-inf", whole(now)) or #batch
  local wanted, still = {}, 0
  for i = 1, #batch do wanted[batch[i]] = true end
  for i = 1, #batch do
    local ticket = batch[i]
    if looked >= budget then break end
    if not done[ticket] and i > overdue and not is_held(ticket, ahead) then done[ticket] = true end
    if done[ticket] then
      still = still + 1
    else
      look_at(ticket, wanted)
      progress = true
    end
  end
  progress = progress or still > passed_over
  passed_over = still
end

return passed_reply(realm, line, stored[3], looked, made, value, shown)
