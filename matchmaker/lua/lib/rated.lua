-- Ratings after settled matches, as the recorder brings them.

local SETTLED = "n (from 1), match, queue and players, each with player, rating, before, game, and deviation and side if any"

local function is_name(text, most)
  return type(text) == "string" and #text <= most and string.find(text, "^[a-z0-9][a-z0-9_-]*$") ~= nil
end

local function is_count(value, low)
  return type(value) == "number" and value >= low and value <= 10 ^ 15 and value == math.floor(value)
end

-- One settled match, checked; or nil and what it should be.
local function parse_settled(text)
  local ok, one = pcall(cjson.decode, text)
  if not ok or type(one) ~= "table" or not is_count(one.n, 1) then
    return nil, SETTLED
  end
  if type(one.match) ~= "string" or #one.match > 33 or not string.find(one.match, "^%d+%-%d+$")
    or not is_name(one.queue, 64) or type(one.players) ~= "table" or #one.players < 1 then
    return nil, SETTLED
  end
  for _, p in ipairs(one.players) do
    if type(p) ~= "table" or type(p.player) ~= "string" or #p.player < 1 or #p.player > 128
      or not is_plain_text(p.player) or not number_within(p.rating, -MOST_POINTS)
      or not number_within(p.before, -MOST_POINTS) or not is_count(p.game, 0)
      or (p.deviation ~= nil and not number_within(p.deviation, 0)) or (p.side ~= nil and not is_name(p.side, 32)) then
      return nil, SETTLED
    end
  end
  return one
end

local function show_ratings(one)
  for _, p in ipairs(one.players) do
    local ladder = one.queue .. (p.side and ":" .. p.side or "")
    call("ZADD", key_of("ratings:" .. ladder), number_text(p.rating), p.player)
    call("HSET", key_of("deviations:" .. ladder), p.player, p.deviation and number_text(p.deviation) or "")
  end
end

local function players_text(one)
  local texts = {}
  for i, p in ipairs(one.players) do
    texts[i] = '{"player":' .. cjson.encode(p.player) .. ',"rating":' .. number_text(p.rating) .. ',"before":'
      .. number_text(p.before) .. ',"game":' .. whole(p.game)
      .. (p.deviation and ',"deviation":' .. number_text(p.deviation) or "")
      .. (p.side and ',"side":"' .. p.side .. '"' or "") .. "}"
  end
  return "[" .. table.concat(texts, ",") .. "]"
end
