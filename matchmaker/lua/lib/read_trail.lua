-- The events of a ticket with a trail (lib/trails), newest first.

-- Tells them to `add` as long as that answers to go on. Answers nil for a ticket that is unknown or has no trail; else
-- { record or remembered end, goes_on: whether to go on to the ticket before, lost: something older is forgotten }.
local function read_trail(realm, ticket, packed, add)
  local trail = trail_of(realm, ticket)
  if not trail then return nil end
  local record = packed and unpack_record(ticket, packed) or find_ended(realm, ticket)
  if not record then return nil end
  local ids, whole_trail = {}, string.sub(trail, 1, 1) ~= "+"
  for id in string.gmatch(trail, "[^ +]+") do ids[#ids + 1] = id end
  -- The end of a ticket need not have joined its trail.
  local ended = record.end_event
  if ended and is_newer_event(ended, ids[#ids]) then ids[#ids + 1] = ended end

  local is_first = packed and string.match(ids[1], "^%d+") == whole(record.enqueued_ms)

  local function body_of(i)
    return read_event(ids[i]) or call("HGET", key_of("bodies"), ids[i])
      or i == 1 and is_first and "{" .. enqueued_text(record)
  end

  for i = #ids, 1, -1 do
    local body = body_of(i)
    if not body then return { lost = true } end
    -- The first of a trail that is not whole: what was before it nobody knows any more.
    if i == 1 and not string.find(body, '^{"v":1,"event":"enqueued"') then whole_trail = false end
    local prev = ids[i - 1] or whole_trail and record.prev_event or ""
    if not add(ids[i], prev, body) then return { record = record } end
  end
  return { record = record, goes_on = true, lost = not whole_trail }
end

-- The same of events that were told when no ticket was remembered. Answers how the chain ends.
local function read_lonely(realm, player, add)
  local ids, trail = {}, lonely_trail(realm, player) or ""
  for id in string.gmatch(trail, "[^ +]+") do ids[#ids + 1] = id end
  for i = #ids, 1, -1 do
    local body = read_event(ids[i])
    if not body then return "forgotten" end
    if not add(ids[i], ids[i - 1] or "", body) then return "reached" end
  end
  return string.sub(trail, 1, 1) == "+" and "forgotten" or "start"
end
