-- Pages of a line, or of another sorted set of tickets.
-- A position is "<rating> <ticket>", the last place of a page; "" before the first page and after the
-- last.

local POSITION = "a rating and a ticket, as this script answered, or nothing"

local function is_position(text)
  local rating = string.match(text, "^(%-?%d[%d.e+-]*) ")
  return text == "" or (rating and tonumber(rating))
end

-- The rank to go on from: after the ticket if it still waits, else at its rating (ties may come again).
local function rank_after(position, key)
  if position == "" then return 0 end
  local rating, ticket = string.match(position, "^(%S+) (.*)$")
  local rank = call("ZRANK", key or KEYS[12], ticket)
  if rank then return rank + 1 end
  return call("ZCOUNT", key or KEYS[12], "-inf", "(" .. rating)
end

-- Answers the tickets of the page and its position, "" when the line ends with it.
local function page_after(position, most, key)
  local from = rank_after(position, key)
  local page = call("ZRANGE", key or KEYS[12], from, from + most - 1)
  if #page < most then return page, "" end
  local last = page[#page]
  return page, call("ZSCORE", key or KEYS[12], last) .. " " .. last
end
