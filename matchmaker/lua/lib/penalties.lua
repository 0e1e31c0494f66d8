-- Penalties of players who let others down: a ladder that decays. Hash `penalties`, player -> "<level> <realm ms of the
-- last offence> <realm ms until which it is barred>"; zset `penalised`, player -> moment at which all of it is forgotten.

local function penalty_of(player)
  local stored = call("HGET", key_of("penalties"), player)
  local level, at, until_ms = string.match(stored or "0 0 0", "^(%d+) (%d+) (%d+)$")
  return tonumber(level), tonumber(at), tonumber(until_ms)
end

-- One more offence under `ladder` (the rules' penalties, nil for none). Answers the moment until which the player is
-- barred, nil for not at all.
local function offend(realm, player, ladder)
  if not ladder then return nil end
  local level, at, until_ms = penalty_of(player)
  level = math.max(0, level - math.floor((realm.now - at) / ladder.decay_ms)) + 1
  level = math.min(level, #ladder.ladder_ms)
  local bar = ladder.ladder_ms[level]
  if bar > 0 then until_ms = math.max(until_ms, realm.now + bar) end
  local forgotten = math.max(until_ms, realm.now + level * ladder.decay_ms)
  call("HSET", key_of("penalties"), player, level .. " " .. whole(realm.now) .. " " .. whole(until_ms))
  call("ZADD", key_of("penalised"), whole(forgotten), player)
  -- Whoever comes to be remembered lets some go that need no longer be.
  local over = call("ZRANGE", key_of("penalised"), "-inf", whole(realm.now), "BYSCORE", "LIMIT", 0, 10)
  if #over > 0 then
    call("HDEL", key_of("penalties"), unpack(over))
    call("ZREM", key_of("penalised"), unpack(over))
  end
  return until_ms > realm.now and until_ms or nil
end
