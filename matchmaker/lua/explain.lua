#!lua flags=no-writes
-- explain: why a ticket still waits: who is nearest, the first rule that keeps each from it, and when that will pass.
-- Guarantee: the functions that answer are those of the pass: whoever is told to be due, a pass can match it with.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  kind  "ticket" or "player"
-- ARGV[2]  id    of the ticket or the player
-- ARGV[3]  most  nearest candidates told below and above each of its places, 1 to 20
--
-- Reply: an array that begins with a code
--   explained        ticket, enqueued realm ms, event id, previous event id, event body, realm ms, and JSON: an array
--                    of what it finds in each of its lines (lib/explaining)
--   matched          ticket, realm ms of it, event id, previous event id, event body, realm ms: it waits no more
--   proposed         ticket, enqueued realm ms, its ready check, previous event id, body of the proposed event, realm ms
--   cancelled        likewise
--   expired          likewise
--   unknown_ticket   id
--   unknown_queue    queue
--   invalid          field, bound
--   upgrade          schema found, schema wanted
-- Events: none
-- @include lib/realm lib/reading lib/reading_now lib/text lib/record lib/enqueued_text lib/read_event lib/line
-- @include lib/ended lib/replies lib/terms lib/willingness lib/pair_checks lib/compatible lib/moments lib/view
-- @include lib/explaining

local most, refusal = whole_argument(3, "most", 1, 20)
if not most then return refusal end
local realm
realm, refusal = read_realm()
if not realm then return refusal end
local ticket = ARGV[1] == "ticket" and ARGV[2] or ticket_of(realm, ARGV[2])
local reply, record = nil, nil
if ticket then reply, record = ticket_reply(realm, ticket) end
if not reply then return { "unknown_ticket", ARGV[2] } end
realm.now = now_of_reader()
reply[#reply + 1] = whole(realm.now)
if not record or reply[1] == "proposed" then return reply end

local terms = record.has_terms and read_terms(ticket) or { at = { { record.queue } } }
local lines, seen = {}, {}
for _, place in ipairs(terms.at) do
  local line, queue = place[1], queue_of(place[1])
  if not seen[line] then
    seen[line] = true
    local stored = call("HMGET", KEYS[3], "q:" .. queue, "n:" .. queue, "c:" .. queue)
    if not stored[1] then return { "unknown_queue", queue } end
    local told = explain_in(realm, line, cjson.decode(stored[1]), stored[3], ticket, most)
    told.queue, told.rules = queue, tonumber(stored[2])
    -- Who waits in the queue's other classes can never be met.
    if line ~= queue then
      told.elsewhere = -(call("HGET", key_of("lines"), line) or 0)
      local counts = call("HGETALL", key_of("lines"))
      for i = 1, #counts, 2 do
        if queue_of(counts[i]) == queue then told.elsewhere = told.elsewhere + counts[i + 1] end
      end
    end
    lines[#lines + 1] = told
  end
end
reply[1] = "explained"
reply[#reply + 1] = json_of(lines)
return reply
