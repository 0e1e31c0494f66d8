-- Ready checks (lib/going_on makes them): found, and ended.

-- The check, or nil; how it ended, if the realm remembers that; and the check's text. Its time is over at `until`; after a silence of the
-- realm, which no player can help, it begins anew.
local function find_check(realm, id)
  local text = call("HGET", key_of("checks"), id)
  if not text then return nil, remembered_end(realm, "c:" .. id) end
  local check = cjson.decode(text)
  if realm.now < check["until"] then return check, nil, text end
  local silent = tonumber(call("HGET", KEYS[1], "silent_ms") or 0)
  if silent > check.at then check["until"] = math.max(check["until"], silent + check.window) end
  return check, nil, text
end

-- The ticket of a player of the check, or nil; and how many players it has.
local function ticket_in(check, player)
  local found, n = nil, 0
  for _, team in ipairs(check.teams) do
    for _, t in ipairs(team) do
      n = n + 1
      if t.player == player then found = t.ticket end
    end
  end
  return found, n
end

local function each_member(check, fn)
  for _, team in ipairs(check.teams) do
    for _, t in ipairs(team) do
      local packed = call("HGET", KEYS[4], t.ticket)
      if packed then fn(t, unpack_record(t.ticket, packed), packed) end
    end
  end
end

-- The check is no more; how it ended is remembered.
local function forget_check(realm, id, check, outcome)
  local tickets = {}
  for _, team in ipairs(check.teams) do
    for _, t in ipairs(team) do tickets[#tickets + 1] = t.ticket end
  end
  call("HDEL", key_of("checking"), unpack(tickets))
  call("HDEL", key_of("checks"), id)
  call("HDEL", key_of("bodies"), id)
  call("ZREM", key_of("deadlines"), "c:" .. id)
  outcome.queue, outcome.teams, outcome.accepted = check.queue, check.teams, check.accepted
  call("HSET", realm.ended, "c:" .. id, cjson.encode(outcome))
end
