#!lua
-- enqueue: tickets join the line of one queue.
-- Guarantee: a ticket either joins completely, with its event, or nothing of it is written. The same ticket id again
--   gets the same answer, also after its match. A player has at most one live ticket in the realm.
-- Without allow-oom: at maxmemory the server refuses the call before it runs.
--
-- KEYS 1-13  as in lib/realm.lua
-- ARGV[1]  now             realm ms, or ""
-- ARGV[2]  channel prefix  of player channels
-- ARGV[3]  queue
-- ARGV[4…] ticket          JSON {"ticket": id, "player": id, "rating": number, "deviation"?: number, "data"?: string}
--
-- Reply: one array a ticket, in order, or one array of a code that refuses them all
--   waiting          ticket, enqueued realm ms, event id, previous event id, event body
--   matched          ticket, realm ms, event id, previous event id, event body (a retry after the end)
--   cancelled        likewise
--   expired          likewise
--   already_waiting  ticket and queue of the player's live ticket, player
--   ticket_reused    ticket, player and queue of the ticket that had the id
--   invalid          position from 1, field, bound
--   unknown_queue    queue
--   unknown_realm
--   backlog_full     reason
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: enqueued
-- @include lib/realm lib/text lib/plain_text lib/record lib/enqueued_text lib/events lib/read_event lib/line
-- @include lib/housekeeping lib/remember lib/ended lib/replies

local MOST_POINTS = 1000000

local function number_within(value, low)
  return type(value) == "number" and value >= low and value <= MOST_POINTS
end

-- Answers the parsed ticket, or nil, the field at fault and its bound. NaN fails every comparison.
local function parse(text)
  local ok, t = pcall(cjson.decode, text)
  if not ok or type(t) ~= "table" then return nil, "ticket", "a JSON object" end
  if type(t.ticket) ~= "string" or not string.find(t.ticket, "^[%w._:-]+$") or #t.ticket > 64 then
    return nil, "ticket", "1 to 64 of A-Z a-z 0-9 . _ : -"
  end
  if type(t.player) ~= "string" or #t.player < 1 or #t.player > 128 or not is_plain_text(t.player) then
    return nil, "player", "1 to 128 bytes of UTF-8 without control characters"
  end
  if not number_within(t.rating, -MOST_POINTS) then return nil, "rating", "a number, -1000000 to 1000000" end
  if t.deviation ~= nil and not number_within(t.deviation, 0) then
    return nil, "deviation", "a number, 0 to 1000000"
  end
  if t.data ~= nil and (type(t.data) ~= "string" or #t.data > 4096 or not is_plain_text(t.data)) then
    return nil, "data", "at most 4096 bytes of UTF-8 without control characters"
  end
  return t
end

local parsed = {}
for i = 4, #ARGV do
  local ticket, field, bound = parse(ARGV[i])
  if not ticket then return { { "invalid", i - 3, field, bound } } end
  parsed[i - 3] = ticket
end

local realm, refusal = open_realm()
if not realm then return { refusal } end

local queue = ARGV[3]
local stored = call("HMGET", KEYS[3], "q:" .. queue, "c:" .. queue)
if not stored[1] or stored[2] == "closing" then return { { "unknown_queue", queue } } end
local rules = cjson.decode(stored[1])

keep_house(realm)

local function expiry(now)
  local at = rules.expire_after_ms > 0 and now + rules.expire_after_ms or nil
  if rules.heartbeat_ms > 0 then at = math.min(at or math.huge, now + rules.heartbeat_ms) end
  return at and whole(at)
end

local function members(t)
  local text = '"player":' .. cjson.encode(t.player) .. ',"rating":' .. number_text(t.rating)
  if t.deviation then text = text .. ',"deviation":' .. number_text(t.deviation) end
  if t.data then text = text .. ',"data":' .. cjson.encode(t.data) end
  return text
end

-- The answer to a ticket that is known already, or whose player waits; nil for one that may join.
-- Also answers the player's last ended ticket, for the chain of its events.
local function known(t)
  local live = call("HGET", KEYS[4], t.ticket)
  if live then
    local record = unpack_record(t.ticket, live)
    if record.player == t.player and record.queue == queue then return waiting_reply(record) end
    return { "ticket_reused", t.ticket, record.player, record.queue }
  end
  local fields = { "t:" .. t.ticket, "p:" .. t.player }
  local newer = call("HMGET", realm.ended, unpack(fields))
  local older = call("HMGET", realm.ended_before, unpack(fields))
  local packed = newer[1] or older[1]
  if packed then
    local ended = unpack_ended(t.ticket, packed)
    if ended.player == t.player and ended.queue == queue then return ended_reply(ended) end
    return { "ticket_reused", t.ticket, ended.player, ended.queue }
  end
  local other = call("HGET", KEYS[5], t.player)
  if other then
    local record = unpack_record(other, call("HGET", KEYS[4], other))
    return { "already_waiting", other, record.queue, t.player }
  end
  return nil, newer[2] or older[2]
end

local joined = 0
local due = whole(realm.now + rules.interval_ms)
local ends = expiry(realm.now)

local function join(t, last_ticket)
  local last = last_ticket and find_ended(realm, last_ticket)
  local record = {
    ticket = t.ticket, rating = t.rating, enqueued_ms = realm.now, deviation = t.deviation or 0, queue = queue,
    player = t.player, prev_event = last and last.end_event or "", prev_ticket = last_ticket or "",
    members = members(t),
  }
  local text = enqueued_text(record)
  record.event = record_event(realm.now, "enqueued", "{" .. text)
  call("HSET", KEYS[4], t.ticket, pack_record(record))
  call("HSET", KEYS[5], t.player, t.ticket)
  call("ZADD", KEYS[12], number_text(t.rating), t.ticket)
  call("ZADD", KEYS[13], due, t.ticket)
  if ends then call("ZADD", KEYS[6], ends, t.ticket) end
  ring(t.player, record.event, record.prev_event, text)
  joined = joined + 1
  return { "waiting", t.ticket, whole(realm.now), record.event, record.prev_event, "{" .. text }
end

local replies = {}
for i, t in ipairs(parsed) do
  local answer, last_ticket = known(t)
  if not answer and realm.full ~= "" then answer = { "backlog_full", realm.full } end
  replies[i] = answer or join(t, last_ticket)
end
if joined > 0 then
  bring_forward(queue, realm.now + rules.interval_ms)
  call("HINCRBY", KEYS[1], "enqueued", joined)
end
return replies
