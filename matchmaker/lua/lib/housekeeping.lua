-- Once a second, by whichever script comes first: forget what is older than `retain`, and judge whether the realm is
-- full.

local HOUSEKEEPING_MS = 1000
-- Whole nodes go at once; 500 nodes of 100 entries take well under a millisecond.
local TRIM_ENTRIES = 50000
local FULL_MEMORY = 0.85

-- A stream id "<ms>-<n>" is behind a consumer group only once the group has acknowledged it.
local function acknowledged_ms(bound)
  if call("EXISTS", EVENTS) == 0 then return bound end
  for _, group in ipairs(call("XINFO", "GROUPS", EVENTS)) do
    local name, last
    for i = 1, #group, 2 do
      if group[i] == "name" then name = group[i + 1] end
      if group[i] == "last-delivered-id" then last = group[i + 1] end
    end
    local oldest = call("XPENDING", EVENTS, name)[2] or last
    bound = math.min(bound, tonumber(string.match(oldest, "^%d+")))
  end
  return bound
end

-- "" or the reason why no ticket is taken. INFO may be closed to a user by ACL: then the server's own refusal of
-- writes at maxmemory is what remains.
local function why_full(realm)
  local backlog = call("XLEN", EVENTS)
  if backlog >= realm.max_backlog then
    return string.format("%d events are kept, the bound is %d", backlog, realm.max_backlog)
  end
  local info = redis.pcall("INFO", "memory")
  if type(info) ~= "string" then return "" end
  local used = tonumber(string.match(info, "used_memory:(%d+)"))
  local most = tonumber(string.match(info, "maxmemory:(%d+)"))
  if most and most > 0 and used > FULL_MEMORY * most then
    return string.format("%.0f of %.0f bytes of the server's memory are used", used, most)
  end
  return ""
end

-- After `retain` the older of the two hashes is let go and takes the newer one's place: what ended is remembered for
-- at least `retain`, at most twice that. `floor_ms` is the moment since which nothing was forgotten.
local function rotate(realm)
  if realm.now - realm.rotated_ms < realm.retain_ms then return end
  call("UNLINK", realm.ended_before)
  realm.ended, realm.ended_before = realm.ended_before, realm.ended
  realm.ended_index = realm.ended_index == "1" and "0" or "1"
  realm.floor_ms, realm.rotated_ms = realm.rotated_ms, realm.now
  call("HSET", META, "ended", realm.ended_index, "rotated_ms", whole(realm.rotated_ms), "floor_ms",
    whole(realm.floor_ms))
end

local function keep_house(realm)
  if realm.now - realm.kept_ms < HOUSEKEEPING_MS then return end
  rotate(realm)
  call("XTRIM", EVENTS, "MINID", "~", whole(acknowledged_ms(realm.floor_ms)), "LIMIT", TRIM_ENTRIES)
  realm.full = why_full(realm)
  call("HSET", META, "kept_ms", whole(realm.now), "full", realm.full)
end
