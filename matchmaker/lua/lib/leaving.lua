-- How tickets leave without a match.

-- The place to the left of a ticket that leaves gets a new neighbour: it is due for a look.
local function look_left_of(realm, ticket)
  local rank = call("ZRANK", KEYS[12], ticket)
  if rank and rank > 0 then
    call("ZADD", KEYS[13], whole(realm.now), call("ZRANGE", KEYS[12], rank - 1, rank - 1)[1])
  end
end

-- Ends waiting tickets of one line without a match: `how` is cancelled or expired. Events go out one by one, in order.
local function end_unmatched(realm, line, records, how, reason_of)
  if #records == 0 then return end
  local endings = new_endings()
  for _, record in ipairs(records) do
    if not record.has_terms then look_left_of(realm, record.ticket) end
    local text = string.format(UNMATCHED, how, realm.now, record.queue, record.ticket, record.members,
      realm.now - record.enqueued_ms, reason_of(record))
    local id = record_event(realm.now, how, "{" .. text)
    ring(record.player, id, record.event, text)
    local terms = record.has_terms and read_terms(record.ticket) or nil
    add_ending(endings, record.ticket, record.player, ending_head(realm.now, how, id), record.middle, terms)
  end
  remember(realm, endings, line, how)
  settle_left(line, realm.now)
end
