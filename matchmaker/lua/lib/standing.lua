-- How a ticket with terms enters its queues.

-- A ticket with terms takes its places; `rules_of` has the rules of each of its queues.
local function stand(t, terms, rules_of, now)
  local due, plain = {}, {}
  for _, place in ipairs(terms.at) do
    local line = place[1]
    local rules = rules_of[queue_of(line)]
    local c = rules.constraints
    due[queue_of(line)] = now + rules.interval_ms
    plain[line] = c == nil
    if c and c.rematch and not terms.met then terms.met = meetings_of(t.player) end
    -- The highest deviation that the line has seen bounds how willing those may be whom a look does not reach, under
    -- these rules or later ones.
    if c and place[4] > 0 and place[4] > tonumber(call("HGET", KEYS[1], "deviation:" .. line) or 0) then
      call("HSET", KEYS[1], "deviation:" .. line, number_text(place[4]))
    end
  end
  raise_schema(SCHEMA_OF_TERMS)
  enter_lines(t.ticket, terms, due, plain)
end
