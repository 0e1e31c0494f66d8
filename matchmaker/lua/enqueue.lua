#!lua
-- enqueue: tickets join the line of one queue, or of several at once.
-- Guarantee: a ticket either joins completely, with its event, or nothing of it is written. The same ticket id again
--   gets the same answer, also after its match. A player has at most one live ticket in the realm.
-- Without allow-oom: at maxmemory the server refuses the call before it runs.
--
-- KEYS 1-15  as in lib/realm.lua
--            13 are enough where every ticket brings its rating
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  queue           or up to 8, joined by ",": the ticket leaves all of them when it ends; the first is its own,
--                          whose expiry and lease hold
-- ARGV[4…] ticket          at most 200, each JSON
--                          {"ticket": id, "player": id, "rating"?: number, "deviation"?: number, "data"?: string,
--                          "sides"?, "ratings"?: {name: {"rating": number, "deviation"?: number, "choice"?: string}},
--                          "attributes"?: {name: string | [string] | number}, "accepts"?: {name: [low, high]},
--                          "pings"?: {region: ms}, "region"?: string, "vetoes"?: {pool: [string]}, "avoid"?: [player]}
--                          without a rating (one queue, no sides): the one the realm has for the player in the queue,
--                          with its deviation unless the ticket brings one
--
-- Reply: one array a ticket, in order, or one array of a code that refuses them all
--   waiting          ticket, enqueued realm ms, event id, previous event id, event body
--   proposed         ticket, enqueued realm ms, its ready check, previous event id, body of the proposed event (a retry)
--   matched          ticket, realm ms, event id, previous event id, event body (a retry after the end)
--   cancelled        likewise
--   expired          likewise
--   already_waiting  ticket and queue of the player's live ticket, player
--   ticket_reused    ticket, player and queue of the ticket that had the id
--   invalid          field, as tickets[<position from 1>].<name>, and bound
--   in_match         player, its open match
--   penalised        player, realm ms until which it is barred, ms that are left of it
--   rating_unknown   player, queue (only this ticket: none was given, and the realm has none)
--   unknown_queue    queue
--   unknown_realm
--   backlog_full     reason
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: enqueued
-- @include lib/realm lib/text lib/plain_text lib/ticket_numbers lib/terms_given lib/ticket_json lib/record
-- @include lib/enqueued_text lib/events lib/read_event lib/line lib/housekeeping lib/ended lib/replies lib/queues
-- @lazy check_shape: lib/terms_json
-- @lazy barred_from: lib/penalties lib/barred
-- @lazy event_before: lib/trails lib/telling
-- @lazy fit_all: lib/fitting
-- @lazy terms_text: lib/terms_text
-- @lazy stand: lib/terms lib/met lib/standing

local MOST_TICKETS = 200

if #ARGV - 3 > MOST_TICKETS then return { { "invalid", "tickets", "at most 200 a call" } } end
local parsed, ids, names, fields = {}, {}, {}, {}
for i = 4, #ARGV do
  local t, field, bound = parse_ticket(ARGV[i], load_check_shape)
  local n = i - 3
  if not t then return { { "invalid", "tickets[" .. n .. "]." .. field, bound } } end
  parsed[n], ids[n], names[n] = t, t.ticket, t.player
  fields[2 * n - 1], fields[2 * n] = "t:" .. t.ticket, "p:" .. t.player
end

local realm, refusal = open_realm()
if not realm then return { refusal } end
local queues
queues, refusal = queues_of(ARGV[3])
if not queues then return { refusal } end
if #ids == 0 then return {} end
local queue, rules_of, missing, reshaping = queues[1], read_rules(queues)
local rules = rules_of[queue]
keep_house(realm)
if reshaping then realm.full = "new rules change the sides or classes of " .. reshaping .. ": try again" end

-- All reads at once, then all decisions, then all writes. What joined earlier in this very call counts as well.
local live, player_ticket = call("HMGET", KEYS[4], unpack(ids)), call("HMGET", KEYS[5], unpack(names))
local newer, older = call("HMGET", realm.ended, unpack(fields)), call("HMGET", realm.ended_before, unpack(fields))
if realm.has_lifecycle then
  -- A match may be open for longer than what ended is remembered elsewhere.
  for i, kept in ipairs(call("HMGET", key_of("playing"), unpack(fields))) do older[i] = older[i] or kept end
end
local joined_ticket, joined_player = {}, {}
local barred = realm.has_lifecycle and not missing and load_barred_from()(realm, queues, rules_of)
local wanting = {}
for n, t in ipairs(parsed) do
  if not (t.rating or live[n] or newer[2 * n - 1] or older[2 * n - 1] or player_ticket[n]) then
    wanting[#wanting + 1] = t
  end
end
if #wanting > 0 and KEYS[15] and #queues == 1 then take_ratings(wanting) end

local termed, terms_of = not missing and (#queues > 1 or rules.constraints ~= nil), {}
local terms_text, stand
if termed then terms_text, stand = load_terms_text(), load_stand() end
if not missing and (termed or bring_terms(parsed)) then
  -- Who is known by its id gets the answer of then, whatever the rules say by now.
  local function is_new(n) return not (live[n] or newer[2 * n - 1] or older[2 * n - 1]) end
  terms_of, refusal = load_fit_all()(parsed, is_new, termed, queues, rules_of, realm.now)
  if not terms_of then return { refusal } end
end

local function standing(record, t)
  if record.player == t.player and record.queue == queue then return waiting_reply(realm, record) end
  return { "ticket_reused", t.ticket, record.player, record.queue }
end

-- The answer to a ticket that is known already, or whose player waits; nil for one that may join.
local function known(n, t)
  if joined_ticket[t.ticket] then return standing(joined_ticket[t.ticket], t) end
  if live[n] then return standing(unpack_record(t.ticket, live[n]), t) end
  local packed = newer[2 * n - 1] or older[2 * n - 1]
  if packed then
    local ended = unpack_ended(t.ticket, packed)
    if ended.player == t.player and ended.queue == queue then return ended_reply(ended) end
    return { "ticket_reused", t.ticket, ended.player, ended.queue }
  end
  local other = joined_player[t.player]
  if other then return { "already_waiting", other.ticket, queue, t.player } end
  if player_ticket[n] then
    local record = unpack_record(player_ticket[n], call("HGET", KEYS[4], player_ticket[n]))
    return { "already_waiting", record.ticket, record.queue, t.player }
  end
  if missing then return { "unknown_queue", missing } end
  local bar = barred and barred(t.player)
  if bar then return bar end
  if realm.full ~= "" then return { "backlog_full", realm.full } end
  if t.unrated then return { "rating_unknown", t.player, t.unrated } end
  if not termed and not t.rating then return { "rating_unknown", t.player, queue } end
end

local due, ends
if not missing then
  due, ends = whole(realm.now + rules.interval_ms), expiry_of(rules, realm.now)
end
local before = realm.has_lifecycle and load_event_before()
local joined, records, players, line, certificates, expiries = 0, {}, {}, {}, {}, {}

local function join(n, t, last_ticket)
  local last = last_ticket and find_ended(realm, last_ticket)
  local prev_event = before and before(realm, t.player, last) or last and last.end_event or ""
  local terms = terms_of[n]
  local rating = number_text(t.rating)
  local rest = rating .. further_members(t) .. (terms and terms_text(t, queues) or "")
  local record = {
    ticket = t.ticket, rating = t.rating, enqueued_ms = realm.now, deviation = t.deviation or 0, queue = queue,
    terms = terms ~= nil,
    player = t.player, prev_event = prev_event, prev_ticket = last_ticket or "", rest = rest,
    members = members_of(t.player, rest),
  }
  local text = enqueued_text(record)
  record.event = record_event(realm.now, "enqueued", "{" .. text)
  ring(t.player, record.event, record.prev_event, text)
  joined_ticket[t.ticket], joined_player[t.player] = record, record
  joined = joined + 1
  local at = 2 * joined
  records[at - 1], records[at] = t.ticket, pack_record(record)
  players[at - 1], players[at] = t.player, t.ticket
  if terms then
    stand(t, terms, rules_of, realm.now)
  else
    line[at - 1], line[at] = rating, t.ticket
    certificates[at - 1], certificates[at] = due, t.ticket
  end
  expiries[at - 1], expiries[at] = ends, t.ticket
  return { "waiting", t.ticket, whole(realm.now), record.event, record.prev_event, "{" .. text }
end

local replies = {}
for n, t in ipairs(parsed) do
  replies[n] = known(n, t) or join(n, t, newer[2 * n] or older[2 * n] or nil)
end
if joined > 0 then
  call("HSET", KEYS[4], unpack(records))
  call("HSET", KEYS[5], unpack(players))
  if not termed then
    call("ZADD", KEYS[12], unpack(line))
    call("ZADD", KEYS[13], unpack(certificates))
    bring_forward(queue, realm.now + rules.interval_ms)
  end
  if ends then call("ZADD", KEYS[6], unpack(expiries)) end
  call("HINCRBY", KEYS[1], "enqueued", joined)
end
return replies
