-- Turning a pair into a match: the event, both doorbells, and both tickets remembered.

-- Commits pairs {one, other, gap, value} of full records, already chosen; answers their match ids. The line, the
-- records, the remembrance and the events change in one step, because a script does.
local function commit_pairs(realm, queue, version, pairs_)
  local on_line, endings, ids = {}, {}, {}
  for i, pair in ipairs(pairs_) do
    local one, other = pair[1], pair[2]
    local body = matched_body(realm.now, queue, version, pair[3], pair[4], one, other)
    local id = record_event(realm.now, "matched", body)
    ring(one.player, id, one.event, body)
    ring(other.player, id, other.event, body)
    on_line[2 * i - 1], on_line[2 * i] = one.ticket, other.ticket
    endings[2 * i - 1], endings[2 * i] = { one, "matched", id }, { other, "matched", id }
    ids[i] = id
  end
  if #ids > 0 then
    call("ZREM", KEYS[12], unpack(on_line))
    call("ZREM", KEYS[13], unpack(on_line))
    remember(realm, endings)
    call("HINCRBY", KEYS[1], "matches", #ids)
  end
  return ids
end
