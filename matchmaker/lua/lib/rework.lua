-- The work that new rules give a queue with constraints, a bounded part a call (states in lib/work).

local function save_work(queue, state)
  if state then call("HSET", KEYS[3], "c:" .. queue, state) else call("HDEL", KEYS[3], "c:" .. queue) end
end

-- The lines of a queue with constraints that hold tickets, sorted.
local function lines_of(queue)
  local found = {}
  for _, line in ipairs(call("HKEYS", key_of("lines"))) do
    if queue_of(line) == queue then found[#found + 1] = line end
  end
  table.sort(found)
  return found
end

-- Cancels at most `most` tickets of the queue, wherever they stand. Answers how many places it looked at, and whether
-- that was all.
local function cancel_some(realm, queue, most, reason)
  local ids = call("ZRANGE", KEYS[12], 0, most - 1)
  for _, line in ipairs(lines_of(queue)) do
    if #ids >= most then break end
    for _, ticket in ipairs(call("ZRANGE", key_of("ages:" .. line), 0, most - #ids - 1)) do ids[#ids + 1] = ticket end
  end
  local records, seen = {}, {}
  for _, ticket in ipairs(ids) do
    local packed = not seen[ticket] and call("HGET", KEYS[4], ticket)
    seen[ticket] = true
    if packed then records[#records + 1] = unpack_record(ticket, packed) end
  end
  end_unmatched(realm, queue, records, "cancelled", function() return reason end)
  return #ids, #ids < most
end

-- Tickets that came before the queue had constraints get terms, in the order of the line.
local function give_terms(queue, position, places)
  local page, further = page_after(position, places)
  local packed = #page > 0 and call("HMGET", KEYS[4], unpack(page)) or {}
  for i, ticket in ipairs(page) do
    local r = packed[i] and unpack_record(ticket, packed[i])
    if r then
      if not r.has_terms then
        call("HSET", key_of("terms"), ticket, cmsgpack.pack(plain_terms(queue, ticket, packed[i])))
        call("HSET", KEYS[4], ticket, struct.pack("<ddd", r.rating, r.enqueued_ms, -1 - r.deviation)
          .. string.sub(packed[i], MIDDLE))
        if r.deviation > tonumber(call("HGET", KEYS[1], "deviation:" .. queue) or 0) then
          call("HSET", KEYS[1], "deviation:" .. queue, number_text(r.deviation))
        end
      end
      if call("ZADD", key_of("ages:" .. queue), "NX", whole(r.enqueued_ms), ticket) == 1 then
        call("HINCRBY", key_of("lines"), queue, 1)
      end
    end
  end
  if #page > 0 then raise_schema(SCHEMA_OF_TERMS) end
  save_work(queue, further == "" and "@" or "=" .. further)
  return #page
end

-- Everybody is due for a look under the new rules, and their expiry begins anew; line by line, page by page.
local function look_anew(realm, queue, rules, state, places)
  local line, position = string.match(state, "^@(%S*) ?(.*)$")
  for _, one in ipairs(lines_of(queue)) do
    if one > line or (one == line and position ~= "") then
      local after = one == line and position or ""
      local ages, page = key_of("ages:" .. one), nil
      page, after = page_after(after, places, ages)
      local due, s = {}, { n = 0, id = {}, since = {} }
      for i, ticket in ipairs(page) do
        due[2 * i - 1], due[2 * i] = whole(realm.now), ticket
        local packed = call("HGET", KEYS[4], ticket)
        local record = packed and unpack_record(ticket, packed)
        if record and record.queue == queue then
          s.n = s.n + 1
          s.id[s.n], s.since[s.n] = ticket, record.enqueued_ms
        end
      end
      if #due > 0 then call("ZADD", key_of("due:" .. one), unpack(due)) end
      bring_forward(one, realm.now)
      renew_expiry(s, rules, realm.now)
      save_work(queue, "@" .. one .. (after ~= "" and " " .. after or ""))
      return #page
    end
  end
  save_work(queue, nil)
  return 0
end
