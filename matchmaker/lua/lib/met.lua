-- Who met whom lately, for queues with `rematch`: hashes met:0 and met:1, player -> cmsgpack of players and realm ms,
-- alternating, the newest last. The hashes rotate: what is older than the longest `after` is let go with the older one.

local MOST_MET = 32

-- Answers whom the player met, as terms keep it; nil for nobody.
local function meetings_of(player)
  local met
  for i = 0, 1 do
    local packed = call("HGET", key_of("met:" .. i), player)
    for _, part in ipairs(packed and cmsgpack.unpack(packed) or {}) do
      met = met or {}
      met[#met + 1] = part
    end
  end
  return met
end

-- Answers a function that notes a meeting of two players now. `after_ms` is the queue's: meetings are kept for as long
-- as the longest one.
local function meeting_noter(now, after_ms)
  local meta = call("HMGET", KEYS[1], "met", "met_since_ms", "met_for_ms")
  local current, since, longest = tonumber(meta[1] or 0), tonumber(meta[2] or 0), tonumber(meta[3] or 0)
  if after_ms > longest then
    longest = after_ms
    call("HSET", KEYS[1], "met_for_ms", whole(longest))
  end
  if now - since >= longest then
    current = 1 - current
    call("UNLINK", key_of("met:" .. current))
    call("HSET", KEYS[1], "met", current, "met_since_ms", whole(now))
  end
  local key = key_of("met:" .. current)

  local function note(player, other)
    local packed = call("HGET", key, player)
    local met = packed and cmsgpack.unpack(packed) or {}
    while #met >= 2 * MOST_MET do
      table.remove(met, 1)
      table.remove(met, 1)
    end
    met[#met + 1] = other
    met[#met + 1] = now
    call("HSET", key, player, cmsgpack.pack(met))
  end

  return function(one, other)
    note(one, other)
    note(other, one)
  end
end
