-- A matching to begin with, on any graph whose nodes stand on a line: the sweep's recurrence over the graph's edges.
--
-- order: the nodes, as they stand; edges as in lib/augment, whose mate and held it fills for both nodes of a pair. Of
-- the matchings in which no pair encloses or crosses another it is the best.
local function first_pairs(order, edges, held, mate)
  local n, best, chosen, worths, rank = #order, { [0] = 0 }, {}, {}, {}
  for p = 1, n do
    local i = order[p]
    local near, top = edges[i], best[p - 1]
    rank[i] = p
    for e = 1, #near, 2 do
      local q = rank[near[e]]
      if q then
        local total = best[q - 1] + near[e + 1]
        if total > top then top, chosen[p], worths[p] = total, q, near[e + 1] end
      end
    end
    best[p] = top
  end
  local p = n
  while p >= 1 do
    local q = chosen[p]
    if q then
      local i, j, worth = order[q], order[p], worths[p]
      mate[i], mate[j], held[i], held[j] = j, i, worth, worth
      p = q - 1
    else
      p = p - 1
    end
  end
  return best[n]
end
