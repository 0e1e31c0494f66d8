-- What a matcher must know to sleep: the earliest due moment of the realm and its earliest expiry.

local function earliest(key)
  local first = call("ZRANGE", key, 0, 0, "WITHSCORES")
  return first[1] or "", first[2] or ""
end

local function passed_reply(realm, queue, looked, shown, made, value)
  local next_moment
  local rules_at_work = call("HGET", KEYS[3], "c:" .. queue)
  if rules_at_work then
    next_moment = realm.now
    call("ZADD", KEYS[9], whole(realm.now), queue)
  else
    next_moment = settle_due(queue)
  end
  local line, due = earliest(KEYS[9])
  local _, ends = earliest(KEYS[6])
  return {
    "passed", whole(realm.now), looked, made, number_text(value), next_moment and whole(next_moment) or "", due, line,
    ends, unpack(shown),
  }
end
