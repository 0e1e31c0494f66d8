#!lua flags=no-writes
-- overdue: which tickets' time is over, and in which queue each waits, for `expire`.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  now   realm ms as `peek` or `pass` told it
-- ARGV[2]  most  how many to list, 1 to 1000
--
-- Reply: an array that begins with a code
--   overdue  then ticket and queue of each; the queue is "" where the ticket is no more (a stranger deleted it)
--   invalid  field, bound
-- Events: none
-- @include lib/realm lib/record

local now, refusal = whole_argument(1, "now", 0, MOST_MS)
if not now then return refusal end
local most
most, refusal = whole_argument(2, "most", 1, 1000)
if not most then return refusal end

local due = call("ZRANGE", KEYS[6], "-inf", ARGV[1], "BYSCORE", "LIMIT", 0, most)
local reply = { "overdue" }
for _, ticket in ipairs(due) do
  local packed = call("HGET", KEYS[4], ticket)
  reply[#reply + 1] = ticket
  reply[#reply + 1] = packed and unpack_record(ticket, packed).queue or ""
end
return reply
