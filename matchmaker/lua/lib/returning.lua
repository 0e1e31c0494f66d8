-- How tickets of a ready check that failed stand in their lines again.

-- Why a ticket of the check cannot stand again where it stood; nil if it can.
local function gone_from(queues, check)
  for _, queue in ipairs(queues) do
    local now = call("HMGET", KEYS[3], "q:" .. queue, "n:" .. queue, "c:" .. queue)
    if not now[1] or now[3] == "closing" then return "queue_removed" end
    if now[3] == "reshape" then return "rules_changed" end
    local then_ = check.versions[queue]
    if tonumber(now[2]) ~= then_ then
      local new, old = rules_of_text(now[1]), rules_of_version(queue, then_ or "")
      if shape_of(new) ~= shape_of(old) or (new.constraints == nil) ~= (old.constraints == nil) then
        return "rules_changed"
      end
    end
  end
end

-- The ticket stands in its lines again, as if it had never left; or answers why it cannot.
local function stand_again(realm, record, check)
  local terms, queues = record.has_terms and read_terms(record.ticket) or nil, { record.queue }
  for _, place in ipairs(terms and terms.at or {}) do queues[#queues + 1] = queue_of(place[1]) end
  local why = gone_from(queues, check)
  if why then return why end
  if terms then
    local due, plain = {}, {}
    for _, place in ipairs(terms.at) do
      due[queue_of(place[1])] = realm.now
      plain[place[1]] = not rules_of_version(queue_of(place[1]), "").constraints
    end
    enter_lines(record.ticket, terms, due, plain)
  else
    call("ZADD", key_of("line:" .. record.queue), number_text(record.rating), record.ticket)
    call("ZADD", key_of("due:" .. record.queue), whole(realm.now), record.ticket)
    bring_forward(record.queue, realm.now)
  end
  local rules = rules_of_version(record.queue, "")
  local ends = rules.heartbeat_ms > 0 and realm.now + rules.heartbeat_ms or nil
  if rules.expire_after_ms > 0 then ends = math.min(ends or math.huge, record.enqueued_ms + rules.expire_after_ms) end
  if ends then call("ZADD", KEYS[6], whole(ends), record.ticket) end
end
