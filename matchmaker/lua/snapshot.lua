#!lua flags=no-writes
-- snapshot: one page of a line, lowest rating first. Consistent within the page; between pages tickets come and go.
--
-- KEYS 1-13  as in lib/realm.lua
--            of a queue with constraints ages:<line> stands for the line: then longest wait first
-- ARGV[1]  position  rating and ticket to go on after, or ""
-- ARGV[2]  most      tickets on the page, 1 to 1000
--
-- Reply: an array that begins with a code
--   page  position of the next page or "", then ticket, event id, previous event id and enqueued event body of each
--   invalid  field, bound
-- Events: none
-- @include lib/realm lib/text lib/record lib/enqueued_text lib/position

local most, refusal = whole_argument(2, "most", 1, 1000)
if not most then return refusal end
if not is_position(ARGV[1]) then return { "invalid", "position", POSITION } end

local page, position = page_after(ARGV[1], most)
local reply = { "page", position }
for _, ticket in ipairs(page) do
  local record = unpack_record(ticket, call("HGET", KEYS[4], ticket))
  reply[#reply + 1] = ticket
  reply[#reply + 1] = record.event
  reply[#reply + 1] = record.prev_event
  reply[#reply + 1] = "{" .. enqueued_text(record)
end
return reply
