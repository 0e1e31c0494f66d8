-- Turning a pair of tickets with terms into a match: as lib/matching, with what the rules say of the pair.

-- The name that a pool's draw takes: the same for the same two tickets, whoever works it out.
local function drawn(pool, left, one, other)
  local number = tonumber(string.sub(redis.sha1hex(pool .. ":" .. one .. ":" .. other), 1, 8), 16)
  return left[1 + number % #left]
end

-- The JSON members of a match that constraints add; `a` is of team 1.
local function pair_text(rules, allows, a, b, now)
  local c, text = rules.constraints, ""
  local region, ping = allows.region_for(a, b, now)
  if region then text = ',"region":"' .. region .. '","ping":' .. number_text(ping) end
  local server = c.servers and a.region and b.region and (c.servers[a.region] or {})[b.region]
  if server then text = text .. ',"server":' .. cjson.encode(server) end
  local picks = {}
  for _, pool in ipairs(allows.pools) do
    local left = allows.left_in(pool, a, b)
    if #left > 0 then
      picks[#picks + 1] = '"' .. pool .. '":' .. cjson.encode(drawn(pool, left, a.ticket, b.ticket))
    end
  end
  if #picks > 0 then text = text .. ',"picks":{' .. table.concat(picks, ",") .. "}" end
  return text
end

local function member_text(t, place, now)
  local text = string.format('{"ticket":"%s","player":%s,"rating":%s', t.ticket, cjson.encode(t.player),
    number_text(place[3]))
  if place[4] > 0 then text = text .. ',"deviation":' .. number_text(place[4]) end
  if place[6] ~= "" then text = text .. ',"side":"' .. place[6] .. '"' end
  if place[5] ~= "" then text = text .. ',"choice":' .. cjson.encode(place[5]) end
  return text .. (t.tail or "") .. ',"waited_ms":' .. whole(now - t.since) .. "}"
end

-- Announces the match of a and b (standings with their packed records) at their places; answers its id. `pair` says
-- { gap, value, price, text of further members }.
local function commit_standings(realm, endings, queue, version, a, pa, b, pb, pair)
  local now = realm.now
  local text = string.format('"v":1,"event":"matched","at":%d,"queue":"%s","rules":%s,"gap":%.10g,"value":%.10g', now,
    queue, version, pair.gap, pair.value)
  if pair.price > 0 then text = text .. string.format(',"price":%.10g', pair.price) end
  local teams = "[[" .. member_text(a, pa, now) .. "],[" .. member_text(b, pb, now) .. "]]"
  if endings.goes_on then return endings.goes_on(endings, text, teams, pair.text, { a, b }) end
  text = text .. ',"teams":' .. teams .. pair.text .. "}"
  local id = record_event(now, "matched", "{" .. text)
  local head = ending_head(now, "matched", id)
  for _, t in ipairs({ a, b }) do
    local _, _, _, _, player, event, _, _, rest = struct.unpack(RECORD, t.packed)
    ring(player, id, event, text)
    add_ending(endings, t.ticket, player, head, string.sub(t.packed, MIDDLE, -3 - #rest), t)
  end
  return id
end

-- As `commit_pair` of lib/matching, where at least one of the two has terms: it stands in other queues as well.
local function commit_termed(realm, endings, queue, version, a, packed_a, b, packed_b, gap, value)
  local function standing(ticket, packed)
    local t = read_terms(ticket) or plain_terms(queue, ticket, packed)
    t.ticket, t.packed = ticket, packed
    for _, place in ipairs(t.at) do
      if place[1] == queue then return t, place end
    end
  end
  local one, place = standing(a, packed_a)
  local other, others = standing(b, packed_b)
  local pair = { gap = gap, value = value, price = 0, text = "" }
  return commit_standings(realm, endings, queue, version, one, place, other, others, pair)
end
