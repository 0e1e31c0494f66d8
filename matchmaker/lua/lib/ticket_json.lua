-- Tickets as callers send them.

local MOST_BYTES = 30000

-- Answers the parsed ticket, or nil, the field at fault and its bound. `check_shape` makes the function that checks terms.
local function parse_ticket(text, check_shape)
  -- What is kept of it has to fit a record (lib/record), escapes included.
  if #text > MOST_BYTES then return nil, "ticket", "at most " .. MOST_BYTES .. " bytes of JSON" end
  local ok, t = pcall(cjson.decode, text)
  if not ok or type(t) ~= "table" then return nil, "ticket", "a JSON object" end
  if type(t.ticket) ~= "string" or not string.find(t.ticket, "^[%w._:-]+$") or #t.ticket > 64 then
    return nil, "ticket", "1 to 64 of A-Z a-z 0-9 . _ : -"
  end
  if type(t.player) ~= "string" or #t.player < 1 or #t.player > 128 or not is_plain_text(t.player) then
    return nil, "player", "1 to 128 bytes of UTF-8 without control characters"
  end
  if t.rating ~= nil and not number_within(t.rating, -MOST_POINTS) then
    return nil, "rating", "a number, -1000000 to 1000000"
  end
  if t.deviation ~= nil and not number_within(t.deviation, 0) then return nil, "deviation", "a number, 0 to 1000000" end
  if has_terms(t) then
    local field, bound = check_shape()(t)
    if field then return nil, field, bound end
  end
  if t.data ~= nil and (type(t.data) ~= "string" or #t.data > 4096 or not is_plain_text(t.data)) then
    return nil, "data", "at most 4096 bytes of UTF-8 without control characters"
  end
  return t
end

-- The JSON members of a ticket that events repeat behind its rating.
local function further_members(t)
  local text = ""
  if t.deviation then text = text .. ',"deviation":' .. number_text(t.deviation) end
  if t.data then text = text .. ',"data":' .. cjson.encode(t.data) end
  return text
end

-- Gives tickets without a rating the one that the realm has for their players, where it has one.
local function take_ratings(tickets)
  local names = {}
  for i, t in ipairs(tickets) do names[i] = t.player end
  local ratings, deviations = call("ZMSCORE", KEYS[14], unpack(names)), call("HMGET", KEYS[15], unpack(names))
  for i, t in ipairs(tickets) do
    local rating, deviation = tonumber(ratings[i] or nil), tonumber(deviations[i] or nil)
    if number_within(rating, -MOST_POINTS) then
      t.rating = rating
      t.deviation = t.deviation or number_within(deviation, 0) and deviation or nil
    end
  end
end
