-- Once a second, by whichever script comes first: forget what is older than `retain`, and judge whether the realm is
-- full.

local HOUSEKEEPING_MS = 1000

local function keep_house(realm)
  if realm.now - realm.kept_ms < HOUSEKEEPING_MS then return end
  -- Whole nodes go at once; 500 nodes of 100 entries take well under a millisecond.
  local trim_entries, full_memory = 50000, 0.85
  local meta = call("HMGET", KEYS[1], "retain_ms", "rotated_ms", "floor_ms", "max_backlog")
  local rotated_ms, floor_ms = tonumber(meta[2]), tonumber(meta[3])

  -- After `retain` the older of the two hashes is let go and takes the newer one's place: what ended is remembered
  -- for at least `retain`, at most twice that. `floor_ms` is the moment since which nothing was forgotten.
  if realm.now - rotated_ms >= tonumber(meta[1]) then
    call("UNLINK", realm.ended_before)
    realm.ended, realm.ended_before = realm.ended_before, realm.ended
    floor_ms, rotated_ms = rotated_ms, realm.now
    call("HSET", KEYS[1], "ended", realm.ended == KEYS[8] and "1" or "0", "rotated_ms", whole(rotated_ms), "floor_ms",
      whole(floor_ms))
  end

  -- A stream entry "<ms>-<n>" is behind a consumer group only once the group has acknowledged it.
  local function acknowledged_ms(bound)
    if call("EXISTS", KEYS[10]) == 0 then return bound end
    for _, group in ipairs(call("XINFO", "GROUPS", KEYS[10])) do
      local name, last
      for i = 1, #group, 2 do
        if group[i] == "name" then name = group[i + 1] end
        if group[i] == "last-delivered-id" then last = group[i + 1] end
      end
      local oldest = call("XPENDING", KEYS[10], name)[2] or last
      bound = math.min(bound, tonumber(string.match(oldest, "^%d+")))
    end
    return bound
  end

  -- "" or the reason why no ticket is taken. INFO may be closed to a user by ACL: then the server's own refusal of
  -- writes at maxmemory is what remains.
  local function why_full()
    local backlog = call("XLEN", KEYS[10])
    if backlog >= tonumber(meta[4]) then
      return string.format("%d events are kept, the bound is %d", backlog, meta[4])
    end
    local info = redis.pcall("INFO", "memory")
    if type(info) ~= "string" then return "" end
    local used = tonumber(string.match(info, "used_memory:(%d+)"))
    local most = tonumber(string.match(info, "maxmemory:(%d+)"))
    if most and most > 0 and used > full_memory * most then
      return string.format("%.0f of %.0f bytes of the server's memory are used", used, most)
    end
    return ""
  end

  call("XTRIM", KEYS[10], "MINID", "~", whole(acknowledged_ms(floor_ms)), "LIMIT", trim_entries)
  realm.full = why_full()
  call("HSET", KEYS[1], "kept_ms", whole(realm.now), "full", realm.full)
end
