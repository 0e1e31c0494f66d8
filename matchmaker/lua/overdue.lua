#!lua flags=no-writes
-- overdue: which tickets' time is over, and in which queue each waits, for `expire`.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  now   realm ms as `peek` or `pass` told it
-- ARGV[2]  most  how many to list
--
-- Reply: an array that begins with a code
--   overdue  then ticket and queue of each
-- @include lib/record

local due = redis.call("ZRANGE", KEYS[6], "-inf", ARGV[1], "BYSCORE", "LIMIT", 0, tonumber(ARGV[2]))
local reply = { "overdue" }
for _, ticket in ipairs(due) do
  local packed = redis.call("HGET", KEYS[4], ticket)
  if packed then
    reply[#reply + 1] = ticket
    reply[#reply + 1] = unpack_record(ticket, packed).queue
  end
end
return reply
