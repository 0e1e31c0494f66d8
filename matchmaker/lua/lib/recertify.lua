-- The work that new rules give a queue without constraints (states in lib/work).

local function renew_expiry(s, rules, now)
  local set, clear = {}, {}
  for i = 1, s.n do
    local at = rules.expire_after_ms > 0 and s.since[i] + rules.expire_after_ms or nil
    if rules.heartbeat_ms > 0 then at = math.min(at or math.huge, now + rules.heartbeat_ms) end
    if at then
      set[#set + 1] = whole(at)
      set[#set + 1] = s.id[i]
    else
      clear[#clear + 1] = s.id[i]
    end
  end
  if #set > 0 then call("ZADD", KEYS[6], unpack(set)) end
  if #clear > 0 then call("ZREM", KEYS[6], unpack(clear)) end
end

-- Renews at most `places` certificates and expiries under the rules as they are now. Answers the places looked at.
local function recertify(realm, queue, rules, position, places)
  local size = call("ZCARD", KEYS[12])
  local first, both = rank_after(position), rules.accept == "both"
  -- On either side, places that see the new ones or are seen by them.
  local beyond = both and LOOK_BACK or 1
  local from = math.max(0, first - beyond)
  if from >= size then
    call("HDEL", KEYS[3], "c:" .. queue)
    return 0
  end
  local willing, _, reach, due_at = judge(rules)
  local s = read_slice(from, first + places - 1 + beyond, size, realm.now, willing)
  if both then
    renew_both(s, {}, nil, {}, {}, rules, reach, due_at, realm.now)
  else
    renew(s, {}, true, {}, due_at, realm.now, rules.interval_ms)
  end
  renew_expiry(s, rules, realm.now)
  if s.guard_right then
    local last = s.n - beyond
    call("HSET", KEYS[3], "c:" .. queue, number_text(s.x[last]) .. " " .. s.id[last])
  else
    call("HDEL", KEYS[3], "c:" .. queue)
  end
  return s.n
end
