-- The reply of a pass: what it did, and the realm's agenda after it. `work` says that `tend` is wanted: the line stays
-- due until it is done.
local function passed_reply(realm, line, work, looked, made, value, shown)
  local next_moment
  if work then
    next_moment = realm.now
    call("ZADD", KEYS[9], whole(realm.now), line)
  else
    local known = tonumber(call("ZSCORE", KEYS[9], line) or nil)
    next_moment = settle_due(line)
    -- Only a look ahead of the interval brings a moment forward: matchers sleep until the old one.
    if next_moment and known and next_moment < known then hint(line) end
  end
  local due_line, due = earliest(KEYS[9])
  local _, ends = earliest(KEYS[6])
  return {
    "passed", whole(realm.now), looked, made, number_text(value), next_moment and whole(next_moment) or "", due,
    due_line, ends, work and 1 or 0, unpack(shown),
  }
end
